"""A GTSDB in miniature: corners, split and every mistake in its files."""

import numpy as np
import PIL.Image
import pytest
import tensorflow as tf

from featsr_tf.data.examples import read_example
from featsr_tf.data.label_map import load_label_map
from featsr_tf.data.records import scan_records
from featsr_tf.data.tfrecord_files import expand_patterns
from featsr_tf.errors import DataError
from tfrecords_tools.annotations import is_for_validation
from tfrecords_tools.create_gtsdb_tf_record import create
from tfrecords_tools.create_gtsdb_tf_record import gtsdb_label
from tfrecords_tools.create_gtsdb_tf_record import gtsdb_label_map
from tfrecords_tools.create_gtsdb_tf_record import main
from tfrecords_tools.create_gtsdb_tf_record import read_gtsdb

HEIGHT, WIDTH = 80, 136
LINES = (
    "00000.ppm;10;20;41;51;14",
    "00002.ppm;0;0;135;79;11",
    "00002.ppm;5;6;5;6;40",
)


def write_frames(folder, ending: str, count: int = 12) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        image = PIL.Image.new("RGB", (WIDTH, HEIGHT), (number, 9, 99))
        image.save(folder / f"{number:05d}.{ending}")


@pytest.fixture
def data(tmp_path):
    write_frames(tmp_path / "gtsdb" / "images", "jpg")
    (tmp_path / "gtsdb" / "gt.txt").write_text("\n".join(LINES) + "\n")
    return tmp_path / "gtsdb"


def test_inclusive_corners_become_continuous_ones(data):
    frames = {
        frame.source_id: frame for frame in read_gtsdb(data, gtsdb_label_map(4))
    }
    (sign,) = frames["00000.jpg"].objects
    assert sign.box == (20, 10, 52, 42)
    boxes = [sign.box for sign in frames["00002.jpg"].objects]
    assert boxes == [(0, 0, HEIGHT, WIDTH), (6, 5, 7, 6)]


def test_frames_without_signs_belong_to_the_data_set(data, tmp_path):
    table = create(str(data), str(tmp_path / "out"))
    assert table.splitlines()[0].split() == ["gtsdb_train", "gtsdb_val"]
    paths = expand_patterns([str(tmp_path / "out" / "*.record-*")])
    label_map = load_label_map(str(tmp_path / "out" / "label_map.pbtxt"))
    summary = scan_records(paths, label_map, decode=True).summary
    assert summary.num_examples == 12
    assert sorted(summary.boxes_per_image)[-3:] == [0, 1, 2]
    assert summary.class_counts == {2: 1, 3: 1, 4: 1}
    assert sorted(summary.object_areas) == [1, 32 * 32, HEIGHT * WIDTH]


@pytest.mark.parametrize("folder", ["", "FullIJCNN2013"])
def test_the_original_download_is_read_as_it_is(tmp_path, folder):
    write_frames(tmp_path / "gtsdb" / folder, "ppm")
    annotations = tmp_path / "gtsdb" / folder / "gt.txt"
    annotations.write_text("\n".join(LINES))
    # Cropped signs lie in folders named after their class.
    write_frames(annotations.parent / "00", "ppm")
    create(str(tmp_path / "gtsdb"), str(tmp_path / "out"), classes=43)
    label_map = load_label_map(str(tmp_path / "out" / "label_map.pbtxt"))
    contents = [
        read_example(record, label_map, decode=True)
        for path in (tmp_path / "out").glob("*.record-*")
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator()
    ]
    assert len(contents) == 12
    labels = np.concatenate([content.labels for content in contents])
    assert sorted(labels) == [12, 15, 41]


def test_the_split_follows_from_the_name_alone():
    names = [f"{number:05d}" for number in range(900)]
    validation = [n for n in names if is_for_validation(f"{n}.ppm", 0.2)]
    assert 0.17 < len(validation) / 900 < 0.23
    assert validation == [
        n for n in names if is_for_validation(f"images/{n}.jpg", 0.2)
    ]
    # Written down so that no later version moves frames across.
    assert validation[:4] == ["00006", "00009", "00014", "00015"]


