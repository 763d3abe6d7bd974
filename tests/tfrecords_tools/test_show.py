"""Pictures must show the records that they are said to show."""

import html.parser
import pathlib

import numpy as np
import PIL.Image
import pytest
import tensorflow as tf
from PIL import ImageColor

from featsr_tf.data.build import training_batches
from featsr_tf.data.build import training_options
from featsr_tf.data.keys import Batch
from featsr_tf.data.label_map import LabelMap
from featsr_tf.data.records import scan_records
from tests.data.example_files import encode
from tests.data.example_files import example
from tests.data.example_files import write_records
from tests.model.small import CONFIG
from tests.model.small import small_pipeline
from tests.tfrecords_tools.damage import flip_bit
from tests.tfrecords_tools.damage import frame_offset
from tests.tfrecords_tools.damage import write_shards
from tfrecords_tools import show
from tfrecords_tools.show import IGNORED_COLOR
from tfrecords_tools.show import SIZE_COLORS
from tfrecords_tools.show import SmallObjects
from tfrecords_tools.show import stored_picture
from tfrecords_tools.show import training_picture

NAMES = {1: "one", 2: "two"}
GREY = encode(np.full([200, 300, 3], 128, np.uint8))
# 30 x 30 px, 60 x 60 px, 120 x 120 px in an image of 300 x 200 px.
BOXES = [
    [0.10, 0.05, 0.25, 0.15],
    [0.40, 0.05, 0.70, 0.25],
    [0.20, 0.50, 0.80, 0.90],
]


def has_color(picture, color) -> bool:
    return (picture == ImageColor.getrgb(color)).all(axis=-1).any()


def options_for(path: str, *overrides: str):
    pipeline = small_pipeline(*overrides)
    source = scan_records([path], LabelMap(NAMES))
    return pipeline, source, training_options(pipeline, source)


@pytest.fixture
def run(capsys):
    def draw(*arguments) -> tuple[int, str]:
        code = 0
        try:
            show.main([str(argument) for argument in arguments])
        except SystemExit as stop:
            code = stop.code
        return code, capsys.readouterr().err

    return draw


def test_a_stored_picture_has_the_image_and_frames_around_its_boxes():
    serialized = example(GREY, BOXES, [1, 1, 2])
    picture, facts = stored_picture(serialized, NAMES)
    assert picture.shape == (200, 300, 3)
    assert facts == "300 x 200 px, objects: 3"
    assert (picture[42:158, 152:268] == 128).all()
    frame = picture[40:160, 148:150].reshape(-1, 3)
    assert (frame == frame[0]).all() and (frame[0] != 128).any()


def test_what_does_not_count_is_dashed():
    serialized = example(GREY, BOXES, [1, 1, 2], difficult=[0, 0, 1])
    picture, facts = stored_picture(serialized, NAMES)
    assert facts == "300 x 200 px, objects: 3, of which 1 do not count"
    left = picture[40:160, 148]
    assert 1 < len(np.unique(left, axis=0)) < 4


def test_a_training_picture_shows_both_scales_with_sizes_in_colour(tmp_path):
    path = write_records(tmp_path / "a.record", [example(GREY, BOXES, [1] * 3)])
    resizer = "model.faster_rcnn.image_resizer.fixed_shape_resizer"
    sides = (f"{resizer}.height=200", f"{resizer}.width=300")
    _, _, options = options_for(path, *sides)
    serialized = example(GREY, BOXES, [1] * 3)
    picture, facts = training_picture(
        [serialized], (0, 0), options, SmallObjects(1024, True), NAMES
    )
    assert facts == "300 x 200 px, objects: 3, 1.00 x 1.00 of the original"
    # Two pictures of 300 px and a gap, and a title above.
    assert picture.shape[1] == 300 + 4 + 300
    for half in (picture[:, :300], picture[:, -300:]):
        assert all(has_color(half, color) for color in SIZE_COLORS.values())
        assert not has_color(half, IGNORED_COLOR)


def test_the_frame_of_the_threshold_decides_what_is_small(tmp_path):
    serialized = example(GREY, BOXES[:1], [1])
    path = write_records(tmp_path / "a.record", [serialized])
    resizer = "model.faster_rcnn.image_resizer.fixed_shape_resizer"
    sides = (f"{resizer}.height=400", f"{resizer}.width=600")
    _, _, options = options_for(path, *sides)
    found = [
        has_color(
            training_picture(
                [serialized], (0, 0), options, SmallObjects(1024, frame), NAMES
            )[0],
            SIZE_COLORS["small"],
        )
        for frame in (True, False)
    ]
    assert found == [True, False]


