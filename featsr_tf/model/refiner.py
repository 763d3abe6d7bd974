"""The narrow interface behind which features of proposals are refined.

A `Refiner` is a layer that maps `ChosenProposals` to refined base features
`[n, k, k, C]`, and says by itself how it is built, what it starts from and
whether it must be trained; the detector knows nothing else of it. The paper's
one is `GeneratorRefiner`; `zoom.py` holds one that looks at the image again.
"""

from typing import NamedTuple

import keras
import tensorflow as tf

from featsr_tf.geometry.roi_align import RoiPooling
from featsr_tf.model import speed
from featsr_tf.model.backbone import Backbone
from featsr_tf.model.generator import Generator
from featsr_tf.model.row_ops import gather_rows
from featsr_tf.model.tail_generator import TailGenerator


class ChosenProposals(NamedTuple):
    """The proposals to be refined, with all that a refiner may look at.

    Attributes:
        boxes: `[n, 4]`, px of I^1.0.
        image_indices: `[n]` int32, row of the batch of each box.
        base: `[n, k, k, C]` pooled base features, F.
        features: feature maps of the batch by layer, "base" and "sub".
        images: `[B, H, W, 3]` that `features` were made from.
    """

    boxes: tf.Tensor
    image_indices: tf.Tensor
    base: tf.Tensor
    features: dict[str, tf.Tensor]
    images: tf.Tensor

    def take(self, rows: tf.Tensor) -> "ChosenProposals":
        """Takes the proposals of rows `[m]`, from `rows_where`."""
        boxes, image_indices, base = gather_rows(
            rows, self.boxes, self.image_indices, self.base
        )
        return self._replace(
            boxes=boxes, image_indices=image_indices, base=base
        )


class Refiner(keras.layers.Layer):
    """Refines features in two parts: what is frozen, and what is learnt.

    Attributes:
        needs_training: whether it is of no use before stage 2.
    """

    needs_training = True

    def __init__(self, **kwargs):
        # Boxes are among what it is called with.
        super().__init__(dtype="float32", **kwargs)
        # Not Keras' `build`: that one would prefix the names of variables.
        self.built = True

    def build_variables(self, base_shape: tuple, sub_shape: tuple) -> None:
        """Makes the variables, of which there are none by default.

        Args:
            base_shape: of pooled base features, `(None, k, k, C)`.
            sub_shape: of pooled sub features, `(None, k, k, C_sub)`.
        """

    def start_from(self, extractor: keras.Model) -> None:
        """Takes over what stage 2 starts from: nothing by default.

        Args:
            extractor: as stage 1 has left it.
        """

    def collect_inputs(
        self, chosen: ChosenProposals, image_scale: float = 1.0
    ) -> tuple[tf.Tensor, ...]:
        """Collects what `refine` needs of proposals; nothing learns here.

        Args:
            image_scale: px of `chosen.images` per px of I^1.0: 0.5 for F^0.5.
        """
        raise NotImplementedError

    def refine(self, inputs: tuple[tf.Tensor, ...]) -> tf.Tensor:
        """Makes refined features of what `collect_inputs` gave.

        Returns:
            `[n, k, k, C]` refined base features, S, float32.
        """
        raise NotImplementedError

    def for_inference(self, backbone: Backbone) -> "Refiner":
        """Makes the refiner of `Detector.for_inference`, with its backbone."""
        return self

    def call(self, chosen: ChosenProposals, image_scale: float = 1.0):
        """Refines proposals; see `collect_inputs` for the arguments."""
        return self.refine(self.collect_inputs(chosen, image_scale))


class NoRefiner(Refiner):
    """Leaves features as they are.

    What remains are two predictors, one for each size: the control of every
    other refiner.
    """

    def collect_inputs(self, chosen, image_scale=1.0):
        """Takes the pooled features; see `Refiner.collect_inputs`."""
        return (chosen.base,)

    def refine(self, inputs):
        """Returns them."""
        (base,) = inputs
        return base


class GeneratorRefiner(Refiner):
    """Refines pooled features with the paper's generator (section 4.2)."""

    def __init__(
        self,
        generator: Generator | TailGenerator,
        pool_sub: RoiPooling,
        jit_compile: bool = False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.generator = generator
        self.pool_sub = pool_sub
        self._jit_compile = jit_compile
        self._generate = speed.XlaCall(generator, jit_compile)

    def build_variables(self, base_shape, sub_shape):
        """Builds the generator; see `Refiner.build_variables`."""
        self.generator.build(base_shape, sub_shape)

    def start_from(self, extractor):
        """Lets the generator start; see `Refiner.start_from`."""
        self.generator.start_from(extractor)

    def collect_inputs(self, chosen, image_scale=1.0):
        """Pools F_sub beside F; see `Refiner.collect_inputs`."""
        sub = self.pool_sub(
            chosen.features["sub"],
            chosen.boxes,
            chosen.image_indices,
            image_scale,
            tf.shape(chosen.images)[1:3],
        )
        return chosen.base, sub

    def refine(self, inputs):
        """Makes S of F and F_sub; see `Refiner.refine`."""
        return tf.cast(self._generate(*inputs), tf.float32)

    def for_inference(self, backbone):
        """Takes the generator for inference; see `Refiner.for_inference`."""
        return GeneratorRefiner(
            generator=self.generator.for_inference(),
            pool_sub=self.pool_sub,
            jit_compile=self._jit_compile,
        )


class Gate:
    """Chooses the small proposals that are worth refining.

    Most small proposals are background, and the score of their plain features
    shows it.

    Args:
        maximum: proposals per image that are refined, those of the best
            scores; 0 = no limit.
    """

    def __init__(self, score_threshold: float = 0.0, maximum: int = 0):
        self.score_threshold = score_threshold
        self.maximum = maximum

    def __call__(
        self,
        scores: tf.Tensor,
        is_small: tf.Tensor,
        image_indices: tf.Tensor,
        batch_size: tf.Tensor,
    ) -> tf.Tensor:
        """Chooses proposals, `[n]` bool.

        Args:
            scores: `[n, C + 1]`; column 0 is background.
            is_small: `[n]` bool, those that may be chosen.
            image_indices: `[n]` int32, row of the batch of each.
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
