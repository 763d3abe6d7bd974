"""Speed and accuracy by precision, and what XLA gives, side by side.

    python -m research.precision --pipeline pipelines/gtsdb_mobilenet.config \
        --model_dir output/gtsdb_mobilenet --skip float16 xla

All precisions take turns: at judging the same frames, and at steps of the
stages on the same batch. With `--model_dir` the weights are those of a trained
detector, which all precisions share, and what they find is judged as well.
"""

import argparse
import functools
from collections.abc import Mapping, Sequence

from featsr_tf.command_line.flags import add_pipeline_flags
from featsr_tf.command_line.flags import read_pipeline
from featsr_tf.config import load_pipeline
from featsr_tf.config.schema import Pipeline
from featsr_tf.errors import ConfigError
from featsr_tf.errors import exit_on_error
from featsr_tf.exporting.names import DETECTORS
from featsr_tf.exporting.names import SUPER_RESOLVED
from research.side_by_side import check_rounds
from research.side_by_side import comparison
from research.side_by_side import in_turns
from research.side_by_side import print_environment
from tfrecords_tools.tables import text_table

FLOAT32 = "float32"
_EXTENSION = "model.feature_super_resolution"
# Fields of each variant.
VARIANTS = {
    FLOAT32: ("precision=FLOAT32", "jit_compile=false"),
    "bfloat16": ("precision=MIXED_BFLOAT16", "jit_compile=false"),
    "float16": ("precision=MIXED_FLOAT16", "jit_compile=false"),
    "xla": ("precision=FLOAT32", "jit_compile=true"),
}
MEASUREMENTS = ("inference", "accuracy", "steps")


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(
        prog="python -m research.precision",
        description="Speed and accuracy by precision, and with XLA.",
    )
    add_pipeline_flags(parser)
    parser.add_argument(
        "--model_dir",
        help="trained detectors, of any precision; default: untrained ones, "
        "whose accuracy is not measured",
    )
    parser.add_argument(
        "--skip",
        nargs="+",
        default=[],
        choices=(*list(VARIANTS)[1:], *MEASUREMENTS),
        help="what to leave out",
    )
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument(
        "--frames", type=int, default=4, help="judged in each round"
    )
    parser.add_argument(
        "--images",
        type=int,
        default=100,
        help="evaluation images that accuracy is measured on",
    )
    arguments = parser.parse_args(argv)
    with exit_on_error():
        check_rounds(arguments.rounds)
        for name in ("frames", "images"):
            if getattr(arguments, name) < 1:
                raise ConfigError(
                    f"--{name}: expected 1 or more, found "
                    f"{getattr(arguments, name)}"
                )
        run(read_pipelines(arguments), arguments)


def read_pipelines(arguments: argparse.Namespace) -> dict[str, Pipeline]:
    """Reads the config as each variant has it.

    Args:
        arguments: parsed flags.

    Returns:
        Configs by variant, `FLOAT32` first.

    Raises:
        ConfigError: the config cannot be used.
    """
    # Its fields without effect are named once.
    pipeline = read_pipeline(arguments)
    if not pipeline.eval_input_reader:
        raise ConfigError("the config has no eval_input_reader; add one")
    return {
        name: load_pipeline(
            arguments.pipeline,
            [*arguments.overrides, *(f"{_EXTENSION}.{f}" for f in fields)],
        )
        for name, fields in VARIANTS.items()
        if name not in arguments.skip
    }


def run(
    pipelines: Mapping[str, Pipeline], arguments: argparse.Namespace
) -> None:
    """Measures and prints.

    Args:
        pipelines: configs by variant.
        arguments: parsed flags.
    """
    wanted = [name for name in MEASUREMENTS if name not in arguments.skip]
    if not arguments.model_dir and "accuracy" in wanted:
        wanted.remove("accuracy")
    print_environment()
    if {"inference", "accuracy"} & set(wanted):
        source = _open_frames(pipelines[FLOAT32], arguments.model_dir)
        detect = _load(pipelines, arguments.model_dir)
    if "inference" in wanted:
        _print_inference(pipelines[FLOAT32], source, detect, arguments)
    if "accuracy" in wanted:
        _print_accuracy(pipelines[FLOAT32], source, detect, arguments.images)
    if "steps" in wanted:
        _print_steps(pipelines, arguments)


