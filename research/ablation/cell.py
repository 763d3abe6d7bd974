"""Trains one detector and keeps what it finds in frames it has not seen.

`python -m research.ablation` starts one such process for each cell of its
table. It ends when the process that started it does, and goes on from its last
checkpoint when it is started again.
"""

import argparse
import dataclasses
import os
import sys
import threading
import time
from collections.abc import Sequence

from featsr_tf.command_line.flags import add_pipeline_flags
from featsr_tf.command_line.flags import read_pipeline
from featsr_tf.errors import exit_on_error


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command.

    Args:
        argv: Arguments; default is the command line's.
    """
    parser = argparse.ArgumentParser(
        prog="python -m research.ablation.cell",
        description="Trains and runs the detector of one cell.",
    )
    add_pipeline_flags(parser)
    parser.add_argument("--model_dir", required=True, metavar="DIR")
    parser.add_argument(
        "--base_from",
        metavar="DIR",
        help="start from this base detector; without it, the cell is one",
    )
    parser.add_argument("--output", required=True, metavar="FILE.npz")
    parser.add_argument(
        "--cores", type=int, nargs="+", help="run on these cores only"
    )
    arguments = parser.parse_args(argv)
    if arguments.cores and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, arguments.cores)
    with exit_on_error():
        run(read_pipeline(arguments), arguments)


def run(pipeline, arguments: argparse.Namespace) -> None:
    """Trains what is left to train, detects, writes the file."""
    import numpy as np

    from featsr_tf.prediction.data_set import detection_function
    from featsr_tf.prediction.evaluation import open_evaluation
    from featsr_tf.prediction.evaluation import run_detector
    from featsr_tf.training.trainer import train
    from research.ablation.content import measure_content
    from research.ablation.kept import Kept
    from research.ablation.kept import write_kept

    model_dir = arguments.model_dir
    is_base = arguments.base_from is None
    # Records to judge on would be drawn at intervals, which nobody looks at.
    # All stages end with their last step: no checkpoint is chosen by them.
    extension = dataclasses.replace(
        pipeline.model.feature_super_resolution, validation=None
    )
    unseen = dataclasses.replace(
        pipeline,
        eval_input_reader=[],
        model=dataclasses.replace(
            pipeline.model, feature_super_resolution=extension
        ),
    )
    trained = train(unseen, model_dir, base_from=arguments.base_from)
    source = open_evaluation(pipeline, model_dir)
    detect = Stopwatch(detection_function(trained, super_resolve=not is_base))
    truths, found = run_detector(
        pipeline, detect, source, "detections", super_resolve=not is_base
    )
    scales = np.concatenate(detect.scales)
    proposals, content = None, None
    if is_base:
        _, proposals = run_detector(
            pipeline, proposal_function(trained), source, "proposals"
        )
    else:
        content = measure_content(pipeline, trained, source)
    write_kept(
        arguments.output,
        Kept(
            truths,
            found,
            proposals,
            scales,
            np.array(detect.seconds),
            content,
        ),
    )


class Stopwatch:
    """Measures a detection function; the first call of each shape twice.

    Args:
        detect: Of `inference.detection_function`.
    """

    def __init__(self, detect):
        self._detect = detect
        self._shapes = set()
        self.seconds = []
        self.scales = []

    def __call__(self, images, image_sizes, scales, *originals):
        """Detects, and notes the time of each image of the batch."""
        if images.shape not in self._shapes:
            self._shapes.add(images.shape)
            self._detect(images, image_sizes, scales, *originals)
        begin = time.perf_counter()
        found = self._detect(images, image_sizes, scales, *originals)
        count = images.shape[0]
        self.seconds += [(time.perf_counter() - begin) / count] * count
        self.scales.append(scales.numpy())
        return found


def proposal_function(detector):
    """Makes a function like `inference.detection_function` for proposals.

    Args:
        detector: The detector.

    Returns:
        A function whose detections are the proposals, all of class 1.
    """
    import tensorflow as tf

    from featsr_tf.model.postprocess import DetectionBatch

    @tf.function(reduce_retracing=True)
    def propose(images, image_sizes, scales):
        proposals = detector.propose(detector.extract(images), image_sizes)
        return DetectionBatch(
            proposals.boxes,
            proposals.scores,
            tf.cast(proposals.valid, tf.int32),
            tf.reduce_sum(tf.cast(proposals.valid, tf.int32), axis=1),
        )

    return propose


def end_with_parent() -> None:
    """Ends this process as soon as the one that holds its stdin is gone."""

    def wait() -> None:
        # Not through Python's buffer, whose lock would be held at the exit.
        while os.read(sys.stdin.fileno(), 1):
            pass
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


if __name__ == "__main__":
    end_with_parent()
    main()
