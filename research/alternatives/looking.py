"""Lets all ways look at the same frames, and judges what they find."""

import dataclasses
import functools
from collections.abc import (
    Callable,
    Collection,
    Iterable,
    Iterator,
    Mapping,
)

import numpy as np
import tqdm

from featsr_tf.config.schema import AreaFrame
from featsr_tf.config.schema import Pipeline
from featsr_tf.data.build import evaluation_batches
from featsr_tf.data.decode import decode_example
from featsr_tf.data.decode import record_dataset
from featsr_tf.data.decode import translate_data_errors
from featsr_tf.data.keys import Batch
from featsr_tf.data.records import RecordFiles
from featsr_tf.metrics.coco import CocoMatches
from featsr_tf.metrics.coco import match_by_size
from featsr_tf.metrics.detections import Detections
from featsr_tf.metrics.detections import GroundTruth
from featsr_tf.metrics.evaluator import choose_threshold
from featsr_tf.prediction.data_set import truth_of_row
from research.ablation.figures import FrameCounts
from research.ablation.figures import count_frames
from research.ablation.kept import Kept
from research.alternatives.ways import Way
from research.side_by_side import time_per_frame


@dataclasses.dataclass(frozen=True, eq=False)
class Frame:
    """A frame of the records.

    Attributes:
        image: `[H, W, 3]` uint8 RGB.
        truth: its objects.
        scale: `[2]` px of I^1.0 per px of the frame, y and x.
    """

    image: np.ndarray
    truth: GroundTruth
    scale: np.ndarray


@dataclasses.dataclass(frozen=True, eq=False)
class Judged:
    """How good a way is, and how long it takes.

    Attributes:
        seconds: `[rounds]`, mean over the frames.
        counts: of each frame, at a score threshold chosen on other frames.
        matches: for average precision.
    """

    seconds: np.ndarray
    counts: FrameCounts
    matches: CocoMatches


def read_frames(pipeline: Pipeline, source: RecordFiles) -> Iterator[Frame]:
    """Reads the frames of records, in their order.

    Args:
        pipeline: the config.
        source: checked records.
    """
    records = record_dataset(source)
    batches = evaluation_batches(pipeline, source, batch_size=1)
    with translate_data_errors(source):
        pairs = zip(records, batches, strict=True)
        for number, (record, batch) in enumerate(pairs):
            batch = {key: value.numpy() for key, value in batch.items()}
            yield Frame(
                decode_example(record).image.numpy(),
                truth_of_row(batch, 0, number),
                batch[Batch.SCALES][0],
            )


def look(
    frames: Iterable[Frame],
    ways: Mapping[str, Way],
    num_timed: int,
    rounds: int,
    clock: Callable[[], float],
) -> dict[str, Kept]:
    """Lets all ways find objects, and times them on the first frames.

    Args:
        frames: what they look at.
        ways: of `make_ways`.
        num_timed: how many frames are timed, when all were looked at once.
        rounds: how often each of these is timed.
        clock: as for `in_turns`.

    Returns:
        What each found, by name; its seconds are `[rounds]`, the mean over
        the timed frames.
    """
    truths, scales, timed = [], [], []
    found: dict[str, list[Detections]] = {name: [] for name in ways}
    for frame in tqdm.tqdm(frames, desc="judging", unit="frame"):
        for name, way in ways.items():
            found[name].append(
                dataclasses.replace(
                    way(frame.image), image_id=frame.truth.image_id
                )
            )
        truths.append(frame.truth)
        scales.append(frame.scale)
        if len(timed) < num_timed:
            timed.append(frame.image)
    # All graphs are made.
    seconds = time_per_frame(
        (
            {name: functools.partial(way, image) for name, way in ways.items()}
            for image in tqdm.tqdm(timed, desc="timing", unit="frame")
        ),
        rounds,
        warm_up=0,
        clock=clock,
    )
    return {
        name: Kept(
            truths,
            found[name],
            None,
            np.stack(scales),
            np.array(seconds[name]),
        )
        for name in ways
    }


def judge(kept: Kept, class_ids: Collection[int], frame: AreaFrame) -> Judged:
    """Judges what a way has found.

    The score threshold of each frame is that with the best F1 on every second
    frame, this one not among them.

    Args:
        kept: what was found in at least two frames.
        class_ids: the classes evaluated.
        frame: in which sizes are measured, as the config measures proposals.
    """
    kept = kept.measured(frame)
    shown = list(kept.found)
    for judged in range(2):
        others = slice(1 - judged, None, 2)
        threshold, _ = choose_threshold(
            kept.truths[others], kept.found[others], class_ids
        )
        for index in range(judged, len(shown), 2):
            shown[index] = shown[index].above(threshold)
    return Judged(
        kept.seconds,
        count_frames(kept.truths, shown, class_ids),
        match_by_size(kept.truths, kept.found, class_ids),
    )
