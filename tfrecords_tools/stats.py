"""Tells sizes and classes of the objects of records, and what follows.

Proposes anchors and a threshold for small objects. For example:

    python -m tfrecords_tools.stats output/gtsdb/gtsdb_train.record-* \\
        --pipeline pipelines/gtsdb_mobilenet.config
"""

import argparse
import dataclasses
import functools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from featsr_tf.command_line.flags import add_pipeline_flags
from featsr_tf.command_line.flags import read_pipeline
from featsr_tf.config.schema import Pipeline
from featsr_tf.data.records import RecordSummary
from featsr_tf.errors import DataError
from featsr_tf.errors import exit_on_error
from featsr_tf.files import write_text
from featsr_tf.html_report.html import html_facts
from featsr_tf.html_report.html import html_page
from featsr_tf.metrics.detections import area_ranges
from featsr_tf.metrics.detections import long_side_ranges
from tfrecords_tools.proposals import MAXIMUM_PAIR_RATIO
from tfrecords_tools.proposals import PAPER_SIDES
from tfrecords_tools.proposals import RECALL_IOUS
from tfrecords_tools.proposals import RULE
from tfrecords_tools.proposals import WORTH_AN_ANCHOR
from tfrecords_tools.proposals import AnchorGrid
from tfrecords_tools.proposals import Coverage
from tfrecords_tools.proposals import ObjectShapes
from tfrecords_tools.proposals import Threshold
from tfrecords_tools.proposals import coverage
from tfrecords_tools.proposals import describe_threshold
from tfrecords_tools.proposals import limit
from tfrecords_tools.proposals import propose
from tfrecords_tools.proposals import propose_threshold
from tfrecords_tools.record_files import add_max_bad_examples_flag
from tfrecords_tools.record_files import names_in
from tfrecords_tools.record_files import open_records
from tfrecords_tools.record_files import record_tool_parser
from tfrecords_tools.record_files import title_of
from tfrecords_tools.tables import table_section
from tfrecords_tools.tables import text_section
from tfrecords_tools.tables import text_table

OUTPUT_SUFFIXES = (".json", ".html")
PERCENTILES = (1, 5, 25, 50, 75, 95, 99)
# A class with fewer objects is rarely learned well.
FEW_OBJECTS = 100
_BINS_PER_OCTAVE = 2
_LONGEST_BAR = 40
_ANCHOR_NOTE = (
    "IoU of objects with their best anchor, over all places of the 16 px grid;"
    f" a further anchor is proposed where it raises the mean by"
    f" {WORTH_AN_ANCHOR:g} or more. The limit is what any anchors at all"
    " could reach on this grid."
)


def main(argv: Sequence[str] | None = None) -> None:
    """Reads the flags and prints the statistics."""
    parser = record_tool_parser("tfrecords_tools.stats", __doc__)
    add_max_bad_examples_flag(parser)
    add_pipeline_flags(parser, required=False)
    parser.add_argument(
        "--output",
        metavar="FILE",
        help="where to write the statistics too, .json or .html",
    )
    with exit_on_error():
        run(parser.parse_args(argv))


def run(arguments: argparse.Namespace) -> None:
    """Reads the records, prints the statistics and writes them to a file."""
    output = arguments.output
    if output and Path(output).suffix not in OUTPUT_SUFFIXES:
        raise DataError(
            f"--output {output}: expected a name that ends in"
            f" {' or '.join(OUTPUT_SUFFIXES)}"
        )
    pipeline = read_pipeline(arguments) if arguments.pipeline else None
    records = open_records(
        arguments.files, arguments.label_map, arguments.max_bad_examples
    )
    summary, label_map = records.summary, records.label_map
    if not summary.num_objects:
        paths = ", ".join(records.paths)
        raise DataError(f"{paths}: no objects in these records")
    names = label_map.names if label_map else names_in(records.read())
    statistics = gather(title_of(records.paths), summary, names, pipeline)
    print(to_text(statistics))
    if output and output.endswith(".json"):
        write_text(output, json.dumps(to_values(statistics), indent=1) + "\n")
    elif output:
        write_text(output, to_html(statistics))


