"""All figures of a detector by object size, and their table."""

import math
from collections.abc import Collection
from collections.abc import Mapping
from collections.abc import Sequence

from featsr_tf.evaluation.coco import average_precision
from featsr_tf.evaluation.coco import precision_over_recall
from featsr_tf.evaluation.detections import Detections
from featsr_tf.evaluation.detections import GroundTruth
from featsr_tf.evaluation.size_ranges import SIZE_NAMES
from featsr_tf.evaluation.size_ranges import size_ranges
from featsr_tf.evaluation.tt100k import f1_over_thresholds
from featsr_tf.evaluation.tt100k import recall_accuracy_f1

COLUMNS = {"recall": "Rec.", "accuracy": "Acc.", "f1": "F1", "ap50": "AP50"}


def evaluate(
    truths: Sequence[GroundTruth],
    detections: Sequence[Detections],
    class_ids: Collection[int],
    score_threshold: float = 0.5,
    size_by: str = "area",
) -> dict[str, dict[str, float | int | None]]:
    """Judges detections by recall, accuracy, F1 and average precision.

    Args:
        truths: One item per image.
        detections: At most one item per image.
        class_ids: The classes evaluated, for example a label map's ids.
        score_threshold: For recall, accuracy and F1; average precision uses
            all detections.
        size_by: "area", as in the paper, or "long_side", as in the official
            evaluation of Tsinghua-Tencent 100K. Average precision always
            goes by area.

    Returns:
        For each of "small", "medium", "large" and "all": "recall",
        "accuracy", "f1", "num_objects", "ap50", "ap" and "ar", from 0 to 1;
        None where undefined, as without any object of the size.
    """
    found = recall_accuracy_f1(
        truths, detections, class_ids, score_threshold, size_ranges(size_by)
    )
    averages = average_precision(truths, detections, class_ids)
    return {
        name: {
            key: _none_if_nan(value)
            for key, value in {**found[name], **averages[name]}.items()
        }
        for name in SIZE_NAMES
    }


def curves(
    truths: Sequence[GroundTruth],
    detections: Sequence[Detections],
    class_ids: Collection[int],
    size_by: str = "area",
) -> dict[str, dict[str, list[float | None]]]:
    """Returns the curves that a report shows.

    Args:
        truths: One item per image.
        detections: At most one item per image.
        class_ids: The classes evaluated.
        size_by: "area" or "long_side", for the F1 curves.

    Returns:
        "f1_over_threshold" with "threshold" and a list per size, and
        "precision_over_recall" with "recall" and a list per size.
    """
    counts = f1_over_thresholds(
        truths, detections, class_ids, ranges=size_ranges(size_by)
    )
    f1 = {name: size["f1"] for name, size in counts.figures().items()}
    precision = precision_over_recall(truths, detections, class_ids)
    return {
        "f1_over_threshold": _lists({"threshold": counts.thresholds, **f1}),
        "precision_over_recall": _lists(precision),
    }


def format_table(results: Mapping[str, Mapping[str, Mapping]]) -> str:
    """Sets figures as a text table like the paper's Table 1.

    Args:
        results: What `evaluate` returned, by name of the detector, for
            example "base" and "super_resolved".

    Returns:
        Lines of equal width, figures in percent, "-" where undefined.
    """
    names = [name.replace("_", " ") for name in results]
    first = max(len(name) for name in ["Model", *names])
    titles = ("Small", "Medium", "Large", "Overall")
    width = 6 * len(COLUMNS)
    sizes = "".join(f"  {title:^{width}}" for title in titles)
    heads = "".join(f"{head:>6}" for head in COLUMNS.values())
    lines = [
        f"{'':{first}}{sizes}",
        f"{'Model':{first}}" + f"  {heads}" * len(titles),
    ]
    lines.append("-" * len(lines[1]))
    for name, figures in zip(names, results.values(), strict=True):
        cells = (
            "  "
            + "".join(
                f"{percent(figures[size].get(key)):>6}" for key in COLUMNS
            )
            for size in SIZE_NAMES
        )
        lines.append(f"{name:{first}}{''.join(cells)}")
    return "\n".join(lines)


def percent(value: float | None) -> str:
    """Returns a share in percent with one decimal, "-" for None."""
    return "-" if value is None else f"{100 * value:.1f}"


def _lists(columns: Mapping) -> dict[str, list[float | None]]:
    return {
        name: [_none_if_nan(round(value, 5)) for value in values.tolist()]
        for name, values in columns.items()
    }


def _none_if_nan(value):
    return None if math.isnan(value) else value
