"""Time of a second look as the small objects of a frame become many.

    python -m research.crowded --model_dir output/gtsdb_second_look \
        --records output/gtsdb/gtsdb_val.record-*

Small objects of the records are copied, each with its surroundings, to places
of frames that have none. These are shown to the base detector, as the config
has it and enlarged, and to the second look. Time is that from a decoded frame
to its detections; AP50:95 is that of the small objects.
"""

import argparse
import dataclasses
import functools
import itertools
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import tqdm

from featsr_tf.command_line.flags import add_set_flag
from featsr_tf.errors import ConfigError
from featsr_tf.errors import DataError
from featsr_tf.errors import exit_on_error
from featsr_tf.exporting.names import BASE
from featsr_tf.exporting.names import SUPER_RESOLVED
from featsr_tf.metrics.coco import match_by_size
from featsr_tf.metrics.detections import GroundTruth
from featsr_tf.metrics.evaluator import none_if_nan
from featsr_tf.metrics.evaluator import percent
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


class Patch(NamedTuple):
    """A small object with its surroundings.

    Attributes:
        pixels: `[H, W, 3]`.
        box: `[4]`, px of the patch.
        class_id: its class.
    """

    pixels: np.ndarray
    box: np.ndarray
    class_id: int


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
        help="frames without small objects are filled with those of the others",
    )
    parser.add_argument(
        "--scenes",
        type=int,
        default=4,
        metavar="N",
        help="frames that are filled; the first is timed; default %(default)s",
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
    add_set_flag(parser)
    arguments = parser.parse_args(argv)
    with exit_on_error():
        run(arguments)


def run(arguments: argparse.Namespace) -> None:
    """Measures and prints."""
    from featsr_tf.config.schema import TFRecordInputReader
    from featsr_tf.data.build import build_resizer
    from featsr_tf.data.build import load_records
    from featsr_tf.data.build import looks_again
    from featsr_tf.data.resize import scaled
    from featsr_tf.prediction.evaluation import load_detection_function
    from featsr_tf.training import model_folder
    from research.alternatives.looking import read_frames
    from research.alternatives.ways import make_way

    check_rounds(arguments.rounds)
    if arguments.scenes < 1:
        raise ConfigError(
            f"--scenes: expected 1 or more, found {arguments.scenes}"
        )
    folder = arguments.model_dir
    pipeline = model_folder.load(folder, arguments.overrides)
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
    scenes, patches = collect(read_frames(pipeline, source), arguments.scenes)
    base = load_detection_function(pipeline, folder, BASE)
    resizer = build_resizer(pipeline)
    ways = {BASE: make_way(base, resizer)}
    for factor in arguments.enlarge:
        name = f"{BASE}, frame x {factor:.3g}"
        ways[name] = make_way(base, scaled(resizer, factor))
    ways[LOOK] = make_way(
        load_detection_function(pipeline, folder, SUPER_RESOLVED),
        build_resizer(pipeline, super_resolve=True),
        originals=True,
    )
    print_environment()
    height, width = scenes[0].image.shape[:2]
    print(
        f"{folder}: {len(scenes)} frames, the first of {width} x {height} px, "
        f"with copies of {len(patches)} small objects, {arguments.rounds} "
        f"rounds; {' '.join(arguments.overrides)}"
    )
    rows: list[Sequence[str]] = [
        ["objects", "windows"]
        + [f"{name}, {figure}" for name in ways for figure in ("ms", "AP")]
        + [f"{LOOK} x {name}" for name in ways if name != LOOK]
    ]
    for count in tqdm.tqdm(arguments.counts, desc="counts", unit="row"):
        crowds = [
            crowd(scene, patches, count, seed)
            for seed, scene in enumerate(scenes)
        ]
        rows.append(measure(count, crowds, ways, arguments))
    print(f"\n{text_table(rows)}")


def measure(
    count: int,
    crowds: Sequence[tuple[np.ndarray, GroundTruth]],
    ways: Mapping[str, Any],
    arguments: argparse.Namespace,
) -> list[str]:
    """Makes the row of a number of objects.

    Args:
        crowds: of `crowd`; the first is timed.
        ways: by name, from a frame to its detections.

    Returns:
        Windows of the first, time and average precision of each way, and the
        times of the second look by those of the others.
    """
    image = crowds[0][0]
    windows = ways[LOOK](image).windows
    works = {name: functools.partial(way, image) for name, way in ways.items()}
    times = in_turns(works, arguments.rounds, clock=clock_of(arguments))
    medians = {name: statistics.median(times[name]) for name in ways}
    return [
        str(count),
        str(0 if windows is None else len(windows)),
        *itertools.chain.from_iterable(
            (milliseconds(medians[name]), percent(small_precision(crowds, way)))
            for name, way in ways.items()
        ),
        *(
            f"{medians[LOOK] / medians[name]:.2f}"
            for name in ways
            if name != LOOK
        ),
    ]


def small_precision(
    crowds: Sequence[tuple[np.ndarray, GroundTruth]], way: Any
) -> float | None:
    """Computes AP50:95 of the small objects of frames; None without any."""
    truths = [truth for _, truth in crowds]
    found = [
        dataclasses.replace(way(image), image_id=truth.image_id)
        for image, truth in crowds
    ]
    classes = sorted({int(i) for truth in truths for i in truth.classes})
    figures = match_by_size(truths, found, classes).figures().by_size()
    return none_if_nan(figures["small"]["ap"])


def collect(frames: Iterable, num_scenes: int) -> tuple[list[Any], list[Patch]]:
    """Takes frames without small objects, and small objects of the others.

    Args:
        frames: of `read_frames`.
        num_scenes: how many are taken, the first ones.

    Returns:
        The frames, and the objects with their surroundings.

    Raises:
        DataError: there are too few such frames, or no small object.
    """
    scenes, patches = [], []
    for frame in frames:
        boxes = frame.truth.boxes
        is_small = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1) < _SMALL_AREA
        if len(scenes) < num_scenes and not is_small.any():
            scenes.append(frame)
        for index in np.flatnonzero(is_small):
            box = boxes[index]
            margin = _MARGIN * (box[2:] - box[:2]).max()
            begin = np.maximum(box[:2] - margin, 0).astype(int)
            (top, left), (bottom, right) = (
                begin,
                np.ceil(box[2:] + margin).astype(int),
            )
            patches.append(
                Patch(
                    frame.image[top:bottom, left:right],
                    box - np.tile(begin, 2),
                    int(frame.truth.classes[index]),
                )
            )
    if len(scenes) < num_scenes or not patches:
        raise DataError(
            f"expected {num_scenes} frames without small objects, and small "
            f"objects in others; found {len(scenes)} and {len(patches)}"
        )
    return scenes, patches


