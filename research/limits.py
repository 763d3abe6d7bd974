"""What a second look loses, and where: windows, proposals or judging.

    python -m research.limits --model_dir output/aerial_cars_model \
        --classes research/grid/cars.txt

Objects that are not shown, at the threshold with the best F1 on the very
frames, are counted by what they have: a proposal that was judged otherwise, a
window without one, or neither; wrong detections by whether a window holds
them. The base detector stands beside it, on frames as the config has them and,
with --enlarge, larger.
"""

import argparse
import dataclasses
from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from featsr_tf.command_line.flags import add_classes_flag
from featsr_tf.command_line.flags import add_pipeline_flags
from featsr_tf.command_line.flags import read_trained_pipeline
from featsr_tf.config import parse_pipeline
from featsr_tf.config import to_text
from featsr_tf.config.schema.super_resolution import AreaFrame
from featsr_tf.errors import exit_on_error
from featsr_tf.exporting.names import BASE
from featsr_tf.exporting.names import SUPER_RESOLVED
from featsr_tf.metrics.coco import match_by_size
from featsr_tf.metrics.detections import SIZE_NAMES
from featsr_tf.metrics.detections import Detections
from featsr_tf.metrics.detections import GroundTruth
from featsr_tf.metrics.detections import areas
from featsr_tf.metrics.evaluator import none_if_nan
from featsr_tf.metrics.evaluator import percent
from featsr_tf.metrics.matching import box_overlaps
from featsr_tf.metrics.options import select_classes
from research.ablation.kept import Kept
from tfrecords_tools.tables import text_table

FOUND = "found"
MISJUDGED = "judged otherwise"
NO_PROPOSAL = "window, no proposal"
NO_WINDOW = "neither"
WRONG_IN_WINDOW = "wrong in windows"
WRONG_OUTSIDE = "wrong elsewhere"
ROWS = (FOUND, MISJUDGED, NO_PROPOSAL, NO_WINDOW)
WRONG_ROWS = (WRONG_IN_WINDOW, WRONG_OUTSIDE)
_OVERLAP = 0.5


class Seen(NamedTuple):
    """A frame, in original pixels.

    Attributes:
        truth: Its objects.
        found: Detections with any score, and the windows of the second look.
        candidates: `[n, 4]` boxes that were judged.
        resized: `[2]` px of the base detector's input per px of the frame.
        seen: px of the input of the first pass per px of the base detector's.
    """

    truth: GroundTruth
    found: Detections
    candidates: np.ndarray
    resized: np.ndarray
    seen: float = 1.0


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(
        prog="python -m research.limits",
        description="Counts what a second look loses, and where.",
    )
    add_pipeline_flags(parser, required=False)
    parser.add_argument("--model_dir", required=True, metavar="DIR")
    add_classes_flag(parser)
    parser.add_argument(
        "--enlarge",
        type=float,
        nargs="*",
        default=[],
        metavar="F",
        help="times the size at which the config shows frames to the base",
    )
    arguments = parser.parse_args(argv)
    with exit_on_error():
        run(arguments)


def run(arguments: argparse.Namespace) -> None:
    """Runs both detectors and prints the table."""
    from featsr_tf.metrics.evaluator import choose_threshold
    from featsr_tf.prediction.evaluation import open_evaluation

    pipeline = read_trained_pipeline(arguments)
    records = open_evaluation(pipeline, arguments.model_dir)
    names = records.label_map.names
    classes = select_classes(names, arguments.classes, records.label_map.path)
    extension = pipeline.model.feature_super_resolution
    sizes = extension.small_area_frame, extension.small_area_threshold
    looks = {BASE: (BASE, 1.0)}
    looks |= {f"{BASE} x {it:g}": (BASE, it) for it in arguments.enlarge}
    looks[SUPER_RESOLVED] = (SUPER_RESOLVED, 1.0)
    losses, averages = {}, [["AP50 / AP50:95", *SIZE_NAMES, "pixels"]]
    for title, (detector, factor) in looks.items():
        frames = list(
            look(pipeline, arguments.model_dir, records, detector, factor)
        )
        kept = as_kept(frames).measured(*sizes)
        score, _ = choose_threshold(kept.truths, kept.found, classes)
        losses[f"{title} (score {score:.2f})"] = count_losses(
            frames, classes, score, *sizes
        )
        figures = match_by_size(kept.truths, kept.found, classes)
        by_size = none_if_nan(figures.figures().by_size())
        averages.append(
            [
                title,
                *(
                    f"{percent(by_size[size]['ap50'])} / "
                    f"{percent(by_size[size]['ap'])}"
                    for size in SIZE_NAMES
                ),
                f"{seen_pixels(frames):.2f}",
            ]
        )
    print(losses_table(losses))
    print(f"\n{text_table(averages)}")


