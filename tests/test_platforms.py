"""The commands start where there is no POSIX, as on Windows (simulated)."""

import json
import re
import subprocess
import sys
import urllib.request

import PIL.Image
import pytest

from tests.support import REPOSITORY

MODEL = str(REPOSITORY / "saved_models" / "gtsdb_mobilenet")
IMAGE = {"id": 0, "file_name": "grey.png", "height": 64, "width": 64}
TRUTH = {
    "images": [IMAGE],
    "categories": [{"id": 1, "name": "prohibitory"}],
    "annotations": [
        {"id": 1, "image_id": 0, "category_id": 1, "bbox": [8, 8, 16, 16]}
    ],
}
COMMANDS = (
    "convert toy --output_path toy --num_train 2 --num_val 1",
    "verify toy/toy_train.record-00000-of-00002",
    f"predict --model {MODEL} --images grey.png --output out",
    "evaluate --annotations truth.json --detections out/detections.json"
    " --output metrics.json",
    f"serve --model {MODEL} --port 0",
)


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """What all commands have written, the server answering."""
    folder = tmp_path_factory.mktemp("work")
    PIL.Image.new("RGB", (64, 64), "#808080").save(folder / "grey.png")
    (folder / "truth.json").write_text(json.dumps(TRUTH))
    with subprocess.Popen(
        [sys.executable, "-m", "tests.without_posix", *COMMANDS],
        cwd=folder,
        env={"PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        lines = []
        for line in process.stdout:
            lines.append(line)
            if found := re.search(r"http://\S+", line):
                with urllib.request.urlopen(found[0] + "readyz") as answer:
                    lines.append(answer.read().decode())
                process.terminate()
    return folder, "".join(lines), process.returncode


def test_records_are_written_and_verified(work):
    folder, output, _ = work
    assert len(list((folder / "toy").glob("*.record-*"))) == 3, output
    assert re.search(r"toy_train\S+ +1 +1 +1 ", output), output


def test_a_model_predicts_and_its_detections_are_judged(work):
    folder, output, _ = work
    found = json.loads((folder / "out" / "detections.json").read_text())
    assert [image["file_name"] for image in found["images"]] == ["grey.png"]
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["settings"]["num_images"] == 1
    assert (folder / "out" / "pictures" / "grey.jpg").exists(), output


def test_the_server_answers_and_stops(work):
    _, output, code = work
    assert output.endswith("ok")
    assert code == 0
