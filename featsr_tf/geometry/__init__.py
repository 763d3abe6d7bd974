"""Boxes, anchors, suppression, pooling and receptive fields: pure functions.

What TensorFlow has kernels for that other runtimes lack can be computed in two
ways; `Operations` says in which.
"""

from typing import NamedTuple

from featsr_tf.geometry.nms import Suppression
from featsr_tf.geometry.nms import suppress
from featsr_tf.geometry.nms import suppress_by_class
from featsr_tf.geometry.roi_align import Sampling
from featsr_tf.geometry.roi_align import sample_by_crops
from featsr_tf.geometry.roi_align import sample_by_gathering


class Operations(NamedTuple):
    """How geometry is computed.

    Attributes:
        suppress: non-maximum suppression of proposals and of detections.
        can_branch: whether a graph may leave out a part of the network while
            it runs; converters lose the shapes within.
    """

    suppress: Suppression = suppress
    sample: Sampling = sample_by_crops
    can_branch: bool = True


TENSORFLOW = Operations()
PORTABLE = Operations(
    suppress=suppress_by_class, sample=sample_by_gathering, can_branch=False
)
