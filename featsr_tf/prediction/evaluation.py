"""Evaluation of a trained model folder on records."""

from collections.abc import Mapping, Sequence

from featsr_tf.config.schema import Pipeline
from featsr_tf.data.build import evaluation_batches
from featsr_tf.data.build import load_records
from featsr_tf.data.decode import translate_data_errors
from featsr_tf.data.records import RecordFiles
from featsr_tf.drawing.comparison import draw_error_gallery
from featsr_tf.errors import ConfigError
from featsr_tf.exporting.names import BASE
from featsr_tf.exporting.names import DETECTORS
from featsr_tf.exporting.names import SUPER_RESOLVED
from featsr_tf.html_report.inputs import describe_environment
from featsr_tf.metrics.changes import find_changes
from featsr_tf.metrics.detections import Detections
from featsr_tf.metrics.detections import GroundTruth
from featsr_tf.metrics.evaluator import choose_threshold
from featsr_tf.metrics.evaluator import evaluate
from featsr_tf.metrics.evaluator import none_if_nan
from featsr_tf.metrics.options import EvaluationOptions
from featsr_tf.metrics.options import describe_options
from featsr_tf.metrics.options import scores_by_detector
from featsr_tf.metrics.options import select_classes
from featsr_tf.prediction.data_set import detect_batches
from featsr_tf.prediction.data_set import detection_function
from featsr_tf.prediction.data_set import read_images
from featsr_tf.prediction.model import load_detector
from featsr_tf.training import checkpoints
from featsr_tf.training import model_folder

# What the two compared detectors are: the stage whose checkpoint is loaded
# (None = the last one there is), and whether small proposals are refined.
_STAGES = {BASE: (checkpoints.BASE, False), SUPER_RESOLVED: (None, True)}


def evaluate_model(
    pipeline: Pipeline, model_dir: str, options: EvaluationOptions
) -> dict:
    """Evaluates the base detector and the super-resolved one.

    Returns:
        What `evaluate` returns, for each of them by name; "changes", what
        `find_changes` returns of them; "settings" and "environment".

    Raises:
        ConfigError: there are no evaluation records, or the folder belongs
            to a model of another config or of other classes.
        DataError: records or checkpoints are missing or unsound.
    """
    records = open_evaluation(pipeline, model_dir)
    names = select_classes(
        records.label_map.names, options.classes, records.label_map.path
    )
    functions = {
        name: load_detection_function(pipeline, model_dir, name)
        for name in DETECTORS
    }
    thresholds, chosen_on = score_thresholds(
        pipeline, functions, names, options
    )
    results, found = {}, {}
    for name, detect in functions.items():
        truths, found[name] = run_detector(
            pipeline,
            detect,
            records,
            f"{name}: evaluation",
            super_resolve=name == SUPER_RESOLVED,
        )
        results[name] = _judge(
            name,
            truths,
            found[name],
            records,
            names,
            thresholds[name],
            options,
        )
    changes = find_changes(
        truths,
        found[BASE],
        found[SUPER_RESOLVED],
        names,
        (thresholds[BASE], thresholds[SUPER_RESOLVED]),
        options.protocol.size_by,
    )
    settings = {
        **describe_options(options),
        "score_thresholds": thresholds,
        "threshold_chosen_on": chosen_on,
        "num_images": records.summary.num_examples,
        "num_objects": records.summary.num_objects,
        "num_bad_examples_left_out": records.summary.num_bad,
        "records": records.paths,
        "seed": pipeline.model.feature_super_resolution.seed,
    }
    return {
        **results,
        "changes": none_if_nan(changes),
        "settings": settings,
        "environment": describe_environment(),
    }


def score_thresholds(
    pipeline: Pipeline,
    functions: Mapping,
    names: Mapping[int, str],
    options: EvaluationOptions,
) -> tuple[dict[str, float], str]:
    """Gives the score threshold of each detector.

    Args:
        pipeline: the config, whose `train_input_reader` decides where the
            options name no threshold.

    Returns:
        The thresholds by name of the detector, and what they were chosen on.

    Raises:
        DataError: training records are missing or unsound, or the thresholds
            of a file leave a detector out.
    """
    scores, chosen_on = options.min_score, options.threshold_source
    if scores is None:
        training = load_records(
            pipeline.train_input_reader, pipeline.model.faster_rcnn.num_classes
        )
        scores = {
            name: choose_model_threshold(
                pipeline, detect, training, name, names, options
            )[0]
            for name, detect in functions.items()
        }
        chosen_on = ", ".join(training.paths)
    return scores_by_detector(scores, list(DETECTORS), chosen_on), chosen_on


