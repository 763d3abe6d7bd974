"""Shards: the unit of work, and who writes them.

This process, several ones, or Apache Beam.
"""

import collections
import concurrent.futures
import concurrent.futures.process
import dataclasses
import hashlib
import json
import multiprocessing
import multiprocessing.connection
import os
import signal
import tempfile
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import tqdm

from featsr_tf.data.label_map import LabelMap
from featsr_tf.data.records import scan_records
from featsr_tf.errors import DataError
from featsr_tf.errors import FeatsrError
from featsr_tf.metrics.detections import area_ranges
from tfrecords_tools import storage
from tfrecords_tools.annotations import AnnotatedImage
from tfrecords_tools.annotations import Outcome
from tfrecords_tools.annotations import Split
from tfrecords_tools.example import make_example
from tfrecords_tools.example import prepare_objects
from tfrecords_tools.images import prepare_image
from tfrecords_tools.record_checks import Reach
from tfrecords_tools.record_checks import joined_reach

if TYPE_CHECKING:
    import tensorflow as tf

# With fewer images it takes longer to start processes than to convert.
_IMAGES_WORTH_PROCESSES = 5000
_SECONDS_BETWEEN_UPDATES = 0.3
# What a worker process shares with the one that has started it.
_shared: dict[str, Any] = {}


@dataclasses.dataclass(frozen=True)
class ConversionOptions:
    """How record files are written.

    Args:
        num_shards: files per split; at most one per image. Default 10.
        num_workers: processes; None chooses by the number of images and
            cores. The files do not depend on it.
        skip_bad_images: whether images that cannot be read are left out.
            Default False: they are an error.
        skip_other_classes: whether objects of classes that are not in the
            label map are left out. Default False: they are an error.
        bits: that images of 16 bits use, 8 to 16. Default 16.
        runner: of Apache Beam, such as "DirectRunner"; None does without it.
        beam_flags: options of the pipeline, such as
            "--temp_location=gs://...".
        dry_run: whether to say what would be written, and write nothing.
    """

    num_shards: int = 10
    num_workers: int | None = None
    skip_bad_images: bool = False
    skip_other_classes: bool = False
    bits: int = 16
    runner: str | None = None
    beam_flags: tuple[str, ...] = ()
    dry_run: bool = False


@dataclasses.dataclass(frozen=True)
class ShardJob:
    """What is needed to write a shard."""

    folder: str
    file: str
    images: Sequence[AnnotatedImage]
    label_map: LabelMap
    options: ConversionOptions

    @property
    def path(self) -> str:
        """The shard."""
        return os.path.join(self.folder, self.file)


@dataclasses.dataclass(frozen=True)
class ShardFacts:
    """What a shard contains and what happened on the way.

    Args:
        pictures: the checksum of each image as it was written, "" for those
            that were left out.
        reach: of all boxes together; None where there are none.
    """

    file: str
    num_examples: int
    num_objects: int
    num_images_without_objects: int
    bytes: int
    sha256: str
    class_counts: dict[str, int]
    size_counts: dict[str, int]
    outcomes: dict[str, int] = dataclasses.field(default_factory=dict)
    source_ids: list[str] = dataclasses.field(default_factory=list)
    pictures: list[str] = dataclasses.field(default_factory=list)
    left_out: list[str] = dataclasses.field(default_factory=list)
    reach: Reach | None = None


class _Log:
    """What happens while a shard is written."""

    def __init__(self):
        self.outcomes: collections.Counter[Outcome] = collections.Counter()
        self.source_ids: list[str] = []
        self.pictures: list[str] = []
        self.left_out: list[str] = []
        self.reach: Reach | None = None


def shard_names(split_name: str, num_shards: int) -> list[str]:
    """File names of the shards of a split."""
    return [
        f"{split_name}.record-{shard:05d}-of-{num_shards:05d}"
        for shard in range(num_shards)
    ]


def shard_jobs(
    split: Split, folder: str, label_map: LabelMap, options: ConversionOptions
) -> list[ShardJob]:
    """Deals the images of a split out to its shards in turn."""
    count = min(options.num_shards, len(split.images))
    return [
        ShardJob(folder, file, split.images[shard::count], label_map, options)
        for shard, file in enumerate(shard_names(split.name, count))
    ]


def write_shard(
    job: ShardJob, on_image: Callable[[], object] = lambda: None
) -> None:
    """Writes a shard, reads it back, and then puts it and its facts in place.

    Equal jobs may run at the same time: each writes another temporary file.

    Raises:
        DataError: an image or object that cannot be written.
    """
    local = None if storage.is_remote(job.folder) else job.folder
    with tempfile.TemporaryDirectory(prefix=".", dir=local) as scratch:
        path = os.path.join(scratch, job.file)
        log = _write_examples(path, job, on_image)
        facts = _gather_facts(path, job, log)
        if not job.options.dry_run:
            storage.move_in(path, job.path)
    text = json.dumps(dataclasses.asdict(facts))
    storage.write_text(_facts_path(job), text)


def renumber(
    folder: str, split_name: str, facts: Sequence[ShardFacts]
) -> list[ShardFacts]:
    """Numbers the shards that have records anew where others have none."""
    import tensorflow as tf

    filled = [shard for shard in facts if shard.num_examples]
    if len(filled) == len(facts):
        return list(facts)
    names = iter(shard_names(split_name, len(filled)))
    renamed = [
        dataclasses.replace(shard, file=next(names))
        if shard.num_examples
        else shard
        for shard in facts
    ]
    for old, new in zip(facts, renamed, strict=True):
        if old != new:
            tf.io.gfile.rename(
                os.path.join(folder, old.file),
                os.path.join(folder, new.file),
                overwrite=True,
            )
    return renamed


