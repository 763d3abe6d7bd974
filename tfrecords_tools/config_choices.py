"""What the statistics of a data set say about the config of its detector."""

import dataclasses
import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from featsr_tf.data.records import RecordSummary
from tfrecords_tools.proposals import AnchorGrid
from tfrecords_tools.proposals import ObjectShapes
from tfrecords_tools.proposals import propose

# Objects below 32 x 32 px of the network's input cover two cells of stride 16
# or fewer: what they leave there is what a second look adds to.
SMALL_AREA = 1024
# A quarter of the objects may be narrower than this, in px of the input.
_LEAST_SIDE = 20
_USUAL_SHORT_SIDE = 600
_MOST_ENLARGED = 2.0
# As many as a frame of 1920 x 1080 has.
_MOST_PIXELS = 2.1e6
_SHARE_WORTH_WINDOWS = 0.1
# From so many small objects per image on, the part of the frame that they lie
# in is searched as one view sooner than as windows.
_MANY_SMALL = 8
# px; windows that show objects smaller than this are not worth their time.
_LEAST_IN_WINDOWS = 24
_CROPS = (384, 512, 640)
_MOST_ANCHORS = 15
# px; the others are half octaves from it.
_FIRST_ANCHOR = 10
_SHARE_IN_WINDOWS = 0.5
# Behind a smaller one windows show hardly more than the base detector sees.
_LEAST_FIRST_PASS = 0.6
_FEW_OBJECTS = 20
_DEFAULT_BOXES = 100
_STEPS_PER_ROOT_OF_IMAGES = 250
# "turn left", "left_turn", "turnLeft"; not "bright".
_SIDEWAYS = re.compile(
    r"(?i:(?<![a-z])(left|right)(?![a-z]))|(Left|Right)(?![a-z])"
)


@dataclasses.dataclass(frozen=True)
class Recipe:
    """What goes with a backbone, whatever the data.

    Args:
        batch: images per step.
        gigabytes: of memory that training takes with crops of 384 px, one of
            them whatever the crops are.
        frozen: regular expressions of the variables that keep the ImageNet
            values.
    """

    batch: int
    gigabytes: float
    optimizer: str
    frozen: tuple[str, ...]
    crop_cells: int
    pool: int
    rpn_depth: int


_RESNET = Recipe(4, 4.0, "momentum", ("conv1_", "conv2_"), 14, 2, 512)
RECIPES = {
    "mobilenet_v1": Recipe(
        2, 1.5, "adam", ("conv1", "conv_(dw|pw)_[123](_|/|$)"), 7, 1, 256
    ),
    "efficientnet_lite0": Recipe(
        2, 1.5, "adam", ("stem_", "block[12][ab]_"), 7, 1, 256
    ),
    "resnet50": _RESNET,
    "resnet101": dataclasses.replace(_RESNET, gigabytes=4.5),
}


@dataclasses.dataclass(frozen=True)
class Choices:
    """Fields of a config, and why they are so.

    Args:
        values: what fills the fields, by name.
        reasons: a sentence or two, by the part of the config.
    """

    values: Mapping[str, Any]
    reasons: Mapping[str, str]
    anchors: AnchorGrid
    has_windows: bool


def choose(
    summary: RecordSummary, names: Mapping[int, str], recipe: Recipe
) -> Choices:
    """Chooses a config by the statistics of training records.

    Args:
        summary: with at least one object.
        names: class names by id.
    """
    frame = _choose_frame(summary)
    scales = _scales(summary, frame["min_dimension"], frame["max_dimension"])
    of_objects = np.repeat(scales, summary.boxes_per_image)
    sizes = summary.object_sizes * of_objects[:, None]
    is_small = sizes.prod(axis=1) < SMALL_AREA
    look = _choose_windows(summary, is_small, of_objects)
    crop = _choose_crop(summary, scales, look, recipe)
    parts = (
        _choose_counts(summary, names),
        frame,
        look,
        crop,
        _choose_steps(summary, look["refiner"] != "NONE"),
        _choose_augmentation(names),
    )
    values = {key: value for part in parts for key, value in part.items()}
    reasons = {
        key.removeprefix("why_"): values.pop(key)
        for key in list(values)
        if key.startswith("why_")
    }
    anchors = _choose_anchors(summary.object_sizes, crop)
    sides = 256 * np.array(anchors.scales)
    reasons["anchors"] = (
        f"{len(anchors.shapes)} anchors a cell, of {sides.min():.0f} to "
        f"{sides.max():.0f} px: objects at the scales of crops."
    )
    return Choices(values, reasons, anchors, look["refiner"] != "NONE")


