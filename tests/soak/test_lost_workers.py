"""Machines of which one is lost go on as if nothing had happened.

The workers are processes of `python -m featsr_tf.train`, at ports of this
machine.
"""

import signal

import pytest

from featsr_tf.training.checkpoints import BASE
from featsr_tf.training.checkpoints import FINE_TUNE
from featsr_tf.training.checkpoints import STAGES
from featsr_tf.training.checkpoints import SUPER_RESOLUTION
from tests.clusters import tf_configs
from tests.soak.trainings import SmallTraining
from tests.soak.trainings import differences
from tests.soak.trainings import progress
from tests.soak.trainings import wait_until

TRY_AGAIN = 75


def start(training, model_dir):
    return [training.start(model_dir, **more) for more in tf_configs(2)]


def finish(processes):
    """Exit codes and outputs."""
    outputs = [process.communicate()[0] for process in processes]
    return [process.returncode for process in processes], outputs


@pytest.fixture(scope="module")
def training(tmp_path_factory):
    """A training of three stages, and the folder of a whole one."""
    folder = tmp_path_factory.mktemp("training")
    training = SmallTraining(folder, (6, 6, 6))
    codes, outputs = finish(start(training, folder / "whole"))
    assert codes == [0, 0], outputs
    return training, folder / "whole"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("place", "stage", "number"),
    [
        (0, BASE, signal.SIGKILL),
        (1, SUPER_RESOLUTION, signal.SIGKILL),
        (1, FINE_TUNE, signal.SIGTERM),
    ],
)
def test_a_lost_worker_changes_no_bit(training, tmp_path, place, stage, number):
    training, whole = training
    processes = start(training, tmp_path)
    moment = (STAGES.index(stage), 2)
    wait_until(lambda: progress(tmp_path) >= moment, processes[place])
    processes[place].send_signal(number)
    codes, outputs = finish(processes)
    assert codes[place] == -number, outputs[place]
    assert codes[1 - place] == TRY_AGAIN, outputs[1 - place]
    *_, line = outputs[1 - place].splitlines()
    assert line.startswith("error: ")
    assert "start the same command on all machines again" in line
    assert "Traceback" not in outputs[1 - place]
    assert finish(start(training, tmp_path))[0] == [0, 0]
    assert differences(tmp_path, whole) == []
