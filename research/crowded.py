"""Time of a second look as the small objects of a frame become many.

    python -m research.crowded --model_dir output/gtsdb_second_look \
        --records output/gtsdb/gtsdb_val.record-*

Small objects of the records are copied, each with its surroundings, to places
of one of their frames. The same frames are shown to the base detector, as the
config has it and enlarged, and to the second look. Time is that from a decoded
frame to its detections.
"""

import argparse
import dataclasses
import functools
import itertools
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from featsr_tf.errors import ConfigError
from featsr_tf.errors import DataError
from featsr_tf.errors import exit_on_error
from featsr_tf.exporting.names import BASE
from featsr_tf.exporting.names import SUPER_RESOLVED
from research.side_by_side import add_clock_flag
from research.side_by_side import add_enlarge_flag
from research.side_by_side import check_rounds
from research.side_by_side import clock_of
from research.side_by_side import in_turns
from research.side_by_side import milliseconds
from research.side_by_side import print_environment
from tfrecords_tools.tables import text_table

LOOK = "second look"
# Small as COCO has it, in px^2 of the original frame.
_SMALL_AREA = 32**2
# Of the object's longer side, on every side of it.
_MARGIN = 0.25


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(
        prog="python -m research.crowded",
        description="Time of a second look by the number of small objects.",
    )
    parser.add_argument("--model_dir", required=True, metavar="DIR")
    parser.add_argument(
        "--records",
        nargs="+",
        required=True,
        metavar="FILE",
        help="the first frame without small objects is filled with those of "
        "the others",
    )
    parser.add_argument(
        "--counts",
        type=int,
        nargs="+",
        default=[0, 1, 2, 5, 10, 20, 50, 100, 200],
        metavar="N",
        help="small objects in the frame; default %(default)s",
    )
    add_enlarge_flag(parser)
    parser.add_argument("--rounds", type=int, default=5)
    add_clock_flag(parser)
    arguments = parser.parse_args(argv)
    with exit_on_error():
        run(arguments)


def run(arguments: argparse.Namespace) -> None:
    """Measures and prints."""
    from featsr_tf.config.schema import TFRecordInputReader
    from featsr_tf.data.build import build_resizer
    from featsr_tf.data.build import load_records
    from featsr_tf.data.build import looks_again
    from featsr_tf.prediction.evaluation import load_detection_function
    from featsr_tf.training import model_folder
    from research.alternatives.looking import read_frames
    from research.alternatives.ways import enlarged
    from research.alternatives.ways import make_way

    check_rounds(arguments.rounds)
    folder = arguments.model_dir
    pipeline = model_folder.load(folder)
    if not looks_again(pipeline):
        raise ConfigError(
            f"{folder}: expected a model with the refiner SECOND_LOOK, found "
            f"{pipeline.model.feature_super_resolution.refiner}"
        )
    reader = dataclasses.replace(
        pipeline.train_input_reader,
        tf_record_input_reader=TFRecordInputReader(arguments.records),
    )
    source = load_records(reader, pipeline.model.faster_rcnn.num_classes)
    scene, patches = collect(read_frames(pipeline, source))
    base = load_detection_function(pipeline, folder, BASE)
    resizer = build_resizer(pipeline)
    ways = {BASE: make_way(base, resizer)}
    for factor in arguments.enlarge:
        name = f"{BASE}, frame x {factor:.3g}"
        ways[name] = make_way(base, enlarged(resizer, factor))
    ways[LOOK] = make_way(
        load_detection_function(pipeline, folder, SUPER_RESOLVED),
        build_resizer(pipeline, super_resolve=True),
        originals=True,
    )
    print_environment()
    print(
        f"{folder}: a frame of {scene.shape[1]} x {scene.shape[0]} px with "
        f"copies of {len(patches)} small objects, {arguments.rounds} rounds"
    )
    rows: list[Sequence[str]] = [
        ["objects", "windows", "found", *(f"{name}, ms" for name in ways)]
        + [f"{LOOK} x {name}" for name in ways if name != LOOK]
    ]
    for count in arguments.counts:
        frame = crowd(scene, patches, count)
        rows.append(measure(count, frame, ways, arguments))
    print(f"\n{text_table(rows)}")


def measure(
    count: int,
    frame: np.ndarray,
    ways: Mapping[str, Any],
    arguments: argparse.Namespace,
) -> list[str]:
    """Makes the row of a frame: its windows, and the time of each way."""
    looked = ways[LOOK](frame)
    works = {name: functools.partial(way, frame) for name, way in ways.items()}
    times = in_turns(works, arguments.rounds, clock=clock_of(arguments))
    medians = {name: statistics.median(times[name]) for name in ways}
    windows = 0 if looked.windows is None else len(looked.windows)
    return [
        *(str(count), str(windows), str(len(looked.scores))),
        *map(milliseconds, medians.values()),
        *(
            f"{medians[LOOK] / medians[name]:.2f}"
            for name in ways
            if name != LOOK
        ),
    ]


def collect(frames: Iterable) -> tuple[np.ndarray, list[np.ndarray]]:
    """Takes a frame without small objects, and small objects of the others.

    Args:
        frames: of `read_frames`.

    Returns:
        The frame `[H, W, 3]`, and the objects with their surroundings.

    Raises:
        DataError: there is no such frame, or no small object.
    """
    scene, patches = None, []
    for frame in frames:
        boxes = frame.truth.boxes
        areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
        if scene is None and not (areas < _SMALL_AREA).any():
            scene = frame.image
        for box in boxes[areas < _SMALL_AREA]:
            margin = _MARGIN * (box[2:] - box[:2]).max()
            top, left = np.maximum(box[:2] - margin, 0).astype(int)
            bottom, right = np.ceil(box[2:] + margin).astype(int)
            patches.append(frame.image[top:bottom, left:right])
    if scene is None or not patches:
        raise DataError(
            "expected a frame without small objects, and small objects in "
            "others; found none"
        )
    return scene, patches


def crowd(
    scene: np.ndarray, patches: Sequence[np.ndarray], count: int, seed: int = 0
) -> np.ndarray:
    """Copies objects to places of a frame that are apart from each other.

    Args:
        scene: `[H, W, 3]`.
        count: of objects; they are taken in turn.
        seed: of the places.

    Raises:
        ConfigError: the frame has not so many places.
    """
    side = max(max(patch.shape[:2]) for patch in patches)
    rows, columns = (length // side for length in scene.shape[:2])
    if count > rows * columns:
        raise ConfigError(
            f"--counts: expected at most {rows * columns}, the places of "
            f"{side} px in a frame, found {count}"
        )
    places = np.random.default_rng(seed).permutation(rows * columns)[:count]
    crowded = scene.copy()
    for place, patch in zip(places, itertools.cycle(patches), strict=False):
        top, left = side * (place // columns), side * (place % columns)
        height, width = patch.shape[:2]
        crowded[top : top + height, left : left + width] = patch
    return crowded


if __name__ == "__main__":
    main()