def _open_frames(pipeline: Pipeline, model_dir: str | None):
    from featsr_tf.data.build import load_records
    from featsr_tf.prediction.evaluation import open_evaluation

    if model_dir:
        return open_evaluation(pipeline, model_dir)
    reader = pipeline.eval_input_reader[0]
    return load_records(reader, pipeline.model.faster_rcnn.num_classes)


def _load(pipelines: Mapping[str, Pipeline], model_dir: str | None) -> dict:
    """Makes detection functions of the same weights, by variant."""
    import keras

    from research.inference import load_detection_functions

    functions = {}
    for name, pipeline in pipelines.items():
        keras.utils.set_random_seed(0)
        functions[name] = load_detection_functions(pipeline, model_dir)
    return functions


def _print_inference(pipeline, source, detect, arguments) -> None:
    from research.inference import load_frames

    def judge(function, frames):
        for frame in frames:
            function(*frame)

    for kind, frames in load_frames(pipeline, source, arguments.frames).items():
        works = {
            name: lambda function=functions[kind], frames=frames: judge(
                function, frames
            )
            for name, functions in detect.items()
        }
        times = in_turns(works, arguments.rounds)
        _print(f"Inference, {kind}, per frame", times, len(frames))


def _print_accuracy(pipeline, source, detect, num_images: int) -> None:
    from featsr_tf.prediction.evaluation import run_detector

    print(f"\nAccuracy of the same weights, first {num_images} images, percent")
    class_ids = sorted(source.label_map.names)
    results = {}
    for kind in DETECTORS:
        for name, functions in detect.items():
            results[f"{kind}, {name}"] = run_detector(
                pipeline,
                functions[kind],
                source,
                name,
                num_images,
                super_resolve=kind == SUPER_RESOLVED,
            )
    print(accuracies(results, class_ids))


def accuracies(
    results: Mapping[str, tuple[Sequence, Sequence]], class_ids: Sequence[int]
) -> str:
    """Writes a table of average precisions.

    Args:
        results: truths and detections of all images, by name.
        class_ids: the classes evaluated.

    Returns:
        One line per name.
    """
    from featsr_tf.metrics.coco import average_precision
    from featsr_tf.metrics.evaluator import none_if_nan
    from featsr_tf.metrics.evaluator import percent

    sizes = ("all", "small")
    titles = ("AP50", "AP50:95")
    rows = [("", *(f"{title} {size}" for size in sizes for title in titles))]
    for name, (truths, found) in results.items():
        figures = average_precision(truths, found, class_ids).by_size()
        cells = (
            percent(none_if_nan(figures[size][key]))
            for size in sizes
            for key in ("ap50", "ap")
        )
        rows.append((name, *cells))
    return text_table(rows)


def _print_steps(pipelines: Mapping[str, Pipeline], arguments) -> None:
    import keras
    import tensorflow as tf

    from featsr_tf.data.build import load_records
    from featsr_tf.model.build import build_detector
    from featsr_tf.training import checkpoints
    from featsr_tf.training.build import build_stage
    from featsr_tf.training.build import stage_batches

    pipeline = pipelines[FLOAT32]
    source = load_records(
        pipeline.train_input_reader, pipeline.model.faster_rcnn.num_classes
    )
    for name in checkpoints.STAGES:
        works = {}
        for precision, own in pipelines.items():
            keras.utils.set_random_seed(0)
            detector = build_detector(own)
            if arguments.model_dir:
                checkpoints.restore_base(detector, arguments.model_dir)
                detector.start_small_predictor_from_large()
            stage = build_stage(own, name, detector)
            batch = next(iter(stage_batches(pipeline, source, stage, name)))
            works[precision] = functools.partial(
                tf.function(stage.train_step), batch
            )
        times = in_turns(works, arguments.rounds)
        _print(f"Step of stage {name}", times)


def _print(title: str, times: Mapping[str, Sequence[float]], count=1) -> None:
    per_item = {name: [s / count for s in times[name]] for name in times}
    print(f"\n{title}")
    print(comparison(per_item, FLOAT32), flush=True)


if __name__ == "__main__":
    main()
