"""Stage 3 of the training: both predictors alone (section 4.3)."""

import tensorflow as tf

from featsr_tf.data.keys import Batch
from featsr_tf.model.row_ops import flatten_boxes
from featsr_tf.training.stage import GRADIENT_NORM
from featsr_tf.training.stage import Part
from featsr_tf.training.stage import Stage
from featsr_tf.training.stage import of_batch
from featsr_tf.training.stage import per_image


class FineTuneStage(Stage):
    """Stage 3: both predictors, each on proposals of its size (section 4.3).

    Behind a gate the large predictor judges all proposals, and sees all.
    """

    @property
    def trained_variables(self):
        """Small and large predictor."""
        return (
            self.detector.small_predictor.trainable_variables
            + self.detector.large_predictor.trainable_variables
        )

    def look(self, batch):
        """Pools small and large proposals; see `Stage.look`."""
        images = batch[Batch.IMAGES]
        features = self.frozen_features(images)
        proposals = self.detector.propose(features, batch[Batch.IMAGE_SIZES])
        candidates, valid = self.candidates(batch, proposals)
        ratios = self.area_over_threshold(batch, candidates)
        small = self.sample(batch, candidates, valid & (ratios < 1.0))
        for_large = valid
        if self.detector.gate is None:
            for_large &= ratios >= 1.0
        large = self.sample(batch, candidates, for_large)
        inputs = self.detector.refiner.collect_inputs(
            self.chosen(small, features, images)
        )
        pooled = self.detector.pool_base(
            features["base"], *flatten_boxes(large.boxes)
        )
        batch_size = images.shape[0]
        return {
            Part.SMALL: small,
            Part.SMALL_INPUTS: per_image(inputs, batch_size),
            Part.LARGE: large,
            Part.LARGE_FEATURES: per_image(pooled, batch_size),
        }

    def learn(self, seen):
        """Makes one step of both predictors; see `Stage.learn`."""
        inputs = of_batch(seen[Part.SMALL_INPUTS])
        refined = tf.stop_gradient(self.detector.refiner.refine(inputs))
        logs, norm = self.minimize(
            lambda: self.loss_of(seen, refined),
            self.trained_variables,
            self.optimizer,
        )
        return {**logs, GRADIENT_NORM: norm}

    def loss_of(self, seen, refined):
        """Sums the losses of both predictors."""
        small_total, small_logs = self.predictor_loss(
            self.detector.small_predictor(refined), seen[Part.SMALL]
        )
        pooled = of_batch(seen[Part.LARGE_FEATURES])
        large_total, large_logs = self.predictor_loss(
            self.detector.large_predictor(pooled), seen[Part.LARGE]
        )
        logs = {f"small_{name}": value for name, value in small_logs.items()}
        logs |= {f"large_{name}": value for name, value in large_logs.items()}
        return self.total_loss(small_total + large_total, logs)
