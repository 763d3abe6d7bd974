"""Draws records: whole, and as a training pipeline sees them.

For example:

    python -m tfrecords_tools.show output/gtsdb/gtsdb_train.record-* \\
        --pipeline pipelines/gtsdb_mobilenet.config --output output/shown
"""

import argparse
import dataclasses
import html
import json
import os
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import PIL.Image
import tqdm

from featsr_tf.command_line.flags import add_pipeline_flags
from featsr_tf.command_line.flags import read_pipeline
from featsr_tf.config.schema import Pipeline
from featsr_tf.data.examples import feature_texts
from featsr_tf.data.examples import parse_example
from featsr_tf.data.keys import Example
from featsr_tf.data.records import RecordFiles
from featsr_tf.data.records import RecordSummary
from featsr_tf.data.tfrecord_files import read_raw_record
from featsr_tf.drawing.boxes import Mark
from featsr_tf.drawing.boxes import box_marks
from featsr_tf.drawing.boxes import draw_marks
from featsr_tf.drawing.boxes import side_by_side
from featsr_tf.errors import DataError
from featsr_tf.errors import exit_on_error
from featsr_tf.files import write_picture
from featsr_tf.files import write_text
from featsr_tf.html_report.html import html_facts
from featsr_tf.html_report.html import html_page
from featsr_tf.html_report.html import html_pictures
from featsr_tf.html_report.inputs import CAPTIONS_FILE
from featsr_tf.html_report.inputs import Picture
from featsr_tf.html_report.inputs import read_pictures
from featsr_tf.metrics.detections import areas
from tfrecords_tools.record_files import add_max_bad_examples_flag
from tfrecords_tools.record_files import names_in
from tfrecords_tools.record_files import open_records
from tfrecords_tools.record_files import record_tool_parser
from tfrecords_tools.record_files import title_of
from tfrecords_tools.stats import overview

if TYPE_CHECKING:
    from featsr_tf.data.decode import LabeledImage
    from featsr_tf.data.input_pipeline import TrainingOptions

PAGE_NAME = "index.html"
_SEEDS = 2**31
IGNORED_COLOR = "#c9c9c9"
SIZE_COLORS = {"small": "#ffd23f", "medium": "#3fc1ff", "large": "#7ee05a"}
# As 96 x 96 px to 32 x 32 px in the paper.
_MEDIUM_PER_SMALL_AREA = 9
# A view draws a record and tells its facts.
View = Callable[[bytes], tuple[np.ndarray, str]]


@dataclasses.dataclass(frozen=True)
class SmallObjects:
    """Which objects a pipeline takes for small.

    Args:
        area: objects with a smaller area are small, px^2.
        in_original_pixels: whether the area is measured in the original
            image rather than in the network's input.
    """

    area: float
    in_original_pixels: bool


@dataclasses.dataclass(frozen=True)
class _Record:
    """A record to show, and what to call it."""

    place: str
    payload: bytes
    name: str


def main(argv: Sequence[str] | None = None) -> None:
    """Reads the flags and draws."""
    parser = record_tool_parser("tfrecords_tools.show", __doc__)
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
    pipeline = read_pipeline(arguments) if arguments.pipeline else None
    record_files = open_records(
        arguments.files, arguments.label_map, arguments.max_bad_examples
    )
    label_map = record_files.label_map
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
            pipeline, record_files, places, names, arguments.seed
        )
    output = Path(arguments.output)
    title = title_of(record_files.paths)
    _write(output, title, records, views, record_files.summary)
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
    places: Sequence[tuple[str, int, int]],
    names: Mapping[int, str],
    seed: int,
) -> View:
    from featsr_tf.data.augment import count_partners
    from featsr_tf.data.build import training_options

    options = training_options(pipeline, record_files)
    extension = pipeline.model.feature_super_resolution
    small = SmallObjects(
        extension.small_area_threshold,
        extension.small_area_frame == "ORIGINAL",
    )
    # Of what the augmentation takes pixels of, drawn anew for each picture.
    generator = np.random.default_rng(seed)
    count = count_partners(options.augmentations)

    def view(payload: bytes) -> tuple[np.ndarray, str]:
        drawn = generator.integers(len(places), size=count).tolist()
        others = [_read(*places[index]).payload for index in drawn]
        return training_picture(
            [payload, *others], (seed, 0), options, small, names
        )

    return view


