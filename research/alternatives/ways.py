"""The ways to look at a frame: as it is, enlarged, in tiles, super-resolved."""

import argparse
import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from featsr_tf.data.build import build_resizer
from featsr_tf.data.build import looks_again
from featsr_tf.data.resize import FixedShapeResizer
from featsr_tf.data.resize import Resizer
from featsr_tf.data.resize import resized_size
from featsr_tf.data.resize import scaled
from featsr_tf.exporting.names import BASE
from featsr_tf.exporting.names import SUPER_RESOLVED
from featsr_tf.metrics.detections import Detections
from featsr_tf.prediction.data_set import image_function
from featsr_tf.prediction.evaluation import load_detection_function
from featsr_tf.prediction.model import BATCH_SIZE
from featsr_tf.prediction.tiling import Tiling
from featsr_tf.prediction.tiling import detect
from featsr_tf.training import model_folder
from research.alternatives.models import Model

# From a frame `[H, W, 3]` uint8 to its detections in px of the frame.
Way = Callable[[np.ndarray], Detections]

_OBJECTNESS = "model.faster_rcnn.first_stage_nms_score_threshold"


def make_ways(
    models: Sequence[Model], arguments: argparse.Namespace
) -> dict[str, Way]:
    """Makes all ways that are compared.

    Args:
        models: trained detectors of one base detector.
        arguments: parsed flags.

    Returns:
        The ways by name, "base" first.
    """
    first, *_ = models
    base = load_detection_function(first.pipeline, first.folder, BASE)
    resizer = build_resizer(first.pipeline)
    ways = _at_sizes(BASE, base, resizer, arguments.enlarge)
    if arguments.limit_base is not None:
        name = f"base, objectness {arguments.limit_base:g}"
        pipeline = model_folder.load(
            first.folder,
            [*first.overrides, f"{_OBJECTNESS}={arguments.limit_base}"],
        )
        limited = load_detection_function(pipeline, first.folder, BASE)
        ways |= _at_sizes(name, limited, resizer, arguments.enlarge)
    for side in arguments.sahi:
        # Not installed but with the extra of its name.
        from research.alternatives.sahi_slices import sahi_way

        function = image_function(base, resizer)
        ways[f"base, SAHI {side}"] = sahi_way(function, side)
    side = arguments.tile
    tiling = Tiling(side, arguments.overlap)
    for factor in arguments.enlarge_tiles:
        of_tiles = enlarged_tiles(resizer, factor)
        shown, _ = resized_size(side, side, of_tiles)
        name = f"base, tiles {side} at {shown} px"
        ways[name] = make_way(base, of_tiles, tiling)
    for model in models:
        detector = load_detection_function(
            model.pipeline, model.folder, SUPER_RESOLVED
        )
        resizer = build_resizer(model.pipeline, super_resolve=True)
        ways |= _at_sizes(
            model.name,
            detector,
            resizer,
            arguments.enlarge_models,
            looks_again(model.pipeline),
        )
    return ways


def _at_sizes(
    name: str,
    detector,
    resizer: Resizer,
    factors: Sequence[float],
    originals: bool = False,
) -> dict[str, Way]:
    """Makes the ways of a detector that sees frames as it does, and larger."""
    return {
        name: make_way(detector, resizer, originals=originals),
        **{
            f"{name}, frame x {factor:.3g}": make_way(
                detector, scaled(resizer, factor), originals=originals
            )
            for factor in factors
        },
    }


def make_way(
    detector,
    resizer: Resizer,
    tiling: Tiling | None = None,
    originals: bool = False,
) -> Way:
    """Makes a way to look, with the means of `featsr_tf.predict`.

    Args:
        detector: of `inference.detection_function`.
        resizer: of frames and tiles.
        tiling: how frames are cut; None = not at all.
        originals: whether it looks at the frames themselves, too.
    """
    function = image_function(detector, resizer, originals)

    def way(frame: np.ndarray) -> Detections:
        return detect(function, [frame], BATCH_SIZE, tiling)[0]

    return way


def enlarged_tiles(resizer: Resizer, factor: float) -> Resizer:
    """Makes a resizer that shows tiles larger, and whole frames no longer.

    Args:
        resizer: the config's; one of a fixed shape has but one for both.
        factor: times the side at which it shows a tile.
    """
    large = scaled(resizer, factor)
    if isinstance(large, FixedShapeResizer):
        return large
    longest = max(resizer.max_dimension, large.min_dimension)
    return dataclasses.replace(large, max_dimension=longest)
