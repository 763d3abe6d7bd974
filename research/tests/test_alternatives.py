"""Ways to small objects: fair frames, equal looks, the front, the tables."""

import argparse

import numpy as np
import PIL.Image
import pytest
import tensorflow as tf

from featsr_tf.config.schema import AreaFrame
from featsr_tf.data.resize import KeepAspectRatioResizer
from featsr_tf.data.resize import resized_size
from featsr_tf.errors import ConfigError
from featsr_tf.errors import DataError
from featsr_tf.model.postprocess import DetectionBatch
from featsr_tf.prediction.tiling import Tiling
from featsr_tf.training import model_folder
from featsr_tf.training.checkpoints import BASE
from featsr_tf.training.checkpoints import StageCheckpoints
from research.ablation.kept import Kept
from research.alternatives import __main__ as command
from research.alternatives import figures
from research.alternatives.looking import Frame
from research.alternatives.looking import judge
from research.alternatives.looking import look
from research.alternatives.models import open_models
from research.alternatives.ways import enlarged_tiles
from research.alternatives.ways import make_way
from tests.data.example_files import encode
from tests.data.example_files import example
from tests.data.example_files import noise_image
from tests.data.example_files import write_records
from tests.metrics.scenes import found
from tests.metrics.scenes import square
from tests.metrics.scenes import truth
from tests.model.small import small_backbone
from tests.model.small import small_detector
from tests.model.small import small_pipeline
from tests.training.batches import write_noise

RESIZER = KeepAspectRatioResizer(600, 1020)


def flags(**changes):
    values = {
        "rounds": 5,
        "tile": 512,
        "overlap": 0.2,
        "classes": None,
        "images": None,
        "timed": 2,
        "enlarge": [2.0],
        "limit_base": None,
        "enlarge_models": [],
        "enlarge_tiles": [1.0],
        "sahi": [],
        "sizes_of": "config",
    }
    return argparse.Namespace(**{**values, **changes})


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"rounds": 4}, "--rounds: expected 5 or more, found 4"),
        ({"tile": 8}, "tile: expected 32 px or more, found 8"),
        ({"images": 1}, "--images: expected 2 or more, found 1"),
        ({"timed": 0}, "--timed: expected 1 or more, found 0"),
        ({"enlarge": [2, 0]}, "--enlarge: expected more than 0, found 0"),
        ({"limit_base": 1.0}, "--limit_base: expected between 0 and 1"),
    ],
)
def test_numbers_out_of_range_are_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        command.check(flags(**changes))


def test_enlarged_tiles_leave_the_whole_frame_as_it_is():
    resizer = enlarged_tiles(RESIZER, 4 / 3)
    assert resized_size(512, 512, resizer) == (800, 800)
    assert resized_size(800, 1360, resizer) == resized_size(800, 1360, RESIZER)
    # One longer than the frame would be cannot be had without enlarging it.
    assert resized_size(512, 512, enlarged_tiles(RESIZER, 2)) == (1200, 1200)


def find_white(images, image_sizes, scales):
    """Finds the white rectangle of each image; one has none where it is."""
    is_white = tf.reduce_min(images, axis=-1) > 250

    def edges(line):
        places = tf.where(line)[:, 0]
        found = tf.cond(
            tf.size(places) > 0,
            lambda: tf.stack([places[0], places[-1] + 1]),
            lambda: tf.zeros([2], tf.int64),
        )
        return tf.cast(found, tf.float32)

    def box(white):
        rows = edges(tf.reduce_any(white, axis=1))
        columns = edges(tf.reduce_any(white, axis=0))
        return tf.stack([rows[0], columns[0], rows[1], columns[1]])

    boxes = tf.map_fn(
        box, is_white, fn_output_signature=tf.TensorSpec([4], tf.float32)
    )
    count = tf.cast(tf.reduce_any(is_white, axis=[1, 2]), tf.int32)
    ones = tf.ones_like(count)[:, None]
    return DetectionBatch(
        boxes[:, None], tf.cast(ones, tf.float32), ones, count
    )


