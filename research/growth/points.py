"""What is measured at each point: a detection, or a training step."""

import copy
import dataclasses
import statistics
import time
from collections.abc import Callable
from collections.abc import Sequence

from featsr_tf.config import Pipeline
from featsr_tf.config import load_pipeline
from research.memory import forget_peak
from research.memory import peak_megabytes
from research.memory import resident_megabytes
from research.side_by_side import in_turns


@dataclasses.dataclass(frozen=True)
class Point:
    """A size of everything.

    Attributes:
        side: of the square image, px.
        proposals: per image.
        batch: images.
        classes: without background.
        objects: in each image.
    """

    side: int = 512
    proposals: int = 100
    batch: int = 1
    classes: int = 4
    objects: int = 8


# The first value of each is that of `Point`.
AXES = {
    "side": (512, 1024, 1536, 2048),
    "proposals": (100, 250, 500, 1000),
    "batch": (1, 2, 4, 8),
    "classes": (4, 20, 80, 200),
    "objects": (8, 32, 64, 128),
}
# Graphs are made before the sizes of images are known.
_WITHOUT_XLA = "model.feature_super_resolution.jit_compile=false"
INFERENCE = "inference"
TRAINING = "training step"
SUBJECTS = {
    INFERENCE: ("side", "proposals", "batch", "classes"),
    TRAINING: tuple(AXES),
}


def points_of(axis: str) -> list[Point]:
    """Lists the points along an axis."""
    return [Point(**{axis: value}) for value in AXES[axis]]


def size(point: Point, axis: str) -> int:
    """Tells the amount of data along an axis: of an image its pixels."""
    value = getattr(point, axis)
    return value**2 if axis == "side" else value


def measure(
    path: str, overrides: Sequence[str], subject: str, axis: str, rounds: int
) -> tuple[list[float], list[float]]:
    """Measures the points along an axis.

    Args:
        path: of the config.
        overrides: of its fields.
        subject: one of `SUBJECTS`.
        axis: one of `AXES`.
        rounds: how often each point is timed.

    Returns:
        By point, median seconds of all cores; megabytes at the peak beyond
        what there was before the first one.
    """
    pipeline = load_pipeline(path, [*overrides, _WITHOUT_XLA])
    works = {
        point: make_work(pipeline, subject, point) for point in points_of(axis)
    }
    forget_peak()
    before = resident_megabytes()
    megabytes = []
    for work in works.values():
        work()
        megabytes.append(peak_megabytes() - before)
    times = in_turns(works, rounds, warm_up=1, clock=time.process_time)
    return [statistics.median(times[point]) for point in works], megabytes


def make_work(
    pipeline: Pipeline, subject: str, point: Point
) -> Callable[[], object]:
    """Makes a detection or a training step on random images.

    The weights are random: every proposal there is room for is judged, and
    the suppression of duplicates gets as many boxes as it can.

    Args:
        pipeline: the config.
        subject: one of `SUBJECTS`.
        point: the sizes.

    Returns:
        A function without arguments, whose graph is made.
    """
    import keras
    import tensorflow as tf

    from featsr_tf.data.keys import Batch
    from featsr_tf.model.build import build_detector
    from featsr_tf.prediction.data_set import detection_function
    from featsr_tf.training import checkpoints
    from featsr_tf.training.build import build_stage

    pipeline = copy.deepcopy(pipeline)
    pipeline.model.faster_rcnn.num_classes = point.classes
    pipeline.model.faster_rcnn.first_stage_max_proposals = point.proposals
    # All points have the same extractor and proposal network: how many of the
    # proposals are small, and refined, is theirs to say.
    keras.utils.set_random_seed(0)
    detector = build_detector(pipeline, load_weights=False)
    batch = random_batch(point)
    if subject == TRAINING:
        stage = build_stage(pipeline, checkpoints.BASE, detector)
        step = tf.function(stage.train_step)
        step.get_concrete_function(batch)
        return lambda: step(batch)
    detector.start_small_predictor_from_large()
    detect = detection_function(detector.for_inference(), True)
    detect.get_concrete_function()
    inputs = (Batch.IMAGES, Batch.IMAGE_SIZES, Batch.SCALES)
    return lambda: detect(*(batch[key] for key in inputs))


def random_batch(point: Point) -> dict:
    """Draws noise with objects of 10 to 60 px on it; see `Batch`."""
    import tensorflow as tf

    from featsr_tf.data.keys import Batch

    shape = (point.batch, point.objects)
    generator = tf.random.Generator.from_seed(0)
    corners = generator.uniform([*shape, 2], 0.0, point.side - 60.0)
    sides = generator.uniform([*shape, 2], 10.0, 60.0)
    images = (point.batch, point.side, point.side, 3)
    return {
        Batch.IMAGES: generator.uniform(images, 0.0, 255.0),
        Batch.IMAGE_SIZES: tf.fill([point.batch, 2], float(point.side)),
        Batch.SCALES: tf.ones([point.batch, 2]),
        Batch.BOXES: tf.concat([corners, corners + sides], axis=-1),
        Batch.CLASSES: generator.uniform(shape, 1, point.classes + 1, tf.int32),
        Batch.IGNORED: tf.zeros(shape, tf.bool),
        Batch.SEEDS: tf.stack(
            [tf.zeros(point.batch, tf.int32), tf.range(point.batch)], axis=1
        ),
    }
