"""A training that is killed or stopped goes on as if nothing had happened.

The trainings run in processes of their own, so that nothing but the files in
the model folder survives. `python -m tests.soak` kills far more often.
"""

import fcntl
import os
import pty
import re
import signal
import subprocess
import termios

import pytest

from featsr_tf.training.checkpoints import STAGES
from tests.soak.trainings import EXTENSION
from tests.soak.trainings import SmallTraining
from tests.soak.trainings import differences
from tests.soak.trainings import progress
from tests.soak.trainings import wait_until
from tests.support import REPOSITORY


def kill_in(training, model_dir, stage, step=1):
    """Kills a training after a step of a stage."""
    process = training.start(model_dir)
    place = (STAGES.index(stage), step)
    wait_until(lambda: progress(model_dir) >= place, process)
    process.send_signal(signal.SIGKILL)
    output, _ = process.communicate()
    assert process.returncode == -signal.SIGKILL, output[-2000:]


@pytest.mark.slow
def test_a_killed_base_stage_goes_on_to_the_same_bits(tmp_path):
    training = SmallTraining(tmp_path, (30, 0, 0))
    kill_in(training, tmp_path / "killed", "base")
    assert "base: continues after step" in training.finish(tmp_path / "killed")
    training.finish(tmp_path / "whole")
    assert differences(tmp_path / "killed", tmp_path / "whole") == []


@pytest.fixture(scope="module")
def training(tmp_path_factory):
    """A training of three stages, and the folder of a whole one."""
    folder = tmp_path_factory.mktemp("training")
    training = SmallTraining(folder, (20, 20, 20))
    training.finish(folder / "whole")
    return training, folder / "whole"


@pytest.mark.slow
def test_kills_in_each_stage_change_no_bit(training, tmp_path):
    training, whole = training
    for stage in STAGES:
        kill_in(training, tmp_path, stage)
    training.finish(tmp_path)
    assert differences(tmp_path, whole) == []


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_training_says_how_to_go_on_and_does(
    training, tmp_path, number
):
    training, whole = training
    process = training.start(tmp_path)
    wait_until(lambda: progress(tmp_path) != (0, 0), process)
    process.send_signal(number)
    output, _ = process.communicate()
    is_term = number == signal.SIGTERM
    assert process.returncode == (-signal.SIGTERM if is_term else 130)
    assert f"stopped by {number.name} after step" in output
    assert "run the same command again to go on from there" in output
    training.finish(tmp_path)
    assert differences(tmp_path, whole) == []


@pytest.mark.slow
def test_a_training_whose_terminal_is_closed_saves_first(tmp_path):
    training = SmallTraining(tmp_path, (5000, 0, 0))
    terminal, inside = pty.openpty()
    process = subprocess.Popen(
        [
            *training.command,
            *("--model_dir", str(tmp_path / "model")),
            *("--set", f"{EXTENSION}.checkpoint_interval=10000"),
        ],
        cwd=REPOSITORY,
        stdin=inside,
        stdout=inside,
        stderr=inside,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    os.close(inside)
    termios.tcsetwinsize(terminal, (24, 80))
    # The time of a step is known after the first one.
    while not re.search(rb"\d ?(s/step|step/s)", os.read(terminal, 4096)):
        pass
    os.close(terminal)
    assert process.wait() == -signal.SIGHUP
    _, step = progress(tmp_path / "model")
    assert 0 < step < 5000
