"""The objects of records, and which of them a figure shows."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from featsr_tf.data.decode import decode_details
from featsr_tf.data.decode import record_dataset
from featsr_tf.data.decode import translate_data_errors
from featsr_tf.data.records import RecordFiles


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
    source: RecordFiles,
    resized: Callable[[int, int], tuple[int, int]],
) -> Objects:
    """Lists the objects of records without decoding any image.

    Args:
        source: checked records.
        resized: tells the height and width of I^1.0 of an image, px.

    Returns:
        All objects but crowds and difficult ones.

    Raises:
        DataError: a record cannot be read.
    """
    summary = source.summary
    counts = summary.boxes_per_image
    places = np.concatenate([np.arange(count) for count in counts])
    counted = ~_ignored(source)
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


def _ignored(source: RecordFiles) -> np.ndarray:
    """`[num_boxes]` bool, whether each box of the records is ignored."""

    def read(serialized):
        details = decode_details(serialized)
        return details.crowd | details.difficult

    flags = record_dataset(source).map(read)
    with translate_data_errors(source):
        return np.concatenate(list(flags.as_numpy_iterator()))