def test_the_views_are_those_of_the_training_batches(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    serialized = example(encode(noise), (), ())
    path = write_records(tmp_path / "a.record", [serialized])
    pipeline, source, options = options_for(path, "train_config.batch_size=1")
    batches = training_batches(pipeline, source, with_half_images=True)
    batch = next(iter(batches))
    picture, _ = training_picture(
        [serialized], (0, 0), options, SmallObjects(1024, True), NAMES
    )
    views = picture[-64:, :64], picture[-64:, -64:]
    image = tf.cast(batch[Batch.IMAGES][0], tf.uint8).numpy()
    half = tf.cast(batch[Batch.HALF_IMAGES][0], tf.uint8).numpy()
    np.testing.assert_array_equal(views[0], image)
    np.testing.assert_array_equal(views[1], half.repeat(2, 0).repeat(2, 1))


def test_the_command_writes_pictures_and_a_page_that_holds_them(run, tmp_path):
    config = tmp_path / "small.config"
    config.write_text(CONFIG)
    output = tmp_path / "shown"
    flags = ("--pipeline", config, "--max_images", 3, "--output", output)
    assert run(*write_shards(tmp_path), *flags)[0] == 0
    names = sorted(path.name for path in output.glob("*.png"))
    assert len(names) == 6
    assert [name.split("_")[-1] for name in names[:2]] == [
        "stored.png",
        "training.png",
    ]
    assert PIL.Image.open(output / names[0]).size == (64, 64)
    text = (output / "index.html").read_text()
    sources = []
    parser = html.parser.HTMLParser()
    parser.handle_starttag = lambda tag, attributes: sources.extend(
        value for key, value in attributes if key == "src"
    )
    parser.feed(text)
    assert len(sources) == 6
    assert all(source.startswith("data:image/") for source in sources)
    assert "10 images with 10 objects" in text


def test_mixed_images_show_parts_of_other_records(run, tmp_path):
    colors = [(200, 0, 0), (0, 0, 200)]
    path = write_records(
        tmp_path / "a.record",
        [
            example(encode(np.full((64, 64, 3), color, np.uint8)), (), (), name)
            for color, name in zip(colors, ("red", "blue"), strict=True)
        ],
    )
    config = tmp_path / "small.config"
    config.write_text(CONFIG)
    mosaic = "[{random_mosaic {probability: 1.0}}]"
    flags = ("--set", f"train_config.data_augmentation_options={mosaic}")
    flags += ("--pipeline", config, "--output", tmp_path / "shown")
    assert run(path, *flags)[0] == 0
    mixed = []
    for picture in (tmp_path / "shown").glob("*training.png"):
        pixels = np.asarray(PIL.Image.open(picture)).reshape(-1, 3).tolist()
        mixed.append(all(list(color) in pixels for color in colors))
    assert len(mixed) == 2
    assert any(mixed)


def test_the_seed_decides_which_records_are_shown(run, tmp_path):
    paths = write_shards(tmp_path)
    shown = []
    for number, seed in enumerate((1, 1, 2)):
        output = tmp_path / str(number)
        run(*paths, "--max_images", 4, "--seed", seed, "--output", output)
        shown.append(sorted(path.name for path in output.glob("*.png")))
    assert shown[0] == shown[1] != shown[2]


def test_all_records_are_shown_once_where_there_are_few(run, tmp_path):
    paths = write_shards(tmp_path)
    run(*paths, "--max_images", 50, "--output", tmp_path / "shown")
    names = {
        path.name.split("_", 1)[1]
        for path in (tmp_path / "shown").glob("*.png")
    }
    assert len(names) == 10


def test_names_of_files_cannot_leave_the_folder(run, tmp_path):
    record = example(GREY, (), (), source_id="../../outside")
    path = write_records(tmp_path / "a.record", [record])
    run(path, "--output", tmp_path / "one" / "two")
    [picture] = tmp_path.rglob("*.png")
    assert picture.parent == tmp_path / "one" / "two"


def test_damaged_records_are_named_and_nothing_is_written(run, tmp_path):
    first, second = write_shards(tmp_path)
    flip_bit(second, frame_offset(second, 1) + 100)
    code, error = run(first, second, "--output", tmp_path / "shown")
    assert code == 2
    assert f"{second}: record 1: damaged" in error
    assert not pathlib.Path(tmp_path / "shown").exists()


@pytest.mark.parametrize(
    ("flag", "value"),
    [("--max_images", 0), ("--max_images", -1), ("--seed", -1)],
)
def test_numbers_without_meaning_are_refused(run, tmp_path, flag, value):
    output = ("--output", tmp_path / "shown")
    code, error = run(*write_shards(tmp_path), flag, value, *output)
    assert code == 2
    assert f"{flag} is {value}; expected" in error