@dataclasses.dataclass(frozen=True)
class Statistics:
    """What is known of records, and what is proposed.

    Args:
        objects: shapes of the objects in px of the network's input.
        pipeline_anchors: those of the pipeline, or None.
    """

    title: str
    summary: RecordSummary
    names: Mapping[int, str]
    objects: ObjectShapes
    thresholds: Mapping[str, Threshold]
    pipeline_anchors: AnchorGrid | None = None

    @functools.cached_property
    def anchors(self) -> AnchorGrid:
        """The proposed anchors."""
        return propose(self.objects)

    @functools.cached_property
    def coverages(self) -> dict[str, Coverage]:
        """What anchors reach: the proposed, the pipeline's, the limit."""
        found = {"proposed": coverage(self.objects, self.anchors)}
        if self.pipeline_anchors:
            found["pipeline"] = coverage(self.objects, self.pipeline_anchors)
        return {**found, "limit": limit(self.objects)}

    @property
    def frame(self) -> str:
        """In whose pixels anchors are measured."""
        if self.pipeline_anchors:
            return "in px after the pipeline's image_resizer"
        return "in px of the original images (--pipeline applies its resizer)"


def gather(
    title: str,
    summary: RecordSummary,
    names: dict[int, str],
    pipeline: Pipeline | None = None,
) -> Statistics:
    """Works the statistics out.

    Args:
        pipeline: its resizer scales the objects for the anchors, and its own
            anchors and threshold are set beside those proposed.
    """
    boxes = np.pad(summary.object_sizes, ((0, 0), (2, 0)))
    groups = {size.name: size.contains(boxes) for size in area_ranges()[:3]}
    sizes, areas = summary.object_sizes, summary.object_areas
    grid, thresholds, maximum_ratio = None, {}, MAXIMUM_PAIR_RATIO
    if pipeline:
        sizes = _resized_sizes(pipeline, summary)
        grid = _anchors_of(pipeline)
        extension = pipeline.model.feature_super_resolution
        maximum_ratio = extension.maximum_pair_area_ratio
        if extension.small_area_frame == "RESIZED":
            areas = sizes.prod(axis=1)
        thresholds["pipeline"] = describe_threshold(
            areas, extension.small_area_threshold, maximum_ratio
        )
    for name, side in PAPER_SIDES.items():
        thresholds[name] = describe_threshold(areas, side**2, maximum_ratio)
    proposed = propose_threshold(areas, maximum_ratio)
    return Statistics(
        title,
        summary,
        names,
        ObjectShapes(sizes, groups),
        {"proposed": proposed, **thresholds},
        grid,
    )


def _resized_sizes(pipeline: Pipeline, summary: RecordSummary) -> np.ndarray:
    from featsr_tf.data.build import build_resizer
    from featsr_tf.data.resize import resized_size

    resizer = build_resizer(pipeline)
    return summary.resized_object_sizes(
        lambda height, width: resized_size(height, width, resizer)
    )


def _anchors_of(pipeline: Pipeline) -> AnchorGrid:
    generator = pipeline.model.faster_rcnn.first_stage_anchor_generator
    grid = generator.grid_anchor_generator
    return AnchorGrid(
        tuple(grid.scales), tuple(grid.aspect_ratios), grid.height, grid.width
    )


def overview(summary: RecordSummary) -> dict[str, str]:
    """Tells how many images and objects there are, and how large."""
    counts = summary.boxes_per_image
    heights, widths = summary.image_sizes.T
    facts = {
        "images": f"{summary.num_examples:,}, {(counts == 0).sum():,} of them"
        " without objects",
        "image widths": _spread(widths),
        "image heights": _spread(heights),
        "objects": f"{summary.num_objects:,}",
        "classes with objects": str(len(summary.class_counts)),
        "objects per image": f"{counts.mean():.1f} on average, {counts.max()}"
        " at most: the least max_number_of_boxes that cuts none",
    }
    if summary.num_objects:
        facts["sizes by area (32^2, 96^2 px^2)"] = _shares(
            summary, area_ranges()
        )
        facts["sizes by long side (32, 96, 400 px)"] = _shares(
            summary, long_side_ranges()
        )
    return facts


