"""Trains or predicts for a long time and watches what grows meanwhile.

    python -m research.soak --train --minutes 60
    python -m research.soak --predict --minutes 60

Training goes through the steps of all three stages in turn on drawn toy
images and writes checkpoints; prediction takes drawn images of several sizes.
After a warm-up, resident memory may drift by 2%, no file may stay open that
was not open before, and nothing may warn. Exit code 1 where it does.
"""

import argparse
import contextlib
import os
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from collections.abc import Iterator
from dataclasses import dataclass
from dataclasses import field

from featsr_tf.errors import exit_on_error
from research.memory import resident_megabytes

MODEL = "saved_models/gtsdb_mobilenet/1"
PIPELINE = "pipelines/toy.config"
MAXIMUM_DRIFT = 0.02
# The first part of the time, in which whatever is made once is made.
WARM_UP = 0.25
SAMPLES = 400
# Fewer say nothing about drift.
MINIMUM_ROUNDS = 20
STEPS_PER_CHECKPOINT = 20


@dataclass
class Gauges:
    """What is watched.

    Attributes:
        memory: resident megabytes, over time.
        files: open file handles, over time.
        warnings: texts of all warnings.
        rounds: how often the work was done.
    """

    memory: list[float] = field(default_factory=list)
    files: list[int] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    rounds: int = 0

    def read(self) -> None:
        """Adds what is true now."""
        self.memory.append(resident_megabytes())
        self.files.append(len(os.listdir("/proc/self/fd")))

    @property
    def drift(self) -> float:
        """Growth of the memory, from the first tenth to the last one."""
        tenth = max(len(self.memory) // 10, 1)
        before = statistics.median(self.memory[:tenth])
        return statistics.median(self.memory[-tenth:]) / before - 1

    @property
    def new_files(self) -> int:
        """How many more files are open at the end than at the beginning."""
        tenth = max(len(self.files) // 10, 1)
        return min(self.files[-tenth:]) - max(self.files[:tenth])

    def problems(self) -> list[str]:
        """What is not as it should be; nothing where all is well."""
        found = []
        if self.rounds < MINIMUM_ROUNDS:
            found.append(
                f"only {self.rounds} rounds after the warm-up; expected at"
                f" least {MINIMUM_ROUNDS}: give more --minutes"
            )
        if abs(self.drift) > MAXIMUM_DRIFT:
            found.append(
                f"resident memory drifts by {self.drift:+.1%}; expected at"
                f" most {MAXIMUM_DRIFT:.0%}"
            )
        if self.new_files > 0:
            found.append(f"{self.new_files} more files are open than before")
        if self.warnings:
            found.append(
                f"{len(self.warnings)} warnings, the first: {self.warnings[0]}"
            )
        return found


def soak(work: Callable[[], object], seconds: float) -> Gauges:
    """Does the same work again and again.

    Args:
        work: one round of it.
        seconds: how long.

    Returns:
        What was watched after the warm-up.
    """
    begin = time.monotonic()
    while time.monotonic() - begin < WARM_UP * seconds:
        work()
    gauges = Gauges()
    interval = (1 - WARM_UP) * seconds / SAMPLES
    due = time.monotonic()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = lambda message, *_, **__: gauges.warnings.append(
            str(message)
        )
        while time.monotonic() - begin < seconds or not gauges.rounds:
            work()
            gauges.rounds += 1
            if time.monotonic() >= due:
                gauges.read()
                due = time.monotonic() + interval
    gauges.read()
    return gauges


@contextlib.contextmanager
def training() -> Iterator[Callable[[], object]]:
    """Makes a round of training: a step of each stage, now and then saved."""
    import tensorflow as tf

    from featsr_tf.config import load_pipeline
    from featsr_tf.data.build import open_source
    from featsr_tf.data.build import training_batches
    from featsr_tf.model.build import build_detector
    from featsr_tf.training.build import build_stage
    from featsr_tf.training.checkpoints import STAGES
    from featsr_tf.training.checkpoints import StageCheckpoints
    from tfrecords_tools.create_toy_tf_record import create

    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        create(folder, num_train=16, num_val=1, num_pictures=0)
        pipeline = load_pipeline(
            PIPELINE,
            [
                f"train_input_reader.label_map_path={folder}/label_map.pbtxt",
                "train_input_reader.tf_record_input_reader.input_path="
                f"{folder}/toy_train.record*",
                "train_config.batch_size=2",
            ],
        )
        detector = build_detector(pipeline)
        source = open_source(
            pipeline.train_input_reader, pipeline.model.faster_rcnn.num_classes
        )
        batches = iter(
            training_batches(pipeline, source, with_half_images=True)
        )
        stages = {n: build_stage(pipeline, n, detector) for n in STAGES}
        steps = {n: tf.function(s.train_step) for n, s in stages.items()}
        saved = {
            name: StageCheckpoints(folder, name, stage.checkpointed())
            for name, stage in stages.items()
        }
        count = 0

        def work() -> None:
            nonlocal count
            count += 1
            for name, step in steps.items():
                step(next(batches))
                if count % STEPS_PER_CHECKPOINT == 0:
                    saved[name].save(count)

        yield work


@contextlib.contextmanager
def prediction() -> Iterator[Callable[[], object]]:
    """Makes a round of prediction: an image of each of several sizes."""
    import numpy as np

    import featsr_tf

    detector = featsr_tf.load(MODEL)
    generator = np.random.default_rng(0)
    images = [
        generator.integers(0, 256, (*size, 3), np.uint8)
        for size in ((240, 320), (320, 240), (200, 500), (64, 64))
    ]

    def work() -> None:
        for image in images:
            detector.predict(image)

    yield work


def main() -> None:
    """Reads the flags, and prints what was watched."""
    parser = argparse.ArgumentParser(
        prog="python -m research.soak",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    kind = parser.add_mutually_exclusive_group(required=True)
    kind.add_argument(
        "--train",
        action="store_const",
        dest="make",
        const=training,
        help="training steps of all stages",
    )
    kind.add_argument(
        "--predict",
        action="store_const",
        dest="make",
        const=prediction,
        help="predictions of the shipped detector",
    )
    parser.add_argument(
        "--minutes",
        type=float,
        default=60.0,
        metavar="M",
        help="how long, with the warm-up (default %(default)g)",
    )
    arguments = parser.parse_args()
    with exit_on_error(), arguments.make() as work:
        gauges = soak(work, 60.0 * arguments.minutes)
    print(
        f"{gauges.rounds} rounds after the warm-up; resident memory "
        f"{gauges.memory[0]:.0f} MB to {gauges.memory[-1]:.0f} MB "
        f"({gauges.drift:+.2%}), open files {gauges.files[0]} to "
        f"{gauges.files[-1]}, {len(gauges.warnings)} warnings"
    )
    for problem in gauges.problems():
        print(problem)
    if gauges.problems():
        sys.exit(1)


if __name__ == "__main__":
    main()