def _choose_counts(
    summary: RecordSummary, names: Mapping[int, str]
) -> dict[str, Any]:
    counts = {label: 0 for label in names} | summary.class_counts
    rare = [
        f"{names.get(label, label)} {count}"
        for label, count in sorted(counts.items(), key=lambda item: item[1])
        if count < _FEW_OBJECTS
    ]
    most = summary.max_boxes
    proposals = min(max(_rounded_up(3 * most, 50), 100), 300)
    reason = f"{len(counts)} classes in the label map"
    if rare:
        more = ", ..." if len(rare) > 5 else ""
        reason += (
            f"; {len(rare)} with fewer than {_FEW_OBJECTS} objects, which are "
            f"hardly learnt ({', '.join(rare[:5])}{more})"
        )
    return {
        "num_classes": max(counts),
        "why_classes": f"{reason}.",
        "max_proposals": proposals,
        "max_detections": max(_rounded_up(1.5 * most, 50), 100),
        "max_boxes": most if most > _DEFAULT_BOXES else None,
        "why_proposals": f"Up to {most} objects in an image, "
        f"{summary.boxes_per_image.mean():.1f} on average.",
    }


def _choose_frame(summary: RecordSummary) -> dict[str, Any]:
    """How large the network sees images: large enough for small objects."""
    short = summary.image_sizes.min(axis=1)
    aspect = summary.image_sizes.max(axis=1) / short
    sides = np.sqrt(summary.object_areas)
    usual = float(np.median(short))
    frames = np.repeat(short, summary.boxes_per_image)
    # Objects of one size in px whatever the image's, as from the air: images
    # must not be brought to one size.
    if _spread(sides) < _spread(sides / frames):
        usual, frames = float(short.max()), np.full(len(frames), short.max())
    relative = sides / frames
    quarter = np.quantile(relative, 0.25)
    least = min(_USUAL_SHORT_SIDE, usual)
    most = min(
        _MOST_ENLARGED * usual, math.sqrt(_MOST_PIXELS / np.median(aspect))
    )
    wanted = np.clip(_LEAST_SIDE / quarter, least, max(most, least))
    # What is nearly the size of the images is left at it.
    side = usual if 0.8 < wanted / usual < 1.25 else wanted
    side = max(round(float(side) / 4), 8) * 4
    longest = _rounded_up(side * np.quantile(aspect, 0.99), 4)
    if usual == short.max():
        longest = _rounded_up(side / usual * summary.image_sizes.max(), 4)
    seen = sides * np.repeat(
        _scales(summary, side, longest), summary.boxes_per_image
    )
    return {
        "min_dimension": side,
        "max_dimension": longest,
        "why_resizer": "The short side of images has "
        + " to ".join(dict.fromkeys([f"{short.min()}", f"{short.max()}"]))
        + f" px. Seen at {side} px, a quarter of the objects is "
        f"smaller than {np.quantile(seen, 0.25):.0f} px, half are smaller "
        f"than {np.median(seen):.0f} px.",
    }


def _spread(sides: np.ndarray) -> float:
    return float(np.log(sides).std())


def _scales(
    summary: RecordSummary, shorter: float, longest: float
) -> np.ndarray:
    """`[num_examples]` px of the input per px of the image."""
    sizes = summary.image_sizes
    return np.minimum(shorter / sizes.min(axis=1), longest / sizes.max(axis=1))


