"""Tells sizes and classes of the objects of records, and what follows.

Proposes anchors and a threshold for small objects. For example:

    python -m tfrecords_tools.stats output/gtsdb/gtsdb_train.record-* \\
        --pipeline pipelines/gtsdb_mobilenet.config
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from featsr_tf.command_line.flags import add_pipeline_flags
from featsr_tf.command_line.flags import read_pipeline
from featsr_tf.config.schema import Pipeline
from featsr_tf.data.records import RecordSummary
from featsr_tf.data.records import scan_records
from featsr_tf.data.tfrecord_files import expand_patterns
from featsr_tf.errors import DataError
from featsr_tf.errors import exit_on_error
from featsr_tf.files import write_text
from featsr_tf.metrics.detections import area_ranges
from tfrecords_tools.proposals import MAXIMUM_PAIR_RATIO
from tfrecords_tools.proposals import PAPER_SIDES
from tfrecords_tools.proposals import AnchorGrid
from tfrecords_tools.proposals import ObjectShapes
from tfrecords_tools.proposals import describe_threshold
from tfrecords_tools.proposals import propose_threshold
from tfrecords_tools.record_files import add_max_bad_examples_flag
from tfrecords_tools.record_files import find_label_map
from tfrecords_tools.record_files import names_in
from tfrecords_tools.record_files import record_tool_parser
from tfrecords_tools.record_files import title_of
from tfrecords_tools.statistics_report import Statistics
from tfrecords_tools.statistics_report import to_html
from tfrecords_tools.statistics_report import to_text
from tfrecords_tools.statistics_report import to_values

OUTPUT_SUFFIXES = (".json", ".html")


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
    paths = expand_patterns(arguments.files)
    pipeline = read_pipeline(arguments) if arguments.pipeline else None
    label_map = find_label_map(paths, arguments.label_map)
    record_files = scan_records(
        paths,
        label_map,
        decode=True,
        max_bad_examples=arguments.max_bad_examples,
    )
    summary = record_files.summary
    if not summary.num_objects:
        raise DataError(f"{', '.join(paths)}: no objects in these records")
    names = label_map.names if label_map else names_in(record_files.read())
    statistics = gather(title_of(paths), summary, names, pipeline)
    print(to_text(statistics))
    if output and output.endswith(".json"):
        write_text(output, json.dumps(to_values(statistics), indent=1) + "\n")
    elif output:
        write_text(output, to_html(statistics))


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


if __name__ == "__main__":
    main()
