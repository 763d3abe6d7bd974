"""What statistics say about a config, and the file that is written."""

import functools
import os
import re

import keras
import numpy as np
import pytest
import tensorflow as tf

from featsr_tf.config import find_warnings
from featsr_tf.config import load_pipeline
from featsr_tf.config.schema import SecondLookOptions
from featsr_tf.data.keys import Example
from featsr_tf.data.label_map import load_label_map
from featsr_tf.data.records import RecordSummary
from featsr_tf.model.second_look import WindowSettings
from tests.data.example_files import write_records
from tests.tfrecords_tools.damage import BOX
from tests.tfrecords_tools.damage import record
from tests.tfrecords_tools.damage import write_shards
from tfrecords_tools import new_config
from tfrecords_tools.config_choices import RECIPES
from tfrecords_tools.config_choices import choose

NAMES = {1: "stop", 2: "yield"}


def summary(sides, per_image=1, image_size=(800, 1360), images=None):
    """Squares of these sides, evenly in images of one size or of many."""
    sides = np.asarray(sides, np.float32)
    count = len(sides) // per_image
    sizes = np.tile(image_size, (count, 1)) if images is None else images
    return RecordSummary(
        np.asarray(sizes),
        np.stack([sides, sides], axis=1),
        np.ones(len(sides), int),
        np.full(count, per_image),
    )


def values(*arguments, names=NAMES, backbone="mobilenet_v1", **settings):
    found = choose(summary(*arguments, **settings), names, RECIPES[backbone])
    return found.values


@pytest.fixture
def run(run_command):
    return functools.partial(run_command, new_config.main)


def test_frames_are_as_large_as_small_objects_need():
    # A quarter below 25 px: 20 px of them at 640 of 800 px.
    sides = [20, 25, 25, 30, 40, 50, 60, 90]
    assert values(sides)["min_dimension"] == 640
    # Large objects do with the usual size, and their frames keep their shape.
    large = values(np.array(sides) * 4)
    assert (large["min_dimension"], large["max_dimension"]) == (600, 1020)
    # Nothing is enlarged more than twice, or beyond a full-HD frame.
    assert values([3] * 8, image_size=(300, 300))["min_dimension"] == 600
    tiny = values([5] * 8)
    area = tiny["min_dimension"] * tiny["max_dimension"]
    assert area == pytest.approx(1920 * 1080, rel=0.02)


def test_frames_that_have_nearly_the_size_are_left_at_it():
    # 20 px of 22 would be at 727 px.
    assert values([22] * 8)["min_dimension"] == 800


def test_objects_of_one_size_in_all_images_keep_images_apart():
    images = [[400, 600], [1000, 1500]] * 4
    from_the_air = values([22] * 8, images=images)
    assert from_the_air["min_dimension"] == 1000
    assert from_the_air["max_dimension"] == 1500
    # The same scenes at two sizes are brought to one.
    photos = values([50, 125] * 4, images=images)
    assert photos["min_dimension"] == 700


def test_windows_are_for_small_objects_alone():
    sparse = values([20, 25, 30, 100] * 3)
    assert sparse["refiner"] == "SECOND_LOOK"
    assert (sparse["first_pass_scale"], sparse["focus_threshold"]) == (
        0.8,
        0.15,
    )
    assert sparse["maximum_window_share"] == 1.0
    large = choose(summary([300] * 8), NAMES, RECIPES["mobilenet_v1"])
    assert not large.has_windows
    assert "steps_2" not in large.values
    dense = values([20] * 80, per_image=10)
    # Where windows would be many, they give way to one view.
    assert (dense["first_pass_scale"], dense["focus_threshold"]) == (0.6, 0.1)
    assert dense["maximum_window_share"] == 0.5