@pytest.mark.parametrize(
    "resizer, tiling",
    [
        (KeepAspectRatioResizer(64, 160), None),
        (KeepAspectRatioResizer(192, 480), None),
        (KeepAspectRatioResizer(128, 128), Tiling(64)),
    ],
)
def test_every_way_finds_the_same_object_in_pixels_of_the_frame(
    resizer, tiling
):
    frame = np.zeros([96, 240, 3], np.uint8)
    frame[20:32, 100:124] = 255
    way = make_way(find_white, resizer, tiling)
    (box,) = way(frame).boxes
    # Blurred edges are less than white.
    np.testing.assert_allclose(box, [20, 100, 32, 124], atol=2)


def test_all_ways_look_at_all_frames_and_some_are_timed():
    calls = []

    def way(name):
        def run(image):
            calls.append((name, int(image[0, 0, 0])))
            return found([square(0, 0, 10)], image_id=0)

        return run

    frames = [
        Frame(
            np.full([4, 4, 3], number, np.uint8),
            truth([square(0, 0, 10)], image_id=number),
            np.ones(2),
        )
        for number in range(3)
    ]
    ticks = iter(range(1000))
    kept = look(
        frames, {"one": way("one"), "two": way("two")}, 2, 5, ticks.__next__
    )
    assert [item.image_id for item in kept["two"].found] == [0, 1, 2]
    assert calls[:4] == [("one", 0), ("two", 0), ("one", 1), ("two", 1)]
    assert len(calls) == 2 * (3 + 2 * 5)
    assert kept["one"].seconds.tolist() == [1.0] * 5


def kept(boxes, scores, seconds=0.040, scale=1.0):
    """Four frames with an object of 20 px each, and what was found there."""
    return Kept(
        [truth([square(0, 0, 20)], image_id=n) for n in range(4)],
        [
            found(box, score, image_id=n)
            for n, (box, score) in enumerate(zip(boxes, scores, strict=True))
        ],
        None,
        np.full([4, 2], scale),
        np.full(5, seconds),
    )


HIT, MISS = square(0, 0, 20), square(100, 0, 20)


def test_the_threshold_of_a_frame_is_chosen_on_others():
    # In even frames .6 would tell hits from misses, in odd ones .2.
    item = kept([[HIT, MISS]] * 4, [[0.7, 0.5], [0.3, 0.1]] * 2)
    counts = judge(item, [1], AreaFrame.ORIGINAL).counts
    # Even frames show all from .11 on, odd ones nothing at .51.
    assert counts.shown[:, 0].tolist() == [2, 0, 2, 0]
    assert counts.found[:, 0].tolist() == [1, 0, 1, 0]


def test_sizes_are_those_of_the_frame_that_the_config_names():
    item = kept([[HIT]] * 4, [[0.9]] * 4, scale=2.0)
    original = judge(item, [1], AreaFrame.ORIGINAL).counts.objects.sum(axis=0)
    resized = judge(item, [1], AreaFrame.RESIZED).counts.objects.sum(axis=0)
    assert original.tolist() == [4, 0, 0, 4]
    assert resized.tolist() == [0, 4, 0, 4]


def test_the_front_leaves_out_what_another_makes_needless():
    points = {
        "slow": (50.0, 60.0),
        "base": (10.0, 40.0),
        "worse": (20.0, 39.0),
        "as good": (30.0, 50.0),
        "good": (20.0, 50.0),
        "slower": (60.0, 59.0),
    }
    assert figures.front(points) == ["base", "good", "slow"]


@pytest.fixture
def judged():
    """The base finds half of the objects, the zoom all in 5 ms more."""
    missing = kept([[HIT], []] * 2, [[0.9], []] * 2)
    full = kept([[HIT]] * 4, [[0.9]] * 4, seconds=0.045)
    return {
        "base": judge(missing, [1], AreaFrame.ORIGINAL),
        "zoom": judge(full, [1], AreaFrame.ORIGINAL),
    }


def test_prices_are_points_per_millisecond(judged):
    _, base, zoom = figures.price_table(judged).splitlines()
    # 51 of the 101 points of recall are reached by half of the objects.
    assert base.split() == "base 40 1.00 1.00 to 1.00 50.5 yes".split()
    zoom = zoom.split()
    assert zoom[:7] == "zoom 45 1.12 1.12 to 1.12 100.0".split()
    assert zoom[7] == "+49.5"
    assert zoom[-2:] == ["+9.901", "yes"]
    assert figures.per_millisecond(3.0, -0.1) == "-"


