"""Evaluation of a trained model folder on records."""

import sys

from featsr_tf.config.schema import Pipeline
from featsr_tf.data.build import Source
from featsr_tf.data.build import evaluation_batches
from featsr_tf.data.build import open_source
from featsr_tf.data.damage import named_data_errors
from featsr_tf.errors import ConfigError
from featsr_tf.evaluation.evaluator import curves
from featsr_tf.evaluation.evaluator import evaluate
from featsr_tf.evaluation.report_inputs import describe_environment
from featsr_tf.evaluation.tt100k import best_threshold
from featsr_tf.evaluation.tt100k import f1_over_thresholds
from featsr_tf.inference import detect_batches
from featsr_tf.inference import detection_function
from featsr_tf.model.build import build_detector
from featsr_tf.training import checkpoints
from featsr_tf.training import model_folder

# What the two compared detectors are: the stage whose checkpoint is loaded
# (None = the last one there is), and whether small proposals are refined.
DETECTORS = {"base": (checkpoints.BASE, False), "super_resolved": (None, True)}


def evaluate_model(
    pipeline: Pipeline,
    model_dir: str,
    min_score: float | None = None,
    threshold_images: int = 500,
) -> dict:
    """Evaluates the base detector and the super-resolved one.

    Args:
        pipeline: the config, whose first `eval_input_reader` is evaluated.
        model_dir: model folder.
        min_score: score threshold; None chooses the best one on the training
            records for each detector.
        threshold_images: so many training images decide on it at the most.
            Default 500.

    Returns:
        The figures by detector and size, the settings and the curves.

    Raises:
        ConfigError: there are no evaluation records, or the folder belongs
            to a model of another config or of other classes.
        DataError: records or checkpoints are missing or unsound.
    """
    model_folder.load(model_dir)
    model_folder.check(model_dir, pipeline)
    if not pipeline.eval_input_reader:
        raise ConfigError("the config has no eval_input_reader; add one")
    num_classes = pipeline.model.faster_rcnn.num_classes
    source = open_source(pipeline.eval_input_reader[0], num_classes)
    model_folder.check_classes(model_dir, source.label_map)
    training = None
    if min_score is None:
        training = open_source(pipeline.train_input_reader, num_classes)
    class_ids = source.label_map.names.keys()
    results, thresholds, shapes = {}, {}, {}
    for name in DETECTORS:
        detect = load_detection_function(pipeline, model_dir, name)
        thresholds[name] = min_score
        if training is not None:
            thresholds[name] = choose_threshold(
                pipeline,
                detect,
                training,
                f"{name}: threshold",
                threshold_images,
            )
        pairs = run_detector(pipeline, detect, source, f"{name}: evaluation")
        results[name] = evaluate(*pairs, class_ids, thresholds[name])
        shapes[name] = curves(*pairs, class_ids)
    settings = {
        "score_thresholds": thresholds,
        "thresholds_chosen_on": "given" if training is None else "training",
        "num_images": source.summary.num_examples,
        "num_objects": source.summary.num_objects,
        "records": source.paths,
        "size_by": "area in original pixels",
        "seed": pipeline.model.feature_super_resolution.seed,
        "command": " ".join(["python -m featsr_tf.evaluate", *sys.argv[1:]]),
    }
    return {
        **results,
        "settings": settings,
        "environment": describe_environment(),
        "curves": shapes,
    }


def load_detection_function(pipeline: Pipeline, model_dir: str, name: str):
    """Loads one of `DETECTORS` from a model folder.

    Args:
        pipeline: the config.
        model_dir: model folder.
        name: key of `DETECTORS`.

    Returns:
        Its detection function (`inference.detection_function`).
    """
    stage, super_resolve = DETECTORS[name]
    stage = stage or checkpoints.newest_stage(model_dir) or checkpoints.BASE
    detector = build_detector(pipeline, load_weights=False)
    checkpoints.restore_detector(detector, model_dir, stage)
    if stage == checkpoints.BASE:
        detector.start_small_predictor_from_large()
    return detection_function(detector, super_resolve)


def run_detector(
    pipeline: Pipeline,
    detect,
    source: Source,
    title: str,
    max_images: int | None = None,
):
    """Detects objects in the images of a source.

    Args:
        pipeline: the config.
        detect: detection function.
        source: checked records.
        title: of the progress bar.
        max_images: look at the first so many; None = all.

    Returns:
        Lists of truths and of detections, one item per image.
    """
    dataset = evaluation_batches(pipeline, source)
    count = source.summary.num_examples
    if max_images is not None and max_images < count:
        dataset = dataset.unbatch().take(max_images)
        dataset = dataset.batch(pipeline.eval_config.batch_size)
        count = max_images
    with named_data_errors(source.paths):
        pairs = detect_batches(detect, dataset, count, title)
        return tuple(map(list, zip(*pairs, strict=True)))


def choose_threshold(
    pipeline: Pipeline,
    detect,
    source: Source,
    title: str,
    max_images: int | None = None,
) -> float:
    """Finds the score threshold with the best F1 over all sizes.

    Args:
        pipeline: the config.
        detect: detection function.
        source: records that are not those to be evaluated.
        title: of the progress bar.
        max_images: look at the first so many; None = all.

    Returns:
        The threshold.
    """
    pairs = run_detector(pipeline, detect, source, title, max_images)
    counts = f1_over_thresholds(*pairs, source.label_map.names.keys())
    return best_threshold(counts)
