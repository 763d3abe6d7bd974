"""One of several processes that train the small detector together.

    TF_CONFIG=... python -m tests.training.worker MODEL_DIR OUTPUT OVERRIDES...

The variables are written to OUTPUT. `STOP_AT=stage:step` in the environment
sends the signal `STOP_BY` to the process in the midst of that step; "NAN" makes
its losses NaN instead.
"""

import math
import os
import signal
import sys
from unittest import mock

import numpy as np
import tensorflow as tf

from featsr_tf.errors import exit_on_error
from featsr_tf.training import trainer
from featsr_tf.training.distribution import fit
from featsr_tf.training.stage import Stage
from tests.model.small import small_backbone
from tests.model.small import small_pipeline


def main(model_dir: str, output: str, *overrides: str) -> None:
    """Trains; a step without a graph takes less time than to make one."""
    tf.config.run_functions_eagerly(True)
    with exit_on_error(), small_backbone(), stopped():
        detector = trainer.train(small_pipeline(*overrides), model_dir)
        values = {v.path: v.numpy() for v in detector.variables}
        np.savez(output, **values)


def stopped():
    """Disturbs this process in the midst of a step."""
    place, _, last = os.environ.get("STOP_AT", ":0").partition(":")
    steps = []

    def update(stage: Stage, inputs):
        steps.append(stage.name)
        is_there = steps.count(f"{place}_stage") == int(last) > 0
        by = os.environ["STOP_BY"] if is_there else None
        if by not in (None, "NAN"):
            os.kill(os.getpid(), signal.Signals[by])
        logs = original(stage, inputs)
        if by == "NAN":
            return {name: value * math.nan for name, value in logs.items()}
        return logs

    def fit_stage(stage, *arguments, **options):
        nonlocal original
        original = type(stage).update
        with mock.patch.object(type(stage), "update", update):
            fit(stage, *arguments, **options)

    original = None
    return mock.patch.object(trainer, "fit", fit_stage)


if __name__ == "__main__":
    main(*sys.argv[1:])
