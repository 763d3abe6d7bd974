"""Evaluation of detections in files, those of any detector."""

import os

import numpy as np
import PIL.Image

from featsr_tf.errors import DataError
from featsr_tf.errors import printable
from featsr_tf.evaluation.coco_reader import read_annotations
from featsr_tf.evaluation.coco_reader import read_detections
from featsr_tf.evaluation.evaluator import evaluate
from featsr_tf.evaluation.report_inputs import describe_environment
from featsr_tf.evaluation_flags import EvaluationOptions
from featsr_tf.evaluation_flags import describe_options
from featsr_tf.evaluation_flags import select_classes
from featsr_tf.files import is_inside
from featsr_tf.worst_pictures import draw_worst_images


def evaluate_files(
    annotations_path: str, detections_path: str, options: EvaluationOptions
) -> dict:
    """Evaluates a file of detections.

    Args:
        annotations_path: objects in the layout of COCO.
        detections_path: results in the layout of COCO.
        options: how they are judged; with one score threshold.

    Returns:
        What `evaluate` returns, with "settings" and "environment".

    Raises:
        DataError: a file is unsound; names the entry.
    """
    annotations = read_annotations(annotations_path)
    found = read_detections(detections_path, annotations)
    names = select_classes(annotations.names, options.classes, annotations_path)
    truths = annotations.truths
    result = evaluate(
        truths,
        found,
        names,
        options.min_score,
        options.protocol,
        options.num_worst_images,
    )
    if options.pictures is not None:
        draw_worst_images(
            options.pictures,
            "detections",
            result,
            truths,
            found,
            names,
            lambda position: _read_image(
                options.image_dir, truths[position].file_name
            ),
        )
    settings = {
        "annotations": annotations_path,
        "detections": detections_path,
        **describe_options(options),
        "score_threshold": options.min_score,
        "num_classes": len(names),
        "num_images": len(truths),
        "num_detections": sum(len(item.scores) for item in found),
    }
    return {
        **result,
        "settings": settings,
        "environment": describe_environment(),
    }


def _read_image(folder: str, name: str) -> np.ndarray:
    path = os.path.join(folder, name)
    if name and not is_inside(name):
        raise DataError(
            f"{printable(name)}: leads out of --image_dir {folder}; expected"
            " the path of an image below it"
        )
    if not name or not os.path.isfile(path):
        raise DataError(f"{path}: no such image; look whether --image_dir fits")
    try:
        with PIL.Image.open(path) as image:
            return np.asarray(image.convert("RGB"))
    except (OSError, ValueError, SyntaxError, PIL.Image.DecompressionBombError):
        raise DataError(f"{path}: no readable image") from None
