"""The commands that judge files: figures, thresholds, pictures, errors."""

import json

import numpy as np
import pytest
from PIL import Image

from featsr_tf import choose_threshold
from featsr_tf import evaluate
from featsr_tf.errors import ConfigError
from featsr_tf.evaluate import protocol_of
from featsr_tf.prediction import evaluation
from tests.data.example_files import write_records
from tests.model.small import small_pipeline

BOXES = [[10, 10, 20, 20], [60, 10, 40, 40]]


@pytest.fixture
def files(tmp_path):
    """Two images; one object found, one missed, and a weak false detection."""
    image = {"height": 120, "width": 160}
    objects = [
        {"id": n, "image_id": n, "category_id": 1, "bbox": box}
        for n, box in enumerate(BOXES, 1)
    ]
    contents = {
        "gt.json": {
            "images": [
                {"id": 1, "file_name": "one.png", **image},
                {"id": 2, "file_name": "two.png", **image},
            ],
            "categories": [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}],
            "annotations": objects,
        },
        "det.json": [
            {"image_id": 1, "category_id": 1, "bbox": BOXES[0], "score": 0.8},
            {"image_id": 1, "category_id": 1, "bbox": BOXES[1], "score": 0.3},
            {"image_id": 1, "category_id": 2, "bbox": BOXES[1], "score": 0.9},
        ],
    }
    for name, content in contents.items():
        (tmp_path / name).write_text(json.dumps(content))
    for name in ("one.png", "two.png"):
        Image.new("RGB", (160, 120), "#808080").save(tmp_path / name)
    return tmp_path


def run(files, *arguments, command=evaluate):
    """Runs a command on the files and returns what it wrote."""
    command.main(
        [
            f"--annotations={files}/gt.json",
            f"--detections={files}/det.json",
            f"--output={files}/out.json",
            *map(str, arguments),
        ]
    )
    return json.loads((files / "out.json").read_text())


def error_of(capsys, call):
    with pytest.raises(SystemExit) as exit_info:
        call()
    assert exit_info.value.code == 2
    # Before it there may be a progress bar.
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("error: ")
    return line


def test_figures_threshold_and_settings_are_written(files, capsys):
    result = run(files)
    assert result["protocol"] == "tt100k"
    assert (result["size_by"], result["min_score"]) == ("area", 0.5)
    assert result["all"]["recall"] == 0.5
    assert result["all"]["accuracy"] == 0.5
    assert result["per_class"]["a"]["all"]["accuracy"] == 1
    assert result["per_class"]["b"]["all"]["accuracy"] == 0
    assert result["settings"]["threshold_chosen_on"] == "default"
    assert result["settings"]["num_detections"] == 3
    printed = capsys.readouterr().out
    assert "score threshold of detections: 0.5" in printed
    assert "protocol: tt100k, sizes by area" in printed


@pytest.mark.parametrize("protocol", ["coco", "voc"])
def test_other_protocols_are_chosen_by_name(files, protocol):
    result = run(files, "--protocol", protocol)
    assert result["protocol"] == protocol
    assert result["APs"] == pytest.approx(1)
    assert result["AP50"] == pytest.approx(0.5, abs=0.01)


def test_the_long_side_and_eleven_points_are_options(files):
    options = ("--protocol=voc", "--size_by=long_side", "--eleven_point")
    result = run(files, *options)
    assert result["size_by"] == "long_side"
    # Recall one half is reached: six of eleven points.
    assert result["AP50"] == pytest.approx(6 / 11)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("names.txt", "a\n\n"),
        ("map.pbtxt", "item { id: 5 name: 'a' }"),
    ],
)
def test_classes_that_are_not_named_are_ignored(files, name, text):
    (files / name).write_text(text)
    result = run(files, "--classes", files / name)
    assert list(result["per_class"]) == ["a"]
    assert result["all"]["accuracy"] == 1


@pytest.mark.parametrize("kind", ["objects", "detections"])
def test_a_threshold_that_nothing_decides_is_not_given_in_silence(
    files, capsys, kind
):
    if kind == "objects":
        content = json.loads((files / "gt.json").read_text())
        text = json.dumps({**content, "annotations": []})
        (files / "gt.json").write_text(text)
        error = error_of(capsys, lambda: run(files, command=choose_threshold))
        assert "there is no object among the images" in error
        assert not (files / "out.json").exists()
    else:
        (files / "det.json").write_text("[]")
        assert run(files, command=choose_threshold)["f1"] == 0
        assert "no object is found at any threshold" in capsys.readouterr().err


def test_a_chosen_threshold_is_taken_from_its_file(files):
    path = files / "threshold.json"
    (files / "a.txt").write_text("a")
    choose_threshold.main(
        [
            f"--annotations={files}/gt.json",
            f"--detections={files}/det.json",
            f"--classes={files}/a.txt",
            f"--output={path}",
        ]
    )
    content = json.loads(path.read_text())
    assert content["min_score"] == pytest.approx(0.31)
    assert content["f1"] == pytest.approx(2 / 3)
    assert content["annotations"] == f"{files}/gt.json"
    result = run(files, "--min_score", path)
    assert result["min_score"] == pytest.approx(0.31)
    assert result["settings"]["threshold_chosen_on"] == str(path)


