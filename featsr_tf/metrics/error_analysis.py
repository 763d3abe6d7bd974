"""Analysis of errors: confused classes, and images with the most errors."""

from collections.abc import Mapping, Sequence

import numpy as np

from featsr_tf.metrics.detections import Detections
from featsr_tf.metrics.detections import GroundTruth
from featsr_tf.metrics.matching import MatchCandidates
from featsr_tf.metrics.matching import find_overlaps
from featsr_tf.metrics.matching import match_greedily
from featsr_tf.metrics.matching import tabulate
from featsr_tf.metrics.matching import take_rows

BACKGROUND = "background"
# With more classes only those that are confused are kept.
MOST_CLASSES = 20


def confusion(
    truths: Sequence[GroundTruth],
    detections: Sequence[Detections],
    names: Mapping[int, str],
    score_threshold: float,
) -> dict[str, list]:
    """Counts which classes are taken for which others.

    Objects and detections are matched whatever their classes, the best score
    first, each with the free object that it overlaps most, by more than one
    half. Detections that match nothing but an ignored object do not count.

    Returns:
        "classes", names, the last one "background", and "matrix", counts by
        class of the object and class of the detection. In the row of the
        background are false detections, in its column missed objects. Of more
        than 20 classes only those that are confused are there.
    """
    objects, found = tabulate(truths, detections, names.keys())
    found = take_rows(found, found.scores >= score_threshold)
    ids = np.sort(np.fromiter(names, np.int64))
    ignored = objects.crowd | objects.difficult
    pairs, overlaps = find_overlaps(
        objects, found, np.nextafter(0.5, 1), same_class=False
    )
    of_ignored = ignored[pairs[:, 0]]
    overlaps_ignored = np.zeros(len(found.scores), bool)
    overlaps_ignored[pairs[of_ignored, 1]] = True
    pairs, overlaps = pairs[~of_ignored], overlaps[~of_ignored]
    pairs = pairs[np.lexsort((-overlaps, -found.scores[pairs[:, 1]]))]
    partner, detection = pairs[match_greedily(pairs)].T
    background = len(ids)
    truth_classes = np.full(len(found.scores), background)
    truth_classes[detection] = np.searchsorted(ids, objects.classes[partner])
    counted = ~overlaps_ignored | (truth_classes < background)
    shown_classes = np.searchsorted(ids, found.classes)
    missed = ~ignored
    missed[partner] = False
    lost = np.searchsorted(ids, objects.classes[missed])
    matrix = np.zeros([background + 1] * 2, np.int64)
    np.add.at(matrix, (truth_classes[counted], shown_classes[counted]), 1)
    np.add.at(matrix, (lost, background), 1)
    shown = _shown_classes(matrix)
    return {
        "classes": [names[ids[index]] for index in shown[:-1]] + [BACKGROUND],
        "matrix": matrix[np.ix_(shown, shown)].tolist(),
    }


def worst_images(
    truths: Sequence[GroundTruth],
    candidates: MatchCandidates,
    score_threshold: float,
    num_images: int,
) -> list[dict]:
    """Finds the images with the most errors.

    Returns:
        For each image with an error, the worst first, its "position" in
        `truths`, "image_id", "file_name", and how many objects are "missed"
        and how many detections are "false_positives".
    """
    missed, wrong = candidates.errors(score_threshold)
    missed, wrong = (
        np.bincount(images, minlength=len(truths))
        for images in (
            candidates.objects.images[missed],
            candidates.detections.images[wrong],
        )
    )
    order = np.argsort(-(missed + wrong), kind="stable")[:num_images]
    return [
        {
            "position": position,
            "image_id": truths[position].image_id,
            "file_name": truths[position].file_name,
            "missed": int(missed[position]),
            "false_positives": int(wrong[position]),
        }
        for position in order.tolist()
        if missed[position] + wrong[position]
    ]


def _shown_classes(matrix: np.ndarray) -> np.ndarray:
    num_classes = len(matrix) - 1
    shown = np.arange(num_classes + 1)
    if num_classes <= MOST_CLASSES:
        return shown
    between = matrix[:-1, :-1] * ~np.eye(num_classes, dtype=bool)
    confused = between.any(axis=0) | between.any(axis=1)
    return shown[np.append(confused, True)]
