"""How detections are judged: what callers choose, and results record."""

import dataclasses
import shlex
import sys
from collections.abc import Mapping, Sequence

from featsr_tf.data.label_map import load_label_map
from featsr_tf.errors import DataError
from featsr_tf.files import read_text
from featsr_tf.metrics.evaluator import Protocol


@dataclasses.dataclass(frozen=True)
class EvaluationOptions:
    """How detections are judged, and what is told of mistakes.

    Attributes:
        protocol: the rules.
        min_score: score threshold of recall, accuracy and F1, or one by name
            of the detector. None chooses, for a model, the best one on the
            training records.
        threshold_source: where the threshold is from, for the settings.
        threshold_images: most training images that decide on it; None = all.
            Default 500.
        classes: file that names the evaluated classes; None = all.
        num_worst_images: number of images with mistakes that are listed.
            Default 10.
        pictures: folder for pictures of these; None = none are drawn.
        image_dir: where the images of an annotation file are.
    """

    protocol: Protocol = Protocol()
    min_score: float | dict[str, float] | None = None
    threshold_source: str = "default"
    threshold_images: int | None = 500
    classes: str | None = None
    num_worst_images: int = 10
    pictures: str | None = None
    image_dir: str | None = None


def scores_by_detector(
    scores: float | Mapping[str, float], names: Sequence[str], source: str
) -> dict[str, float]:
    """Gives each detector its score threshold.

    Raises:
        DataError: `scores` leave a detector out.
    """
    if not isinstance(scores, Mapping):
        return dict.fromkeys(names, scores)
    for name in names:
        if name not in scores:
            raise DataError(
                f"{source}: expected a threshold of {name!r}, found those of "
                f"{', '.join(scores)}"
            )
    return {name: scores[name] for name in names}


def select_classes(
    names: Mapping[int, str], path: str | None, source: str
) -> dict[int, str]:
    """Keeps the classes that a file names.

    Args:
        path: label map (.pbtxt) or text file with a name per line; None
            keeps all classes.

    Raises:
        DataError: the file cannot be read, is empty or has unknown names.
    """
    if path is None:
        return dict(names)
    wanted = _read_names(path)
    unknown = [name for name in wanted if name not in names.values()]
    if unknown or not wanted:
        raise DataError(
            f"{path}: expected names of classes of {source}, such as "
            f"{', '.join(list(names.values())[:5])}; found "
            f"{repr(unknown[0]) if unknown else 'none'}"
        )
    return {id_: name for id_, name in names.items() if name in wanted}


def describe_options(options: EvaluationOptions) -> dict[str, str]:
    """Returns the settings of an evaluation that its results record."""
    protocol = options.protocol
    return {
        "protocol": protocol.name,
        "size_by": f"{protocol.size_by.replace('_', ' ')} in original pixels",
        "threshold_chosen_on": options.threshold_source,
        "classes": options.classes or "all",
        "command": _command(),
    }


def _command() -> str:
    """This call, as it can be repeated from either form of the command."""
    words = sys.argv[1:]
    if words[:1] == ["evaluate"]:
        words = words[1:]
    return shlex.join(["python", "-m", "featsr_tf.evaluate", *words])


def _read_names(path: str) -> list[str]:
    if path.endswith(".pbtxt"):
        return list(load_label_map(path).names.values())
    lines = read_text(path).splitlines()
    return [line.strip() for line in lines if line.strip()]
