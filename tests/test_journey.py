"""The way of a user: toy records, three stages, evaluation, pictures.

Everything through the public commands. Trainings that are killed on the way
are those of tests/soak.
"""

import json

import numpy as np
import PIL.Image
import pytest

from featsr_tf import evaluate
from featsr_tf import predict
from featsr_tf import report
from featsr_tf import train
from tests.support import REPOSITORY
from tfrecords_tools import create_toy_tf_record

STEPS = {"base": 12, "super_resolution": 6, "fine_tune": 4}

pytestmark = pytest.mark.journey


def overrides(records) -> list[str]:
    extension = "model.feature_super_resolution"
    fields = {
        "train_config.batch_size": 2,
        "train_config.num_steps": STEPS["base"],
        "train_input_reader.label_map_path": records / "label_map.pbtxt",
        "train_input_reader.tf_record_input_reader.input_path": (
            f"{records}/toy_train.record*"
        ),
        "eval_input_reader.0.label_map_path": records / "label_map.pbtxt",
        "eval_input_reader.0.tf_record_input_reader.input_path": (
            f"{records}/toy_val.record*"
        ),
        f"{extension}.checkpoint_interval": 5,
        f"{extension}.super_resolution_stage.num_steps": STEPS[
            "super_resolution"
        ],
        f"{extension}.fine_tune_stage.num_steps": STEPS["fine_tune"],
    }
    return [
        argument
        for field, value in fields.items()
        for argument in ("--set", f"{field}={value}")
    ]


def steps_of(history) -> dict[str, list[int]]:
    steps = {}
    for line in history.read_text().splitlines():
        record = json.loads(line)
        steps.setdefault(record["stage"], []).append(record["step"])
        assert np.isfinite(record["losses"]["loss"])
    return steps


def test_a_training_leaves_a_detector_that_works(tmp_path, capsys):
    records = tmp_path / "records"
    create_toy_tf_record.main(
        ["--output_path", str(records), "--num_train", "10", "--num_val", "4"]
    )
    pipeline = ["--pipeline", str(REPOSITORY / "pipelines/toy.config")]
    arguments = [*pipeline, *overrides(records)]
    model_dir = tmp_path / "model"
    folder = ["--model_dir", str(model_dir)]

    train.main([*arguments, *folder])
    assert {
        name: steps[-1]
        for name, steps in steps_of(model_dir / "history.jsonl").items()
    } == STEPS
    train.main([*arguments, *folder])
    assert capsys.readouterr().out.count("not repeated") == len(STEPS)

    metrics_path = tmp_path / "metrics.json"
    evaluate.main([*arguments, *folder, "--output", str(metrics_path)])
    assert "super resolved" in capsys.readouterr().out
    metrics = json.loads(metrics_path.read_text())
    for name in ("base", "super_resolved"):
        for size in ("small", "medium", "large", "all"):
            assert {"recall", "accuracy", "f1", "ap50"} <= set(
                metrics[name][size]
            )
        assert metrics[name]["all"]["num_objects"] > 0

    pictures = sorted((records / "pictures").iterdir())
    output = tmp_path / "predictions"
    predict.main(
        [
            *folder,
            "--images",
            str(records / "pictures"),
            "--output",
            str(output),
            "--compare",
        ]
    )
    found = json.loads((output / "detections.json").read_text())
    assert [image["width"] for image in found["images"]] == [640] * len(
        pictures
    )
    assert {category["id"] for category in found["categories"]} == set(
        range(1, 6)
    )
    for annotation in found["annotations"]:
        assert 0 <= annotation["score"] <= 1
        x, y, width, height = annotation["bbox"]
        assert -0.01 <= x <= x + width <= 640.01
        assert -0.01 <= y <= y + height <= 384.01
    drawn = sorted((output / "pictures").iterdir())
    assert [path.stem for path in drawn] == [path.stem for path in pictures]
    with PIL.Image.open(drawn[0]) as picture:
        assert picture.width > 2 * 640

    page = tmp_path / "report.html"
    report.main(
        [
            "--metrics",
            str(metrics_path),
            "--history",
            str(model_dir / "history.jsonl"),
            "--pictures",
            str(output / "pictures"),
            "--output",
            str(page),
        ]
    )
    assert page.stat().st_size > 50_000
