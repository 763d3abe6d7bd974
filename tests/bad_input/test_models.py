"""Models, weights and images that cannot be used are named."""

import json
import pathlib

import pytest

from featsr_tf import evaluate
from featsr_tf import export
from featsr_tf import predict
from featsr_tf import train
from featsr_tf.data.label_map import LabelMap
from tests.bad_input.doors import DOORS
from tests.bad_input.doors import TRAIN
from tests.bad_input.doors import save_small_detector
from tests.model.small import small_backbone

LFS_POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n"


@pytest.mark.parametrize("door", ["check", "train"])
def test_missing_weights_are_named(door, folder, refuse):
    main, arguments = DOORS[door]
    weights = "model.feature_super_resolution.backbone.weights=no.weights.h5"
    with small_backbone():
        error = refuse(main, *arguments, "--set", weights)
    assert "backbone weights no.weights.h5: no such file" in error


@pytest.mark.parametrize("main", [train.main, evaluate.main])
def test_a_model_folder_of_another_config_is_left_alone(main, folder, refuse):
    error = refuse(
        main,
        *TRAIN,
        *("--model_dir", "trained"),
        *("--set", "model.faster_rcnn.num_classes=3"),
    )
    assert "trained: holds a model of another config" in error
    assert "model.faster_rcnn.num_classes: 2 and 3" in error


def test_a_model_folder_of_other_classes_is_left_alone(folder, refuse):
    swapped = LabelMap({1: "two", 2: "one"})
    pathlib.Path("label_map.pbtxt").write_text(swapped.to_text())
    for main, flags in (
        (train.main, []),
        (train.main, ["--check"]),
        (evaluate.main, []),
    ):
        error = refuse(main, *TRAIN, "--model_dir", "trained", *flags)
        assert "trained: holds a model of other classes: 1 is 'one'" in error


def test_a_file_is_no_model_folder(folder, refuse):
    arguments = (*TRAIN, "--model_dir", "small.config")
    error = refuse(train.main, *arguments)
    assert "small.config: is a file; expected a model folder" in error


def test_a_data_service_that_does_not_answer_is_refused(folder, refuse):
    main, arguments = DOORS["train"]
    error = refuse(main, *arguments, "--data_service", "grpc://localhost:1")
    assert "--data_service grpc://localhost:1: nothing answers there" in error


@pytest.mark.parametrize(
    ("model_dir", "images", "message"),
    [
        ("trained", "nowhere", "nowhere: no such image file or folder"),
        ("trained", "empty", "empty: no images found"),
        ("trained", "photos", "no checkpoint found; train with"),
        ("nowhere", "photos", "nowhere: no model here: no such folder"),
        ("small.config", "photos", "small.config: a file that is no model of"),
        ("lfs.zip", "photos", "lfs.zip: a Git LFS pointer in the place of"),
    ],
)
def test_predictions_need_a_model_and_images(
    model_dir, images, message, photos, refuse
):
    pathlib.Path("lfs.zip").write_bytes(LFS_POINTER)
    arguments = ("--model_dir", model_dir, "--images", images)
    with small_backbone():
        error = refuse(predict.main, *arguments, "--output", "new")
    assert message in error


def test_a_model_folder_without_its_classes_is_refused(photos, refuse):
    pathlib.Path("trained/label_map.pbtxt").unlink()
    arguments = ("--model_dir", "trained", "--images", "photos")
    error = refuse(predict.main, *arguments, "--output", "new")
    assert "trained/label_map.pbtxt: no readable label map" in error


def test_an_evaluation_needs_a_model(folder, refuse):
    for model_dir, message in (
        ("nowhere", "nowhere: no model here"),
        ("trained", "no checkpoint found"),
    ):
        with small_backbone():
            error = refuse(evaluate.main, *TRAIN, "--model_dir", model_dir)
        assert message in error


@pytest.mark.parametrize(
    ("main", "flags"),
    [(evaluate.main, ()), (export.main, ("--output_directory", "new"))],
)
@pytest.mark.parametrize("place", ["trained", "trained/1"])
def test_an_export_is_no_model_folder(main, flags, place, folder, refuse):
    pathlib.Path(place).mkdir(exist_ok=True)
    pathlib.Path(place, "saved_model.pb").touch()
    error = refuse(main, "--model_dir", "trained", *flags)
    assert error.startswith("error: trained: an export, which has no checkpoi")
    assert "featsr evaluate --annotations FILE --detections" in error


def test_a_damaged_image_is_named_and_the_others_are_predicted(photos, capsys):
    save_small_detector()
    arguments = ("--model_dir", "trained", "--images", "photos", "--base")
    with small_backbone(), pytest.raises(SystemExit) as stopped:
        predict.main([*arguments, "--output", "new"])
    assert stopped.value.code == 1
    assert "photos/a.jpg: no readable image" in capsys.readouterr().err
    detections = json.loads(pathlib.Path("new/detections.json").read_text())
    (image,) = detections["images"]
    assert image["file_name"].endswith("b.jpg")
    assert [path.name for path in pathlib.Path("new/pictures").iterdir()] == [
        "b.jpg"
    ]


def test_a_damaged_checkpoint_is_named(photos, refuse):
    save_small_detector()
    (data,) = pathlib.Path("trained/checkpoints/base").glob("*.data-*")
    data.write_bytes(data.read_bytes()[:-2000])
    arguments = ("--model_dir", "trained", "--images", "photos")
    with small_backbone():
        error = refuse(predict.main, *arguments, "--output", "new")
    assert "trained/checkpoints/base/ckpt-1: the checkpoint is damaged" in error


@pytest.mark.parametrize("door", ["check", "train"])
def test_evaluation_records_of_other_classes_are_refused(door, folder, refuse):
    main, arguments = DOORS[door]
    swapped = LabelMap({1: "two", 2: "one"})
    pathlib.Path("swapped.pbtxt").write_text(swapped.to_text())
    field = "eval_input_reader.0.label_map_path=swapped.pbtxt"
    error = refuse(main, *arguments, "--set", field)
    assert "name other classes: 1 is 'one' in" in error
