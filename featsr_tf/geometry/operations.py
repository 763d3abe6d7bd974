"""Two ways to compute the same geometry."""

from typing import NamedTuple

from featsr_tf.geometry.nms import Suppression
from featsr_tf.geometry.nms import suppress
from featsr_tf.geometry.nms import suppress_by_class
from featsr_tf.geometry.roi_align import Sampling
from featsr_tf.geometry.roi_align import sample_by_crops
from featsr_tf.geometry.roi_align import sample_by_gathering


class Operations(NamedTuple):
    """What TensorFlow has kernels for that other runtimes lack.

    Attributes:
        suppress: non-maximum suppression of proposals and of detections.
            Default `suppress`.
        sample: sampling of features. Default `sample_by_crops`.
        can_branch: whether a graph may leave out a part of the network while
            it runs; converters lose the shapes within. Default True.
    """

    suppress: Suppression = suppress
    sample: Sampling = sample_by_crops
    can_branch: bool = True


TENSORFLOW = Operations()
PORTABLE = Operations(suppress_by_class, sample_by_gathering, False)
