"""Draws records: whole, and as a training pipeline sees them.

For example:

    python -m tfrecords_tools.show output/gtsdb/gtsdb_train.record-* \\
        --pipeline pipelines/gtsdb_mobilenet.config --output output/shown
"""

import argparse
import dataclasses
import json
import os
import re
import tempfile
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import PIL.Image
import tqdm

from featsr_tf.command_line.flags import add_pipeline_flags
from featsr_tf.command_line.flags import read_pipeline
from featsr_tf.command_line.parser import CommandParser
from featsr_tf.config.schema import Pipeline
from featsr_tf.data.examples import feature_texts
from featsr_tf.data.examples import parse_example
from featsr_tf.data.keys import Example
from featsr_tf.data.records import RecordFiles
from featsr_tf.data.records import RecordSummary
from featsr_tf.data.records import scan_records
from featsr_tf.data.tfrecord_files import expand_patterns
from featsr_tf.data.tfrecord_files import read_raw_record
from featsr_tf.errors import DataError
from featsr_tf.errors import exit_on_error
from featsr_tf.files import write_text
from featsr_tf.html_report.html import html_facts
from featsr_tf.html_report.html import html_page
from featsr_tf.html_report.inputs import CAPTIONS_FILE
from featsr_tf.html_report.inputs import read_pictures
from tfrecords_tools import page
from tfrecords_tools.record_files import add_max_bad_examples_flag
from tfrecords_tools.record_files import add_record_flags
from tfrecords_tools.record_files import find_label_map
from tfrecords_tools.record_files import names_in
from tfrecords_tools.record_files import title_of
from tfrecords_tools.record_pictures import IGNORED_COLOR
from tfrecords_tools.record_pictures import SIZE_COLORS
from tfrecords_tools.record_pictures import SmallObjects
from tfrecords_tools.record_pictures import stored_picture
from tfrecords_tools.record_pictures import training_picture
from tfrecords_tools.statistics_report import overview

PAGE_NAME = "index.html"
_SEEDS = 2**31
# A view draws a record and tells its facts.
View = Callable[[bytes], tuple[np.ndarray, str]]


@dataclasses.dataclass(frozen=True)
class _Record:
    """A record to show, and what to call it."""

    place: str
    payload: bytes
    name: str


def run(arguments: argparse.Namespace) -> None:
    """Draws the records and writes the page."""
    if arguments.max_images < 1:
        raise DataError(
            f"--max_images is {arguments.max_images}; expected 1 or more"
        )
    if not 0 <= arguments.seed < _SEEDS:
        raise DataError(
            f"--seed is {arguments.seed}; expected 0 to {_SEEDS - 1}"
        )
    paths = expand_patterns(arguments.files)
    pipeline = read_pipeline(arguments) if arguments.pipeline else None
    label_map = find_label_map(paths, arguments.label_map)
    record_files = scan_records(
        paths, label_map, max_bad_examples=arguments.max_bad_examples
    )
    places = list(record_files.places())
    records = _choose(places, arguments.max_images, arguments.seed)
    names = (
        label_map.names
        if label_map
        else names_in(record.payload for record in records)
    )
    views: dict[str, View] = {
        "stored": lambda payload: stored_picture(payload, names)
    }
    if pipeline:
        views["training"] = _training_view(
            pipeline, record_files, names, arguments.seed
        )
    output = Path(arguments.output)
    _write(output, title_of(paths), records, views, record_files.summary)
    print(f"wrote {output / PAGE_NAME}")


def _choose(
    places: Sequence[tuple[str, int, int]], count: int, seed: int
) -> list[_Record]:
    """Reads randomly chosen records, in the order of the files."""
    generator = np.random.default_rng(seed)
    count = min(count, len(places))
    chosen = generator.choice(len(places), count, replace=False)
    return [_read(*places[index]) for index in sorted(chosen.tolist())]


def _read(path: str, number: int, offset: int) -> _Record:
    place = f"{path}: record {number}"
    record = read_raw_record(path, number, offset)
    if record.damage:
        raise DataError(f"{place}: damaged, {record.damage}")
    features = parse_example(record.payload)
    names = feature_texts(features, Example.FILENAME)
    names += feature_texts(features, Example.SOURCE_ID)
    name = next(filter(None, names), f"record {number}")
    return _Record(place, record.payload, name)


def _training_view(
    pipeline: Pipeline,
    record_files: RecordFiles,
    names: Mapping[int, str],
    seed: int,
) -> View:
    from featsr_tf.data.build import training_options

    options = training_options(pipeline, record_files)
    extension = pipeline.model.feature_super_resolution
    small = SmallObjects(
        extension.small_area_threshold,
        extension.small_area_frame == "ORIGINAL",
    )
    return lambda payload: training_picture(
        payload, (seed, 0), options, small, names
    )


def _write(
    folder: Path,
    title: str,
    records: Sequence[_Record],
    views: Mapping[str, View],
    summary: RecordSummary,
) -> None:
    """Writes the pictures and the page; the page comes last."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".show-", dir=folder) as staging:
        captions = {}
        for index, record in enumerate(tqdm.tqdm(records, "drawing")):
            stem = re.sub(r"[^\w-]+", "_", Path(record.name).stem)[:60]
            for kind, view in views.items():
                file = f"{index:04d}_{stem}_{kind}.png"
                picture, facts = view(record.payload)
                PIL.Image.fromarray(picture).save(Path(staging, file))
                captions[file] = f"{record.name}, {kind}: {facts}"
        Path(staging, CAPTIONS_FILE).write_text(json.dumps(captions))
        pictures, _ = read_pictures(staging, len(captions))
        for file in captions:
            os.replace(Path(staging, file), folder / file)
    legend = {"does not count (dashed)": IGNORED_COLOR}
    if "training" in views:
        legend = {
            **{
                f"{name}, in training": SIZE_COLORS[name]
                for name in SIZE_COLORS
            },
            **legend,
        }
    headline = (
        f"{summary.num_examples:,} images with {summary.num_objects:,} objects;"
        f" {len(records)} images are shown"
    )
    sections = [
        html_facts("Data set", overview(summary)),
        page.pictures("Pictures", pictures, legend),
    ]
    write_text(folder / PAGE_NAME, html_page(title, headline, sections))


def main(argv: Sequence[str] | None = None) -> None:
    """Reads the flags and draws.

    Args:
        argv: arguments; default is the command line's.
    """
    parser = CommandParser(
        "tfrecords_tools.show",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_record_flags(parser)
    add_max_bad_examples_flag(parser)
    parser.add_argument(
        "--output",
        required=True,
        metavar="DIR",
        help=f"folder for the pictures and {PAGE_NAME}",
    )
    add_pipeline_flags(parser, required=False)
    parser.add_argument(
        "--max_images",
        type=int,
        default=12,
        metavar="N",
        help="the most images, chosen at random (default %(default)s)",
    )
    parser.add_argument(
        "--seed",
        type=int,
        default=0,
        metavar="S",
        help="seed of the choice and of the augmentation (default %(default)s)",
    )
    with exit_on_error():
        run(parser.parse_args(argv))


if __name__ == "__main__":
    main()
