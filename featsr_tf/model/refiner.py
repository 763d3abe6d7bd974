"""The narrow interface behind which features of proposals are refined.

A `Refiner` is a layer that maps `ChosenProposals` to refined base features
`[n, k, k, C]`; the detector knows nothing else of it. The paper's one is
`GeneratorRefiner`, `zoom.py` holds one that looks at the image again.
"""

from typing import NamedTuple

import keras
import tensorflow as tf

from featsr_tf.model.backbone import Backbone
from featsr_tf.model.generator import Generator
from featsr_tf.model.roi_pooling import RoiPooling
from featsr_tf.model.speed.precision import Compiled


class ChosenProposals(NamedTuple):
    """The proposals to be refined, with all that a refiner may look at.

    Attributes:
        boxes: `[n, 4]`, px of I^1.0.
        image_indices: `[n]` int32, row of the batch of each box.
        base: `[n, k, k, C]` pooled base features, F.
        features: feature maps of the batch by layer, "base" and "sub".
        images: `[B, H, W, 3]` of the frame that `features` were made from.
    """

    boxes: tf.Tensor
    image_indices: tf.Tensor
    base: tf.Tensor
    features: dict[str, tf.Tensor]
    images: tf.Tensor


class Refiner(keras.layers.Layer):
    """Refines features in two parts: what is frozen, and what is learnt."""

    def __init__(self, **kwargs):
        # Boxes are among what it is called with.
        super().__init__(dtype="float32", **kwargs)

    def look(
        self, chosen: ChosenProposals, image_scale: float = 1.0
    ) -> tuple[tf.Tensor, ...]:
        """Collects what there is to see of proposals; nothing learns here.

        Args:
            chosen: n proposals.
            image_scale: px of `chosen.images` per px of I^1.0: 0.5 for
                F^0.5. Default 1.0.

        Returns:
            Tensors of n rows.
        """
        raise NotImplementedError

    def refine(self, seen: tuple[tf.Tensor, ...]) -> tf.Tensor:
        """Makes refined features.

        Args:
            seen: of `look`.

        Returns:
            `[n, k, k, C]` refined base features, S, float32.
        """
        raise NotImplementedError

    def for_inference(self, backbone: Backbone) -> "Refiner":
        """Makes the refiner of `Detector.for_inference`.

        Args:
            backbone: of that detector.
        """
        return self

    def call(self, chosen: ChosenProposals, image_scale: float = 1.0):
        """Looks and refines; see `look` for the arguments."""
        return self.refine(self.look(chosen, image_scale))


class NoRefiner(Refiner):
    """Leaves features as they are.

    What remains are two predictors, one for each size: the control of every
    other refiner.
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.built = True

    def look(self, chosen, image_scale=1.0):
        """Takes the pooled features; see `Refiner.look`."""
        return (chosen.base,)

    def refine(self, seen):
        """Returns them."""
        (base,) = seen
        return base


class GeneratorRefiner(Refiner):
    """Refines pooled features with the paper's generator (section 4.2).

    Args:
        generator: the generator.
        pool_sub: pooling of the sub layer.
        jit_compile: see `Compiled`. Default False.
    """

    def __init__(
        self,
        generator: Generator,
        pool_sub: RoiPooling,
        jit_compile: bool = False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.generator = generator
        self.pool_sub = pool_sub
        self._jit_compile = jit_compile
        self._generate = Compiled(generator, jit_compile)

    def look(self, chosen, image_scale=1.0):
        """Pools the sub layer, F_sub, beside F; see `Refiner.look`."""
        sub = self.pool_sub(
            chosen.features["sub"],
            chosen.boxes,
            chosen.image_indices,
            image_scale,
        )
        return chosen.base, sub

    def refine(self, seen):
        """Makes S of F and F_sub; see `Refiner.refine`."""
        return tf.cast(self._generate(*seen), tf.float32)

    def for_inference(self, backbone):
        """Takes the generator for inference; see `Refiner.for_inference`."""
        return GeneratorRefiner(
            self.generator.for_inference(), self.pool_sub, self._jit_compile
        )


class Gate:
    """Chooses the small proposals that are worth refining.

    Most small proposals are background, and the score of their plain features
    shows it.

    Args:
        score_threshold: lowest score of a proposal that is refined.
            Default 0.0.
        maximum: proposals per image that are refined, those of the best
            scores; 0 = no limit. Default 0.
    """

    def __init__(
        self,
        score_threshold: float = 0.0,
        maximum: int = 0,
    ):
        self.score_threshold = score_threshold
        self.maximum = maximum

    def __call__(
        self,
        scores: tf.Tensor,
        is_small: tf.Tensor,
        image_indices: tf.Tensor,
        batch_size: tf.Tensor,
    ) -> tf.Tensor:
        """Chooses.

        Args:
            scores: `[n, C + 1]`; column 0 is background.
            is_small: `[n]` bool, those that may be chosen.
            image_indices: `[n]` int32, row of the batch of each.
            batch_size: B, number of images.

        Returns:
            `[n]` bool.
        """
        best = tf.reduce_max(scores[:, 1:], axis=1)
        passed = is_small & (best >= self.score_threshold)
        if not self.maximum:
            return passed
        count = tf.size(best)
        is_of_image = image_indices == tf.range(batch_size)[:, None]
        _, chosen = tf.math.top_k(
            tf.where(is_of_image & passed, best, best.dtype.min),
            tf.minimum(self.maximum, count),
        )
        is_chosen = tf.reduce_any(
            tf.one_hot(chosen, count, True, False, dtype=tf.bool), axis=1
        )
        return passed & tf.reduce_any(is_chosen & is_of_image, axis=0)
