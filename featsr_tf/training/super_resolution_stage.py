"""Stage 2 of the training: generator and discriminator (section 4.3)."""

from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from featsr_tf.data.keys import Batch
from featsr_tf.geometry.sampling import SampledProposals
from featsr_tf.model.detector import Detector
from featsr_tf.model.refiner import ChosenProposals
from featsr_tf.model.speed import XlaCall
from featsr_tf.training import losses
from featsr_tf.training.focus import FocusLearning
from featsr_tf.training.optimizers import Minimizer
from featsr_tf.training.stage import DISCRIMINATOR_GRADIENT_NORM
from featsr_tf.training.stage import GRADIENT_NORM
from featsr_tf.training.stage import FrozenProposals
from featsr_tf.training.stage import Stage
from featsr_tf.training.stage import StageInputs
from featsr_tf.training.stage import flatten_images
from featsr_tf.training.stage import unflatten_images
from featsr_tf.training.targets import TargetSource
from featsr_tf.training.windows import WindowSampler


@dataclass(frozen=True)
class PairSampling:
    """Which proposals make pairs of F^0.5 and T^1.0 (section 4.2).

    Attributes:
        count: pairs per image. Default 16.
        minimum_area_ratio: smallest area at 1.0 over the small threshold: a
            smaller proposal is no use as a target. Default 1.0.
        maximum_area_ratio: areas from here on are large enough at half scale
            to need no super-resolution. Default 4.0.
    """

    count: int = 16
    minimum_area_ratio: float = 1.0
    maximum_area_ratio: float = 4.0