def crowd(
    scene: Any, patches: Sequence[Patch], count: int, seed: int = 0
) -> tuple[np.ndarray, GroundTruth]:
    """Copies objects to places of a frame that are apart from each other.

    Args:
        scene: a frame of `read_frames`.
        count: of objects; they are taken in turn.
        seed: of the places.

    Returns:
        The frame `[H, W, 3]`, and the copies alone.

    Raises:
        ConfigError: the frame has not so many places.
    """
    side = max(max(patch.pixels.shape[:2]) for patch in patches)
    rows, columns = (length // side for length in scene.image.shape[:2])
    if count > rows * columns:
        raise ConfigError(
            f"--counts: expected at most {rows * columns}, the places of "
            f"{side} px in a frame, found {count}"
        )
    places = np.random.default_rng(seed).permutation(rows * columns)[:count]
    crowded = scene.image.copy()
    boxes, classes = np.zeros([count, 4]), np.zeros(count, np.int64)
    for index, place in enumerate(places):
        patch = patches[index % len(patches)]
        corner = side * (place // columns), side * (place % columns)
        height, width = patch.pixels.shape[:2]
        crowded[
            corner[0] : corner[0] + height, corner[1] : corner[1] + width
        ] = patch.pixels
        boxes[index] = patch.box + np.tile(corner, 2)
        classes[index] = patch.class_id
    truth = dataclasses.replace(
        scene.truth,
        boxes=boxes,
        classes=classes,
        crowd=None,
        difficult=None,
        areas=None,
    )
    return crowded, truth


if __name__ == "__main__":
    main()