def stored_picture(
    serialized: bytes, names: Mapping[int, str]
) -> tuple[np.ndarray, str]:
    """Draws a whole image with its boxes."""
    from featsr_tf.data.decode import decode_example

    frame = decode_example(serialized)
    boxes, classes = frame.boxes.numpy(), frame.classes.numpy()
    marks = [
        dataclasses.replace(mark, dashed=bool(ignored))
        for mark, ignored in zip(
            box_marks(boxes, classes, names=names),
            frame.ignored.numpy(),
            strict=True,
        )
    ]
    return draw_marks(frame.image.numpy(), marks), _facts(frame)


def training_picture(
    records: Sequence[bytes],
    seed: tuple[int, int],
    options: "TrainingOptions",
    small: SmallObjects,
    names: Mapping[int, str],
) -> tuple[np.ndarray, str]:
    """Draws what training sees: I^1.0 beside I^0.5, enlarged to its size.

    Args:
        records: see `training_image`.
    """
    import tensorflow as tf

    from featsr_tf.data.input_pipeline import training_image
    from featsr_tf.data.resize import half_image
    from featsr_tf.data.resize import pad_to
    from featsr_tf.data.resize import round_up

    _, frame = training_image(
        list(map(tf.constant, records)), tf.constant(seed), options
    )
    height, width = frame.image.shape[:2]
    padded = pad_to(frame.image, round_up(height), round_up(width))
    half = half_image(padded[None])[0]
    enlarged = tf.repeat(tf.repeat(half, 2, axis=0), 2, axis=1)
    marks = _size_marks(frame, small, names)
    views = [
        draw_marks(np.clip(view[:height, :width], 0, 255), marks)
        for view in (frame.image.numpy(), enlarged.numpy())
    ]
    titles = (
        f"I^1.0: {width} x {height} px",
        f"I^0.5: {width / 2:g} x {height / 2:g} px, shown twice as large",
    )
    scale = frame.scale.numpy()
    facts = f"{_facts(frame)}, {scale[1]:.2f} x {scale[0]:.2f} of the original"
    return side_by_side(views, titles), facts


def _size_marks(
    frame: "LabeledImage", small: SmallObjects, names: Mapping[int, str]
) -> list[Mark]:
    """Marks boxes by their size; small ones say so."""
    boxes, classes = frame.boxes.numpy(), frame.classes.numpy()
    measured = areas(boxes)
    if small.in_original_pixels:
        measured = measured / frame.scale.numpy().prod()
    marks = []
    for mark, ratio, ignored in zip(
        box_marks(boxes, classes, names=names),
        measured / small.area,
        frame.ignored.numpy(),
        strict=True,
    ):
        size = _size_name(ratio)
        label = f"{mark.label}, small" if size == "small" else mark.label
        color = IGNORED_COLOR if ignored else SIZE_COLORS[size]
        marks.append(Mark(mark.box, color, label, bool(ignored)))
    return marks


def _size_name(ratio: float) -> str:
    if ratio < 1:
        return "small"
    return "medium" if ratio <= _MEDIUM_PER_SMALL_AREA else "large"


def _facts(frame: "LabeledImage") -> str:
    height, width = frame.image.shape[:2]
    ignored = int(frame.ignored.numpy().sum())
    told = f"{width} x {height} px, objects: {len(frame.classes)}"
    return f"{told}, of which {ignored} do not count" if ignored else told


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
            stem = re.sub(r"[^\w-]+", "_", Path(record.name).stem)[:50]
            for kind, view in views.items():
                file = f"{index:04d}_{stem}_{kind}.png"
                picture, facts = view(record.payload)
                write_picture(Path(staging, file), PIL.Image.fromarray(picture))
                captions[file] = f"{record.name}, {kind}: {facts}"
        write_text(Path(staging, CAPTIONS_FILE), json.dumps(captions))
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
        pictures_section("Pictures", pictures, legend),
    ]
    write_text(folder / PAGE_NAME, html_page(title, headline, sections))


def pictures_section(
    title: str, shown: Sequence[Picture], legend: Mapping[str, str]
) -> str:
    """Sets pictures below each other, as HTML.

    Args:
        title: title of the section.
    """
    colors = "".join(
        f'<span><i style="background:{color}"></i>{html.escape(name)}</span>'
        for name, color in legend.items()
    )
    return (
        f'<h2 id="pictures">{html.escape(title)}</h2>'
        '<p class="note">A click shows a picture in full size.</p>'
        f'<p class="legend">{colors}</p>{html_pictures(shown)}'
    )


if __name__ == "__main__":
    main()
