"""The server: all routes of an exported detector, and its page."""

import asyncio
import contextlib
import json
import signal
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import prometheus_client
import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import ClientDisconnect
from starlette.requests import Request
from starlette.responses import FileResponse
from starlette.responses import PlainTextResponse
from starlette.responses import Response
from starlette.routing import Route

from featsr_tf.errors import DataError
from featsr_tf.exporting.exported_model import ExportedModel
from featsr_tf.html_report.html import STYLE_FILE
from featsr_tf.server import ServerOptions
from featsr_tf.server.detect import DetectApi
from featsr_tf.server.rest import RestApi
from featsr_tf.server.service import RETRY
from featsr_tf.server.service import DetectionService
from featsr_tf.server.service import count_request

_PAGE = Path(__file__).parent / "page"
_CLIENT_CLOSED_REQUEST = 499
# The page needs nothing from elsewhere, and must not be made to.
_PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; "
    "style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


def create_app(
    model: ExportedModel, options: ServerOptions, example: Path | None = None
) -> Starlette:
    """Makes the ASGI application.

    Args:
        example: photo that its page offers. Default drawn traffic signs.
    """
    service = DetectionService(model, options)

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(service.close)

    async def health(request: Request) -> Response:
        if service.is_ready or request.url.path == "/healthz":
            return PlainTextResponse("ok")
        return PlainTextResponse("not ready", 503, RETRY)

    async def show_metrics(request: Request) -> Response:
        return Response(
            prometheus_client.generate_latest(),
            media_type=prometheus_client.CONTENT_TYPE_LATEST,
        )

    errors = (DataError, HTTPException, ClientDisconnect, Exception)
    return Starlette(
        routes=[
            *RestApi(service).routes(),
            *DetectApi(service).routes(),
            *_page_routes(example or _PAGE / "example.jpg"),
            Route("/healthz", health),
            Route("/readyz", health),
            Route("/metrics", show_metrics),
        ],
        middleware=[Middleware(BaseHTTPMiddleware, dispatch=count_request)],
        exception_handlers={kind: _answer_error for kind in errors},
        lifespan=lifespan,
    )


def serve(app: Starlette, listener: socket.socket) -> None:
    """Answers requests until SIGTERM (exit code 0) or Ctrl-C (130).

    Those that it has then are finished.
    """
    config = uvicorn.Config(app, log_level="warning", access_log=False)
    # The server stops in order, and only then passes the signal on.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    uvicorn.Server(config).run(sockets=[listener])


def _page_routes(example: Path) -> list[Route]:
    files = {f"/{path.name}": path for path in sorted(_PAGE.iterdir())}
    files["/"] = files.pop("/index.html")
    files["/style.css"] = STYLE_FILE
    files["/example"] = example

    async def file(request: Request) -> Response:
        path = files[request.url.path]
        return FileResponse(path, headers=_PAGE_HEADERS)

    return [Route(route, file) for route in files]


async def _answer_error(request: Request, error: Exception) -> Response:
    message, code, headers = "the server failed; see its log", 500, None
    if isinstance(error, HTTPException):
        message, code, headers = error.detail, error.status_code, error.headers
    elif isinstance(error, DataError):
        message, code = str(error), 400
    elif isinstance(error, ClientDisconnect):
        message, code = "the client has left", _CLIENT_CLOSED_REQUEST
    # ASCII: a message may quote what cannot be written in UTF-8.
    body = json.dumps({"error": message})
    return Response(body, code, headers, "application/json")
