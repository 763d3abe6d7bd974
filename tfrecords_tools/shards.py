"""Writes one shard: the unit of work, wherever it is done."""

import collections
import dataclasses
import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from featsr_tf.data.label_map import LabelMap
from featsr_tf.data.records import scan_records
from featsr_tf.errors import DataError
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


@dataclasses.dataclass(frozen=True)
class ShardJob:
    """What is needed to write a shard.

    Args:
        skip_bad_images: whether unreadable images are left out.
        skip_other_classes: whether objects of unknown classes are left out.
        bits: that images of 16 bits use.
        dry_run: whether only the facts are wanted, not the shard.
    """

    folder: str
    file: str
    images: Sequence[AnnotatedImage]
    label_map: LabelMap
    skip_bad_images: bool = False
    skip_other_classes: bool = False
    bits: int = 16
    dry_run: bool = False

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


def shard_jobs(split: Split, num_shards: int, **common) -> list[ShardJob]:
    """Deals the images of a split out to its shards in turn."""
    num_shards = min(num_shards, len(split.images))
    return [
        ShardJob(file=file, images=split.images[shard::num_shards], **common)
        for shard, file in enumerate(shard_names(split.name, num_shards))
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
        if not job.dry_run:
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
            _read_image(image), image.size, image.as_stored, job.bits
        )
    except DataError as error:
        places = dict.fromkeys(filter(None, (image.where, image.path)))
        message = ": ".join([*places, str(error)])
        if not job.skip_bad_images:
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
        job.skip_other_classes,
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