def percentile_rows(object_sizes: np.ndarray) -> list[list[str]]:
    """Tells how sizes and shapes are spread.

    Args:
        object_sizes: `[n, 2]` heights and widths in px, not empty.
    """
    heights, widths = object_sizes.T
    measures = {
        "square root of area, px": np.sqrt(heights * widths),
        "long side, px": np.maximum(heights, widths),
        "short side, px": np.minimum(heights, widths),
        "aspect ratio, width / height": widths / heights,
    }
    rows = [["", *(f"{p}%" for p in PERCENTILES)]]
    for name, values in measures.items():
        shown = np.percentile(values, PERCENTILES)
        rows.append([name, *(f"{value:.3g}" for value in shown)])
    return rows


def histogram(object_sizes: np.ndarray) -> str:
    """Draws how many objects there are of each size, in text.

    Args:
        object_sizes: `[n, 2]` heights and widths in px, not empty.

    Returns:
        A line for each range of the square root of the area.
    """
    sides = np.maximum(np.sqrt(object_sizes.prod(axis=1)), 1)
    bins = np.floor(_BINS_PER_OCTAVE * np.log2(sides)).astype(int)
    first = bins.min()
    counts = np.bincount(bins - first)
    lines = []
    for index, count in enumerate(counts.tolist(), start=int(first)):
        low, high = (2 ** (i / _BINS_PER_OCTAVE) for i in (index, index + 1))
        bar = "#" * round(_LONGEST_BAR * count / counts.max())
        lines.append(f"{low:7.1f} - {high:6.1f} px {count:7d}  {bar}".rstrip())
    return "\n".join(lines)


def class_rows(
    summary: RecordSummary, names: Mapping[int, str]
) -> list[list[str]]:
    """Tells how many objects each class has, and how large they are.

    Returns:
        Rows of a table, the first with its heads, large classes first.
    """
    counts = {label: 0 for label in names} | summary.class_counts
    sides = np.sqrt(summary.object_areas)
    rows = [["", "objects", "share", "median px", ""]]
    for label, count in sorted(counts.items(), key=lambda c: (-c[1], c[0])):
        own = sides[summary.object_labels == label]
        rows.append(
            [
                f"{label} {names.get(label, '')}".rstrip(),
                str(count),
                f"{count / max(summary.num_objects, 1):.1%}",
                f"{np.median(own):.1f}" if count else "-",
                f"fewer than {FEW_OBJECTS}" if count < FEW_OBJECTS else "",
            ]
        )
    return rows


def balance(summary: RecordSummary) -> str:
    """Compares the largest class with the smallest that has objects."""
    counts = summary.class_counts.values()
    few = sum(count < FEW_OBJECTS for count in counts)
    return (
        f"imbalance {max(counts) / min(counts):.1f} (objects of the largest"
        f" class / of the smallest); {few} of {len(counts)} classes have fewer"
        f" than {FEW_OBJECTS} objects"
    )


def _spread(sides: np.ndarray) -> str:
    low, middle, high = np.percentile(sides, (0, 50, 100))
    if low == high:
        return f"{low:g} px"
    return f"{low:g} to {high:g} px, median {middle:g}"


def _shares(summary: RecordSummary, ranges) -> str:
    boxes = np.pad(summary.object_sizes, ((0, 0), (2, 0)))
    counts = {size.name: int(size.contains(boxes).sum()) for size in ranges[:3]}
    if beyond := len(boxes) - sum(counts.values()):
        counts["beyond"] = beyond
    return ", ".join(
        f"{name} {count:,} ({count / len(boxes):.0%})"
        for name, count in counts.items()
    )


