"""The thread that detects, the requests that wait for it, and their metrics."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np
import prometheus_client
from starlette.exceptions import HTTPException
from starlette.middleware.base import RequestResponseEndpoint
from starlette.requests import ClientDisconnect
from starlette.requests import Request
from starlette.responses import Response

from featsr_tf.errors import DataError
from featsr_tf.exporting.exported_model import ExportedModel
from featsr_tf.exporting.names import IMAGE_SIGNATURE
from featsr_tf.server import ServerOptions
from featsr_tf.server.uploads import MODEL_FORMATS
from featsr_tf.server.uploads import check_images
from featsr_tf.server.uploads import is_example
from featsr_tf.server.uploads import read_photo
from featsr_tf.server.uploads import unpacked

Outputs = dict[str, np.ndarray]
T = TypeVar("T")

RETRY = {"Retry-After": "1"}
# A client hears of an early answer only after it has sent its body, but one
# that asks first (the header "Expect") sends nothing before it is told to.
_DRAIN_SECONDS = 2.0
_METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH")
_REQUESTS = prometheus_client.Counter(
    "featsr_requests", "Requests answered.", ("method", "route", "code")
)
_REQUEST_SECONDS = prometheus_client.Histogram(
    "featsr_request_seconds", "From request to answer.", ("method", "route")
)
_INFERENCE_SECONDS = prometheus_client.Histogram(
    "featsr_inference_seconds", "Of a request in the model.", ("signature",)
)
_BATCH_ROWS = prometheus_client.Histogram(
    "featsr_batch_rows",
    "Images of a request.",
    ("signature",),
    buckets=(1, 2, 4, 8, 16, 32, 64),
)
_QUEUE_LENGTH = prometheus_client.Gauge(
    "featsr_queue_length", "Requests that are read or wait for the detector."
)


async def count_request(
    request: Request, call_next: RequestResponseEndpoint
) -> Response:
    """Passes a request on and counts it: a middleware."""
    start = time.perf_counter()
    code = 500
    try:
        response = await call_next(request)
        code = response.status_code
        return response
    finally:
        labels = "other", "other"
        # Paths and methods are the client's: as labels they would have no
        # end.
        if "route" in request.scope and request.method in _METHODS:
            labels = request.method, request.scope["route"].path
        _REQUESTS.labels(*labels, str(code)).inc()
        _REQUEST_SECONDS.labels(*labels).observe(time.perf_counter() - start)


class DetectionService:
    """Works on requests in a thread, one after the other."""

    def __init__(self, model: ExportedModel, options: ServerOptions):
        self.model = model
        self.options = options
        self.is_ready = True
        self._thread = ThreadPoolExecutor(1, "detector")
        self._under_way = 0
        _QUEUE_LENGTH.set_function(lambda: max(0, self._under_way - 1))

    def close(self) -> None:
        """Finishes what it has taken and stops."""
        self.is_ready = False
        self._thread.shutdown()

    async def answer(self, request: Request, work: Callable[[bytes], T]) -> T:
        """Reads the body of a request and works on it when it is its turn.

        Raises:
            HTTPException: 503 when too many requests are under way already,
                504 when the answer takes too long, 413 when the body is too
                long, 408 when it is too slow.
        """
        # One is worked on while the others wait.
        if self._under_way > self.options.queue_size or not self.is_ready:
            if "expect" not in request.headers:
                await _drain(request.stream())
            raise HTTPException(
                503, "too many requests at once; try again", RETRY
            )
        self._under_way += 1
        try:
            body = await self._read_body(request)
            loop = asyncio.get_running_loop()
            async with asyncio.timeout(self.options.timeout_s):
                # What has not begun when the time is over is not begun.
                return await loop.run_in_executor(self._thread, work, body)
        except TimeoutError:
            raise HTTPException(
                504, f"no answer within {self.options.timeout_s:g} s"
            ) from None
        finally:
            self._under_way -= 1

    async def _read_body(self, request: Request) -> bytes:
        headers = request.headers
        pieces = request.stream()
        is_begun = False
        try:
            body = unpacked(
                headers.get("content-encoding", ""), self.options.max_body_mb
            )
            length = headers.get("content-length", "")
            body.check_size(int(length) if length.isdigit() else 0)
            async with asyncio.timeout(self.options.timeout_s):
                async for piece in pieces:
                    is_begun = True
                    body.add(piece)
            return body.content()
        except TimeoutError:
            raise HTTPException(
                408, f"no complete request in {self.options.timeout_s:g} s"
            ) from None
        except (DataError, HTTPException):
            if is_begun or "expect" not in headers:
                await _drain(pieces)
            raise

    def detect(
        self, signature: str, batch: np.ndarray
    ) -> tuple[Outputs, float]:
        """Runs a signature of the model on its input `[B, ...]`.

        Returns:
            Outputs `[B, ...]` by name, and the seconds that it took.
        """
        if len(batch) > self.options.max_batch_size:
            raise DataError(
                f"Task size {len(batch)} is larger than maximum input batch "
                f"size {self.options.max_batch_size}"
            )
        check_images(batch, self.options.max_image_pixels)
        start = time.perf_counter()
        outputs = self._run(signature, batch)
        seconds = time.perf_counter() - start
        _INFERENCE_SECONDS.labels(signature).observe(seconds)
        _BATCH_ROWS.labels(signature).observe(len(batch))
        return outputs, seconds

    def _run(self, signature: str, batch: np.ndarray) -> Outputs:
        if batch.dtype != object or any(map(is_example, batch)):
            return self.model.run(signature, batch)
        # A model knows nothing of EXIF, and decodes fewer kinds of pixels.
        limit = self.options.max_image_pixels
        images = [read_photo(file, limit, MODEL_FORMATS) for file in batch]
        batches = [image[None] for image in images]
        if len({image.shape for image in images}) == 1:
            batches = [np.stack(images)]
        found = [self.model.run(IMAGE_SIGNATURE, images) for images in batches]
        return {
            name: _joined([outputs[name] for outputs in found])
            for name in found[0]
        }


def _joined(batches: list[np.ndarray]) -> np.ndarray:
    """Joins batches; those of fewer candidates are filled up with zeros."""
    most = max(batch.shape[1:2] for batch in batches)
    return np.concatenate(
        [
            np.pad(
                batch,
                [
                    (0, full - own)
                    for own, full in zip(
                        batch.shape,
                        (len(batch), *most, *batch.shape[2:]),
                        strict=True,
                    )
                ],
            )
            for batch in batches
        ]
    )


async def _drain(pieces: AsyncIterator[bytes]) -> None:
    """Throws away what a client sends, unless that takes too long."""
    with contextlib.suppress(TimeoutError, ClientDisconnect):
        async with asyncio.timeout(_DRAIN_SECONDS):
            async for _ in pieces:
                pass
