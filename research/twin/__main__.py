"""Time of the atrous twin beside the extractor, in all its forms.

    python -m research.twin --pipeline pipelines/gtsdb_mobilenet.config
    python -m research.twin --pipeline pipelines/voc.config --side 608 \
        --set "model.feature_super_resolution.backbone.weights=''"

The twin by dilation is that of the paper, the one by phases what training
uses. Only the proposals that make pairs are pooled from it, so that windows
around these would do: as exactly as the whole frame where they hold all that
the cells of a proposal see.
"""

import argparse
import dataclasses
import math
from collections.abc import Sequence

from featsr_tf.command_line.flags import add_pipeline_flags
from featsr_tf.command_line.flags import read_pipeline
from featsr_tf.errors import ConfigError
from featsr_tf.errors import exit_on_error
from research.side_by_side import add_clock_flag
from research.side_by_side import check_rounds
from research.side_by_side import clock_of
from research.side_by_side import comparison
from research.side_by_side import in_turns
from research.side_by_side import print_environment
from research.twin.windows import STEP
from research.twin.windows import check_sides
from research.twin.windows import draw_boxes
from research.twin.windows import exact_window
from research.twin.windows import place
from research.twin.windows import spans_of_box


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(
        prog="python -m research.twin",
        description="Time of the atrous twin beside the extractor.",
    )
    add_pipeline_flags(parser)
    parser.add_argument(
        "--side",
        type=int,
        metavar="PX",
        help="of the square frame; default: the longer one of training_crop",
    )
    parser.add_argument(
        "--windows",
        type=int,
        nargs="+",
        default=[],
        metavar="PX",
        help="sides of windows that are measured though they are not exact",
    )
    parser.add_argument("--rounds", type=int, default=15)
    add_clock_flag(parser)
    arguments = parser.parse_args(argv)
    with exit_on_error():
        check_rounds(arguments.rounds)
        pipeline = read_pipeline(arguments)
        side = arguments.side or crop_side(pipeline)
        check_sides("side", [side], STEP)
        run(pipeline, side, arguments)


def crop_side(pipeline) -> int:
    """Tells the longer side of the training crops, px.

    Raises:
        ConfigError: training sees whole frames.
    """
    crop = pipeline.model.feature_super_resolution.training_crop
    if crop is None:
        raise ConfigError("--side: expected for a config without training_crop")
    return max(crop.height, crop.width)


def run(pipeline, side: int, arguments: argparse.Namespace) -> None:
    """Measures and prints.

    Args:
        pipeline: the config.
        side: of the frame, px.
        arguments: parsed flags.
    """
    from featsr_tf.geometry.receptive_field import receptive_field
    from featsr_tf.model.build import build_detector
    from featsr_tf.model.target_extractor import build_target_extractor
    from research.twin import forms

    extension = pipeline.model.feature_super_resolution
    detector = build_detector(pipeline)
    twin = build_target_extractor(
        detector.extractor, extension.twin_pooling.value
    )
    field = receptive_field(twin, "base")
    object_side = largest_pair(extension)
    sides = window_sides(arguments.windows, field, object_side, side)
    images = forms.noise(side)
    made = forms.make_forms(detector.backbone, twin)
    works = {
        name: forms.with_images(form, images) for name, form in made.items()
    }
    whole = works[forms.PHASES]()
    deviations = {forms.PHASES: forms.deviation(whole, works[forms.DILATION]())}
    boxes = draw_boxes(extension.pairs_per_image, object_side, side)
    spans = [spans_of_box(field, box, side) for box in boxes]
    for window in sides:
        name = f"{len(boxes)} windows of {window} px"
        corners = [place(pair, window, side) for pair in spans]
        cut = forms.cut(images, corners, window)
        works[name] = forms.with_images(made[forms.PHASES], cut)
        deviations[name] = forms.window_deviation(
            whole, works[name](), spans, corners, field.stride
        )
    times = in_turns(works, arguments.rounds, clock=clock_of(arguments))
    print_environment()
    print(f"one frame of {side} x {side} px\n")
    print(comparison(times, forms.EXTRACTOR))
    for name, value in deviations.items():
        print(f"{name}: deviates by {value:.1e} of the largest value")
    print(facts(field, object_side, side, len(boxes)))
    print(forms.shared_layers(twin))


def largest_pair(extension) -> float:
    """Tells the side of the largest square proposals that make pairs, px."""
    ratio = extension.maximum_pair_area_ratio
    return math.sqrt(extension.small_area_threshold * ratio)


def window_sides(
    wanted: Sequence[int], field, object_side: float, side: int
) -> list[int]:
    """Chooses the sides of windows that are measured.

    Args:
        wanted: those asked for.
        field: receptive field of the twin.
        object_side: of a proposal, px.
        side: of the frame, px.

    Returns:
        Those, and the exact one where it is smaller than the frame.

    Raises:
        ConfigError: one does not even hold the cells of a proposal.
    """
    cells_alone = dataclasses.replace(field, size=STEP)
    least = exact_window(cells_alone, object_side)
    check_sides("windows", wanted, least, side)
    exact = exact_window(field, object_side)
    return sorted({*wanted, *([exact] if exact < side else [])})


def facts(field, object_side: float, side: int, count: int) -> str:
    """Says what windows would need.

    Args:
        field: receptive field of the twin.
        object_side: of a proposal, px.
        side: of the frame, px.
        count: of the proposals.
    """
    exact = exact_window(field, object_side)
    share = exact**2 / side**2
    return (
        f"a cell of the twin sees {field.size} px: exact windows of proposals "
        f"of {object_side:.0f} px have {exact} px, {share:.2f} of the frame "
        f"each and {count * share:.2f} all {count}"
        + ("" if exact < side else "; no smaller than the frame, not timed")
    )


if __name__ == "__main__":
    main()
