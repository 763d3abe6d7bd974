"""Small trainings in processes of their own, to be killed and compared."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from featsr_tf.training.checkpoints import STAGES
from featsr_tf.training.checkpoints import checkpoint_directory
from featsr_tf.training.checkpoints import find_damage
from featsr_tf.training.checkpoints import newest_step
from featsr_tf.training.checkpoints import prefix_of
from featsr_tf.training.checkpoints import written_steps
from tests.model.small import CONFIG
from tests.support import REPOSITORY
from tests.training.batches import write_noise

EXTENSION = "model.feature_super_resolution"
PREDICTOR = (
    "model.faster_rcnn.second_stage_box_predictor.mask_rcnn_box_predictor"
)
# No two runs take the same time.
_CLOCKS = ("seconds_per_step", "data_wait")


class SmallTraining:
    """A config of a small detector, and the command that trains it.

    Args:
        folder: for config and records.
        steps: steps of the three stages; a checkpoint comes after each.
    """

    def __init__(self, folder: Path, steps: Sequence[int]):
        config = folder / "small.config"
        config.write_text(CONFIG)
        fields = [
            *write_noise(folder, num_images=6),
            f"train_config.num_steps={steps[0]}",
            f"{EXTENSION}.super_resolution_stage.num_steps={steps[1]}",
            f"{EXTENSION}.fine_tune_stage.num_steps={steps[2]}",
            f"{EXTENSION}.checkpoint_interval=1",
            # Its random numbers must go on as well.
            f"{PREDICTOR}.use_dropout=true",
        ]
        self.command = [
            *(sys.executable, "-m", "tests.soak.small_training"),
            *("--pipeline", str(config), "--deterministic"),
            *(flag for field in fields for flag in ("--set", field)),
        ]

    def start(self, model_dir: Path, **variables: str) -> subprocess.Popen:
        """Starts or continues a training, with more environment variables."""
        return subprocess.Popen(
            [*self.command, "--model_dir", str(model_dir)],
            cwd=REPOSITORY,
            env={
                **os.environ,
                "TF_CPP_MIN_LOG_LEVEL": "3",
                "TF_NUM_INTRAOP_THREADS": "1",
                "TF_NUM_INTEROP_THREADS": "2",
                **variables,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def finish(self, model_dir: Path) -> str:
        """Trains to the end and gives what was printed."""
        process = self.start(model_dir)
        output, _ = process.communicate()
        assert process.returncode == 0, output[-2000:]
        return output


def wait_until(condition, process: subprocess.Popen, seconds=600) -> None:
    """Waits for what a process does, or its end."""
    end = time.monotonic() + seconds
    while not condition() and process.poll() is None:
        assert time.monotonic() < end, "the training hangs"
        time.sleep(0.005)


def progress(model_dir: Path) -> tuple[int, int]:
    """Number of the newest stage, and the step of its newest checkpoint."""
    found = trained_stages(model_dir)
    if not found:
        return 0, 0
    step = newest_step(str(model_dir), found[-1])
    return STAGES.index(found[-1]), step


def differences(found: Path, expected: Path) -> list[str]:
    """Names what differs, to the bit, between two finished trainings."""
    different = []
    if history(found) != history(expected):
        different.append("history.jsonl")
    for stage in trained_stages(expected):
        ours, theirs = variables(found, stage), variables(expected, stage)
        different += [
            f"{stage}: {name}"
            for name in ours | theirs
            if ours.get(name) != theirs.get(name)
        ]
    return different


def trained_stages(model_dir: Path) -> list[str]:
    """Names the stages that have checkpoints."""
    return [
        stage
        for stage in STAGES
        if newest_step(str(model_dir), stage) is not None
    ]


def history(model_dir: Path) -> list[dict]:
    """The loss log without times."""
    lines = (model_dir / "history.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    return [
        {key: value for key, value in record.items() if key not in _CLOCKS}
        for record in records
    ]


def variables(model_dir: Path, stage: str) -> dict[str, bytes]:
    """Weights, optimizer and all else of the newest checkpoint, as bytes."""
    directory = checkpoint_directory(str(model_dir), stage)
    path = prefix_of(directory, written_steps(directory)[-1])
    assert find_damage(path) is None
    reader = tf.train.load_checkpoint(path)
    return {
        name: np.asarray(reader.get_tensor(name)).tobytes()
        for name in reader.get_variable_to_shape_map()
        if name != "_CHECKPOINTABLE_OBJECT_GRAPH"
    }