def read_facts(job: ShardJob) -> ShardFacts | None:
    """The facts that `write_shard` has left; None when it did not finish."""
    text = storage.read_text(_facts_path(job))
    return ShardFacts(**json.loads(text)) if text else None


def is_finished(job: ShardJob) -> bool:
    """Whether a shard is in its place, whole."""
    import tensorflow as tf

    facts = read_facts(job)
    return (
        facts is not None
        and tf.io.gfile.exists(job.path)
        and storage.sha256(job.path) == facts.sha256
    )


def scan_shard(path: str, label_map: LabelMap) -> ShardFacts:
    """Reads what a record file of any origin contains.

    Raises:
        DataError: a record that is damaged or does not fit the label map.
    """
    summary = scan_records([path], label_map, progress_bar=False).summary
    names = label_map.names
    boxes = np.pad(summary.object_sizes, ((0, 0), (2, 0)))
    return ShardFacts(
        file=os.path.basename(path),
        num_examples=summary.num_examples,
        num_objects=summary.num_objects,
        num_images_without_objects=int((summary.boxes_per_image == 0).sum()),
        bytes=os.path.getsize(path),
        sha256=storage.sha256(path),
        class_counts={
            names[label]: n for label, n in summary.class_counts.items()
        },
        size_counts={
            size.name: int(size.contains(boxes).sum())
            for size in area_ranges()[:3]
        },
    )


def _facts_path(job: ShardJob) -> str:
    return f"{job.path}.json"


def _write_examples(
    path: str, job: ShardJob, on_image: Callable[[], object]
) -> _Log:
    import tensorflow as tf

    log = _Log()
    with tf.io.TFRecordWriter(path) as writer:
        for image in job.images:
            log.source_ids.append(image.source_id)
            example = _convert_image(image, job, log)
            if example is not None:
                # Without `deterministic` the order of the keys may vary.
                writer.write(example.SerializeToString(deterministic=True))
            on_image()
    return log


def _convert_image(
    image: AnnotatedImage, job: ShardJob, log: _Log
) -> "tf.train.Example | None":
    """The example of an image; None when the image is left out."""
    try:
        encoded, changes = prepare_image(
            _read_image(image),
            image.size,
            image.as_stored,
            job.options.bits,
        )
    except DataError as error:
        places = dict.fromkeys(filter(None, (image.where, image.path)))
        message = ": ".join([*places, str(error)])
        if not job.options.skip_bad_images:
            raise DataError(
                f"{message}; mend it, or leave such images out with"
                " --skip_bad_images"
            ) from None
        log.outcomes[Outcome.BAD_IMAGE] += 1
        log.pictures.append("")
        log.left_out.append(message)
        return None
    objects, repairs = prepare_objects(
        image.objects,
        encoded.height,
        encoded.width,
        job.label_map,
        job.options.skip_other_classes,
    )
    log.outcomes.update([*image.outcomes, *changes, *repairs])
    log.pictures.append(hashlib.sha256(encoded.data).hexdigest())
    sides = (encoded.height, encoded.width) * 2
    boxes = (tuple(np.array(item.box) / sides) for item in objects)
    log.reach = joined_reach([log.reach, *boxes])
    return make_example(image, objects, encoded, job.label_map)


def _read_image(image: AnnotatedImage) -> bytes:
    import tensorflow as tf

    if image.data is not None:
        return image.data
    try:
        with tf.io.gfile.GFile(image.path, "rb") as file:
            return file.read()
    except tf.errors.OpError as error:
        reason = error.message.removeprefix(f"{image.path}; ")
        raise DataError(f"unreadable image: {reason}") from None


def _gather_facts(path: str, job: ShardJob, log: _Log) -> ShardFacts:
    """Reads a shard back."""
    if len(log.source_ids) != len(job.images):
        raise DataError(
            f"{path}: {len(job.images)} images were expected but"
            f" {len(log.source_ids)} were read"
        )
    num_written = len(log.source_ids) - len(log.left_out)
    if num_written:
        facts = scan_shard(path, job.label_map)
    else:
        # Such a file is not published, see `renumber`.
        facts = ShardFacts(job.file, 0, 0, 0, 0, storage.sha256(path), {}, {})
    if facts.num_examples != num_written:
        raise DataError(
            f"{path}: {num_written} examples were written but"
            f" {facts.num_examples} can be read; is the disk sound?"
        )
    return dataclasses.replace(
        facts,
        outcomes=dict(log.outcomes),
        source_ids=log.source_ids,
        pictures=log.pictures,
        left_out=log.left_out,
        reach=log.reach,
    )


class _Stopped(Exception):
    """The work of this process is no longer wanted."""


def write_shards(jobs: Sequence[ShardJob], options: ConversionOptions) -> None:
    """Writes shards; their bytes do not depend on who does it.

    A dry run does without Beam, whose machines need a folder that they share.

    Raises:
        DataError: of the first shard that cannot be written; the others are
            given up.
        FeatsrError: a process was ended from outside; Beam is not installed,
            or has no such runner.
    """
    if options.runner is not None and not options.dry_run:
        _write_with_beam(jobs, options.runner, options.beam_flags)
        return
    total = sum(len(job.images) for job in jobs)
    wanted = options.num_workers or _choose_num_workers(total)
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
