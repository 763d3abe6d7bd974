"""What the server tells Prometheus."""

import time
from collections.abc import Callable

import prometheus_client
from starlette.responses import Response
from starlette.types import ASGIApp
from starlette.types import Message
from starlette.types import Receive
from starlette.types import Scope
from starlette.types import Send

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_ROWS = (1, 2, 4, 8, 16, 32, 64)


class Metrics:
    """Counters of one server."""

    def __init__(self):
        self._registry = prometheus_client.CollectorRegistry()
        self._requests = prometheus_client.Counter(
            "featsr_requests",
            "Requests answered.",
            ("method", "route", "code"),
            registry=self._registry,
        )
        self._latency = self._histogram(
            "request_seconds",
            "From request to answer.",
            _SECONDS,
            ("method", "route"),
        )
        self._inference = self._histogram(
            "inference_seconds", "Of a batch.", _SECONDS, ("signature",)
        )
        self._rows = self._histogram(
            "batch_rows", "Images of a batch.", _ROWS, ("signature",)
        )
        self._queue = prometheus_client.Gauge(
            "featsr_queue_length",
            "Requests that wait for the detector.",
            registry=self._registry,
        )
        prometheus_client.ProcessCollector(registry=self._registry)

    def _histogram(self, name, documentation, buckets, labels):
        return prometheus_client.Histogram(
            f"featsr_{name}",
            documentation,
            labels,
            buckets=buckets,
            registry=self._registry,
        )

    def watch_queue(self, length: Callable[[], int]) -> None:
        """Makes the queue's length visible.

        Args:
            length: tells it.
        """
        self._queue.set_function(length)

    def observe_batch(self, signature: str, rows: int, seconds: float) -> None:
        """Counts a batch.

        Args:
            signature: what was run.
            rows: its images.
            seconds: how long it took.
        """
        self._inference.labels(signature).observe(seconds)
        self._rows.labels(signature).observe(rows)

    def observe_request(
        self, method: str, route: str, code: int, seconds: float
    ) -> None:
        """Counts a request.

        Args:
            method: GET, POST, or whatever it was.
            route: the pattern of its path.
            code: of the answer.
            seconds: how long it took.
        """
        self._requests.labels(method, route, str(code)).inc()
        self._latency.labels(method, route).observe(seconds)

    def page(self) -> Response:
        """Returns all of them in the text format of Prometheus."""
        return Response(
            prometheus_client.generate_latest(self._registry),
            media_type=prometheus_client.CONTENT_TYPE_LATEST,
        )


class CountRequests:
    """Counts what an application answers.

    Args:
        app: the application.
        metrics: gets the counts.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics):
        self._app = app
        self._metrics = metrics

    async def __call__(
        self, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Passes a request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start = time.perf_counter()
        code = 500

        async def note(message: Message) -> None:
            nonlocal code
            if message["type"] == "http.response.start":
                code = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, note)
        finally:
            # Paths are the client's: as labels they would have no end.
            route = getattr(scope.get("route"), "path", "other")
            self._metrics.observe_request(
                scope["method"] if route != "other" else "other",
                route,
                code,
                time.perf_counter() - start,
            )
