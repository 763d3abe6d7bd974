"""Parts that might grow faster than their input: suppression and matching."""

from collections.abc import Callable

CANDIDATES = 2000
PARTS = {
    "proposals kept of 2000": (100, 250, 500, 1000),
    "detections of 100 proposals, by classes": (4, 20, 80, 200),
    "detections of 4 classes, by proposals": (100, 250, 500, 1000),
    "matching with 32 objects, by anchors": (8192, 32768, 73728, 131072),
    "matching of 8192 anchors, by objects": (8, 32, 64, 128),
}


def make_part(name: str, value: int) -> Callable[[], object]:
    """Makes a part with random boxes.

    Args:
        name: one of `PARTS`.
        value: how many of what grows.

    Returns:
        A function without arguments.
    """
    kept, by_classes, by_proposals, by_anchors, by_objects = PARTS
    return {
        kept: lambda: suppression(CANDIDATES, 1, value, 0.7),
        by_classes: lambda: suppression(100, value, 100, 0.6),
        by_proposals: lambda: suppression(value, 4, 100, 0.6),
        by_anchors: lambda: matching(value, 32),
        by_objects: lambda: matching(8192, value),
    }[name]()


def suppression(
    boxes: int, classes: int, kept: int, threshold: float
) -> Callable[[], object]:
    """Makes a suppression of boxes that are all good enough.

    Args:
        boxes: how many.
        classes: how many scores each of them has.
        kept: most boxes that are kept, of each class and in all.
        threshold: overlap from which on a box is a duplicate.

    Returns:
        A function without arguments.
    """
    import tensorflow as tf

    from featsr_tf.geometry import nms

    generator = tf.random.Generator.from_seed(0)
    candidates = random_boxes(generator, [1, boxes, classes])
    scores = generator.uniform([1, boxes, classes])
    return tf.function(
        lambda: nms.suppress(candidates, scores, threshold, 0.0, kept, kept)
    ).get_concrete_function()


def matching(anchors: int, objects: int) -> Callable[[], object]:
    """Makes a matching of anchors to objects.

    Args:
        anchors: how many.
        objects: how many.

    Returns:
        A function without arguments.
    """
    import tensorflow as tf

    from featsr_tf.geometry import sampling as geometry

    generator = tf.random.Generator.from_seed(0)
    candidates = random_boxes(generator, [1, anchors])
    truth = random_boxes(generator, [1, objects])
    ignored = tf.zeros([1, objects], tf.bool)
    return tf.function(
        lambda: geometry.match(
            candidates, truth, ignored, 0.3, 0.7, match_every_object=True
        )
    ).get_concrete_function()


def random_boxes(generator, shape: list[int]):
    """Draws boxes `[*shape, 4]` of 10 to 60 px in an image of 1024 px."""
    import tensorflow as tf

    corners = generator.uniform([*shape, 2], 0.0, 960.0)
    sides = generator.uniform([*shape, 2], 10.0, 60.0)
    return tf.concat([corners, corners + sides], axis=-1)
