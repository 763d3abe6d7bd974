"""Where the high-resolution targets T^1.0 of the generator come from.

A target source is any callable with the signature of `NaiveTargets.__call__`.
"""

import keras
import tensorflow as tf

from featsr_tf.model.detector import Detector
from featsr_tf.model.rois import RoiPooling


class NaiveTargets:
    """The base features of I^1.0 themselves, F^1.0 (Figure 1, case 1).

    Their relative receptive field does not match that of F^0.5.

    Args:
        detector: the detector whose pooling is used.
    """

    def __init__(self, detector: Detector):
        self.pool_base = detector.pool_base

    def __call__(
        self,
        images: tf.Tensor,
        features: dict[str, tf.Tensor],
        boxes: tf.Tensor,
        image_indices: tf.Tensor,
    ) -> tf.Tensor:
        """Makes targets.

        Args:
            images: `[B, H, W, 3]` preprocessed I^1.0.
            features: feature maps of the plain extractor on I^1.0.
            boxes: `[n, 4]`, px of I^1.0.
            image_indices: `[n]` int32.

        Returns:
            `[n, k, k, C]` targets.
        """
        return self.pool_base(features["base"], boxes, image_indices)


class AtrousTargets:
    """Features of the super-resolution target extractor (section 4.1).

    Args:
        target_extractor: the atrous twin of the extractor.
        pool_target: pooling at the twin's own cell centres.
    """

    def __init__(self, target_extractor: keras.Model, pool_target: RoiPooling):
        self.target_extractor = target_extractor
        self.pool_target = pool_target

    def __call__(
        self,
        images: tf.Tensor,
        features: dict[str, tf.Tensor],
        boxes: tf.Tensor,
        image_indices: tf.Tensor,
    ) -> tf.Tensor:
        """Makes targets; see `NaiveTargets.__call__`."""
        target_features = self.target_extractor(images, training=False)
        return self.pool_target(target_features["base"], boxes, image_indices)