def _choose_windows(
    summary: RecordSummary, is_small: np.ndarray, scales: np.ndarray
) -> dict[str, Any]:
    """Whether small objects are looked at again, and how.

    Args:
        is_small: `[n]` bool, which objects are.
        scales: `[n]` px of the base detector's input per px of their image.
    """
    share = is_small.mean()
    per_image = is_small.sum() / summary.num_examples
    told = f"{share:.0%} of the objects are below 32 x 32 px of the input"
    values = {
        "small_area_threshold": SMALL_AREA,
        "why_small": f"{told}, {per_image:.1f} in an image.",
    }
    if share < _SHARE_WORTH_WINDOWS:
        return values | _without_windows(
            "Too few objects are small for a second look to be worth its time."
        )
    windows = _windows_for(summary, per_image)
    usual = windows["first_pass_scale"]
    while _share_in_windows(summary, windows, scales, is_small) < (
        _SHARE_IN_WINDOWS
    ):
        # Smaller, so that windows show more than the first pass does.
        first_pass_scale = round(windows["first_pass_scale"] - 0.05, 2)
        if first_pass_scale < _LEAST_FIRST_PASS:
            return values | _without_windows(
                "Windows would show few small objects larger than the base "
                "detector does."
            )
        windows["first_pass_scale"] = first_pass_scale
    if windows["first_pass_scale"] < usual:
        windows["why_first_pass"] = (
            "Small enough for windows to show small objects larger."
        )
    values |= windows | {
        "refiner": "SECOND_LOOK",
        "why_refiner": "Small objects are looked for again, in enlarged "
        "windows of the original image.",
    }
    return values


def _without_windows(reason: str) -> dict[str, Any]:
    return {"refiner": "NONE", "why_refiner": reason, "first_pass_scale": 1.0}


def _share_in_windows(
    summary: RecordSummary,
    windows: Mapping[str, Any],
    scales: np.ndarray,
    is_small: np.ndarray,
) -> float:
    """Tells which share of the small objects windows enlarge."""
    # It imports TensorFlow, which must not begin with lines of its own.
    from featsr_tf.model.second_look import WindowSettings

    scales = scales * windows["first_pass_scale"]
    settings = WindowSettings(
        magnifications=tuple(windows["magnifications"]),
        preferred_size=windows["preferred_size"],
    )
    magnifications = settings.magnifications_of(
        (summary.object_areas * scales**2).astype(np.float32),
        np.stack([scales, scales], axis=1).astype(np.float32),
    ).numpy()
    return float((magnifications[is_small] > 0).mean())


def _windows_for(summary: RecordSummary, per_image: float) -> dict[str, Any]:
    """How windows are laid for so many small objects in an image."""
    if per_image >= _MANY_SMALL:
        return {
            "first_pass_scale": 0.6,
            "magnifications": [2.0, 2.5, 3.0, 4.0],
            "preferred_size": _size_in_windows(summary, 48),
            "maximum_window_share": 0.5,
            "gate_score_threshold": 0.05,
            "focus_threshold": 0.1,
            "why_first_pass": "Many objects of an image are small: the part "
            "that they lie in is searched as one view, and a coarse first "
            "pass says where that is.",
        }
    return {
        "first_pass_scale": 0.8,
        "magnifications": [2.0, 3.0, 4.0],
        "preferred_size": _size_in_windows(summary, 64),
        "maximum_window_share": 1.0,
        "gate_score_threshold": 0.02,
        "focus_threshold": 0.15,
        "why_first_pass": f"Fewer than {_MANY_SMALL} objects of an image are "
        "small: the first pass may be coarse, and what is saved is spent on "
        "windows.",
    }


def _size_in_windows(summary: RecordSummary, most: int) -> int:
    """As large as which windows show objects, px.

    Crops enlarge objects up to twice, and few are as large as the largest
    ones then: windows keep to half of that.
    """
    largest = np.quantile(np.sqrt(summary.object_areas), 0.95)
    return round(float(np.clip(largest, _LEAST_IN_WINDOWS, most)))


