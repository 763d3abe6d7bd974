"""Figures of the detector as it is in the midst of training."""

from featsr_tf.data.build import Source
from featsr_tf.evaluation.coco import average_precision
from featsr_tf.evaluation.evaluator import none_if_nan
from featsr_tf.model_evaluation import run_detector

FIGURES = ("ap50", "ap")


def validate(
    pipeline, detect, source: Source, num_images: int
) -> dict[str, float | None]:
    """Evaluates a detector on the first images of a source.

    Args:
        pipeline: the config.
        detect: detection function (`inference.detection_function`).
        source: checked records that are not trained on.
        num_images: number of images; 0 = all.

    Returns:
        Average precision by figure and size, such as "ap50_small", 0 to 1;
        None where there is no object of the size.
    """
    truths, found = run_detector(
        pipeline, detect, source, "validation", num_images or None
    )
    averages = average_precision(truths, found, source.label_map.names)
    return none_if_nan(
        {
            f"{figure}_{size}": float(values[figure])
            for size, values in averages.by_size().items()
            for figure in FIGURES
        }
    )
