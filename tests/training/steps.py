"""Steps of a stage, made and looked at one at a time."""

from unittest import mock

import numpy as np
import tensorflow as tf

from featsr_tf.training.build import build_stage
from featsr_tf.training.optimizers import Minimizer
from featsr_tf.training.stage import DATA_READY
from tests.model.small import small_pipeline
from tests.training.batches import LARGE
from tests.training.batches import SMALL
from tests.training.batches import make_batch

BOTH = make_batch([SMALL, LARGE], [LARGE, SMALL])


def spy(layer):
    """Records the calls of a layer."""
    return mock.patch.object(layer, "call", wraps=layer.call)


def spy_on_extractor(detector):
    """Records the calls of a detector's extractor."""
    backbone = detector.backbone
    return mock.patch.object(backbone, "extract", wraps=backbone.extract)


def build(detector, name, *overrides):
    return build_stage(small_pipeline(*overrides), name, detector)


def step(stage, batch=BOTH):
    """Makes one step and gives the losses."""
    logs = stage.train_step(batch)
    logs.pop(DATA_READY)
    return {name: float(value) for name, value in logs.items()}


def variables_of(stage):
    """All variables that there are, by path."""
    variables = list(stage.detector.variables)
    if getattr(stage, "discriminator", None) is not None:
        variables += stage.discriminator.variables
    paths = {variable.path: variable for variable in variables}
    assert len(paths) == len(variables)
    return paths


def values_of(stage):
    return {path: v.numpy().copy() for path, v in variables_of(stage).items()}


def changed(before, after):
    return {path for path in before if np.any(before[path] != after[path])}


def paths(*parts):
    """Paths of the trainable variables of layers."""
    return {v.path for part in parts for v in part.trainable_variables}


def gradients_of(stage, batch=BOTH):
    """The gradients of all variables, and the losses, without a step.

    Returns:
        For each minimization of a step, the gradients by path of what gets
        one; and the losses.
    """
    found = []

    def differentiate(self, loss, variables):
        everything = variables_of(stage)
        with tf.GradientTape() as tape:
            total, logs = loss()
        gradients = tape.gradient(total, [v.value for v in everything.values()])
        gradients = dict(zip(everything, gradients, strict=True))
        found.append({p: g for p, g in gradients.items() if g is not None})
        return logs, tf.constant(0.0)

    with mock.patch.object(Minimizer, "minimize", differentiate):
        logs = step(stage, batch)
    return found, logs
