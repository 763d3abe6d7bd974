"""The server: all routes of an exported detector, and its page."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect
from starlette.requests import Request
from starlette.responses import FileResponse
from starlette.responses import PlainTextResponse
from starlette.responses import Response
from starlette.routing import Route

from featsr_tf.errors import DataError
from featsr_tf.exporting.exported_model import ServedModel
from featsr_tf.html_report.html import STYLE
from featsr_tf.server.batching import DetectionService
from featsr_tf.server.detect import DetectApi
from featsr_tf.server.limits import RETRY
from featsr_tf.server.limits import LimitRequests
from featsr_tf.server.limits import ServerOptions
from featsr_tf.server.limits import answer_error
from featsr_tf.server.metrics import CountRequests
from featsr_tf.server.metrics import Metrics
from featsr_tf.server.rest import RestApi

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
    model: ServedModel, options: ServerOptions, example: Path | None = None
) -> Starlette:
    """Makes the ASGI application.

    Args:
        model: the loaded model.
        options: limits of the server.
        example: photo that the page offers, or None.

    Returns:
        The application; it owns a thread from now on.
    """
    metrics = Metrics()
    service = DetectionService(model, options, metrics)

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(service.batcher.close)

    async def healthz(request: Request) -> Response:
        return PlainTextResponse("ok")

    async def readyz(request: Request) -> Response:
        if service.batcher.is_ready:
            return PlainTextResponse("ok")
        return PlainTextResponse("not ready", 503, RETRY)

    async def show_metrics(request: Request) -> Response:
        return metrics.page()

    return Starlette(
        routes=[
            *RestApi(service).routes(),
            *DetectApi(service, example is not None).routes(),
            *_page_routes(example),
            Route("/healthz", healthz),
            Route("/readyz", readyz),
            Route("/metrics", show_metrics),
        ],
        middleware=[
            Middleware(CountRequests, metrics=metrics),
            Middleware(LimitRequests, options=options),
        ],
        exception_handlers={
            DataError: _answer_bad_input,
            HTTPException: _answer_http_error,
            ClientDisconnect: _answer_nobody,
            Exception: _answer_fault,
        },
        lifespan=lifespan,
    )


def serve(app: Starlette, listener: socket.socket) -> None:
    """Answers requests until SIGTERM or Ctrl-C, then finishes those it has.

    Args:
        app: the application.
        listener: a bound socket.

    Raises:
        SystemExit: code 0 after SIGTERM.
    """
    config = uvicorn.Config(app, log_level="warning", access_log=False)
    # The server stops in order, and only then passes the signal on.
    signal.signal(signal.SIGTERM, _exit)
    uvicorn.Server(config).run(sockets=[listener])


def _exit(number: int, frame: object) -> None:
    raise SystemExit(0)


def _page_routes(example: Path | None) -> list[Route]:
    async def style(request: Request) -> Response:
        return Response(STYLE, media_type="text/css", headers=_PAGE_HEADERS)

    routes = [Route("/style.css", style)]
    for path in sorted(_PAGE.iterdir()):
        name = "" if path.name == "index.html" else path.name
        routes.append(_file_route(f"/{name}", path))
    if example is not None:
        routes.append(_file_route("/example", example))
    return routes


def _file_route(route: str, path: Path) -> Route:
    async def page(request: Request) -> Response:
        return FileResponse(path, headers=_PAGE_HEADERS)

    return Route(route, page)


async def _answer_bad_input(request: Request, error: DataError) -> Response:
    return answer_error(str(error), 400)


async def _answer_http_error(
    request: Request, error: HTTPException
) -> Response:
    return answer_error(error.detail, error.status_code, error.headers)


async def _answer_nobody(request: Request, error: Exception) -> Response:
    return Response(status_code=_CLIENT_CLOSED_REQUEST)


async def _answer_fault(request: Request, error: Exception) -> Response:
    return answer_error("the server failed; see its log", 500)