def test_enlarged_images_have_a_smaller_first_pass():
    """Windows enlarge no more than twice what the image holds."""
    sides = [10, 12, 13, 14, 16, 40, 50, 60]
    found = choose(
        summary(sides, image_size=(600, 800)),
        NAMES,
        RECIPES["mobilenet_v1"],
    )
    scale = found.values["min_dimension"] / 600
    assert scale > 1.4 and found.has_windows
    first_pass = found.values["first_pass_scale"]
    assert 0.6 <= first_pass < 0.8
    assert 2 / (scale * first_pass) >= 0.9 * 2
    assert "larger" in found.reasons["first_pass"]
    # The base detector enlarges as much as windows may.
    alike = choose(
        summary([8] * 8, image_size=(480, 640)),
        NAMES,
        RECIPES["mobilenet_v1"],
    )
    assert not alike.has_windows
    assert "larger than the base" in alike.reasons["refiner"]


def test_windows_are_enlarged_as_a_config_without_a_word_of_it_does():
    written = SecondLookOptions().maximum_enlargement
    assert WindowSettings().maximum_enlargement == written


def test_windows_show_objects_as_training_does():
    assert values([20, 25, 30, 100] * 3)["preferred_size"] == 64
    # Crops show the largest of 32 px at up to 64 px, which is rare.
    assert values([20, 25, 28, 32] * 3)["preferred_size"] == 32
    assert values([20] * 80, per_image=10)["preferred_size"] == 24
    assert values([20, 60] * 80, per_image=20)["preferred_size"] == 48


def test_crops_hold_the_largest_objects_and_show_all_scales():
    sparse = values([20, 25, 25, 30, 40, 50, 60, 90])
    # 640 of 800 px, first pass .8 of that, two thirds of it.
    assert sparse["minimum_scale"] == pytest.approx(0.8 * 0.8 * 2 / 3, abs=0.01)
    assert sparse["maximum_scale"] == 2.0
    assert sparse["crop"] == 384
    # Seen at 600 of 800 px, 700 px are 525, which crops of 512 would cut.
    huge = values([700] * 8)
    assert huge["crop"] == 640
    assert huge["maximum_scale"] == pytest.approx(640 / 700, abs=0.01)
    # What no crop holds as the input shows it fits where it is smallest.
    huger = values([1200] * 8, images=[[1200, 1600]] * 8)
    assert huger["crop"] / huger["minimum_scale"] >= 1200


def test_steps_grow_with_the_root_of_images():
    assert values([20] * 4)["steps_1"] == 1500
    assert values([20] * 400)["steps_1"] == 5000
    assert values([20] * 400)["steps_2"] == 1600
    assert values([20] * 1600)["steps_1"] == 10000


def test_anchors_leave_no_gap_between_what_crops_show():
    found = choose(
        summary([20, 30, 40, 60, 80] * 4), NAMES, RECIPES["mobilenet_v1"]
    )
    sides = 256 * np.array(found.anchors.scales)
    # Crops at .43 to 2 px per px.
    assert 20 * 0.43 <= sides[0] <= 14
    assert 110 <= sides[-1] <= 160
    # About half an octave apart.
    assert (sides[1:] / sides[:-1] <= 2**0.6).all()
    assert len(found.anchors.shapes) <= 15


def test_what_has_a_left_and_a_right_is_not_mirrored():
    names = {1: "turn-left", 2: "turn-right"}
    mirrored = "random_horizontal_flip"
    assert mirrored not in values([20] * 4, names=names)["augmentation"]
    # A word, not a part of one.
    assert (
        mirrored not in values([20] * 4, names={1: "goRight"})["augmentation"]
    )
    names = {1: "bright", 2: "cleft"}
    assert mirrored in values([20] * 4, names=names)["augmentation"]


def test_full_images_have_room():
    full = values([20] * 240, per_image=120)
    assert full["max_boxes"] == 120
    assert (full["max_proposals"], full["max_detections"]) == (300, 200)


