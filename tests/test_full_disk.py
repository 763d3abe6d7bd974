"""A disk that takes no more ends a command in one line and leaves no part.

The system's limit on the size of files stands for the disk: writing fails in
the same places, in the middle of a file too.
"""

import contextlib
import json
import os
import resource
import subprocess
import sys

import numpy as np
import PIL.Image
import pytest
import tensorflow as tf

from featsr_tf import evaluate
from featsr_tf.errors import exit_on_error
from featsr_tf.files import write_picture
from featsr_tf.metrics.detections import Detections
from featsr_tf.prediction.result_files import FrameResult
from featsr_tf.prediction.result_files import PartialResults
from featsr_tf.prediction.videos import write_video
from tests.support import REPOSITORY

ADVICE = "make room or choose another place, and run the same command again"


@contextlib.contextmanager
def largest_file(size: int):
    """Lets no file grow beyond a number of bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def error_of(capsys, call, size=1000):
    with pytest.raises(SystemExit) as stopped:
        with exit_on_error(), largest_file(size):
            call()
    assert stopped.value.code == 2
    return capsys.readouterr().err


def test_evaluate_names_the_file(tmp_path, capsys):
    image = {"id": 1, "file_name": "a.png", "height": 64, "width": 64}
    box = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [8, 8, 16, 16]}
    truth = {"images": [image], "annotations": [box]}
    truth["categories"] = [{"id": 1, "name": "sign"}]
    (tmp_path / "truth.json").write_text(json.dumps(truth))
    (tmp_path / "found.json").write_text("[]")
    output = tmp_path / "metrics.json"
    flags = {"annotations": "truth", "detections": "found", "output": "metrics"}
    flags = [f"--{flag}={tmp_path}/{name}.json" for flag, name in flags.items()]
    said = error_of(capsys, lambda: evaluate.main(flags))
    assert said == (
        f"error: {output}: cannot be written: File too large; {ADVICE}\n"
    )
    assert sorted(os.listdir(tmp_path)) == ["found.json", "truth.json"]


def test_no_picture_is_left_that_is_cut_off(tmp_path, capsys):
    noise = np.random.default_rng(0).integers(0, 255, (200, 200, 3), np.uint8)
    path = tmp_path / "noise.jpg"
    picture = PIL.Image.fromarray(noise)
    # More than Pillow writes at once, so that only its last part fails.
    said = error_of(capsys, lambda: write_picture(path, picture), 20_000)
    assert said.startswith(f"error: {path}: cannot be written: File too large")
    assert not list(tmp_path.iterdir())


def test_no_video_is_left_that_is_cut_off(tmp_path, capsys):
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    path = tmp_path / "noise.mp4"
    frames = [np.roll(noise, n, axis=0) for n in range(40)]
    said = error_of(capsys, lambda: write_video(path, frames, 10), 2_000)
    # PyAV tells why, OpenCV does not.
    assert said.startswith(
        (
            f"error: {path}: the video could not be written whole",
            f"error: {path}: cannot be written: File too large",
        )
    )
    assert not list(tmp_path.iterdir())


def test_results_that_were_written_are_gone_on_from(tmp_path, capsys):
    path = tmp_path / "partial.jsonl"
    found = Detections(0, *map(np.ones, ([9, 4], [9], [9])))
    result = FrameResult("a.png", 9, 9, {"base": found})

    def fill():
        with contextlib.closing(PartialResults(path, "same")) as results:
            while True:
                results.add(result)

    said = error_of(capsys, fill, 5000)
    assert said == (
        f"error: {path}: File too large; make room and run the same command "
        "again to go on from here\n"
    )
    with contextlib.closing(PartialResults(path, "same")) as results:
        assert len(list(results)) == results.num_frames > 5


def test_what_tensorflow_writes_is_named_too(tmp_path, capsys):
    path = str(tmp_path / "a.record")

    def fill():
        with tf.io.TFRecordWriter(path) as writer:
            for _ in range(100):
                writer.write(bytes(1000))

    said = error_of(capsys, fill)
    assert said == (
        f"error: {path}: cannot be written: File too large; {ADVICE}\n"
    )


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
def test_output_that_cannot_be_printed():
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "featsr_tf.config", "pipelines/toy.config"],
            cwd=REPOSITORY,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert done.returncode == 2
    assert done.stderr == (
        "error: the output: cannot be written: No space left on device; "
        f"{ADVICE}\n"
    )