def test_categories_are_those_of_the_data_set(shared):
    categories = gtsdb_label_map(4).names
    names = gtsdb_label_map(43).names
    text = (shared / "data" / "gtsdb" / "ReadMe.txt").read_text()
    for class_id in range(43):
        line = next(
            x for x in text.splitlines() if x.startswith(f"{class_id} = ")
        )
        category = categories[gtsdb_label(class_id, 4)]
        assert line.strip().endswith(f"({category})")
        name = names[gtsdb_label(class_id, 43)]
        assert name == line.split(" = ")[1].rsplit(" (", 1)[0].replace(
            "(", ""
        ).replace(")", "")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("00000.ppm;1;2;3;4", "gt.txt:2: expected image;left;top"),
        ("00000.ppm;1;2;3;4;5;6", "gt.txt:2: expected image;left;top"),
        ("00000.ppm;1;2;3;x;5", "gt.txt:2: expected .*'00000.ppm;1;2;3;x;5'"),
        ("00000.ppm 1 2 3 4 5", "gt.txt:2: expected image;left;top"),
        ("00000.ppm;1;2;3;4;43", "gt.txt:2: unknown class 43; .*0 to 42"),
        ("00000.ppm;1;2;3;4;-1", "gt.txt:2: unknown class -1"),
        ("00099.ppm;1;2;3;4;5", "gt.txt:2: no frame 00099"),
    ],
)
def test_a_bad_line_is_named_and_nothing_written(data, tmp_path, line, message):
    (data / "gt.txt").write_text(f"{LINES[0]}\n{line}\n")
    with pytest.raises(DataError, match=message) as caught:
        create(str(data), str(tmp_path / "out"))
    assert "\n" not in str(caught.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["gtsdb"]


@pytest.mark.parametrize(
    ("line", "outcome"),
    [
        ("00000.ppm;1;2;136;4;5", "boxes clipped to their image"),
        ("00000.ppm;1;2;3;80;5", "boxes clipped to their image"),
        ("00000.ppm;-1;2;3;4;5", "boxes clipped to their image"),
        ("00000.ppm;136;2;140;4;5", "objects outside their image left out"),
        ("00000.ppm;9;2;3;4;5", "objects without area left out"),
    ],
)
def test_a_sign_that_is_not_inside_its_frame_is_counted(
    data, tmp_path, line, outcome
):
    (data / "gt.txt").write_text(f"{line}\n")
    table = create(str(data), str(tmp_path / "out"))
    assert table.splitlines()[-1].startswith(outcome)
    path = str(tmp_path / "out" / "*.record-*")
    label_map = load_label_map(str(tmp_path / "out" / "label_map.pbtxt"))
    summary = scan_records(expand_patterns([path]), label_map).summary
    assert summary.num_objects == int("clipped" in outcome)


def test_a_truncated_frame_is_named_and_nothing_written(data, tmp_path):
    frame = data / "images" / "00007.jpg"
    content = frame.read_bytes()
    frame.write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match=r"00007\.jpg: "):
        create(str(data), str(tmp_path / "out"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["gtsdb"]


def test_a_folder_without_frames_is_named(data, tmp_path):
    for frame in (data / "images").iterdir():
        frame.unlink()
    with pytest.raises(DataError, match="images: no frames here"):
        create(str(data), str(tmp_path / "out"))


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.5, float("nan")])
def test_a_fraction_that_leaves_no_frames_is_refused(data, tmp_path, fraction):
    with pytest.raises(DataError, match="--validation_fraction"):
        create(str(data), str(tmp_path / "out"), validation_fraction=fraction)


def test_a_wrong_folder_is_one_line_and_exit_code_2(tmp_path, capsys):
    flags = ("--data_dir", str(tmp_path), "--output_path", f"{tmp_path}/out")
    with pytest.raises(SystemExit) as stopped:
        main(flags)
    assert stopped.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: {tmp_path}: no gt.txt")
    assert len(error.splitlines()) == 1
    assert not (tmp_path / "out").exists()
