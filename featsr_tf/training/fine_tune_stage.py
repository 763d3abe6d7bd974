"""Stage 3 of the training: both predictors alone (section 4.3)."""

import tensorflow as tf

from featsr_tf.data.keys import Batch
from featsr_tf.training.stage import GRADIENT_NORM
from featsr_tf.training.stage import Stage
from featsr_tf.training.stage import StageInputs
from featsr_tf.training.stage import flatten_images
from featsr_tf.training.stage import unflatten_images
from featsr_tf.training.windows import WindowSampler


class FineTuneStage(Stage):
    """Stage 3: both predictors, each on proposals of its size (section 4.3).

    Behind a gate, and in the first pass before a second look, the large
    predictor scores all proposals, and learns from all.
    """

    @property
    def trained_variables(self):
        """Small and large predictor."""
        return (
            self.detector.small_predictor.trainable_variables
            + self.detector.large_predictor.trainable_variables
        )

    @property
    def needs_originals(self):
        """Whether there are windows of them to learn from."""
        return self.detector.second_look is not None

    def compute_frozen(self, batch):
        """Pools small and large proposals; see `Stage`."""
        images = batch[Batch.IMAGES]
        batch_size = images.shape[0]
        proposals = self.sampler.propose(batch)
        is_small = proposals.area_ratios < 1.0
        if self.needs_originals:
            windows = WindowSampler(self.detector, self.sampler)
            small, chosen = windows.sample(batch, proposals.features)
        else:
            small = self.sampler.sample(
                batch, proposals.boxes, allowed=proposals.valid & is_small
            )
            chosen = self.sampler.pool(small, proposals.features, images)
        for_large = proposals.valid
        if self.detector.gate is None and not self.needs_originals:
            for_large &= proposals.area_ratios >= 1.0
        large = self.sampler.sample(batch, proposals.boxes, allowed=for_large)
        small_inputs = self.detector.refiner.collect_inputs(chosen)
        pooled = self.sampler.pool(large, proposals.features, images)
        return {
            StageInputs.SMALL: small,
            StageInputs.SMALL_INPUTS: unflatten_images(
                small_inputs, batch_size
            ),
            StageInputs.LARGE: large,
            StageInputs.LARGE_FEATURES: unflatten_images(
                pooled.base, batch_size
            ),
        }

    def update(self, inputs):
        """Makes one step of both predictors; see `Stage`."""
        small_inputs = flatten_images(inputs[StageInputs.SMALL_INPUTS])
        refined = tf.stop_gradient(self.detector.refiner.refine(small_inputs))
        logs, norm = self.minimizer.minimize(
            lambda: self.loss_of(inputs, refined), self.trained_variables
        )
        return {**logs, GRADIENT_NORM: norm}

    def loss_of(self, inputs, refined):
        """Sums the losses of both predictors."""
        small_total, small_logs = self.predictor_loss(
            self.detector.small_predictor(refined), inputs[StageInputs.SMALL]
        )
        pooled = flatten_images(inputs[StageInputs.LARGE_FEATURES])
        large_total, large_logs = self.predictor_loss(
            self.detector.large_predictor(pooled), inputs[StageInputs.LARGE]
        )
        logs = {f"small_{name}": value for name, value in small_logs.items()}
        logs |= {f"large_{name}": value for name, value in large_logs.items()}
        return self.add_regularization(small_total + large_total, logs)