def to_text(statistics: Statistics) -> str:
    """The statistics for a terminal."""
    facts = overview(statistics.summary).items()
    sizes = statistics.summary.object_sizes
    sections = {
        statistics.title: "\n".join(f"{n}: {v}" for n, v in facts),
        "Object sizes, original px": text_table(percentile_rows(sizes)),
        "Square root of the area": histogram(sizes),
        "Classes": balance(statistics.summary)
        + "\n"
        + text_table(class_rows(statistics.summary, statistics.names)),
        f"Anchors, {statistics.frame}": _ANCHOR_NOTE
        + "\n"
        + text_table(_coverage_rows(statistics)),
        "Proposed anchors": statistics.anchors.to_text(),
        "Threshold for small objects": f"Rule: {RULE}.\n"
        + text_table(_threshold_rows(statistics)),
        "Proposed threshold": _threshold_text(statistics),
    }
    return "\n\n".join(
        f"{title}\n{'-' * len(title)}\n{content}"
        for title, content in sections.items()
    )


def to_html(statistics: Statistics) -> str:
    """The statistics as a self-contained page."""
    summary = statistics.summary
    sections = [
        html_facts("Data set", overview(summary)),
        table_section(
            "Object sizes, original px",
            percentile_rows(summary.object_sizes),
            "So many of all objects are at most as large.",
        ),
        text_section(
            "Square root of the area", histogram(summary.object_sizes)
        ),
        table_section(
            "Classes", class_rows(summary, statistics.names), balance(summary)
        ),
        table_section(
            f"Anchors, {statistics.frame}",
            _coverage_rows(statistics),
            _ANCHOR_NOTE,
        ),
        text_section("Proposed anchors", statistics.anchors.to_text()),
        table_section(
            "Threshold for small objects",
            _threshold_rows(statistics),
            f"Rule: {RULE}.",
        ),
        text_section("Proposed threshold", _threshold_text(statistics)),
    ]
    headline = (
        f"{summary.num_examples:,} images with {summary.num_objects:,} objects"
    )
    return html_page(statistics.title, headline, sections)


def to_values(statistics: Statistics) -> dict:
    """The statistics as values for JSON."""
    summary = statistics.summary
    sides = np.sqrt(summary.object_areas)
    return {
        "images": summary.num_examples,
        "objects": summary.num_objects,
        "max_objects_per_image": summary.max_boxes,
        "class_counts": {
            str(label): count for label, count in summary.class_counts.items()
        },
        "square_root_of_area": {
            f"{percentile}%": round(float(value), 2)
            for percentile, value in zip(
                PERCENTILES, np.percentile(sides, PERCENTILES), strict=True
            )
        },
        "anchors": dataclasses.asdict(statistics.anchors),
        "anchor_coverage": {
            name: dataclasses.asdict(value)
            for name, value in statistics.coverages.items()
        },
        "small_area_threshold": {
            name: dataclasses.asdict(value)
            for name, value in statistics.thresholds.items()
        },
    }


def _coverage_rows(statistics: Statistics) -> list[list[str]]:
    coverages = statistics.coverages
    groups = list(coverages["proposed"].recalls_by_group)
    first = RECALL_IOUS[0]
    rows = [
        ["", "anchors per cell", "mean IoU"]
        + [f"recall at {iou}" for iou in RECALL_IOUS]
        + [f"{group} at {first}" for group in groups]
    ]
    for name, found in coverages.items():
        number = "-" if name == "limit" else str(found.num_anchors)
        shares = [*found.recalls.values(), *found.recalls_by_group.values()]
        rows.append(
            [
                name,
                number,
                f"{found.mean_iou:.3f}",
                *(f"{share:.1%}" for share in shares),
            ]
        )
    return rows


def _threshold_rows(statistics: Statistics) -> list[list[str]]:
    rows = [["", "px^2", "side, px", "small", "to learn from"]]
    rows += [
        [
            name,
            f"{found.area:g}",
            f"{found.area**0.5:.1f}",
            f"{found.share_small:.1%}",
            f"{found.share_for_pairs:.1%}",
        ]
        for name, found in statistics.thresholds.items()
    ]
    return rows


def _threshold_text(statistics: Statistics) -> str:
    return (
        "feature_super_resolution {\n"
        f"  small_area_threshold: {statistics.thresholds['proposed'].area:g}\n"
        "}"
    )


if __name__ == "__main__":
    main()
