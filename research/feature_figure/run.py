"""Figure 6 of trained models, on the records of their configs."""

from collections.abc import Mapping, Sequence

import tqdm

from featsr_tf.config.schema import Pipeline
from featsr_tf.data.build import build_resizer
from featsr_tf.data.build import evaluation_batches
from featsr_tf.data.decode import translate_data_errors
from featsr_tf.data.records import RecordFiles
from featsr_tf.data.resize import resized_size
from featsr_tf.errors import DataError
from featsr_tf.model.detector import Detector
from featsr_tf.prediction.evaluation import open_evaluation
from research.feature_figure.features import columns_of
from research.feature_figure.features import rows_of_frame
from research.feature_figure.figure import Group
from research.feature_figure.models import Comparison
from research.feature_figure.models import TrainedModel
from research.feature_figure.models import comparisons
from research.feature_figure.models import load_models
from research.feature_figure.objects import Objects
from research.feature_figure.objects import choose_objects
from research.feature_figure.objects import list_objects


def compare_features(
    folders: Mapping[str, str],
    pipelines: Mapping[str, Pipeline],
    count: int,
    seed: int,
) -> list[Group]:
    """Compares the features that trained generators make (Figure 6).

    Args:
        folders: model folders by name; the models share one base detector.
        pipelines: their configs by name. The records are those of the first.
        count: objects of each group.
        seed: of their choice.

    Returns:
        What the figure shows.

    Raises:
        ConfigError: the models cannot be compared.
        DataError: checkpoints or records are missing or unsound, or there
            are no objects of the sizes that the generators are for.
    """
    first = next(iter(folders))
    pipeline = pipelines[first]
    source = open_evaluation(pipeline, folders[first])
    models = load_models(folders, pipelines)
    objects = _objects(pipeline, source)
    return [
        _compare_features(
            models, comparison, pipeline, source, objects, count, seed
        )
        for comparison in comparisons(
            list(pipelines.values()), models[0].detector
        )
    ]


def _objects(pipeline: Pipeline, source: RecordFiles) -> Objects:
    resizer = build_resizer(pipeline)
    return list_objects(
        source,
        lambda height, width: resized_size(height, width, resizer),
    )


def _compare_features(
    models: Sequence[TrainedModel],
    comparison: Comparison,
    pipeline: Pipeline,
    source: RecordFiles,
    objects: Objects,
    count: int,
    seed: int,
) -> Group:
    chosen = _choose_objects(
        models[0].detector, comparison, objects, count, seed
    )
    frames = sorted({int(objects.frames[index]) for index in chosen})
    dataset = evaluation_batches(pipeline, source, 1, positions=frames)
    rows = {}
    with translate_data_errors(source):
        batches = tqdm.tqdm(dataset, "features", len(frames), unit="image")
        for frame, batch in zip(frames, batches, strict=True):
            here = [i for i in chosen if objects.frames[i] == frame]
            made = rows_of_frame(
                models,
                comparison,
                batch,
                objects.places[here],
                source.label_map.names,
            )
            rows.update(zip(here, made, strict=True))
    return Group(
        comparison.title,
        columns_of(models, comparison),
        [rows[index] for index in chosen],
    )


def _choose_objects(
    detector: Detector,
    comparison: Comparison,
    objects: Objects,
    count: int,
    seed: int,
) -> list[int]:
    is_original = detector.threshold_in_original_pixels
    sizes = objects.sizes if is_original else objects.resized_sizes
    threshold = detector.small_area_threshold
    ratios = sizes.prod(axis=1) / threshold
    fits = (ratios >= comparison.least_area) & (ratios < comparison.area_limit)
    if not fits.any():
        raise DataError(
            "the evaluation records have no object of "
            f"{comparison.least_area * threshold:g} to "
            f"{comparison.area_limit * threshold:g} px^2; give others with "
            "--records"
        )
    return choose_objects(objects.classes, fits, count, seed)