def as_kept(frames: Sequence[Seen]) -> Kept:
    """Takes what sizes and figures need."""
    return Kept(
        [frame.truth for frame in frames],
        [frame.found for frame in frames],
        None,
        np.array([frame.resized for frame in frames]),
        np.zeros(len(frames)),
    )


def seen_pixels(frames: Sequence[Seen]) -> float:
    """Pixels that the detector sees, over those of the base's frames."""
    shares = []
    for frame in frames:
        windows = frame.found.windows
        sides = (windows[:, 2:4] - windows[:, :2]) * windows[:, 4:]
        size = frame.truth.height * frame.truth.width
        # A magnification is over the first pass, and so over its scale.
        shares.append(frame.seen**2 * (1 + sides.prod(axis=1).sum() / size))
    return float(np.mean(shares))


def look(
    pipeline, model_dir: str, records, detector: str, factor: float = 1.0
) -> Iterator[Seen]:
    """Runs a detector over the frames of records.

    Args:
        detector: BASE or SUPER_RESOLVED.
        factor: Times the size at which the config shows frames.
    """
    import tqdm

    from featsr_tf.data.build import evaluation_batches
    from featsr_tf.data.build import looks_again
    from featsr_tf.prediction.data_set import detections_of_row
    from featsr_tf.prediction.data_set import network_inputs_of
    from featsr_tf.prediction.data_set import truth_of_row
    from featsr_tf.prediction.model import load_detector

    super_resolve = detector == SUPER_RESOLVED
    find = _candidate_function(
        load_detector(
            model_dir, None if super_resolve else BASE, pipeline
        ).for_inference(),
        super_resolve,
    )
    seen = factor
    if super_resolve and looks_again(pipeline):
        extension = pipeline.model.feature_super_resolution
        seen *= extension.second_look.first_pass_scale
    batches = evaluation_batches(
        _enlarged(pipeline, factor),
        records,
        batch_size=1,
        super_resolve=super_resolve,
    )
    bar = tqdm.tqdm(
        batches, detector, records.summary.num_examples, dynamic_ncols=True
    )
    for number, batch in enumerate(bar):
        found, boxes, valid = find(*network_inputs_of(batch))
        batch = {key: value.numpy() for key, value in batch.items()}
        (scale,) = batch["scales"]
        yield Seen(
            truth_of_row(batch, 0, number),
            detections_of_row(found, 0, scale, number),
            boxes[0].numpy()[valid[0].numpy()] / np.tile(scale, 2),
            scale / seen,
            seen,
        )


def _enlarged(pipeline, factor: float):
    """Makes a config whose frames are larger."""
    resizers = dataclasses.asdict(pipeline.model.faster_rcnn.image_resizer)
    path = "model.faster_rcnn.image_resizer"
    sides = ("min_dimension", "max_dimension", "height", "width")
    return parse_pipeline(
        to_text(pipeline).encode(),
        "the config",
        [
            f"{path}.{resizer}.{side}={round(fields[side] * factor)}"
            for resizer, fields in resizers.items()
            for side in sides
            if fields and side in fields
        ],
        trains=False,
    )


