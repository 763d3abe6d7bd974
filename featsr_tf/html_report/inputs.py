"""What a report is made of, read and checked: figures, history, pictures."""

import base64
import dataclasses
import datetime
import importlib.metadata
import io
import json
import os
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from featsr_tf.data.pictures import read_image
from featsr_tf.errors import DataError
from featsr_tf.exporting.names import BASE
from featsr_tf.exporting.names import DETECTORS
from featsr_tf.files import read_text
from featsr_tf.metrics.detections import SIZE_NAMES
from featsr_tf.metrics.evaluator import PROTOCOLS
from featsr_tf.training import model_folder

PICTURE_WIDTH = 2000
PICTURE_SUFFIXES = {".jpg", ".jpeg", ".png"}
CAPTIONS_FILE = "captions.json"
LIBRARIES = ("featsr_tf", "tensorflow", "keras", "keras-cv", "numpy")


@dataclass(frozen=True)
class Picture:
    """A picture for the page: a JPEG inside a data URI, its size in px."""

    caption: str
    data_uri: str
    width: int
    height: int


@dataclass(frozen=True)
class Metrics:
    """What an evaluation returned by name of the detector, how, and where.

    `changes` are what one detector found that the other did not, maybe none.
    """

    detectors: Mapping[str, Mapping]
    settings: Mapping
    environment: Mapping[str, str]
    changes: Mapping[str, Mapping] = dataclasses.field(default_factory=dict)


def read_metrics(path: str | Path) -> Metrics:
    """Reads the file that `featsr_tf.evaluate --output` writes.

    It has "base", "super_resolved" or both, or the figures of one detections
    file.

    Raises:
        DataError: If it cannot be read or has no figures.
    """
    content = _load_json(path)
    detectors = {name: content[name] for name in DETECTORS if name in content}
    if not detectors and "protocol" in content:
        facts = ("settings", "environment")
        figures = {key: content[key] for key in content if key not in facts}
        detectors = {"detections": figures}
    if not detectors:
        raise DataError(
            f"{path}: expected 'base', 'super_resolved' or 'protocol' in it"
        )
    checked = dict(detectors)
    if "changes" in content:
        checked["changes"] = content["changes"]
    for name, figures in checked.items():
        _check_result(figures, name, path)
    return Metrics(
        detectors,
        content.get("settings", {}),
        content.get("environment") or describe_environment(),
        content.get("changes", {}),
    )


# What detectors must have in common to stand side by side.
_COMPARED: dict[str, Callable[[Mapping], Any]] = {
    "protocol": lambda result: result.get("protocol"),
    "size_by": lambda result: result.get("size_by"),
    "classes": lambda result: sorted(result.get("per_class", ())),
    "number of objects": lambda result: result["all"].get("num_objects"),
}


def compare_metrics(paths: Sequence[str | Path]) -> Metrics:
    """Reads the figures of several detectors to set side by side.

    Each detector is named after its file. Of a model's file it is the
    super-resolved one; the base detector of the first file stands beside all.

    Raises:
        DataError: If one cannot be read, or they cannot be compared.
    """
    results, settings = {}, {}
    first, *_ = paths
    for path in paths:
        metrics = read_metrics(path)
        name, found = Path(path).stem, metrics.detectors
        if path == first and BASE in found and len(found) > 1:
            results[BASE] = found[BASE]
        if name in results:
            raise DataError(f"{path}: expected a file name of its own")
        results[name] = list(found.values())[-1]
        settings[name] = metrics.settings
        for key, of in _COMPARED.items():
            expected = of(next(iter(results.values())))
            if of(results[name]) != expected:
                raise DataError(
                    f"{path}: expected {key} {expected!r} as in {first}, found "
                    f"{of(results[name])!r}"
                )
    return Metrics(results, settings, metrics.environment)


def read_history(path: str | Path) -> dict[str, list[dict]]:
    """Reads the training history, one JSON object per line.

    Lines of the same step, such as losses and validation, are joined; where a
    continued run repeated steps, what the later one says stands.

    Returns:
        Records by stage, in order of the steps; stages in order of training.

    Raises:
        DataError: as `model_folder.read_history`.
    """
    stages: dict[str, dict[int, dict]] = {}
    for _, record in model_folder.read_history(path):
        steps = stages.setdefault(record["stage"], {})
        steps.setdefault(record["step"], {}).update(record)
    return {
        stage: [steps[step] for step in sorted(steps)]
        for stage, steps in stages.items()
    }


def read_pictures(folder: str | Path, limit: int) -> tuple[list[Picture], int]:
    """Reads the first pictures of a folder, made small enough for a page.

    Its `captions.json`, an object of captions by file name, is used if there is
    one.

    Returns:
        The pictures in order of their names, and how many were left out.

    Raises:
        DataError: If there is no such folder or a picture is damaged.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder of pictures")
    files = sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in PICTURE_SUFFIXES
    )
    captions = read_captions(folder)
    pictures = [_read_picture(path, captions) for path in files[:limit]]
    return pictures, max(0, len(files) - limit)


def read_captions(folder: str | Path) -> dict[str, str]:
    """Returns the captions of a folder of pictures by file name, maybe none."""
    path = Path(folder, CAPTIONS_FILE)
    return _load_json(path) if path.exists() else {}


def describe_environment() -> dict[str, str]:
    """Returns date, machine and versions, by what they are."""
    versions = []
    for library in LIBRARIES:
        try:
            versions.append(f"{library} {importlib.metadata.version(library)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "date": datetime.datetime.now().astimezone().isoformat(" ", "minutes"),
        "versions": ", ".join(
            [f"Python {platform.python_version()}", *versions]
        ),
        "machine": f"{_processor()}, {os.cpu_count()} cores, "
        f"{platform.system()} {platform.machine()}",
    }


def _check_result(result, name: str, path: str | Path) -> None:
    for size in SIZE_NAMES:
        if not isinstance(result, dict) or not isinstance(
            result.get(size), dict
        ):
            raise DataError(f"{path}: {name!r} has no figures for {size!r}")
        _check_figures(result[size], f"{path}: {name}.{size}")
    if result.get("protocol", PROTOCOLS[0]) not in PROTOCOLS:
        raise DataError(
            f"{path}: {name}.protocol: expected one of {', '.join(PROTOCOLS)}, "
            f"found {result['protocol']!r}"
        )


def _check_figures(figures: dict, place: str) -> None:
    for key, value in figures.items():
        if value is not None and not isinstance(value, int | float):
            raise DataError(
                f"{place}.{key}: expected a number or null, found {value!r}"
            )


def _load_json(path: str | Path) -> dict:
    try:
        content = json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not a JSON file: {error}") from None
    if not isinstance(content, dict):
        raise DataError(
            f"{path}: expected an object, found a {type(content).__name__}"
        )
    return content


def _read_picture(path: Path, captions: dict) -> Picture:
    picture = Image.fromarray(read_image(str(path)))
    picture.thumbnail((PICTURE_WIDTH, 4 * PICTURE_WIDTH))
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=85, optimize=True)
    encoded = base64.b64encode(stream.getvalue()).decode("ascii")
    return Picture(
        str(captions.get(path.name, path.stem.replace("_", " "))),
        f"data:image/jpeg;base64,{encoded}",
        *picture.size,
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").split("\n")
    except OSError:
        lines = []
    names = [line.split(":", 1)[1] for line in lines if "model name" in line]
    return names[0].strip() if names else platform.processor() or "CPU"
