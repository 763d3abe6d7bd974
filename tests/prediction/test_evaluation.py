"""A model folder must be judged on its records as files are.

The detectors here are stand-ins that find what the records hold, so that the
figures are known and nothing has to be trained.
"""

import json
import re

import numpy as np
import pytest
import tensorflow as tf

from featsr_tf import choose_threshold
from featsr_tf import evaluate
from featsr_tf.config import load_pipeline
from featsr_tf.model.postprocess import DetectionBatch
from featsr_tf.prediction import evaluation
from tests.data.example_files import encode
from tests.data.example_files import example
from tests.data.example_files import noise_image
from tests.support import REPOSITORY

# Fractions of images of 64 x 96 px: 16 x 24 px, and 48 x 72 px.
SMALL, MEDIUM = [0.0, 0.0, 0.25, 0.25], [0.25, 0.25, 1.0, 1.0]
# The super-resolved detector finds both objects, the base one the larger.
FOUND = {"base": [MEDIUM], "super_resolved": [MEDIUM, SMALL]}
SCORES = {"base": [0.6], "super_resolved": [0.8, 0.3]}


def stand_in(name):
    """A detection function that finds the same in every image."""
    boxes = np.array(FOUND[name], np.float32)

    def detect(images, image_sizes, scales):
        sides = tf.tile(image_sizes, [1, 2])[:, None]
        count = tf.shape(images)[0]
        return DetectionBatch(
            boxes * sides,
            tf.tile(tf.constant([SCORES[name]]), [count, 1]),
            tf.ones([count, len(boxes)], tf.int32),
            tf.fill([count], len(boxes)),
        )

    return detect


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Two images with a small and a medium object; one is also a crowd."""
    items = "".join(f"item {{ id: {n} name: 'sign {n}' }}" for n in range(1, 6))
    (tmp_path / "map.pbtxt").write_text(items)
    with tf.io.TFRecordWriter(str(tmp_path / "val.record")) as writer:
        for number in range(2):
            image = encode(noise_image(64, 96, number))
            flags = {"is_crowd": [0, number], "difficult": [0, 0]}
            writer.write(
                example(
                    image, [SMALL, MEDIUM], [1, 1], f"{number}.png", **flags
                )
            )
    monkeypatch.setattr(
        evaluation,
        "load_detection_function",
        lambda pipeline, model_dir, name: stand_in(name),
    )
    for name in ("check_trained", "check_classes"):
        monkeypatch.setattr(
            evaluation.model_folder, name, lambda *arguments: arguments[-1]
        )
    return tmp_path


TOY = REPOSITORY / "pipelines/toy.config"


def overrides(folder):
    """Records and label map of both readers."""
    return [
        f"{reader}.{field}={folder}/{name}"
        for reader in ("train_input_reader", "eval_input_reader.0")
        for field, name in (
            ("label_map_path", "map.pbtxt"),
            ("tf_record_input_reader.input_path", "val.record"),
        )
    ]


def run(folder, *arguments, command=evaluate):
    command.main(
        [
            f"--pipeline={TOY}",
            f"--model_dir={folder}",
            f"--output={folder}/out.json",
            *(f"--set={override}" for override in overrides(folder)),
            *map(str, arguments),
        ]
    )
    return json.loads((folder / "out.json").read_text())


def test_both_detectors_are_judged_at_the_best_threshold_of_each(folder):
    result = run(folder)
    base, ours = result["base"], result["super_resolved"]
    assert (base["protocol"], ours["protocol"]) == ("tt100k", "tt100k")
    assert (base["small"]["recall"], ours["small"]["recall"]) == (0, 1)
    assert (base["medium"]["recall"], ours["medium"]["recall"]) == (1, 1)
    # The crowd is neither an object nor background.
    assert ours["medium"]["num_objects"] == 1
    assert ours["all"]["accuracy"] == 1
    assert ours["min_score"] <= 0.3
    assert result["settings"]["threshold_chosen_on"] == (f"{folder}/val.record")


def test_what_the_super_resolved_detector_adds_is_told(folder, capsys):
    result = run(folder, "--min_score=0.3")
    # The small one in both images, the medium one in that without a crowd.
    assert result["changes"]["small"]["added"] == 2
    assert result["changes"]["medium"]["found_by_both"] == 1
    assert result["changes"]["large"]["overlap_change"] is None
    told = capsys.readouterr().out
    assert "super resolved against base:" in told
    assert re.search(r"objects found only now +2 +0 +0 +2\n", told)


@pytest.mark.parametrize("command", [evaluate, choose_threshold])
def test_no_limit_of_training_cuts_the_truth(folder, capsys, command):
    whole = run(folder, command=command)
    limit = "--set=train_config.max_number_of_boxes=1"
    result = run(folder, limit, command=command)
    assert "cut" not in capsys.readouterr().err
    for name in FOUND:
        if command is evaluate:
            assert result[name]["all"]["num_objects"] == 3
        else:
            assert result["f1"][name] == whole["f1"][name]


@pytest.mark.parametrize("command", [evaluate, choose_threshold])
def test_a_model_folder_has_a_config_itself(folder, monkeypatch, command):
    expected = run(folder, command=command)
    pipeline = load_pipeline(TOY, overrides(folder))
    evaluation.model_folder.write_config(str(folder), pipeline)
    gates = []

    def load(pipeline, model_dir, name):
        gates.append(pipeline.model.feature_super_resolution.gate_maximum)
        return stand_in(name)

    monkeypatch.setattr(evaluation, "load_detection_function", load)
    gate = "--set=model.feature_super_resolution.gate_maximum=7"
    output = folder / "out.json"
    command.main([f"--model_dir={folder}", f"--output={output}", gate])
    assert gates == [7, 7]
    found = json.loads(output.read_text())
    for result in (expected, found):
        result.pop("settings", None)
        result.pop("environment", None)
    assert found == expected


@pytest.mark.parametrize("protocol", ["coco", "voc"])
def test_the_config_or_the_flag_names_the_protocol(folder, protocol):
    names = {
        "coco": "coco_detection_metrics",
        "voc": "pascal_voc_detection_metrics",
    }
    field = f"--set=eval_config.metrics_set={names[protocol]}"
    by_config = run(folder, field, "--min_score=0.5")
    by_flag = run(folder, f"--protocol={protocol}", "--min_score=0.5")
    for result in (by_config, by_flag):
        assert result["super_resolved"]["protocol"] == protocol
        assert result["super_resolved"]["AP50"] == pytest.approx(1)
        assert result["base"]["APs"] == 0


def test_thresholds_chosen_on_named_records_are_used(folder):
    path = folder / "threshold.json"
    records = folder / "val.record"
    content = run(folder, "--records", records, command=choose_threshold)
    path.write_text(json.dumps(content))
    assert content["records"] == [str(records)]
    assert set(content["min_score"]) == {"base", "super_resolved"}
    result = run(folder, f"--min_score={path}")
    assert result["base"]["min_score"] == content["min_score"]["base"]
    assert result["settings"]["threshold_chosen_on"] == str(path)


def test_the_worst_images_are_drawn_from_the_records(folder):
    pictures = folder / "pictures"
    run(folder, f"--pictures={pictures}", "--worst_images=1", "--min_score=0.5")
    captions = json.loads((pictures / "captions.json").read_text())
    names = {path.name for path in pictures.glob("*.jpg")}
    assert names == set(captions)
    assert captions["base_worst_01_0.jpg"] == (
        "Base, worst image 1: 0.png, 1 missed, 0 false positives"
    )


def test_a_threshold_file_without_a_detector_is_refused(folder, capsys):
    path = folder / "threshold.json"
    path.write_text('{"min_score": {"base": 0.5}}')
    with pytest.raises(SystemExit):
        run(folder, f"--min_score={path}")
    line = capsys.readouterr().err.splitlines()[-1]
    assert "expected a threshold of 'super_resolved'" in line
