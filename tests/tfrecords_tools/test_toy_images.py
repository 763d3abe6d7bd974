"""The toy data set is made to be like TT100K in sizes and free of overlaps."""

import numpy as np
import pytest

from featsr_tf.data.label_map import load_label_map
from featsr_tf.data.records import scan_records
from featsr_tf.data.tfrecord_files import expand_patterns
from featsr_tf.errors import DataError
from tfrecords_tools.conversion import ConversionOptions
from tfrecords_tools.create_toy_tf_record import ToyImages
from tfrecords_tools.create_toy_tf_record import create
from tfrecords_tools.create_toy_tf_record import draw_toy_image
from tfrecords_tools.toy_signs import TOY_CLASSES
from tfrecords_tools.toy_signs import draw_sign

HEIGHT, WIDTH = 240, 360


@pytest.fixture(scope="module")
def toys():
    sources = [np.random.default_rng([7, index]) for index in range(80)]
    return [draw_toy_image(HEIGHT, WIDTH, source) for source in sources]


def test_the_same_seed_gives_the_same_image():
    one, same, other = (
        draw_toy_image(HEIGHT, WIDTH, np.random.default_rng(seed))
        for seed in (1, 1, 2)
    )
    assert one.image.tobytes() == same.image.tobytes()
    assert one.boxes.tolist() == same.boxes.tolist()
    assert one.labels == same.labels
    assert one.image.tobytes() != other.image.tobytes()


def test_sizes_are_spread_like_those_of_tt100k(toys):
    boxes = np.concatenate([toy.boxes for toy in toys])
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    assert len(areas) > 200
    # Three standard deviations of a sample of about 250 objects.
    assert abs((areas <= 32**2).mean() - 0.42) < 0.09
    assert abs((areas > 96**2).mean() - 0.08) < 0.05


def test_objects_are_inside_and_do_not_overlap(toys):
    for toy in toys:
        covered = np.zeros((HEIGHT, WIDTH), int)
        for ymin, xmin, ymax, xmax in toy.boxes:
            assert 0 <= ymin < ymax <= HEIGHT
            assert 0 <= xmin < xmax <= WIDTH
            covered[ymin:ymax, xmin:xmax] += 1
        assert covered.max() <= 1


def test_images_have_up_to_six_objects_and_one_in_ten_has_none(toys):
    counts = np.array([len(toy.boxes) for toy in toys])
    assert [len(toy.labels) for toy in toys] == counts.tolist()
    assert set(counts) == set(range(7))
    assert 0.02 < (counts == 0).mean() < 0.2
    labels = {label for toy in toys for label in toy.labels}
    assert labels == set(TOY_CLASSES)


@pytest.mark.parametrize("label", TOY_CLASSES)
@pytest.mark.parametrize("size", [10.0, 32.0, 140.0])
def test_a_sign_fills_its_box_from_border_to_border(label, size):
    sign = draw_sign(label, size, np.random.default_rng(0))
    area = sign.width * sign.height
    assert abs(np.sqrt(area) - size) < 1
    opaque = np.asarray(sign.getchannel("A")) > 0
    for border in (opaque[0], opaque[-1], opaque[:, 0], opaque[:, -1]):
        assert border.any()


def test_the_data_set_passes_its_own_scan(tmp_path):
    table = create(str(tmp_path), num_train=4, num_val=3, num_pictures=2)
    assert table.splitlines()[0].split() == ["toy_train", "toy_val"]
    label_map = load_label_map(str(tmp_path / "label_map.pbtxt"))
    assert label_map.names == TOY_CLASSES
    for split, count in (("train", 4), ("val", 3)):
        paths = expand_patterns([str(tmp_path / f"toy_{split}.record-*")])
        summary = scan_records(paths, label_map, decode=True).summary
        assert summary.num_examples == count
        assert (summary.max_height, summary.max_width) == (384, 640)
    names = sorted(path.name for path in (tmp_path / "pictures").iterdir())
    assert names == ["toy_00000.jpg", "toy_00001.jpg"]


def test_images_are_drawn_when_they_are_asked_for():
    images = ToyImages("toy_val", 0, HEIGHT, WIDTH, range(1000))
    assert len(images) == 1000
    shard = images[3::100]
    assert len(shard) == 10
    assert shard[2] == images[203]
    assert shard[2].filename == "toy_00203.jpg"
    assert shard[2] != ToyImages("toy_val", 1, HEIGHT, WIDTH, range(300))[203]


def test_training_and_validation_images_differ(tmp_path):
    create(str(tmp_path), num_train=1, num_val=1)
    files = expand_patterns([str(tmp_path / "*.record-*")])
    contents = [open(file, "rb").read() for file in files]
    assert contents[0] != contents[1]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"image_height": 150}, "640 x 150 px; expected at least 200"),
        ({"num_val": 0}, "no images for the split toy_val"),
        ({"num_train": -1}, "toy_train"),
        ({"options": ConversionOptions(num_shards=0)}, "--num_shards"),
        ({"seed": -1}, "--seed is -1"),
    ],
)
def test_an_impossible_wish_is_refused_and_nothing_written(
    tmp_path, flags, message
):
    with pytest.raises(DataError, match=message):
        create(str(tmp_path / "toy"), **flags)
    assert list(tmp_path.iterdir()) == []
