"""The results of a probe as a table, for the terminal and for pages."""

import json
from collections.abc import Mapping
from pathlib import Path

from featsr_tf.errors import DataError
from featsr_tf.html_report.tables import Cell
from featsr_tf.html_report.tables import Table

TITLES = {
    "half": "F^0.5: the half-scale image",
    "atrous_paper": "T^1.0: atrous twin, max-pools",
    "atrous_root_max": "T^1.0: atrous twin, max-pool at the root",
    "atrous_average": "T^1.0: atrous twin, average pools",
    "atrous_stride": "T^1.0: atrous twin, plain strides",
    "enlarged_half": "F of the half-scale image enlarged twice",
    "full": "F^1.0: the image itself",
}


def read_probe(path: str) -> dict:
    """Reads what `python -m research.probe` wrote.

    Args:
        path: The file.

    Raises:
        DataError: It is missing, or something else.
    """
    try:
        results = json.loads(Path(path).read_text(encoding="utf-8"))
        probe_table(results)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{path}: expected the results of `python -m research.probe` "
            f"({type(error).__name__}: {error}); run it first"
        ) from None
    return results


def probe_table(results: Mapping) -> Table:
    """Makes the table of `python -m research.probe`.

    Args:
        results: What it wrote.

    Returns:
        Accuracy and distance of boxes by kind of features.
    """
    settings = results["settings"]
    rows = [
        (
            TITLES[kind],
            [
                _cell(entry["accuracy"], 100, 1),
                _difference_cell(entry["difference"]["accuracy"], 100, 1, 1),
                _cell(entry["box_l1"], 1, 3),
                _difference_cell(entry["difference"]["box_l1"], 1, 3, -1),
            ],
        )
        for kind, entry in results["features"].items()
    ]
    return Table(
        "What the targets know",
        f"The base predictor fine-tuned on each kind of features for "
        f"{settings['steps']} steps, judged on {results['objects']:,.0f} "
        f"objects ({results['proposals']:,.0f} proposals in "
        f"{results['views']:,} views) that the base detector has not seen; "
        f"folds: {settings['folds']}, seeds: {len(settings['seeds'])}. "
        "Accuracy: share of the proposals of objects whose class is found, "
        "in percent. Box: mean distance of box deltas, less is better. In "
        "brackets where 95% of the figures lie when views are drawn anew "
        f"({settings['resamples']} draws); differences are from F^0.5, "
        "colored where that leaves out 0.",
        [
            ("Accuracy", ["percent", "difference"]),
            ("Box", ["distance", "difference"]),
        ],
        rows,
    )


def _cell(figure: Mapping, scale: float, digits: int) -> Cell:
    return _interval_cell(figure, scale, f".{digits}f", "")


def _difference_cell(
    figure: Mapping, scale: float, digits: int, good_sign: int
) -> Cell:
    kind = ""
    if figure["low"] is not None and figure["low"] * figure["high"] > 0:
        kind = "good" if good_sign * figure["low"] > 0 else "bad"
    return _interval_cell(figure, scale, f"+z.{digits}f", kind)


def _interval_cell(
    figure: Mapping, scale: float, style: str, kind: str
) -> Cell:
    numbers = [figure[key] for key in ("mean", "low", "high")]
    if None in numbers:
        return Cell("-")
    mean, low, high = (format(scale * number, style) for number in numbers)
    return Cell(mean, kind, detail=f"[{low}, {high}]")
