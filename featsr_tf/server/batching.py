"""One thread that detects, and the queue of requests that wait for it."""

import asyncio
import collections
import contextlib
import dataclasses
import threading
import time
from collections.abc import AsyncIterator
from collections.abc import Callable
from concurrent.futures import Future
from typing import NamedTuple
from typing import TypeVar

import numpy as np
from starlette.exceptions import HTTPException

from featsr_tf.errors import DataError
from featsr_tf.exporting.exported_model import ServedModel
from featsr_tf.server.limits import RETRY
from featsr_tf.server.limits import ServerOptions
from featsr_tf.server.metrics import Metrics
from featsr_tf.server.uploads import count_pixels

Outputs = dict[str, np.ndarray]


class QueueFullError(Exception):
    """No more requests can wait."""


class BatchResult(NamedTuple):
    """What came out for one request.

    Attributes:
        outputs: `[B, ...]` by name.
        seconds: of the batch that it was part of.
    """

    outputs: Outputs
    seconds: float


class BatchLimits(NamedTuple):
    """How requests are joined.

    Attributes:
        max_batch_size: rows of a batch.
        max_pixels: pixels of a batch.
        timeout_s: how long a request waits for others, s.
        queue_size: requests that may wait.
    """

    max_batch_size: int
    max_pixels: int
    timeout_s: float
    queue_size: int


# Jobs are told apart as objects: arrays cannot be compared as a whole.
@dataclasses.dataclass(frozen=True, eq=False)
class _Job:
    signature: str
    batch: np.ndarray
    pixels: int
    submitted: float
    future: Future

    @property
    def kind(self) -> tuple:
        """Jobs of one kind can be joined."""
        return self.signature, self.batch.dtype, self.batch.shape[1:]