def _judge(
    name: str,
    truths: Sequence[GroundTruth],
    found: Sequence[Detections],
    records: RecordFiles,
    names: Mapping[int, str],
    threshold: float,
    options: EvaluationOptions,
) -> dict:
    """Figures of one detector; its worst images are drawn when asked for."""
    result = evaluate(
        truths,
        found,
        names,
        threshold,
        options.protocol,
        options.num_worst_images,
    )
    if options.pictures is not None:
        positions = [entry["position"] for entry in result["worst_images"]]
        draw_error_gallery(
            options.pictures,
            name,
            result,
            truths,
            found,
            names,
            read_images(records, positions).__getitem__,
        )
    return result


def open_evaluation(pipeline: Pipeline, model_dir: str) -> RecordFiles:
    """Opens the records that a model folder is evaluated on.

    Raises:
        ConfigError: there is none, or the folder is of another model.
        DataError: records are missing or unsound.
    """
    model_folder.check_trained(model_dir, pipeline)
    if not pipeline.eval_input_reader:
        raise ConfigError(
            "the config has no eval_input_reader; give the records to evaluate "
            "on as --records"
        )
    return _open_records(pipeline, model_dir, pipeline.eval_input_reader[0])


def _open_records(pipeline: Pipeline, model_dir: str, reader) -> RecordFiles:
    records = load_records(reader, pipeline.model.faster_rcnn.num_classes)
    model_folder.check_classes(model_dir, records.label_map)
    return records


def load_detection_function(pipeline: Pipeline, model_dir: str, name: str):
    """Loads one of `DETECTORS` from a model folder."""
    stage, super_resolve = _STAGES[name]
    detector = load_detector(model_dir, stage, pipeline)
    return detection_function(detector.for_inference(), super_resolve)


def run_detector(
    pipeline: Pipeline,
    detect,
    records: RecordFiles,
    title: str,
    max_images: int | None = None,
    super_resolve: bool = False,
):
    """Detects objects in the images of record files.

    Args:
        max_images: only the first ones are looked at; None = all.
        super_resolve: whether the super-resolved detector does. Default
            False.
    """
    dataset = evaluation_batches(pipeline, records, super_resolve=super_resolve)
    count = records.summary.num_examples
    if max_images is not None and max_images < count:
        dataset = dataset.unbatch().take(max_images)
        dataset = dataset.batch(pipeline.eval_config.batch_size)
        count = max_images
    with translate_data_errors(records):
        pairs = detect_batches(detect, dataset, count, title)
        return tuple(map(list, zip(*pairs, strict=True)))


def choose_model_thresholds(
    pipeline: Pipeline, model_dir: str, options: EvaluationOptions
) -> dict:
    """Finds the best score threshold of each detector.

    Returns:
        "min_score" and "f1" by detector, and what they were chosen on.

    Raises:
        ConfigError: the folder belongs to a model of another config.
        DataError: records or checkpoints are missing or unsound.
    """
    model_folder.check_trained(model_dir, pipeline)
    records = _open_records(pipeline, model_dir, pipeline.train_input_reader)
    names = select_classes(
        records.label_map.names, options.classes, records.label_map.path
    )
    best = {}
    for name in DETECTORS:
        detect = load_detection_function(pipeline, model_dir, name)
        best[name] = choose_model_threshold(
            pipeline, detect, records, name, names, options
        )
    return {
        "min_score": {name: score for name, (score, _) in best.items()},
        "f1": {name: f1 for name, (_, f1) in best.items()},
        "size_by": options.protocol.size_by,
        "classes": options.classes or "all",
        "model_dir": model_dir,
        "records": records.paths,
        "num_images": records.summary.num_examples,
        "num_bad_examples_left_out": records.summary.num_bad,
    }


def choose_model_threshold(
    pipeline: Pipeline,
    detect,
    records: RecordFiles,
    name: str,
    names: Mapping[int, str],
    options: EvaluationOptions,
) -> tuple[float, float | None]:
    """Finds the score threshold with the best F1 over all sizes.

    Returns:
        The threshold and its F1.
    """
    truths, found = run_detector(
        pipeline,
        detect,
        records,
        f"{name}: threshold",
        options.threshold_images,
        super_resolve=name == SUPER_RESOLVED,
    )
    return choose_threshold(truths, found, names, options.protocol.size_by)
