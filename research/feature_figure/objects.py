"""The objects of records, and which of them a figure shows."""

import os
from collections.abc import Callable
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from featsr_tf.data.build import Source
from featsr_tf.data.corrupt_records import named_data_errors
from featsr_tf.data.corrupt_records import record_dataset
from featsr_tf.data.decode import decode_details
from featsr_tf.data.keys import Example
from featsr_tf.errors import DataError


@dataclass(frozen=True, eq=False)
class Objects:
    """The objects of a data set that count, flat.

    Attributes:
        frames: `[n]` int, running number of the record of each, from 0.
        places: `[n]` int, its place among the boxes of this record.
        classes: `[n]` int, class ids.
        sizes: `[n, 2]` height and width, px of the original image.
        resized_sizes: `[n, 2]` height and width, px of I^1.0.
    """

    frames: np.ndarray
    places: np.ndarray
    classes: np.ndarray
    sizes: np.ndarray
    resized_sizes: np.ndarray


def list_objects(
    source: Source,
    resized: Callable[[int, int], tuple[int, int]],
    max_boxes: int,
) -> Objects:
    """Lists the objects of records without decoding any image.

    Args:
        source: checked records.
        resized: tells the height and width of I^1.0 of an image, px.
        max_boxes: further boxes of a record are cut, as in batches.

    Returns:
        All objects but crowds and difficult ones.

    Raises:
        DataError: a record cannot be read.
    """
    summary = source.summary
    counts = summary.boxes_per_image
    places = np.concatenate([np.arange(count) for count in counts])
    counted = ~_ignored(source) & (places < max_boxes)
    return Objects(
        frames=np.repeat(np.arange(len(counts)), counts)[counted],
        places=places[counted],
        classes=summary.object_labels[counted],
        sizes=summary.object_sizes[counted],
        resized_sizes=summary.resized_object_sizes(resized)[counted],
    )


def choose_objects(
    classes: np.ndarray, is_allowed: np.ndarray, count: int, seed: int = 0
) -> list[int]:
    """Chooses objects, as many of each class as may be.

    Args:
        classes: `[n]` class ids.
        is_allowed: `[n]` bool, the objects to choose from.
        count: the most objects.
        seed: of the choice among the objects of a class. Default 0.

    Returns:
        Indices into `classes`, one class after the other.
    """
    order = np.random.default_rng(seed).permutation(len(classes))
    order = order[is_allowed[order]]
    ranks = np.zeros(len(order), int)
    for class_id in np.unique(classes[order]):
        of_class = classes[order] == class_id
        ranks[of_class] = np.arange(of_class.sum())
    # The first of each class, then the second of each class, and so on.
    chosen = order[np.lexsort((classes[order], ranks))][:count]
    return chosen[np.argsort(classes[chosen], kind="stable")].tolist()


def choose_frames(frames: Sequence[int], count: int) -> list[int]:
    """Chooses the frames with the most objects.

    Args:
        frames: the frame of each object.
        count: the most frames.

    Returns:
        Their numbers, the one with the most objects first; of equal ones
        the first.
    """
    numbers, totals = np.unique(np.asarray(frames, int), return_counts=True)
    return numbers[np.argsort(-totals, kind="stable")][:count].tolist()


def find_frames(source: Source, source_ids: Sequence[str]) -> list[int]:
    """Finds frames by the ids of their records.

    Args:
        source: checked records.
        source_ids: `image/source_id`, or the running number of a record
            without one.

    Returns:
        The number of each, once where it is named twice.

    Raises:
        DataError: there is no such frame, or a record cannot be read.
    """
    features = {Example.SOURCE_ID: tf.io.FixedLenFeature([], tf.string, "")}
    offsets = source.summary.offsets
    records = record_dataset(source.paths, offsets).map(
        lambda record: tf.io.parse_single_example(record, features)
    )
    with named_data_errors(source.paths, offsets):
        known = {
            os.fsdecode(found[Example.SOURCE_ID]) or str(number): number
            for number, found in enumerate(records.as_numpy_iterator())
        }
    for name in source_ids:
        if name not in known:
            raise DataError(
                f"--images: expected source ids of {', '.join(source.paths)}, "
                f"such as {', '.join(list(known)[:3])}; found {name!r}"
            )
    return list(dict.fromkeys(known[name] for name in source_ids))


def _ignored(source: Source) -> np.ndarray:
    """`[num_boxes]` bool, whether each box of the records is ignored."""

    def read(serialized):
        details = decode_details(serialized)
        return details.crowd | details.difficult

    offsets = source.summary.offsets
    flags = record_dataset(source.paths, offsets).map(read)
    with named_data_errors(source.paths, offsets):
        return np.concatenate(list(flags.as_numpy_iterator()))