def _candidate_function(detector, super_resolve: bool):
    """Also gives the best box of each candidate, and whether it is one."""
    import tensorflow as tf

    @tf.function(reduce_retracing=True)
    def find(images, image_sizes, scales, originals=None):
        found, candidates = detector.find_with_candidates(
            images, image_sizes, scales, super_resolve, originals
        )
        boxes = candidates.boxes[:, :, 0]
        if candidates.boxes.shape[2] != 1:
            best = tf.argmax(candidates.scores[..., 1:], axis=2)
            boxes = tf.gather(candidates.boxes, best, batch_dims=2)
        return found, boxes, candidates.valid

    return find


def count_losses(
    frames: Sequence[Seen],
    judged_ids: Collection[int],
    min_score: float,
    frame_of_sizes: AreaFrame,
    small_area: float,
) -> dict[str, list[int]]:
    """Counts objects by what became of them, and wrong detections.

    Args:
        judged_ids: The classes that count.
        min_score: Of detections that are shown.
        frame_of_sizes: In whose pixels the next is.
        small_area: Below which an object is small, px^2.

    Returns:
        By row of the table: of small objects, and of the others.
    """
    counts = {name: [0, 0] for name in (*ROWS, *WRONG_ROWS)}
    for frame in frames:
        factor = 1.0
        if frame_of_sizes == AreaFrame.RESIZED:
            factor = frame.resized.prod()
        truth = frame.truth
        shown = frame.found.above(min_score)
        shown = shown.take(np.isin(shown.classes, list(judged_ids)))
        is_same = truth.classes[:, None] == shown.classes
        is_hit = (_overlaps(truth.boxes, shown.boxes) >= _OVERLAP) & is_same
        is_seen = _overlaps(truth.boxes, frame.candidates) >= _OVERLAP
        windows = frame.found.windows[:, :4]
        is_held = _is_inside(truth.boxes, windows).any(axis=1)
        counted = np.isin(truth.classes, list(judged_ids))
        counted &= ~(truth.crowd | truth.difficult)
        for row in np.flatnonzero(counted):
            if is_hit[row].any():
                name = FOUND
            elif is_seen[row].any():
                name = MISJUDGED
            else:
                name = NO_PROPOSAL if is_held[row] else NO_WINDOW
            is_large = areas(truth.boxes[row : row + 1])[0] * factor
            counts[name][int(is_large >= small_area)] += 1
        is_windowed = _is_inside(shown.boxes, windows).any(axis=1)
        for row in np.flatnonzero(~is_hit.any(axis=0)):
            name = WRONG_IN_WINDOW if is_windowed[row] else WRONG_OUTSIDE
            is_large = areas(shown.boxes[row : row + 1])[0] * factor
            counts[name][int(is_large >= small_area)] += 1
    return counts


def _overlaps(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Overlaps `[n, m]` of boxes `[n, 4]` with others `[m, 4]`."""
    first = np.repeat(boxes, len(others), axis=0)
    second = np.tile(others, (len(boxes), 1))
    return box_overlaps(first, second).reshape(len(boxes), len(others))


def _is_inside(boxes: np.ndarray, windows: np.ndarray) -> np.ndarray:
    """Tells `[n, m]` which boxes `[n, 4]` lie wholly in windows `[m, 4]`."""
    begins = boxes[:, None, :2] >= windows[None, :, :2]
    ends = boxes[:, None, 2:] <= windows[None, :, 2:]
    return (begins & ends).all(axis=2)


def losses_table(detectors: dict[str, dict[str, list[int]]]) -> str:
    """Sets the counts of detectors one below the other, small objects first.

    Args:
        detectors: Of `count_losses`, by the title of the detector.
    """
    names = (*ROWS, *WRONG_ROWS)
    rows = [
        [f"{title}, {size}", *(f"{counts[name][column]:,}" for name in names)]
        for title, counts in detectors.items()
        for column, size in enumerate(("small", "other"))
    ]
    return text_table([["", *names], *rows])


if __name__ == "__main__":
    main()
