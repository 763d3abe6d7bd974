"""What the zoom gains and what it costs, by gate and by size of the windows.

    python -m research.zoom --pipeline pipelines/gtsdb_mobilenet.config \
        --model_dir output/gtsdb_mobilenet --records train --images 100

Only the base stage is needed. All settings judge the same frames in turn, one
at a time. Choose a setting on the training records and judge it, alone, on
those of the evaluation.
"""

import argparse
import statistics
import time
from collections.abc import Sequence
from typing import NamedTuple

from featsr_tf.command_line.flags import add_model_dir_flag
from featsr_tf.command_line.flags import add_pipeline_flags
from featsr_tf.command_line.flags import model_dir_of
from featsr_tf.command_line.flags import read_pipeline
from featsr_tf.errors import ConfigError
from featsr_tf.errors import exit_on_error
from featsr_tf.exporting.names import BASE

_EXTENSION = "model.feature_super_resolution"
# Its graphs are made before the sizes of the frames are known.
_OVERRIDES = (f"{_EXTENSION}.refiner=ZOOM", f"{_EXTENSION}.jit_compile=false")


class Setting(NamedTuple):
    """What is chosen for a second look, and how large its windows are.

    Attributes:
        window_size: side of a window, px.
        margin: of a proposal in its window, px.
        score_threshold: of the gate.
        maximum: proposals per image that pass the gate; 0 = no limit.
        objectness_threshold: of the proposals; the base detector has none.
    """

    window_size: int
    margin: int
    score_threshold: float
    maximum: int
    objectness_threshold: float

    def __str__(self):
        limit = f", best {self.maximum}" if self.maximum else ""
        if self.objectness_threshold:
            limit += f", objectness {self.objectness_threshold:g}"
        window = f"window {self.window_size}, margin {self.margin}"
        return f"{window}, gate {self.score_threshold:g}{limit}"