def test_no_box_of_a_full_image_is_cut(run, tmp_path):
    path = write_records(
        tmp_path / "train.record", [record(0, (BOX,) * 120, (1,) * 120)]
    )
    output = tmp_path / "a.config"
    assert run("--records", path, "--output", output)[0] == 0
    pipeline = load_pipeline(output)
    assert pipeline.train_config.max_number_of_boxes == 120
    assert not any("max_number" in line for line in find_warnings(pipeline))


def test_words_tell_what_is_evaluated_and_not_parts_of_them(run, tmp_path):
    for name in ("naval_train.record", "naval_val.record"):
        write_records(tmp_path / name, [record(0)])
    output = tmp_path / "a.config"
    assert run("--records", tmp_path, "--output", output)[0] == 0
    pipeline = load_pipeline(output)
    readers = [pipeline.train_input_reader, *pipeline.eval_input_reader]
    assert [r.tf_record_input_reader.input_path for r in readers] == [
        [str(tmp_path / "naval_train.record")],
        [str(tmp_path / "naval_val.record")],
    ]


def test_a_folder_of_records_gives_a_config_that_loads(run, tmp_path):
    write_shards(tmp_path, "signs_train")
    write_records(tmp_path / "signs_val.record", [record(0)])
    output = tmp_path / "configs" / "signs.config"
    code, text, error = run("--records", tmp_path, "--output", output)
    assert (code, error) == (0, "")
    assert "resizer 64 to 64 px" in text
    assert "featsr train --pipeline" in text
    pipeline = load_pipeline(output)
    assert find_warnings(pipeline) == []
    assert pipeline.model.faster_rcnn.num_classes == 2
    reader = pipeline.train_input_reader
    [path] = reader.tf_record_input_reader.input_path
    assert path == str(tmp_path / "signs_train.record-*")
    assert reader.label_map_path == str(tmp_path / "label_map.pbtxt")
    [evaluated] = pipeline.eval_input_reader
    [path] = evaluated.tf_record_input_reader.input_path
    assert path == str(tmp_path / "signs_val.record")
    lines = output.read_text().splitlines()
    reasons = [line for line in lines if line.lstrip().startswith("# ")]
    assert len(reasons) > 15
    assert not any(re.search(r"\$\w", line) for line in lines)

    code, _, error = run("--records", tmp_path, "--output", output)
    assert code == 2
    assert "is there already" in error
    assert run("--records", tmp_path, "--output", output, "--overwrite")[0] == 0


@pytest.mark.parametrize("backbone", sorted(RECIPES))
def test_each_backbone_and_random_weights(run, tmp_path, backbone):
    paths = write_shards(tmp_path)
    output = tmp_path / "a.config"
    code, *_ = run(
        *("--records", *paths, "--backbone", backbone),
        *("--weights", "", "--output", output),
    )
    assert code == 0
    pipeline = load_pipeline(output)
    assert pipeline.train_config.freeze_variables == []
    assert pipeline.eval_input_reader == []
    type_ = pipeline.model.faster_rcnn.feature_extractor.type
    assert backbone in type_


def test_weights_that_nobody_can_download_are_refused(run, tmp_path):
    path = write_records(tmp_path / "a.record", [record(1)])
    output = tmp_path / "a.config"
    flags = ("--records", path, "--output", output)
    code, _, error = run(*flags, "--backbone", "efficientnet_lite0")
    assert code == 2
    assert "no ImageNet weights of efficientnet_lite0" in error
    assert not output.exists()


def test_weights_of_another_width_are_refused(run, tmp_path):
    path = write_records(tmp_path / "a.record", [record(1)])
    weights = str(tmp_path / "narrow.weights.h5")
    keras.applications.MobileNet(
        (None, None, 3), alpha=0.125, include_top=False, weights=None
    ).save_weights(weights)
    output = tmp_path / "a.config"
    flags = ("--records", path, "--weights", weights, "--output", output)
    code, _, error = run(*flags)
    assert code == 2
    assert f"{weights}: expected the" in error
    assert "mobilenet_v1 (alpha 1)" in error
    assert run(*flags, "--alpha", 0.125)[0] == 0


