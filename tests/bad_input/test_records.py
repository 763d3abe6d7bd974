"""Bad records and label maps are named before anything is written."""

import pathlib
import re

import pytest

from featsr_tf import evaluate
from featsr_tf.data.build import load_records
from featsr_tf.data.build import training_batches
from featsr_tf.data.label_map import LabelMap
from featsr_tf.errors import exit_on_error
from tests.bad_input.doors import BOX
from tests.bad_input.doors import DOORS
from tests.bad_input.doors import cut
from tests.bad_input.doors import image_record
from tests.bad_input.doors import records_with
from tests.bad_input.doors import truncated_record
from tests.data.example_files import encode
from tests.data.example_files import example
from tests.data.example_files import noise_image
from tests.data.example_files import write_records
from tests.model.small import small_backbone
from tests.model.small import small_pipeline

SPOILED_RECORDS = {
    "missing": (
        lambda name: pathlib.Path(name).unlink(),
        "no such record file",
    ),
    "empty": (lambda name: pathlib.Path(name).write_bytes(b""), "is empty"),
    "cut": (cut, "record 2: damaged, the file ends inside it"),
    "no example": (b"text", "record 1: not a TF Example"),
    "no image": (example(b""), "neither a JPEG nor a PNG, or damaged"),
    "other label": (
        image_record(1, labels=[7]),
        "record 1: image 1: box 1 has the label 7, which is not in "
        "label_map.pbtxt (ids 1 to 2)",
    ),
    "box outside": (
        image_record(1, [[0.5, 0.5, 0.75, 1.5]]),
        "record 1: image 1: box 1 of 1 (ymin, xmin, ymax, xmax = 0.5, 0.5, "
        "0.75, 1.5) is outside the image",
    ),
    "degenerate box": (
        image_record(1, [BOX, [0.5, 0.5, 0.5, 0.75]], [1, 2]),
        "record 1: image 1: box 2 of 2 (ymin, xmin, ymax, xmax = 0.5, 0.5, "
        "0.5, 0.75) is degenerate; expected min < max",
    ),
    "truncated JPEG": (
        truncated_record("JPEG"),
        "record 1: image 1: the image is damaged: image file is truncated",
    ),
    "truncated PNG": (
        truncated_record("PNG"),
        "record 1: image 1: the image is damaged: image file is truncated",
    ),
}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("damage", SPOILED_RECORDS)
def test_bad_records_are_named_by_file_and_record(door, damage, folder, refuse):
    spoil, message = SPOILED_RECORDS[damage]
    name = "val.record" if door == "evaluate" else "train.record"
    if isinstance(spoil, bytes):
        write_records(name, records_with(spoil))
    else:
        spoil(name)
    main, arguments = DOORS[door]
    error = refuse(main, *arguments)
    assert error.startswith(f"error: {name}: ")
    assert message in error


@pytest.mark.parametrize("door", ["check", "train"])
def test_bad_evaluation_records_are_found_before_training(door, folder, refuse):
    cut("val.record")
    main, arguments = DOORS[door]
    refusal = refuse(main, *arguments)
    assert re.search(r"val.record: record \d+: .* ends inside", refusal)


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "no readable label map: No such file"),
        ("item { id: 1", "label_map.pbtxt:1:"),
        ("", "no items"),
        (
            LabelMap({1: "one", 2: "two", 3: "three"}).to_text(),
            "the largest class id is 3 but num_classes is 2",
        ),
    ],
    ids=["missing", "malformed", "empty", "more classes than the model has"],
)
def test_bad_label_maps_are_named(door, text, message, folder, refuse):
    pathlib.Path("label_map.pbtxt").unlink()
    if text is not None:
        pathlib.Path("label_map.pbtxt").write_text(text)
    main, arguments = DOORS[door]
    error = refuse(main, *arguments)
    assert error.startswith("error: label_map.pbtxt:")
    assert message in error


@pytest.mark.slow
def test_images_that_only_tensorflow_finds_damaged_end_training(folder, capsys):
    """Their ends are there, so that the scan before training passes them."""
    image = bytearray(encode(noise_image(64, 64)))
    image[len(image) // 2] ^= 255
    write_records("train.record", [example(bytes(image), [BOX], [1])] * 2)
    main, arguments = DOORS["train"]
    with small_backbone(), pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("error: train.record: record 0: the image cannot")


def test_boxes_beyond_the_cap_are_counted_in_one_warning(folder, capsys):
    write_records("train.record", [image_record(0, [BOX] * 3, [1, 2, 1])] * 2)
    pipeline = small_pipeline("train_config.max_number_of_boxes=1")
    source = load_records(pipeline.train_input_reader, 2)
    with exit_on_error():
        training_batches(pipeline, source)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("warning: 4 boxes in 2 of 2 images are cut")


def test_empty_shards_are_told_once(folder, capsys):
    for number in range(3):
        name = f"train.record-{number:05d}-of-00003"
        pathlib.Path(name).write_bytes(b"")
    pathlib.Path("train.record").rename("train.record-00001-of-00003")
    paths = "train_input_reader.tf_record_input_reader.input_path"
    main, arguments = DOORS["check"]
    with small_backbone():
        main((*arguments, "--set", f'{paths}=["train.record-*"]'))
    lines = capsys.readouterr().err.splitlines()
    told = [line for line in lines if "is empty" in line]
    assert told == [
        "warning: train.record-00000-of-00003: the record file is empty, and 1 "
        "more; left out, as other shards of its name hold records"
    ]


def test_there_must_be_something_to_evaluate(folder, refuse):
    arguments = ("--pipeline", "small.config", "--model_dir", "trained")
    assert "no eval_input_reader" in refuse(evaluate.main, *arguments)