def _choose_crop(
    summary: RecordSummary,
    scales: np.ndarray,
    look: Mapping[str, Any],
    recipe: Recipe,
) -> dict[str, Any]:
    """Crops that show objects as the first pass and the windows do."""
    long_sides = summary.object_sizes.max(axis=1)
    seen = long_sides * np.repeat(scales, summary.boxes_per_image)
    has_windows = look["refiner"] != "NONE"
    least = np.quantile(scales, 0.05) * look["first_pass_scale"] * 2 / 3
    usual = np.quantile(scales, 0.95)
    # Objects that crops cut are learnt as cut: the largest must fit as the
    # input shows them, and most of them where crops enlarge most.
    longest = np.quantile(seen, 0.99)
    crop = next((c for c in _CROPS if c >= longest), _CROPS[-1])
    most = 4 / 3 * usual
    if has_windows:
        most = max(2.0, most)
    most = max(min(most, crop / np.quantile(long_sides, 0.9)), usual)
    least = min(least, crop / np.quantile(long_sides, 0.99))
    memory = 1 + (recipe.gigabytes - 1) * (crop / _CROPS[0]) ** 2
    return {
        "crop": crop,
        "minimum_scale": float(f"{least:.2g}"),
        "maximum_scale": float(f"{most:.2g}"),
        "why_crop": "Training works on pieces of the image that show objects "
        f"at {least:.2g} to {most:.2g} px per px of it, as inference does. The "
        f"largest objects, {longest:.0f} px in the input, "
        f"{'fit' if longest <= crop else 'do not fit'} into {crop} x {crop} "
        "px.",
        "batch": recipe.batch,
        "why_batch": f"About {memory:.1f} GB of memory with {recipe.batch} "
        f"crops of {crop} x {crop} px: fewer images or smaller crops take "
        "less.",
    }


def _choose_steps(summary: RecordSummary, has_windows: bool) -> dict[str, Any]:
    count = summary.num_examples
    steps = _STEPS_PER_ROOT_OF_IMAGES * math.sqrt(count)
    steps = min(max(round(steps / 500) * 500, 1500), 90000)
    values = {
        "steps_1": steps,
        "why_steps": f"{steps} steps for {count:,} images: "
        f"{_STEPS_PER_ROOT_OF_IMAGES} times the root of their number. "
        "What has not converged needs more.",
    }
    if has_windows:
        values["steps_2"] = min(max(round(0.32 * steps / 50) * 50, 600), 10000)
        values["steps_3"] = min(max(round(0.03 * steps / 50) * 50, 150), 2000)
    return values


def _choose_augmentation(names: Mapping[int, str]) -> dict[str, Any]:
    sideways = list(filter(_SIDEWAYS.search, names.values()))
    reason = "Objects look alike in a mirror."
    steps = ["random_adjust_contrast", "random_adjust_brightness"]
    if sideways:
        reason = (
            f"Images are not mirrored: '{sideways[0]}' would be another class."
        )
    else:
        steps.insert(0, "random_horizontal_flip")
    return {"augmentation": steps, "why_augmentation": reason}


def _choose_anchors(sizes: np.ndarray, crop: Mapping[str, Any]) -> AnchorGrid:
    """Anchors for objects at all scales at which crops show them.

    Their aspect ratios are those of `stats`; their sizes leave no gap.

    Args:
        sizes: `[n, 2]` px of the original images.
    """
    ratios = propose(ObjectShapes(sizes, {})).aspect_ratios
    scales = np.geomspace(crop["minimum_scale"], crop["maximum_scale"], 9)
    sides = np.sqrt(sizes.prod(axis=1)) * scales[:, None]
    sides = sides[sides < crop["crop"]]
    # The rarest sizes do without an anchor of their own, and the largest
    # anchor serves objects that are larger than it.
    ends = np.log2(np.quantile(sides, (0.02, 0.98)) / _FIRST_ANCHOR)
    first, last = np.round(2 * (ends - (0, 0.25)))
    count = min(int(last - first) + 1, _MOST_ANCHORS // len(ratios))
    steps = np.linspace(first, last, max(count, 2))
    anchors = _FIRST_ANCHOR / AnchorGrid.height * 2 ** (steps / 2)
    return AnchorGrid(tuple(float(f"{a:.4g}") for a in anchors), ratios)


def _rounded_up(value: float, multiple: int) -> int:
    return math.ceil(value / multiple) * multiple
