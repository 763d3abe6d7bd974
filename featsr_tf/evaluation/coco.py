"""Average precision and recall by object size, computed by pycocotools."""

import contextlib
import io
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Sequence

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from featsr_tf.evaluation.detections import Detections
from featsr_tf.evaluation.detections import GroundTruth
from featsr_tf.evaluation.detections import pair_by_image
from featsr_tf.evaluation.size_ranges import SIZE_NAMES

UNBOUNDED = 1e10


def average_precision(
    truths: Sequence[GroundTruth],
    detections: Iterable[Detections],
    class_ids: Collection[int],
    small_side: float = 32,
    medium_side: float = 96,
) -> dict[str, dict[str, float]]:
    """Evaluates detections as COCO does: 101 points, 100 per class and image.

    Sizes are areas in original pixels with both bounds inclusive, which is
    pycocotools' own habit.

    Args:
        truths: One item per image.
        detections: At most one item per image.
        class_ids: The classes evaluated; the mean is over those of them that
            have objects of the size.
        small_side: Side of the largest small square, default 32 px.
        medium_side: Side of the largest medium square, default 96 px.

    Returns:
        For each of "small", "medium", "large" and "all": "ap50", "ap" (mean
        over overlaps .50 to .95) and "ar" (average recall); NaN where there
        is no object of the size.
    """
    result = accumulate(truths, detections, class_ids, small_side, medium_side)
    precision, recall = result["precision"], result["recall"]
    return {
        name: {
            "ap50": _mean(precision[0, :, :, index]),
            "ap": _mean(precision[:, :, :, index]),
            "ar": _mean(recall[:, :, index]),
        }
        for index, name in enumerate(SIZE_NAMES)
    }


def precision_over_recall(
    truths: Sequence[GroundTruth],
    detections: Iterable[Detections],
    class_ids: Collection[int],
) -> dict[str, np.ndarray]:
    """Returns precision-recall curves at an overlap of one half.

    Args:
        truths: One item per image.
        detections: At most one item per image.
        class_ids: The classes evaluated; curves are their means.

    Returns:
        "recall" `[101]`, 0 to 1, and for every size the precision `[101]`,
        NaN where there is no object of the size.
    """
    precision = accumulate(truths, detections, class_ids)["precision"][0]
    curves = {"recall": np.linspace(0, 1, 101)}
    for index, name in enumerate(SIZE_NAMES):
        curves[name] = np.asarray(
            [_mean(row) for row in precision[:, :, index]]
        )
    return curves


def accumulate(
    truths: Sequence[GroundTruth],
    detections: Iterable[Detections],
    class_ids: Collection[int],
    small_side: float = 32,
    medium_side: float = 96,
) -> dict[str, np.ndarray]:
    """Runs pycocotools without files and without its printing.

    Args:
        truths: One item per image.
        detections: At most one item per image.
        class_ids: The classes evaluated.
        small_side: Side of the largest small square, default 32 px.
        medium_side: Side of the largest medium square, default 96 px.

    Returns:
        "precision" `[10, 101, num_classes, 4]` by overlap, recall, class and
        size, "recall" `[10, num_classes, 4]`; -1 where there is no object.
    """
    pairs = pair_by_image(truths, detections)
    present = {int(c) for truth, _ in pairs for c in truth.classes}
    # A class without objects has no average precision: no need to compute it.
    categories = sorted(present & set(class_ids))
    if not categories:
        return {
            "precision": np.full([10, 101, 0, 4], -1.0),
            "recall": np.full([10, 0, 4], -1.0),
        }
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = _coco_eval(pairs, categories)
        evaluation.params.areaRng = [
            [0, small_side**2],
            [small_side**2, medium_side**2],
            [medium_side**2, UNBOUNDED],
            [0, UNBOUNDED],
        ]
        evaluation.params.areaRngLbl = list(SIZE_NAMES)
        evaluation.params.maxDets = [100]
        evaluation.evaluate()
        evaluation.accumulate()
    return {
        "precision": evaluation.eval["precision"][..., 0],
        "recall": evaluation.eval["recall"][..., 0],
    }


def _coco_eval(pairs, categories) -> COCOeval:
    images = [{"id": truth.image_id} for truth, _ in pairs]
    objects = [
        _annotation(truth.image_id, box, class_id, iscrowd=int(ignored))
        for truth, _ in pairs
        for box, class_id, ignored in zip(
            truth.boxes, truth.classes, truth.ignored, strict=True
        )
    ]
    found = [
        _annotation(truth.image_id, box, class_id, iscrowd=0, score=score)
        for truth, detections in pairs
        for box, class_id, score in zip(
            detections.boxes,
            detections.classes,
            detections.scores,
            strict=True,
        )
    ]
    return COCOeval(
        _coco(images, objects, categories),
        _coco(images, found, categories),
        "bbox",
    )


def _coco(images, annotations, categories) -> COCO:
    # Numbers start at 1: pycocotools takes a match with number 0 for none.
    for number, annotation in enumerate(annotations, start=1):
        annotation["id"] = number
    coco = COCO()
    coco.dataset = {
        "images": images,
        "annotations": annotations,
        "categories": [{"id": class_id} for class_id in categories],
    }
    coco.createIndex()
    return coco


def _annotation(image_id, box, class_id, **more) -> dict:
    ymin, xmin, ymax, xmax = box.tolist()
    height, width = ymax - ymin, xmax - xmin
    return {
        "image_id": image_id,
        "category_id": int(class_id),
        "bbox": [xmin, ymin, width, height],
        "area": height * width,
        **more,
    }


def _mean(values: np.ndarray) -> float:
    defined = values[values > -1]
    return float(defined.mean()) if defined.size else float("nan")
