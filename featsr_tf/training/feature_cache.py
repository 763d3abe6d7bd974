"""The inputs of stages 2 and 3, computed once and kept in files.

Extractor and proposal network are frozen there, so what `compute_frozen` gives
for an image never changes. Each part of it has a TFRecord file with one record
per image; the name of the file is a digest of all that it depends on, so that
trainings which shard a folder shard what they have in common.
"""

import hashlib
import os
import shutil
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from featsr_tf.config.differences import values_of_cache
from featsr_tf.config.schema import Pipeline
from featsr_tf.data.build import training_batches
from featsr_tf.data.records import RecordFiles
from featsr_tf.data.sharding import Shard
from featsr_tf.training.distribution import check_agreement
from featsr_tf.training.distribution import digest
from featsr_tf.training.distribution import is_chief
from featsr_tf.training.feature_files import ENDING
from featsr_tf.training.feature_files import FeatureFiles
from featsr_tf.training.stage import Stage

# The images of both stages are the same ones.
SEED_OFFSET = 1


def cached_batches(
    pipeline: Pipeline,
    source: RecordFiles,
    stage: Stage,
    model_dir: str,
    strategy: tf.distribute.Strategy,
    base: str,
) -> Callable[..., tf.data.Dataset]:
    """Makes endless batches of a stage's inputs, computing what is missing.

    Where several machines train, the chief computes and the others wait.

    Args:
        stage: stage 2 or 3, its frozen weights in place.
        base: digest of what stage 1 has left, the large predictor with it.

    Returns:
        Makes of a `Shard`, and of the steps that the stage has made before
        (default 0), a dataset of what `Stage.compute_frozen` gives, the images
        in each pass in another order.

    Raises:
        FeatsrError: the files would be larger than allowed, or than the room
            on the disk, or features are too large for half precision.
    """
    batch_size = pipeline.train_config.batch_size
    options = pipeline.model.feature_super_resolution.feature_cache
    num_batches = -(-options.num_images // batch_size)
    images = training_batches(
        pipeline,
        source,
        with_half_images=stage.needs_half_images,
        with_originals=stage.needs_originals,
        seed_offset=SEED_OFFSET,
    ).take(num_batches)
    specs = _specs(stage, images)
    folder = cache_folder(pipeline, model_dir)
    frozen = digest(
        *stage.detector.extractor.get_weights(),
        *stage.detector.proposal_network.get_weights(),
    )
    if stage.needs_originals:
        # Windows lie around what the large predictor has found. Stage 3, which
        # trains it, goes on with the windows of stage 2.
        frozen = f"{frozen} {base}"
    paths = {
        part: os.path.join(
            folder,
            f"{part}-{_key(pipeline, source, stage, part, frozen)}{ENDING}",
        )
        for part in specs
    }
    files = FeatureFiles(paths, specs, num_batches)
    if is_chief(strategy):
        files.complete(stage, images, options.maximum_gigabytes)
    check_agreement(
        strategy,
        "the feature cache",
        " ".join(paths.values()),
        "give all machines the same folders and the same record files",
    )

    def batches(shard: Shard, skip_steps: int = 0) -> tf.data.Dataset:
        seed = pipeline.model.feature_super_resolution.seed
        return files.read(shard, seed, skip=skip_steps * batch_size)

    return batches


def cache_folder(pipeline: Pipeline, model_dir: str) -> str:
    """Names the folder of the files."""
    options = pipeline.model.feature_super_resolution.feature_cache
    return options.folder or os.path.join(model_dir, "feature_cache")


def remove_own_cache(pipeline: Pipeline, model_dir: str) -> None:
    """Deletes the files of a training that is finished, unless shared."""
    options = pipeline.model.feature_super_resolution.feature_cache
    if options is not None and not options.folder:
        shutil.rmtree(cache_folder(pipeline, model_dir), ignore_errors=True)


def _specs(stage: Stage, images: tf.data.Dataset) -> dict[str, Any]:
    """Shapes and types of the parts, `[B, ...]`."""
    compute = tf.function(stage.compute_frozen)
    return compute.get_concrete_function(images.element_spec).structured_outputs


def _key(
    pipeline: Pipeline,
    source: RecordFiles,
    stage: Stage,
    part: str,
    frozen: str,
) -> str:
    """Digest of all that a part depends on."""
    extension = pipeline.model.feature_super_resolution
    options = extension.feature_cache
    stats = {path: os.stat(path) for path in source.paths}
    # Other images may make a file of the same size.
    records = [
        f"{path} {stat.st_size} {stat.st_mtime_ns}"
        for path, stat in stats.items()
    ]
    values = [str(options.num_images), *values_of_cache(pipeline, part)]
    if stage.needs_originals:
        # Whole frames, in windows around what reaches this score.
        values.append(f"frames: {extension.gate_score_threshold}")
    text = "\n".join([frozen, *values, *records])
    return hashlib.sha256(text.encode()).hexdigest()[:16]