class Measured:
    """Detections, windows and seconds of one detector.

    Args:
        detect: detection function.
        windows: variable that counts its windows; None = it has none.
    """

    def __init__(self, detect, windows=None):
        self.detect = detect
        self.windows = windows
        self.num_windows = 0
        self.detections = []
        # A list of each round, one item per frame.
        self.seconds = []


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command.

    Args:
        argv: arguments; those of the process if None.
    """
    parser = argparse.ArgumentParser(
        prog="python -m research.zoom",
        description="Accuracy and time of the zoom, for several settings.",
    )
    add_pipeline_flags(parser)
    add_model_dir_flag(parser, "model folder with a base stage")
    parser.add_argument("--records", choices=("train", "eval"), default="eval")
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--windows", type=int, nargs="+", default=[64, 96])
    parser.add_argument("--margins", type=int, nargs="+", default=[8])
    parser.add_argument(
        "--gates", type=float, nargs="+", default=[0.1, 0.2, 0.3, 0.5]
    )
    parser.add_argument("--maxima", type=int, nargs="+", default=[0])
    parser.add_argument(
        "--objectness",
        type=float,
        nargs="+",
        default=[0.0],
        help="gate_objectness_threshold; the base detector has none",
    )
    arguments = parser.parse_args(argv)
    with exit_on_error():
        settings = make_settings(arguments)
        arguments.overrides.extend(_OVERRIDES)
        run(read_pipeline(arguments), settings, arguments)


def make_settings(arguments: argparse.Namespace) -> list[Setting]:
    """Combines the values of the flags.

    Args:
        arguments: parsed flags.

    Returns:
        All combinations.

    Raises:
        ConfigError: a number of the flags is out of its range.
    """
    for name in ("images", "rounds"):
        if getattr(arguments, name) < 1:
            raise ConfigError(
                f"--{name}: expected 1 or more, found "
                f"{getattr(arguments, name)}"
            )
    for size in arguments.windows:
        if size < 32 or size % 16:
            raise ConfigError(
                "--windows: expected a multiple of 16, 32 or more, found "
                f"{size}"
            )
    for margin in arguments.margins:
        if not 0 <= 2 * margin < min(arguments.windows):
            raise ConfigError(
                "--margins: expected less than half of the least window, "
                f"{min(arguments.windows)}, found {margin}"
            )
    return [
        Setting(size, margin, threshold, maximum, objectness)
        for size in arguments.windows
        for margin in arguments.margins
        for maximum in arguments.maxima
        for objectness in arguments.objectness
        for threshold in arguments.gates
    ]


def run(
    pipeline, settings: Sequence[Setting], arguments: argparse.Namespace
) -> None:
    """Measures and prints."""
    from featsr_tf.data.build import evaluation_batches
    from featsr_tf.data.build import load_records
    from featsr_tf.html_report.inputs import describe_environment

    readers = pipeline.train_input_reader
    if arguments.records == "eval":
        if not pipeline.eval_input_reader:
            raise ConfigError("the config has no eval_input_reader; add one")
        readers = pipeline.eval_input_reader[0]
    source = load_records(readers, pipeline.model.faster_rcnn.num_classes)
    measured = load(pipeline, model_dir_of(arguments), settings)
    batches = evaluation_batches(pipeline, source, batch_size=1)
    truths = measure(measured, batches.take(arguments.images), arguments.rounds)
    print("; ".join(describe_environment().values()))
    print(
        f"{len(truths)} frames of the {arguments.records} records, "
        f"{arguments.rounds} rounds; AP50 / AP50:95; mean over the "
        "frames of the median time, its ratio, least and most of a round"
    )
    for line in table(measured, truths, sorted(source.label_map.names)):
        print(line)


def load(pipeline, model_dir: str, settings: Sequence[Setting]) -> dict:
    """Makes the base detector and one of each setting; they share weights.

    Args:
        pipeline: the config, whose refiner is ZOOM.
        model_dir: model folder with a base stage.
        settings: of the zoom.

    Returns:
        `Measured` by name, "base" first.
    """
    import tensorflow as tf

    from featsr_tf.model.build import build_detector
    from featsr_tf.model.refiner import Gate
    from featsr_tf.prediction.data_set import detection_function
    from featsr_tf.training import checkpoints

    detector = build_detector(pipeline, load_weights=False)
    checkpoints.restore_base(detector, model_dir)
    detector.start_small_predictor_from_large()
    detector = detector.for_inference()
    refiner, place = detector.refiner, detector.refiner.place
    base = detection_function(detector, False)
    base.get_concrete_function()
    measured = {BASE: Measured(base)}
    for setting in settings:
        windows = tf.Variable(0)

        def count_and_place(boxes, chosen, windows=windows):
            placed = place(boxes, chosen)
            windows.assign_add(tf.shape(placed.corners)[0])
            return placed

        refiner.place = count_and_place
        refiner.window_size, refiner.margin = setting[:2]
        detector.gate = Gate(setting.score_threshold, setting.maximum)
        detector.objectness_threshold = setting.objectness_threshold
        detect = detection_function(detector, True)
        # The graph keeps the setting, the detector gets the next one.
        detect.get_concrete_function()
        measured[str(setting)] = Measured(detect, windows)
    return measured


def measure(measured: dict, batches, rounds: int) -> list:
    """Lets all detectors judge all frames; round 0 is not timed.

    Args:
        measured: `Measured` by name, which get the results.
        batches: of one frame each.
        rounds: how often every frame is judged and timed.

    Returns:
        The truth of each frame.
    """
    from featsr_tf.data.keys import Batch
    from featsr_tf.prediction.data_set import detections_of_row
    from featsr_tf.prediction.data_set import truth_of_row

    frames = list(batches)
    inputs = (Batch.IMAGES, Batch.IMAGE_SIZES, Batch.SCALES)
    for number in range(rounds + 1):
        for each in measured.values():
            each.seconds.append([])
        for index, frame in enumerate(frames):
            scale = frame[Batch.SCALES][0].numpy()
            for each in measured.values():
                begin = time.perf_counter()
                found = each.detect(*(frame[key] for key in inputs))
                each.seconds[-1].append(time.perf_counter() - begin)
                if not number:
                    each.detections.append(
                        detections_of_row(found, 0, scale, index)
                    )
        if not number:
            for each in measured.values():
                each.seconds.clear()
                if each.windows is not None:
                    each.num_windows = int(each.windows)
    return [
        truth_of_row(
            {key: value.numpy() for key, value in frame.items()}, 0, index
        )
        for index, frame in enumerate(frames)
    ]


def table(measured: dict, truths: Sequence, class_ids: Sequence[int]):
    """Writes one line of each detector.

    Args:
        measured: `Measured` by name, "base" among them.
        truths: of each frame.
        class_ids: the classes evaluated.

    Yields:
        The heading, then the lines.
    """
    from featsr_tf.metrics.coco import average_precision
    from featsr_tf.metrics.detections import SIZE_NAMES
    from featsr_tf.metrics.evaluator import none_if_nan
    from featsr_tf.metrics.evaluator import percent

    width = max(len(name) for name in measured)
    sizes = "  ".join(f"{name:>13}" for name in SIZE_NAMES)
    yield f"{'':{width}}  {sizes}  windows/frame       ms  ratio"
    for name, each in measured.items():
        figures = average_precision(truths, each.detections, class_ids)
        cells = "  ".join(
            " / ".join(
                f"{percent(none_if_nan(size[key])):>5}"
                for key in ("ap50", "ap")
            )
            for size in figures.by_size().values()
        )
        windows = each.num_windows / len(truths)
        ratio, least, most = ratios(each.seconds, measured[BASE].seconds)
        yield (
            f"{name:{width}}  {cells}  {windows:13.2f}  "
            f"{1000 * time_per_frame(each.seconds):7.1f}  {ratio:.2f} "
            f"({least:.2f} to {most:.2f})"
        )


def ratios(seconds, base_seconds) -> tuple[float, float, float]:
    """Compares the times of two detectors on the same frames.

    Args:
        seconds: lists of each round, one item per frame.
        base_seconds: those of the base, in the same order.

    Returns:
        Ratio of the times per frame, and the least and the most of the
        rounds' ratios of summed times.
    """
    by_round = [
        sum(times) / sum(base_times)
        for times, base_times in zip(seconds, base_seconds, strict=True)
    ]
    ratio = time_per_frame(seconds) / time_per_frame(base_seconds)
    return ratio, min(by_round), max(by_round)


def time_per_frame(seconds) -> float:
    """Takes the median of each frame's rounds, then the mean of the frames.

    Args:
        seconds: lists of each round, one item per frame.
    """
    return statistics.fmean(map(statistics.median, zip(*seconds, strict=True)))


if __name__ == "__main__":
    main()