def test_the_worst_images_are_listed_and_drawn(files):
    pictures = files / "pictures"
    options = (f"--pictures={pictures}", f"--image_dir={files}")
    result = run(files, *options, "--worst_images=1", "--min_score=0.1")
    (worst,) = result["worst_images"]
    assert (worst["file_name"], worst["false_positives"]) == ("one.png", 2)
    (path,) = pictures.glob("*.jpg")
    assert path.name == "detections_worst_01_one.jpg"
    captions = json.loads((pictures / "captions.json").read_text())
    assert "one.png, 0 missed, 2 false positives" in captions[path.name]
    with Image.open(path) as picture:
        assert np.ptp(np.asarray(picture)[:120]) > 100


def test_a_picture_that_cannot_be_read_is_no_reason_to_stop(files, capsys):
    (files / "bad").mkdir()
    content = json.loads((files / "gt.json").read_text())
    first = content["images"][0]["file_name"]
    (files / "bad" / first).write_bytes((files / "one.png").read_bytes())
    options = (f"--pictures={files}/p", f"--image_dir={files}/bad")
    assert run(files, *options)["worst_images"]
    assert "warning: not drawn: " in capsys.readouterr().err


def test_thresholds_of_models_and_of_other_detectors_have_their_scales(
    files, capsys
):
    metrics = run(files, "--min_score=-2.5")
    assert metrics["settings"]["score_threshold"] == -2.5
    with pytest.raises(SystemExit):
        evaluate.main(["--model_dir=none", "--min_score=1.5"])
    assert "--min_score: expected 0 to 1, found 1.5" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--min_score=inf"], "--min_score: expected a finite number, found"),
        (["--min_score=nan"], "--min_score: expected a finite number, found"),
        (["--min_score=none.json"], "expected a number or a file"),
        (["--min_score={}/det.json"], "expected what featsr_tf.choose_thresh"),
        (["--min_score={}/two.json"], "has thresholds of base, super_resolved"),
        (["--classes={}/none.txt"], "No such file"),
        (["--classes={}/other.txt"], "found 'car'"),
        (["--classes={}/empty.txt"], "found none"),
        (["--classes={}/one.png"], "one.png: not a text file"),
        (["--pipeline=x.config"], "either files or a model folder"),
        (["--annotations="], "found only --detections"),
        (["--annotations=", "--detections="], "found none of them"),
        (["--pictures={}/p"], "--pictures: expected --image_dir"),
        (["--pictures={}/p", "--image_dir={}/q"], "no such image"),
        (["--worst_images=-1"], "expected 0 or more"),
        (["--threshold_images=0"], "expected 1 or more"),
        (["--protocol=coco", "--size_by=long_side"], "goes by area"),
        (["--eleven_point"], "only the voc protocol"),
    ],
)
def test_mistakes_end_in_one_line_and_write_nothing(
    files, capsys, arguments, message
):
    (files / "two.json").write_text(
        '{"min_score": {"base": 0.1, "super_resolved": 0.2}}'
    )
    (files / "other.txt").write_text("a\ncar\n")
    (files / "empty.txt").write_text("\n")
    arguments = [argument.format(files) for argument in arguments]
    assert message in error_of(capsys, lambda: run(files, *arguments))
    assert not (files / "out.json").exists()


def test_records_do_not_decide_on_files(files, capsys):
    line = error_of(
        capsys,
        lambda: run(files, "--records", "a.record", command=choose_threshold),
    )
    assert "--records: expected only with --model_dir or --pipeline" in line


def test_figures_are_of_the_records_that_are_named(tmp_path, monkeypatch):
    """The others are those of the config, if it has any."""
    record = write_records(tmp_path / "judge.record", [b""])
    label_map = tmp_path / "label_map.pbtxt"
    label_map.write_text('item { id: 1 name: "a" }\nitem { id: 2 name: "b" }\n')
    pipeline = small_pipeline(
        f"train_input_reader.label_map_path='{label_map}'",
        f"train_input_reader.tf_record_input_reader.input_path=['{record}']",
    )
    monkeypatch.setattr(evaluate, "read_trained_pipeline", lambda _: pipeline)
    asked = []

    def evaluate_model(pipeline, *_):
        asked.append(pipeline.eval_input_reader)
        raise ConfigError("far enough")

    monkeypatch.setattr(evaluation, "evaluate_model", evaluate_model)
    flags = ["--model_dir", str(tmp_path), "--records", str(record)]
    with pytest.raises(SystemExit):
        evaluate.main(flags)
    ((reader,),) = asked
    assert reader.label_map_path == str(label_map)
    assert reader.tf_record_input_reader.input_path == [str(record)]


@pytest.mark.parametrize(
    ("metrics_set", "protocol"),
    [
        ([], "tt100k"),
        (["coco_detection_metrics"], "coco"),
        (["pascal_voc_detection_metrics"], "voc"),
        (["open_images_V2_detection_metrics"], "tt100k"),
    ],
)
def test_the_config_names_the_protocol(metrics_set, protocol):
    assert protocol_of(metrics_set) == protocol
