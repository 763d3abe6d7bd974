"""Stage 2 of the training: generator and discriminator (section 4.3)."""

from dataclasses import dataclass

import keras
import tensorflow as tf

from featsr_tf.data.keys import Batch
from featsr_tf.model.detector import Detector
from featsr_tf.model.refiner import ChosenProposals
from featsr_tf.model.speed import XlaCall
from featsr_tf.training import losses
from featsr_tf.training.stage import DISCRIMINATOR_GRADIENT_NORM
from featsr_tf.training.stage import GRADIENT_NORM
from featsr_tf.training.stage import Part
from featsr_tf.training.stage import ProposalSampling
from featsr_tf.training.stage import Stage
from featsr_tf.training.stage import of_batch
from featsr_tf.training.stage import per_image
from featsr_tf.training.targets import TargetSource


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


class SuperResolutionStage(Stage):
    """Stage 2: generator and discriminator alternate (section 4.3).

    The generator minimises the weighted sum of L_gen, L_cont, L_cls and L_loc
    and the small predictor is trained along; the frozen extractor runs once
    per image and scale, and both players use the same features.

    Args:
        detector: see `Stage`.
        proposal_sampling: see `Stage`.
        pair_sampling: pairs for L_cont, L_gen and L_dis.
        targets: source of T^1.0; None trains by L_cls and L_loc alone.
        discriminator: None leaves L_gen and L_dis out.
        discriminator_optimizer: of the discriminator's variables.
        content_weight: weight of L_cont. Default 1.0.
        generator_weight: weight of L_gen. Default 0.01.
        generator_updates: generator steps per discriminator step. Default 1.
        adversarial_warmup_steps: first steps, in which L_gen has no weight.
            Default 0.
        jit_compile: whether XLA compiles the discriminator. Default False.
        **kwargs: see `Stage`.
    """

    def __init__(
        self,
        detector: Detector,
        proposal_sampling: ProposalSampling,
        pair_sampling: PairSampling,
        targets: TargetSource | None,
        discriminator: keras.layers.Layer | None = None,
        discriminator_optimizer: keras.optimizers.Optimizer | None = None,
        content_weight: float = 1.0,
        generator_weight: float = 0.01,
        generator_updates: int = 1,
        adversarial_warmup_steps: int = 0,
        jit_compile: bool = False,
        **kwargs,
    ):
        super().__init__(detector, proposal_sampling, **kwargs)
        self.pair_sampling = pair_sampling
        self.targets = targets
        self.discriminator = discriminator
        self.judge = XlaCall(discriminator, jit_compile)
        self.discriminator_optimizer = discriminator_optimizer
        self.content_weight = content_weight
        self.generator_weight = generator_weight
        self.generator_updates = generator_updates
        self.adversarial_warmup_steps = adversarial_warmup_steps

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

    def checkpointed(self):
        """Adds the discriminator and its optimizer."""
        objects = super().checkpointed()
        if self.discriminator is not None:
            objects["discriminator"] = self.discriminator
            objects["discriminator_optimizer"] = self.discriminator_optimizer
        return objects

    def look(self, batch):
        """Sees small proposals, pairs and targets; see `Stage.look`."""
        features = self.frozen_features(batch[Batch.IMAGES])
        proposals = self.detector.propose(features, batch[Batch.IMAGE_SIZES])
        candidates, valid = self.candidates(batch, proposals)
        ratios = self.area_over_threshold(batch, candidates)
        small = self.sample(batch, candidates, valid & (ratios < 1.0))
        chosen = self.chosen(small, features, batch[Batch.IMAGES])
        batch_size = batch[Batch.IMAGES].shape[0]
        inputs = self.detector.refiner.collect_inputs(chosen)
        seen = {
            Part.SMALL: small,
            Part.SMALL_INPUTS: per_image(inputs, batch_size),
        }
        if self.targets is None:
            return seen
        if self.needs_half_images:
            pairs = self.sample_pairs(batch, candidates, valid, ratios)
            halved = self.halved(batch, pairs)
            inputs = self.detector.refiner.collect_inputs(
                halved, image_scale=0.5
            )
            seen[Part.PAIR_INPUTS] = per_image(inputs, batch_size)
            full = self.chosen(pairs, features, batch[Batch.IMAGES])
        else:
            pairs, halved, full = small, chosen, chosen
        targets = tf.stop_gradient(self.targets(halved, full))
        seen[Part.PAIR_WEIGHTS] = pairs.weights
        seen[Part.TARGETS] = per_image(targets, batch_size)
        return seen

    def sample_pairs(self, batch, candidates, valid, ratios):
        """Samples proposals of which F^0.5 and T^1.0 are made (section 4.2)."""
        options = self.pair_sampling
        usable = (ratios >= options.minimum_area_ratio) & (
            ratios < options.maximum_area_ratio
        )
        return self.sample(
            batch, candidates, valid & usable, options.count, 0.5
        )

    def halved(self, batch, pairs) -> ChosenProposals:
        """Pools F^0.5 of sampled pairs."""
        images = batch[Batch.HALF_IMAGES]
        features = self.frozen_features(images)
        return self.chosen(pairs, features, images, image_scale=0.5)

    def learn(self, seen):
        """Makes generator steps, then a discriminator step."""
        for _ in range(self.generator_updates):
            (logs, refined), norm = self.minimize(
                lambda: self.generator_total(seen),
                self.trained_variables,
                self.optimizer,
            )
        logs[GRADIENT_NORM] = norm
        if self.discriminator is not None:
            discriminator_logs, norm = self.minimize(
                lambda: self.discriminator_total(seen, refined),
                self.discriminator.trainable_variables,
                self.discriminator_optimizer,
            )
            logs |= discriminator_logs
            logs[DISCRIMINATOR_GRADIENT_NORM] = norm
        return logs

    def generator_total(self, seen):
        """Weighs L_gen, L_cont, L_cls and L_loc.

        Returns:
            The sum; and what is logged, with the refined features of the
            pairs, S^0.5 by default.
        """
        inputs = of_batch(seen[Part.SMALL_INPUTS])
        if Part.PAIR_INPUTS in seen:
            pairs = of_batch(seen[Part.PAIR_INPUTS])
            small, refined = self.refine_both(inputs, pairs)
            inputs = pairs
        else:
            small = refined = self.detector.refiner.refine(inputs)
        total, logs = self.predictor_loss(
            self.detector.small_predictor(small), seen[Part.SMALL]
        )
        if Part.TARGETS in seen:
            base, *_ = inputs
            pair_total, pair_logs = self.pair_loss(seen, base, refined)
            total += pair_total
            logs |= pair_logs
        total, logs = self.total_loss(total, logs)
        return total, (logs, refined)

    def refine_both(self, inputs, others) -> list[tf.Tensor]:
        """Refines two groups of features at once, which is faster."""
        both = tf.nest.map_structure(
            lambda *parts: tf.concat(parts, axis=0), inputs, others
        )
        counts = [len(inputs[0]), len(others[0])]
        return tf.split(self.detector.refiner.refine(both), counts)

    def pair_loss(self, seen, base, refined):
        """Weighs L_cont and L_gen on S^0.5 (equations 4 and 5)."""
        targets, weights = of_batch(
            (seen[Part.TARGETS], seen[Part.PAIR_WEIGHTS])
        )
        content = losses.weighted_mean(
            losses.content_loss(targets, refined), weights
        )
        total = self.content_weight * content
        logs = {
            "content": content,
            "target_mean": masked_mean(targets, weights),
            "input_mean": masked_mean(base, weights),
        }
        if self.discriminator is not None:
            logits = self.judge(refined)
            logs["generator"] = losses.weighted_mean(
                losses.generator_loss(logits), weights
            )
            total += self.adversarial_weight() * logs["generator"]
        return total, logs

    def adversarial_weight(self) -> tf.Tensor:
        """Weighs L_gen; 0 until the discriminator has had its first steps."""
        # Saved with the optimizer, so that a continued run is no new start.
        steps = self.discriminator_optimizer.iterations
        is_warm = steps >= self.adversarial_warmup_steps
        return self.generator_weight * tf.cast(is_warm, tf.float32)

    def discriminator_total(self, seen, refined):
        """L_dis (equation 6), with the mean outputs for both inputs."""
        targets, weights = of_batch(
            (seen[Part.TARGETS], seen[Part.PAIR_WEIGHTS])
        )
        target_logits = self.judge(targets, training=True)
        generated_logits = self.judge(tf.stop_gradient(refined))
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


def masked_mean(features: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    """Averages features `[n, k, k, C]` over what has a weight `[n]`."""
    return losses.weighted_mean(
        tf.reduce_mean(features, axis=[1, 2, 3]), weights
    )
