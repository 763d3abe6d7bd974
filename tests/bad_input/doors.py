"""The commands, their sound input, and ways to spoil it."""

import pathlib
import re
import subprocess
import sys

from featsr_tf import evaluate
from featsr_tf import train
from featsr_tf.data.label_map import LabelMap
from featsr_tf.model.build import build_detector
from featsr_tf.training import checkpoints
from tests.data.example_files import encode
from tests.data.example_files import example
from tests.data.example_files import noise_image
from tests.model.small import small_backbone
from tests.model.small import small_pipeline
from tests.support import REPOSITORY

BOX = [0.25, 0.25, 0.5, 0.75]
LABEL_MAP = LabelMap({1: "one", 2: "two"})
# Warnings and progress bars.
HARMLESS = re.compile(r"warning: .*|.*image/s\]|$")
EVALUATION = (
    "eval_input_reader={label_map_path: 'label_map.pbtxt' "
    "tf_record_input_reader {input_path: 'val.record'}}"
)
TRAIN = ("--pipeline", "small.config", "--set", EVALUATION)
DOORS = {
    "check": (train.main, (*TRAIN, "--check")),
    "train": (train.main, (*TRAIN, "--model_dir", "new")),
    "evaluate": (evaluate.main, (*TRAIN, "--model_dir", "trained")),
}


def image_record(number, boxes=(BOX,), labels=(1,), image_format="JPEG"):
    image = encode(noise_image(64, 64, number), image_format)
    return example(image, boxes, labels, f"image {number}")


def records_with(record):
    return [image_record(0), record, image_record(2)]


def cut(name):
    content = pathlib.Path(name).read_bytes()
    pathlib.Path(name).write_bytes(content[:-100])


def truncated_record(image_format):
    image = encode(noise_image(64, 64), image_format)
    return example(image[: len(image) // 2], [BOX], [1], "image 1")


def save_small_detector():
    with small_backbone():
        detector = build_detector(small_pipeline())
    checkpoints.StageCheckpoints(
        "trained", checkpoints.BASE, {"detector": detector}
    ).save(1)


def run_module(*arguments, **options):
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        env={"PYTHONPATH": str(REPOSITORY), "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        **options,
    )
