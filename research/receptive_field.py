"""Prints and plots the receptive fields of a backbone and of its twin.

Section 3 of the paper in numbers:
    python -m research.receptive_field --backbone resnet50 --image_width 1600
"""

import argparse
import io
import os
from collections.abc import Sequence

from featsr_tf.errors import ConfigError
from featsr_tf.errors import exit_on_error
from featsr_tf.files import write_bytes

TABLE_WIDTHS = (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 25, 30, 40, 50)
PLOT_WIDTHS = range(1, 51)


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command.

    Args:
        arguments: command line; that of the process if None.
    """
    options = _parse(arguments)
    with exit_on_error():
        if options.image_width < 1:
            raise ConfigError(
                "--image_width: expected a positive number of pixels, found "
                f"{options.image_width}"
            )
        path = options.output or os.path.join(
            "output", f"receptive_field_{options.backbone}.png"
        )
        plain, twin = _fields(options.backbone, options.twin_pooling)
        print(_table(options.backbone, options.image_width, plain, twin))
        _plot(options.backbone, options.image_width, plain, twin, path)
        print(f"plot: {path}")


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m research.receptive_field",
        description="Receptive fields of an extractor and of its atrous twin "
        "(section 3 of the paper), computed from the layers themselves.",
    )
    parser.add_argument(
        "--backbone",
        default="resnet50",
        help="mobilenet_v1, resnet50, resnet101, a network of "
        "keras.applications or package.module:function (default: %(default)s)",
    )
    parser.add_argument(
        "--image_width",
        type=int,
        default=1600,
        help="I_W, width of I^1.0 in px (default: %(default)s)",
    )
    parser.add_argument(
        "--twin_pooling",
        default="PAPER",
        help="PAPER, AVERAGE, STRIDE or ROOT_MAX (default: %(default)s)",
    )
    parser.add_argument(
        "--output",
        help="the plot (default: output/receptive_field_BACKBONE.png)",
    )
    return parser.parse_args(arguments)


def _fields(backbone: str, twin_pooling: str) -> tuple:
    """Receptive fields of the base features: extractor and twin."""
    from featsr_tf.geometry.receptive_field import receptive_field
    from featsr_tf.model.backbone import build_backbone
    from featsr_tf.model.target_extractor import build_target_extractor

    features = build_backbone(backbone).features
    twin = build_target_extractor(features, twin_pooling)
    return receptive_field(features, "base"), receptive_field(twin, "base")


def _table(backbone: str, image_width: int, plain, twin) -> str:
    """Describes both fields, with one row for each width of a region."""
    lines = [f"{backbone}, I_W = {image_width} px"]
    for title, field in (("extractor", plain), ("atrous twin", twin)):
        lines.append(
            f"{title}: R_W = {field.size} px, D = {field.stride} px, "
            f"first cell centred on pixel {field.first_center:g}"
        )
    lines += [
        "",
        "          extractor F            atrous twin T",
        "  w    ARF    RRF   DRRF     ARF    RRF   DRRF",
    ]
    for width in TABLE_WIDTHS:
        columns = [
            "{:5.0f} {:6.3f} {:6.3f}".format(
                *_measures(width, image_width, plain, field)
            )
            for field in (plain, twin)
        ]
        lines.append(f"{width:3d}  " + "   ".join(columns))
    lines += [
        "",
        "w: width of a region in cells at I^1.0. ARF: absolute receptive field "
        "in px (eq. 1).",
        "RRF: its share of the image (eq. 2). DRRF: RRF of F at I^0.5, divided "
        "by the RRF at I^1.0 (eq. 3).",
    ]
    return "\n".join(lines)


def _measures(
    width: float, image_width: int, plain, field
) -> tuple[float, float, float]:
    """ARF, RRF and DRRF of a region, equations 1 to 3."""
    from featsr_tf.geometry import receptive_field as equations

    return (
        equations.absolute_receptive_field(field, width),
        equations.relative_receptive_field(field, width, image_width),
        equations.relative_discrepancy(plain, width, image_width, field),
    )


def _plot(backbone: str, image_width: int, plain, twin, path: str) -> None:
    """Draws RRF and DRRF over the width of a region."""
    from matplotlib.figure import Figure

    from featsr_tf.geometry.receptive_field import relative_receptive_field

    figure = Figure(figsize=(10, 4.2), layout="constrained")
    shares, quotients = figure.subplots(1, 2)
    figure.suptitle(f"{backbone}, $I_W$ = {image_width} px")
    half = [
        relative_receptive_field(plain, width / 2, image_width / 2)
        for width in PLOT_WIDTHS
    ]
    for title, field, color in (
        ("extractor F at $I^{1.0}$", plain, "tab:orange"),
        ("atrous twin T at $I^{1.0}$", twin, "tab:blue"),
    ):
        measures = [
            _measures(width, image_width, plain, field) for width in PLOT_WIDTHS
        ]
        _, relative, discrepancy = zip(*measures, strict=True)
        shares.plot(PLOT_WIDTHS, relative, color=color, label=title)
        quotients.plot(PLOT_WIDTHS, discrepancy, color=color, label=title)
    shares.plot(
        PLOT_WIDTHS, half, "k--", label="extractor F at $I^{0.5}$, same region"
    )
    quotients.axhline(1.0, color="k", linestyle="--", label="perfect match")
    shares.set_ylabel("relative receptive field, RRF")
    shares.set_ylim(bottom=0)
    quotients.set_ylabel("discrepancy, DRRF$_{1/2}$")
    quotients.set_ylim(0.9, 2.05)
    for axes in (shares, quotients):
        axes.set_xlabel("width w of a region at $I^{1.0}$, cells")
        axes.grid(alpha=0.3)
        axes.legend()
    _save(figure, path)


def _save(figure, path: str) -> None:
    """Writes a figure, and the folder that it lies in."""
    stream = io.BytesIO()
    kind = os.path.splitext(path)[1][1:]
    try:
        figure.savefig(stream, dpi=120, format=kind or None)
        write_bytes(path, stream.getvalue())
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"--output {path}: the plot cannot be written ({error})"
        ) from error


if __name__ == "__main__":
    main()