def test_classes_without_a_label_map_are_written(run, tmp_path):
    path = write_records(tmp_path / "a.record", [record(1), record(2, (), ())])
    output = tmp_path / "a.config"
    code, text, _ = run("--records", path, "--output", output)
    assert code == 0
    written = tmp_path / "a_label_map.pbtxt"
    assert str(written) in text
    assert load_label_map(str(written)).names == {1: "class 1"}
    reader = load_pipeline(output).train_input_reader
    assert reader.label_map_path == str(written)


def test_a_label_map_that_is_there_is_used_where_it_fits(run, tmp_path):
    path = write_records(tmp_path / "pet_train.record", [record(1)])
    output = tmp_path / "pet.config"
    own = tmp_path / "pet_label_map.pbtxt"
    own.write_text("item { id: 1 name: 'cat' } item { id: 2 name: 'dog' }")
    flags = ("--records", path, "--output", output)
    code, text, _ = run(*flags)
    assert code == 0
    assert f"{own}: was there" in text
    assert load_label_map(str(own)).names == {1: "cat", 2: "dog"}
    assert load_pipeline(output).model.faster_rcnn.num_classes == 2
    os.remove(output)
    for wrong in ("item { id: 2 name: 'dog' }", "item {"):
        own.write_text(wrong)
        code, _, error = run(*flags)
        assert code == 2
        assert f"{own}:" in error
        assert "--overwrite to replace it" in error
        assert own.read_text() == wrong
    code, text, _ = run(*flags, "--overwrite")
    assert code == 0
    assert load_label_map(str(own)).names == {1: "class 1"}


def test_a_label_map_with_another_name_of_a_class_does_not_fit(run, tmp_path):
    named = tf.train.Example.FromString(record(1))
    texts = named.features.feature[Example.TEXT]
    texts.bytes_list.value.append(b"cat")
    path = write_records(
        tmp_path / "pet_train.record", [named.SerializeToString()]
    )
    own = tmp_path / "pet_label_map.pbtxt"
    flags = ("--records", path, "--output", tmp_path / "pet.config")
    own.write_text("item { id: 1 name: 'dog' }")
    code, _, error = run(*flags)
    assert code == 2
    assert "class 1 of the records, 'cat', is 'dog' there" in error
    own.write_text("item { id: 1 name: 'cat' display_name: 'A cat' }")
    assert run(*flags)[0] == 0


def test_places_that_do_not_say_what_to_train_on(run, tmp_path):
    output = tmp_path / "a.config"

    def refused(*places) -> str:
        code, _, error = run("--records", *places, "--output", output)
        assert code == 2
        assert not os.path.exists(output)
        return error

    assert "no record files" in refused(tmp_path)
    for name in ("a.record", "b.record"):
        write_records(tmp_path / name, [record(0)])
    assert "found a.record, b.record" in refused(tmp_path)
    assert "expected one folder" in refused(tmp_path, tmp_path / "a.record")
    assert "no such record file" in refused(tmp_path / "c.record")
    empty = write_records(tmp_path / "d.record", [record(0, (), ())])
    assert "no objects" in refused(empty)


def test_names_of_files_are_quoted(run, tmp_path):
    folder = tmp_path / 'my "signs" $output [1]'
    folder.mkdir()
    write_records(folder / "train.record", [record(0, (BOX,), (1,))])
    (folder / "label_map.pbtxt").write_text("item { id: 1 name: 'one' }")
    output = folder / "a.config"
    code, _, error = run("--records", folder, "--output", output)
    assert (code, error) == (0, "")
    reader = load_pipeline(output).train_input_reader
    assert reader.label_map_path == str(folder / "label_map.pbtxt")
