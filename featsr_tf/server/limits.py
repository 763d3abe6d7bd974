"""What a server takes on before it refuses."""

import asyncio
import dataclasses
import json
import time
from collections.abc import Mapping

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp
from starlette.types import Message
from starlette.types import Receive
from starlette.types import Scope
from starlette.types import Send


@dataclasses.dataclass(frozen=True)
class ServerOptions:
    """Limits of the server.

    Attributes:
        max_batch_size: images that are detected on at once.
        batch_timeout_ms: how long an image waits for others, ms.
        max_body_mb: largest body of a request, 10^6 bytes.
        max_image_pixels: most pixels of all images of a request together,
            and of a batch.
        timeout_s: for reading a request, and again for answering it, s.
        queue_size: images or groups of images that may wait for the detector.
    """

    max_batch_size: int = 8
    batch_timeout_ms: float = 5.0
    max_body_mb: float = 32.0
    max_image_pixels: int = 25_000_000
    timeout_s: float = 30.0
    queue_size: int = 16

    @property
    def max_body_bytes(self) -> int:
        """`max_body_mb` in bytes."""
        return round(self.max_body_mb * 1e6)


RETRY = {"Retry-After": "1"}
# Uploads under way, as a multiple of the requests that may wait.
_UPLOADS_PER_PLACE = 4
# A client hears of an early answer only after it has sent its body.
_DRAIN_SECONDS = 2.0


def answer_error(
    message: str, code: int, headers: Mapping[str, str] | None = None
) -> Response:
    """Makes the answer to a request that failed.

    Args:
        message: what is wrong.
        code: of HTTP.
        headers: of the answer; None = no special ones.

    Returns:
        JSON as TensorFlow Serving has it; ASCII, since a message may quote
        what cannot be written in UTF-8.
    """
    body = json.dumps({"error": message})
    return Response(body, code, headers, "application/json")


class LimitRequests:
    """Holds an application's requests to the limits.

    Args:
        app: the application.
        options: the limits.
    """

    def __init__(self, app: ASGIApp, options: ServerOptions):
        self._app = app
        self._options = options
        self._under_way = 0

    async def __call__(
        self, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Passes a request on, or refuses it."""
        if scope["type"] != "http" or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        body = _Body(scope, receive, send, self._options)
        most = _UPLOADS_PER_PLACE * self._options.queue_size
        if self._under_way >= most:
            refusal = answer_error(
                "too many requests at once; try again", 503, RETRY
            )
            await refusal(scope, body.receive, body.send)
            return
        self._under_way += 1
        try:
            await self._app(scope, body.receive, body.send)
        finally:
            self._under_way -= 1


class _Body:
    """The body of one request, counted while it comes in."""

    def __init__(self, scope, receive, send, options: ServerOptions):
        self._receive, self._send = receive, send
        self._options = options
        self._end = time.monotonic() + options.timeout_s
        self._bytes = 0
        self._is_complete = False
        headers = dict(scope["headers"])
        self._announced = headers.get(b"content-length", b"")
        # One that asks first sends nothing before it is told to.
        self._can_drain = b"expect" not in headers

    async def receive(self) -> Message:
        """Gives the next piece, unless there are too many or it is late."""
        if self._is_complete:
            # All there is to wait for is that the client leaves.
            return await self._receive()
        self._check_announced()
        try:
            async with asyncio.timeout(self._end - time.monotonic()):
                message = await self._next()
        except TimeoutError:
            self._can_drain = False
            raise HTTPException(
                408, f"no complete request in {self._options.timeout_s:g} s"
            ) from None
        if self._bytes > self._options.max_body_bytes:
            raise self._too_long()
        return message

    async def send(self, message: Message) -> None:
        """Sends an answer, after the rest of the body has been thrown away."""
        if message["type"] == "http.response.start" and not self._is_complete:
            await self._drain()
        await self._send(message)

    async def _next(self) -> Message:
        message = await self._receive()
        self._can_drain = True
        self._bytes += len(message.get("body", b""))
        self._is_complete = not message.get("more_body", False)
        return message

    async def _drain(self) -> None:
        if not self._can_drain:
            return
        try:
            async with asyncio.timeout(_DRAIN_SECONDS):
                while not self._is_complete:
                    await self._next()
        except TimeoutError:
            pass

    def _check_announced(self) -> None:
        if (
            self._announced.isdigit()
            and int(self._announced) > self._options.max_body_bytes
        ):
            raise self._too_long()

    def _too_long(self) -> HTTPException:
        return HTTPException(
            413,
            f"the body is longer than {self._options.max_body_mb:g} MB",
        )
