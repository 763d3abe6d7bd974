"""The protocols, and all figures of a detector under one of them."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from featsr_tf.errors import ConfigError
from featsr_tf.metrics.coco import CocoFigures
from featsr_tf.metrics.coco import average_precision
from featsr_tf.metrics.detections import SIZE_NAMES
from featsr_tf.metrics.detections import Detections
from featsr_tf.metrics.detections import GroundTruth
from featsr_tf.metrics.detections import size_ranges
from featsr_tf.metrics.error_analysis import confusion
from featsr_tf.metrics.error_analysis import worst_images
from featsr_tf.metrics.matching import MatchCandidates
from featsr_tf.metrics.matching import find_candidates
from featsr_tf.metrics.tt100k import best_threshold
from featsr_tf.metrics.tt100k import count_found
from featsr_tf.metrics.tt100k import figures_by_class
from featsr_tf.metrics.tt100k import recall_accuracy_f1
from featsr_tf.metrics.tt100k import threshold_grid
from featsr_tf.metrics.voc import voc_average_precision

PROTOCOLS = ("tt100k", "coco", "voc")
COLUMNS = {
    "recall": "Rec.",
    "accuracy": "Acc.",
    "precision": "Prec.",
    "f1": "F1",
    "ap": "AP",
    "ap50": "AP50",
    "ap75": "AP75",
    "ar": "AR",
}
# The columns of the printed table and of the table by size on the page.
SHOWN = {
    "tt100k": ("recall", "accuracy", "f1", "ap50"),
    "coco": ("ap50", "ap75", "ap", "ar"),
    "voc": ("ap50",),
}


@dataclass(frozen=True)
class Protocol:
    """The rules by which detections are evaluated.

    Args:
        name: "tt100k" (recall, accuracy and F1 at a score threshold, and
            COCO's average precision beside them), "coco" or "voc".
        size_by: "area", as in the paper, or "long_side", as in the official
            evaluation of Tsinghua-Tencent 100K. COCO goes by area only.

    Raises:
        ConfigError: If a word is unknown or does not go with the others.
    """

    name: str = "tt100k"
    size_by: str = "area"
    eleven_point: bool = False

    def __post_init__(self):
        if self.name not in PROTOCOLS:
            raise ConfigError(
                f"protocol: expected one of {', '.join(PROTOCOLS)}, found "
                f"{self.name!r}"
            )
        size_ranges(self.size_by)
        if self.name == "coco" and self.size_by != "area":
            raise ConfigError(
                "size_by: the coco protocol goes by area, found "
                f"{self.size_by!r}"
            )
        if self.eleven_point and self.name != "voc":
            raise ConfigError(
                "eleven_point: only the voc protocol knows it, found protocol "
                f"{self.name!r}"
            )


def evaluate(
    truths: Sequence[GroundTruth],
    detections: Sequence[Detections],
    names: Mapping[int, str],
    score_threshold: float = 0.5,
    protocol: Protocol | None = None,
    num_worst_images: int = 10,
) -> dict:
    """Evaluates detections under a protocol.

    Args:
        names: Names of the evaluated classes by class id, for example those
            of a label map; others are ignored.
        score_threshold: For recall, accuracy and F1 and for the errors;
            average precision uses all detections.
        protocol: The rules, by default those of Tsinghua-Tencent 100K.
        num_worst_images: How many images are listed, those with the most
            errors first; default 10.

    Returns:
        "protocol", "size_by" and "min_score"; the figures for each of
        "small", "medium", "large" and "all", from 0 to 1, None where
        undefined, and "num_objects"; the same "per_class"; the totals of
        COCO and VOC by their usual names; "curves", "confusion" and
        "worst_images". Fit for JSON.
    """
    protocol = protocol or Protocol()
    candidates = find_candidates(truths, detections, names)
    averages = average_precision(truths, detections, names)
    if protocol.name == "coco":
        figures = _coco_figures(averages, names)
    elif protocol.name == "voc":
        figures = _voc_figures(truths, detections, names, protocol)
    else:
        figures = _tt100k_figures(
            candidates, averages, names, score_threshold, protocol.size_by
        )
    result = {
        "protocol": protocol.name,
        "size_by": protocol.size_by,
        "min_score": score_threshold,
        **figures,
        "curves": _curves(candidates, averages, protocol.size_by),
        "confusion": confusion(truths, detections, names, score_threshold),
        "worst_images": worst_images(
            truths, candidates, score_threshold, num_worst_images
        ),
    }
    return none_if_nan(result)


def choose_threshold(
    truths: Sequence[GroundTruth],
    detections: Sequence[Detections],
    class_ids: Collection[int],
    size_by: str = "area",
) -> tuple[float, float | None]:
    """Finds the score threshold with the best F1 over all sizes.

    To be done on training or validation images, never on test images. Sizes
    matter because "long_side" leaves out the longest objects.

    Returns:
        The lowest of the best thresholds, and its F1; None without objects.
    """
    candidates = find_candidates(truths, detections, class_ids)
    counts = count_found(
        candidates,
        threshold_grid(candidates.detections.scores),
        size_ranges(size_by),
    )
    threshold = best_threshold(counts)
    f1 = counts.figures()["all"]["f1"][counts.thresholds == threshold]
    return threshold, none_if_nan(float(f1[0]))


def format_table(results: Mapping[str, Mapping]) -> str:
    """Sets figures as a text table like the paper's Table 1.

    Args:
        results: What `evaluate` returned, by name of the detector, for
            example "base" and "super_resolved".
    """
    columns = SHOWN[next(iter(results.values()))["protocol"]]
    names = [name.replace("_", " ") for name in results]
    first = max(len(name) for name in ["Model", *names])
    titles = ("Small", "Medium", "Large", "Overall")
    width = max(6 * len(columns), 8)
    sizes = "".join(f"  {title:^{width}}" for title in titles)
    heads = "".join(f"{COLUMNS[key]:>6}" for key in columns)
    lines = [
        f"{'':{first}}{sizes}",
        f"{'Model':{first}}" + f"  {heads:>{width}}" * len(titles),
    ]
    lines.append("-" * len(lines[1]))
    for name, figures in zip(names, results.values(), strict=True):
        cells = (
            "".join(f"{percent(figures[size].get(key)):>6}" for key in columns)
            for size in SIZE_NAMES
        )
        row = "".join(f"  {cell:>{width}}" for cell in cells)
        lines.append(f"{name:{first}}{row}")
    return "\n".join(lines)


def percent(value: float | None) -> str:
    """Returns a share in percent with one decimal, "-" for None."""
    return "-" if value is None else f"{100 * value:.1f}"


def none_if_nan(value):
    """Makes NaN, which JSON does not know, None in dicts and lists."""
    if isinstance(value, dict):
        return {key: none_if_nan(item) for key, item in value.items()}
    if isinstance(value, list):
        return [none_if_nan(item) for item in value]
    if isinstance(value, float) and math.isnan(value):
        return None
    return value


def _tt100k_figures(
    candidates: MatchCandidates,
    averages: CocoFigures,
    names: Mapping[int, str],
    score_threshold: float,
    size_by: str,
) -> dict:
    """Recall, accuracy and F1, and beside them the averages of COCO.

    The latter always go by area.
    """
    ranges = size_ranges(size_by)
    found = recall_accuracy_f1(candidates, score_threshold, ranges)
    by_class = figures_by_class(candidates, score_threshold, names, ranges)
    return {
        **_joined(averages.by_size(), found),
        "per_class": {
            names[class_id]: _joined(averages.by_size(class_id), figures)
            for class_id, figures in by_class.items()
        },
    }


def _coco_figures(averages: CocoFigures, names: Mapping[int, str]) -> dict:
    """The twelve figures of COCO, those by size, and "per_class"."""
    return {
        **averages.summary(),
        **averages.by_size(),
        "per_class": {
            name: averages.by_size(class_id) for class_id, name in names.items()
        },
    }


def _voc_figures(
    truths: Sequence[GroundTruth],
    detections: Sequence[Detections],
    names: Mapping[int, str],
    protocol: Protocol,
) -> dict:
    """The average precision of PASCAL VOC, the mean over classes."""
    by_class = voc_average_precision(
        truths,
        detections,
        names,
        size_ranges(protocol.size_by),
        protocol.eleven_point,
    )
    by_size = {
        size: {
            "ap50": _mean(
                [figures[size]["ap50"] for figures in by_class.values()]
            ),
            "num_objects": sum(
                figures[size]["num_objects"] for figures in by_class.values()
            ),
        }
        for size in SIZE_NAMES
    }
    keys = {"AP50": "all", "APs": "small", "APm": "medium", "APl": "large"}
    return {
        "eleven_point": protocol.eleven_point,
        **{key: by_size[size]["ap50"] for key, size in keys.items()},
        **by_size,
        "per_class": {
            names[class_id]: figures for class_id, figures in by_class.items()
        },
    }


def _joined(averages: Mapping, found: Mapping) -> dict[str, dict]:
    return {name: {**averages[name], **found[name]} for name in SIZE_NAMES}


def _mean(values: Sequence[float]) -> float:
    defined = [value for value in values if not math.isnan(value)]
    return sum(defined) / len(defined) if defined else math.nan


def _curves(
    candidates: MatchCandidates, averages: CocoFigures, size_by: str
) -> dict[str, dict[str, list]]:
    counts = count_found(
        candidates,
        threshold_grid(candidates.detections.scores),
        size_ranges(size_by),
    )
    f1 = {name: size["f1"] for name, size in counts.figures().items()}
    return {
        "f1_over_threshold": _lists({"threshold": counts.thresholds, **f1}),
        "precision_over_recall": _lists(averages.precision_over_recall()),
    }


def _lists(columns: Mapping) -> dict[str, list[float]]:
    return {
        name: np.round(values, 5).tolist() for name, values in columns.items()
    }
