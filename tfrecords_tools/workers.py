"""Who writes the shards: this process, several ones, or Apache Beam."""

import concurrent.futures
import concurrent.futures.process
import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
from collections.abc import Callable, Sequence
from typing import Any

import tqdm

from featsr_tf.errors import DataError
from featsr_tf.errors import FeatsrError
from tfrecords_tools import storage
from tfrecords_tools.shards import ShardJob
from tfrecords_tools.shards import read_facts
from tfrecords_tools.shards import write_shard

# With fewer images it takes longer to start processes than to convert.
_IMAGES_WORTH_PROCESSES = 5000
_SECONDS_BETWEEN_UPDATES = 0.3
# What a worker process shares with the one that has started it.
_shared: dict[str, Any] = {}


class _Stopped(Exception):
    """The work of this process is no longer wanted."""


def write_shards(
    jobs: Sequence[ShardJob],
    num_workers: int | None = None,
    runner: str | None = None,
    beam_flags: Sequence[str] = (),
) -> None:
    """Writes shards; their bytes do not depend on who does it.

    Args:
        num_workers: processes; None chooses by the number of images and cores.
        runner: of Apache Beam, such as "DirectRunner"; None does without it.
        beam_flags: options of the pipeline, such as
            "--temp_location=gs://...".

    Raises:
        DataError: of the first shard that cannot be written; the others are
            given up.
        FeatsrError: a process was ended from outside; Beam is not installed,
            or has no such runner.
    """
    if runner is not None:
        _write_with_beam(jobs, runner, beam_flags)
        return
    total = sum(len(job.images) for job in jobs)
    wanted = num_workers or _choose_num_workers(total)
    num_workers = min(wanted, len(jobs))
    with tqdm.tqdm(total=total, desc="converting", unit="image") as bar:
        if num_workers > 1:
            _write_in_processes(jobs, num_workers, bar.update)
        else:
            for job in jobs:
                write_shard(job, bar.update)


def _choose_num_workers(num_images: int) -> int:
    if num_images < _IMAGES_WORTH_PROCESSES:
        return 1
    return os.cpu_count() or 1


def _write_in_processes(
    jobs: Sequence[ShardJob], num_workers: int, on_images: Callable[[int], Any]
) -> None:
    """Writes shards, several at a time; one that fails stops the others.

    `on_images` is called now and then with the number of new images.
    """
    # A copy of a process that runs TensorFlow may never return.
    context = multiprocessing.get_context("spawn")
    count, stop = context.Value("Q", 0), context.Event()
    pool = concurrent.futures.ProcessPoolExecutor(
        num_workers, context, _start, (count, stop)
    )
    with pool:
        pending = {pool.submit(_write_counted, job) for job in jobs}
        seen = 0
        try:
            while pending:
                done, pending = concurrent.futures.wait(
                    pending,
                    _SECONDS_BETWEEN_UPDATES,
                    concurrent.futures.FIRST_EXCEPTION,
                )
                now = count.value
                on_images(now - seen)
                seen = now
                for future in done:
                    future.result()
        except concurrent.futures.process.BrokenProcessPool:
            raise FeatsrError(
                "a worker process was ended from outside, perhaps for want of"
                " memory: the same command continues; fewer --num_workers"
                " need less memory"
            ) from None
        finally:
            stop.set()
            pool.shutdown(cancel_futures=True)


def _start(count: Any, stop: Any) -> None:
    """Prepares a worker process, before it imports TensorFlow."""
    _shared.update(count=count, stop=stop)
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    # Ctrl-C is for the process that has started this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Ends this process when the one that started it is killed."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)


def _write_counted(job: ShardJob) -> None:
    write_shard(job, _count_image)


def _count_image() -> None:
    if _shared["stop"].is_set():
        raise _Stopped
    with _shared["count"].get_lock():
        _shared["count"].value += 1


def _write_with_beam(
    jobs: Sequence[ShardJob], runner: str, flags: Sequence[str]
) -> None:
    """Writes shards, each an element of a Beam pipeline."""
    try:
        import apache_beam as beam
    except ImportError:
        raise FeatsrError(
            "--runner needs Apache Beam: pip install 'featsr_tf[beam]'"
        ) from None
    options = beam.options.pipeline_options.PipelineOptions(list(flags))
    try:
        pipeline = beam.Pipeline(runner, options)
    except ValueError as error:
        raise FeatsrError(f"--runner {runner}: {error}") from None
    with pipeline:
        shards = pipeline | beam.Create(jobs)
        # Without it a runner may write all shards one after the other.
        shards = shards | beam.Reshuffle()
        shards | beam.Map(_write_or_explain)
    for job in jobs:
        if read_facts(job) is None:
            raise DataError(storage.read_text(_explanation_path(job)))


def _write_or_explain(job: ShardJob) -> None:
    """Writes a shard; Beam would bury the reason why it cannot be written."""
    try:
        write_shard(job)
    except DataError as error:
        storage.write_text(_explanation_path(job), str(error))


def _explanation_path(job: ShardJob) -> str:
    return f"{job.path}.error"