def test_accuracy_is_told_of_the_sizes_that_there_are(judged):
    heading, base, zoom = figures.accuracy_table(judged).splitlines()
    assert heading.split()[5:] == ["small", "(4)", "all", "(4)"]
    assert base.split()[1:6] == ["50.5", "/", "50.5", "/", "66.7"]
    assert zoom.split()[1:6] == ["100.0", "/", "100.0", "/", "100.0"]


def test_the_picture_is_drawn(judged, tmp_path):
    path = tmp_path / "ways.png"
    figures.plot(judged, str(path))
    with PIL.Image.open(path) as picture:
        assert picture.size == (960, 540)


def make_model(folder, names, detector, *overrides):
    """A model folder trained on frames of these names."""
    folder.mkdir()
    records = records_of(folder / "train.record", names)
    pipeline = small_pipeline(
        f"train_input_reader.tf_record_input_reader.input_path=['{records}']",
        *overrides,
    )
    model_folder.write_config(str(folder), pipeline)
    StageCheckpoints(str(folder), BASE, {"detector": detector}).save(4)
    return f"{folder.name}={folder}"


def records_of(path, names):
    image = encode(noise_image(8, 8))
    return write_records(path, [example(image, source_id=n) for n in names])


@pytest.fixture
def records(tmp_path):
    return [records_of(tmp_path / "judge.record", ["a.jpg", "b.jpg"])]


def test_models_of_one_base_that_have_not_seen_the_frames_are_compared(
    tmp_path, records
):
    detector = small_detector()
    one = make_model(tmp_path / "one", ["c.jpg"], detector)
    # What later stages learn may differ.
    detector.refiner.variables[0].assign_add(
        tf.ones(detector.refiner.variables[0].shape)
    )
    two = make_model(tmp_path / "two", ["c.jpg"], detector)
    with small_backbone():
        models = open_models([one, two], records)
    assert [model.name for model in models] == ["one", "two"]
    assert models[1].pipeline.model.faster_rcnn.num_classes == 2


def test_models_trained_on_the_frames_that_judge_are_refused(tmp_path, records):
    # The same frame in another file, and of another format.
    model = make_model(tmp_path / "one", ["b.ppm", "c.jpg"], small_detector())
    with pytest.raises(
        ConfigError, match="was trained on 1 of the 2 frames that judge, .* b;"
    ):
        open_models([model], records)


def test_another_base_detector_is_refused(tmp_path, records):
    detector = small_detector()
    one = make_model(tmp_path / "one", ["c.jpg"], detector)
    trained = detector.proposal_network.trainable_variables[0]
    trained.assign_add(tf.ones(trained.shape))
    two = make_model(tmp_path / "two", ["c.jpg"], detector)
    with (
        small_backbone(),
        pytest.raises(DataError, match="two: expected the base detector of"),
    ):
        open_models([one, two], records)


@pytest.mark.parametrize(
    "named, message",
    [
        (["folder"], "expected NAME=DIR, found 'folder'"),
        (["base=folder"], "the name 'base' is taken"),
    ],
)
def test_models_without_names_of_their_own_are_refused(named, message):
    with pytest.raises(ConfigError, match=message):
        open_models(named, [])


def test_all_ways_are_measured_on_the_records_that_judge(tmp_path, capsys):
    label_map, _ = write_noise(tmp_path)
    judge_records = tmp_path / "judge.record"
    image = encode(noise_image(64, 64))
    write_records(
        judge_records,
        [
            example(image, [[0.1, 0.1, 0.4, 0.4]], [1], source_id=name)
            for name in ("a", "b")
        ],
    )
    model = make_model(tmp_path / "one", ["c"], small_detector(), label_map)
    arguments = flags(
        models=[model],
        records=[str(judge_records)],
        tile=48,
        limit_base=0.25,
        busy=True,
        plot=str(tmp_path / "ways.png"),
    )
    with small_backbone():
        command.run(arguments)
    printed = capsys.readouterr().out
    assert "2 frames of" in printed and "small (2)" in printed
    names = (
        "base",
        "base, frame x 2",
        "base, objectness 0.25",
        "base, objectness 0.25, frame x 2",
        "base, tiles 48 at 64 px",
        "one",
    )
    prices, accuracies = printed.split("\n\n")[1:]
    for table in (prices, accuracies):
        lines = table.strip().splitlines()[1:]
        assert [line.split("  ")[0] for line in lines] == list(names)
    assert (tmp_path / "ways.png").exists()