class AdversarialLoss:
    """The discriminator, its optimizer and the losses of both players.

    Args:
        discriminator: gives logits `[n]` of features `[n, k, k, C]`.
        generator_weight: weight of L_gen. Default 0.01.
        warmup_steps: first steps, in which L_gen has no weight. Default 0.
        jit_compile: whether XLA compiles the discriminator; see `XlaCall`.
            Default False.
    """

    def __init__(
        self,
        discriminator: keras.layers.Layer,
        minimizer: Minimizer,
        generator_weight: float = 0.01,
        warmup_steps: int = 0,
        jit_compile: bool = False,
    ):
        self.discriminator = discriminator
        self.discriminate = XlaCall(discriminator, jit_compile)
        self.minimizer = minimizer
        self.generator_weight = generator_weight
        self.warmup_steps = warmup_steps

    def generator_loss(
        self, refined: tf.Tensor, weights: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Computes L_gen (equation 5).

        Args:
            refined: `[n, k, k, C]` S^0.5 of the pairs.
            weights: `[n]` of the pairs.
        """
        loss = losses.weighted_mean(
            losses.generator_loss(self.discriminate(refined)), weights
        )
        # The discriminator's count is saved with its optimizer, so that a
        # continued run does not warm up again.
        is_warm = self.minimizer.optimizer.iterations >= self.warmup_steps
        return self.generator_weight * tf.cast(is_warm, tf.float32) * loss, loss

    def update(
        self, targets: tf.Tensor, refined: tf.Tensor, weights: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        """Makes one step of the discriminator.

        Args:
            targets: `[n, k, k, C]` T^1.0 of the pairs.
            refined: `[n, k, k, C]` S^0.5 of the pairs.
            weights: `[n]` of the pairs.
        """
        logs, norm = self.minimizer.minimize(
            lambda: self.discriminator_loss(targets, refined, weights),
            self.discriminator.trainable_variables,
        )
        return {**logs, DISCRIMINATOR_GRADIENT_NORM: norm}

    def discriminator_loss(self, targets, refined, weights):
        """Computes L_dis (equation 6), with the mean output for each input."""
        target_logits = self.discriminate(targets, training=True)
        generated_logits = self.discriminate(tf.stop_gradient(refined))
        loss = losses.weighted_mean(
            losses.discriminator_loss(target_logits, generated_logits), weights
        )
        return loss, {
            "discriminator": loss,
            "discriminator_of_target": losses.weighted_mean(
                tf.sigmoid(target_logits), weights
            ),
            "discriminator_of_generated": losses.weighted_mean(
                tf.sigmoid(generated_logits), weights
            ),
        }


class SuperResolutionStage(Stage):
    """Stage 2: generator and discriminator alternate (section 4.3).

    The generator minimises the weighted sum of L_gen, L_cont, L_cls and L_loc
    and the small predictor is trained along; the frozen extractor runs once
    per image and scale, and both players use the same features.

    Args:
        targets: source of T^1.0; None trains by L_cls and L_loc alone.
        adversarial: L_gen and L_dis; None leaves them out. Default None.
        content_weight: weight of L_cont. Default 1.0.
        generator_updates: generator steps per discriminator step. Default 1.
        focus: teaches the focus head of a second look. Default None.
        **kwargs: see `Stage`.

    Attributes:
        discriminator: that of `adversarial`, or None.
    """

    def __init__(
        self,
        detector: Detector,
        *,
        pair_sampling: PairSampling,
        targets: TargetSource | None,
        adversarial: AdversarialLoss | None = None,
        content_weight: float = 1.0,
        generator_updates: int = 1,
        focus: FocusLearning | None = None,
        **kwargs,
    ):
        super().__init__(detector, **kwargs)
        self.pair_sampling = pair_sampling
        self.targets = targets
        self.adversarial = adversarial
        self.discriminator = getattr(adversarial, "discriminator", None)
        self.content_weight = content_weight
        self.generator_updates = generator_updates
        self.focus = focus

    @property
    def trained_variables(self):
        """Generator and small predictor."""
        return (
            self.detector.refiner.trainable_variables
            + self.detector.small_predictor.trainable_variables
        )

    @property
    def needs_half_images(self):
        """Whether the generator's inputs are proposals on I^0.5."""
        return self.targets is not None and self.targets.of_half_images

    @property
    def needs_originals(self):
        """Whether there are windows of them to learn from."""
        return self.detector.second_look is not None

    @property
    def minimizers(self):
        """Adds those of discriminator and focus head; see `Stage`."""
        found = super().minimizers
        if self.adversarial is not None:
            found["discriminator_optimizer"] = self.adversarial.minimizer
        if self.focus is not None:
            found["focus_optimizer"] = self.focus.minimizer
        return found

    def checkpointed(self):
        """Adds the discriminator; see `Stage`."""
        objects = super().checkpointed()
        if self.adversarial is not None:
            objects["discriminator"] = self.discriminator
        return objects

    def compute_frozen(self, batch):
        """Pools small proposals, pairs and targets; see `Stage`."""
        refiner, sampler = self.detector.refiner, self.sampler
        images = batch[Batch.IMAGES]
        batch_size = images.shape[0]
        if self.needs_originals:
            small, chosen = WindowSampler(self.detector, sampler).sample(batch)
        else:
            proposals = sampler.propose(batch)
            small = sampler.sample(
                batch,
                proposals.boxes,
                allowed=proposals.valid & (proposals.area_ratios < 1.0),
            )
            chosen = sampler.pool(small, proposals.features, images)
        inputs = {
            StageInputs.SMALL: small,
            StageInputs.SMALL_INPUTS: unflatten_images(
                refiner.collect_inputs(chosen), batch_size
            ),
        }
        if self.focus is not None:
            inputs |= self.focus_inputs(batch)
        if self.targets is None:
            return inputs
        if self.needs_half_images:
            pairs = self.sample_pairs(batch, proposals)
            halved = self.pool_halved(batch, pairs)
            full = sampler.pool(pairs, proposals.features, images)
            inputs[StageInputs.PAIR_INPUTS] = unflatten_images(
                refiner.collect_inputs(halved, image_scale=0.5), batch_size
            )
        else:
            pairs, halved, full = small, chosen, chosen
        targets = tf.stop_gradient(self.targets(halved, full))
        inputs[StageInputs.PAIR_WEIGHTS] = pairs.weights
        inputs[StageInputs.TARGETS] = unflatten_images(targets, batch_size)
        return inputs

    def focus_inputs(self, batch) -> dict[str, Any]:
        """Makes feature maps of frames for the focus head, and its targets."""
        batch = self.focus.show(batch)
        features = self.sampler.extract_frozen(batch[Batch.IMAGES])
        shape = tf.shape(features["sub"])[1:3]
        return {
            StageInputs.FOCUS_FEATURES: features,
            StageInputs.FOCUS_TARGETS: self.focus.targets(batch, shape),
        }

    def sample_pairs(
        self, batch, proposals: FrozenProposals
    ) -> SampledProposals:
        """Samples proposals of which F^0.5 and T^1.0 are made (section 4.2)."""
        options = self.pair_sampling
        ratios = proposals.area_ratios
        usable = (ratios >= options.minimum_area_ratio) & (
            ratios < options.maximum_area_ratio
        )
        return self.sampler.sample(
            batch,
            proposals.boxes,
            allowed=proposals.valid & usable,
            count=options.count,
            positive_fraction=0.5,
        )

    def pool_halved(self, batch, pairs: SampledProposals) -> ChosenProposals:
        """Pools F^0.5 of sampled pairs."""
        images = batch[Batch.HALF_IMAGES]
        features = self.sampler.extract_frozen(images)
        return self.sampler.pool(pairs, features, images, image_scale=0.5)

    def update(self, inputs):
        """Makes generator steps, then a discriminator step; see `Stage`."""
        for _ in range(self.generator_updates):
            (logs, refined), norm = self.minimizer.minimize(
                lambda: self.loss_of(inputs), self.trained_variables
            )
        logs[GRADIENT_NORM] = norm
        if self.adversarial is not None:
            targets, weights = _targets_of(inputs)
            logs |= self.adversarial.update(targets, refined, weights)
        if self.focus is not None:
            logs |= self.focus.update(
                inputs[StageInputs.FOCUS_FEATURES],
                inputs[StageInputs.FOCUS_TARGETS],
            )
        return logs

    def loss_of(self, inputs):
        """Weighs L_gen, L_cont, L_cls and L_loc.

        Returns:
            The sum; and what is logged, with the refined features of the
            pairs, S^0.5 by default.
        """
        small_inputs = flatten_images(inputs[StageInputs.SMALL_INPUTS])
        if StageInputs.PAIR_INPUTS in inputs:
            pair_inputs = flatten_images(inputs[StageInputs.PAIR_INPUTS])
            small, refined = self._refine_both(small_inputs, pair_inputs)
        else:
            pair_inputs = small_inputs
            small = refined = self.detector.refiner.refine(small_inputs)
        total, logs = self.predictor_loss(
            self.detector.small_predictor(small), inputs[StageInputs.SMALL]
        )
        if StageInputs.TARGETS in inputs:
            base, *_ = pair_inputs
            pair_total, pair_logs = self._pair_loss(inputs, base, refined)
            total += pair_total
            logs |= pair_logs
        total, logs = self.add_regularization(total, logs)
        return total, (logs, refined)

    def _refine_both(self, inputs, others) -> list[tf.Tensor]:
        """Refines two groups of proposals at once, which is faster."""
        both = tf.nest.map_structure(
            lambda *tensors: tf.concat(tensors, axis=0), inputs, others
        )
        counts = [len(inputs[0]), len(others[0])]
        return tf.split(self.detector.refiner.refine(both), counts)

    def _pair_loss(self, inputs, base, refined):
        """Weighs L_cont and L_gen on S^0.5 (equations 4 and 5)."""
        targets, weights = _targets_of(inputs)
        content = losses.weighted_mean(
            losses.content_loss(targets, refined), weights
        )
        total = self.content_weight * content
        logs = {
            "content": content,
            "target_mean": _masked_mean(targets, weights),
            "input_mean": _masked_mean(base, weights),
        }
        if self.adversarial is not None:
            weighted, loss = self.adversarial.generator_loss(refined, weights)
            total += weighted
            logs["generator"] = loss
        return total, logs


def _targets_of(inputs) -> tuple[tf.Tensor, tf.Tensor]:
    """Lists the targets of all images, and the weights of the pairs."""
    return flatten_images(
        (inputs[StageInputs.TARGETS], inputs[StageInputs.PAIR_WEIGHTS])
    )


def _masked_mean(features: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    """Averages features `[n, k, k, C]` over what has a weight `[n]`."""
    return losses.weighted_mean(
        tf.reduce_mean(features, axis=[1, 2, 3]), weights
    )
