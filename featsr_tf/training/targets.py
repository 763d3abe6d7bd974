"""Where the target features of the generator come from."""

from typing import Protocol

import keras
import tensorflow as tf

from featsr_tf.geometry.roi_align import RoiPooling
from featsr_tf.model.detector import Detector
from featsr_tf.model.refiner import ChosenProposals
from featsr_tf.model.speed import PolyphaseCall
from featsr_tf.model.zoom import ZoomRefiner


class TargetSource(Protocol):
    """Makes targets for the features that the generator gives.

    Attributes:
        of_half_images: True where the generator's inputs are proposals on
            I^0.5, as in the paper; False where they are the truly small
            proposals on I^1.0.
    """

    of_half_images: bool

    def __call__(
        self, inputs: ChosenProposals, full: ChosenProposals
    ) -> tf.Tensor:
        """Makes targets `[n, k, k, C]`.

        Args:
            full: the same proposals on I^1.0.
        """
        ...


class PlaceboTargets:
    """The generator's own input: a target that knows nothing more.

    What a generator gains by it, it owes to its parameters alone.
    """

    of_half_images = True

    def __call__(self, inputs, full):
        """Makes targets; see `TargetSource`."""
        return inputs.base


class NaiveTargets:
    """The base features of I^1.0 themselves, F^1.0 (Figure 1, case 1).

    Their relative receptive field does not match that of F^0.5.
    """

    of_half_images = True

    def __call__(self, inputs, full):
        """Makes targets; see `TargetSource`."""
        return full.base


class AtrousTargets:
    """Features of the super-resolution target extractor (section 4.1)."""

    of_half_images = True

    def __init__(
        self,
        detector: Detector,
        target_extractor: keras.Model | PolyphaseCall,
        pool_target: RoiPooling,
    ):
        self.detector = detector
        self.target_extractor = target_extractor
        self.pool_target = pool_target

    def __call__(self, inputs, full):
        """Makes targets; see `TargetSource`."""
        images = self.detector.backbone.preprocess(full.images)
        features = self.target_extractor(images, training=False)
        return self.pool_target(
            features["base"], full.boxes, full.image_indices
        )


class MagnifiedTargets:
    """The plain features of the same proposals on the enlarged image.

    Extractor and weights are the detector's own, the grid of cells is twice
    as dense on the object. Nothing is to be matched at half scale: the
    generator learns on the truly small proposals of I^1.0. Only windows
    around these are enlarged; a window as large as the image makes targets of
    the whole.
    """

    of_half_images = False

    def __init__(self, zoom: ZoomRefiner):
        self.zoom = zoom

    def __call__(self, inputs, full):
        """Makes targets; see `TargetSource`."""
        return self.zoom(full)