class Batcher:
    """Joins requests of one signature and image size, and runs them.

    Args:
        run: from a signature and its input `[B, ...]` to its outputs
            `[B, ...]`; raises `DataError` for an input it cannot use.
        limits: how requests are joined.
        observe: told of each batch: signature, rows, seconds.
    """

    def __init__(
        self,
        run: Callable[[str, np.ndarray], Outputs],
        limits: BatchLimits,
        observe: Callable[[str, int, float], None],
    ):
        self._run = run
        self._limits = limits
        self._observe = observe
        self._waiting: collections.deque[_Job] = collections.deque()
        self._changed = threading.Condition()
        self._is_closed = False
        # It must not keep the process alive after an error elsewhere.
        self._thread = threading.Thread(
            target=self._work, name="detector", daemon=True
        )
        self._thread.start()

    def submit(self, signature: str, batch: np.ndarray, pixels: int) -> Future:
        """Lets a request wait for its turn.

        Args:
            signature: what to run.
            batch: `[B, ...]`, its input.
            pixels: of all its images.

        Returns:
            A future `BatchResult`. Once cancelled it is not run.

        Raises:
            QueueFullError: as many as may wait are waiting.
            DataError: it has more rows than a batch may have.
        """
        if len(batch) > self._limits.max_batch_size:
            raise DataError(
                f"Task size {len(batch)} is larger than maximum input batch "
                f"size {self._limits.max_batch_size}"
            )
        job = _Job(signature, batch, pixels, time.monotonic(), Future())
        with self._changed:
            if self._is_closed or len(self._waiting) >= self._limits.queue_size:
                raise QueueFullError
            self._waiting.append(job)
            self._changed.notify()
        return job.future

    @property
    def queue_length(self) -> int:
        """The number of requests that wait."""
        return len(self._waiting)

    @property
    def is_ready(self) -> bool:
        """Whether it takes requests."""
        return self._thread.is_alive() and not self._is_closed

    def close(self) -> None:
        """Finishes what it has taken and stops."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()
        self._thread.join()

    def _work(self) -> None:
        while jobs := self._next_batch():
            wanted = [
                job for job in jobs if job.future.set_running_or_notify_cancel()
            ]
            if wanted:
                self._execute(wanted)

    def _next_batch(self) -> list[_Job]:
        """Waits for requests; none when the batcher is closed."""
        with self._changed:
            while not self._waiting:
                if self._is_closed:
                    return []
                self._changed.wait()
            # Nobody waits longer than the oldest request has to.
            end = self._waiting[0].submitted + self._limits.timeout_s
            while not self._is_closed and not self._is_full():
                seconds = end - time.monotonic()
                if seconds <= 0:
                    break
                self._changed.wait(seconds)
            jobs = self._joinable()
            for job in jobs:
                self._waiting.remove(job)
            return jobs

    def _is_full(self) -> bool:
        rows = sum(len(job.batch) for job in self._joinable())
        return rows >= self._limits.max_batch_size

    def _joinable(self) -> list[_Job]:
        """The oldest request and those of its kind that fit in beside it."""
        jobs: list[_Job] = []
        rows = pixels = 0
        for job in self._waiting:
            if job.kind != self._waiting[0].kind:
                continue
            rows, pixels = rows + len(job.batch), pixels + job.pixels
            if jobs and (
                rows > self._limits.max_batch_size
                or pixels > self._limits.max_pixels
            ):
                break
            jobs.append(job)
        return jobs

    def _execute(self, jobs: list[_Job]) -> None:
        signature = jobs[0].signature
        joined = np.concatenate([job.batch for job in jobs])
        start = time.perf_counter()
        try:
            outputs = self._run(signature, joined)
        except DataError as error:
            if len(jobs) == 1:
                jobs[0].future.set_exception(error)
                return
            # One bad image must not be the fault of the others.
            for job in jobs:
                self._execute([job])
            return
        except Exception as error:
            for job in jobs:
                job.future.set_exception(error)
            return
        seconds = time.perf_counter() - start
        self._observe(signature, len(joined), seconds)
        first = 0
        for job in jobs:
            rows = slice(first, first + len(job.batch))
            first = rows.stop
            part = {name: value[rows] for name, value in outputs.items()}
            job.future.set_result(BatchResult(part, seconds))


T = TypeVar("T")


class DetectionService:
    """Answers requests with a model.

    Args:
        model: the loaded model.
        options: limits of the server.
        metrics: gets what is measured.
    """

    def __init__(
        self, model: ServedModel, options: ServerOptions, metrics: Metrics
    ):
        self.model = model
        self.options = options
        limits = BatchLimits(
            options.max_batch_size,
            options.max_image_pixels,
            options.batch_timeout_ms / 1000,
            options.queue_size,
        )
        self.batcher = Batcher(model.run, limits, metrics.observe_batch)
        metrics.watch_queue(lambda: self.batcher.queue_length)

    async def run(self, signature: str, batch: np.ndarray) -> BatchResult:
        """Runs a signature as soon as it is its turn.

        Args:
            signature: its name.
            batch: `[B, ...]`, its input.

        Returns:
            What comes out.

        Raises:
            DataError: the input cannot be used.
            HTTPException: 503 when too many requests wait already, 504 when
                the answer takes too long.
        """
        pixels = count_pixels(batch, self.options.max_image_pixels)
        try:
            future = self.batcher.submit(signature, batch, pixels)
        except QueueFullError:
            raise HTTPException(
                503,
                "The batch scheduling queue to which this task was submitted "
                "is full; try again",
                RETRY,
            ) from None
        async with self._in_time():
            return await asyncio.wrap_future(future)

    async def in_thread(self, function: Callable[..., T], *arguments) -> T:
        """Runs what takes long, so that other requests need not wait.

        Args:
            function: what is run.
            *arguments: what it gets.

        Returns:
            What it returns.

        Raises:
            HTTPException: 504 when it takes too long.
        """
        async with self._in_time():
            return await asyncio.to_thread(function, *arguments)

    @contextlib.asynccontextmanager
    async def _in_time(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self.options.timeout_s):
                yield
        except TimeoutError:
            raise HTTPException(
                504, f"no answer within {self.options.timeout_s:g} s"
            ) from None
