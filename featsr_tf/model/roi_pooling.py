"""Pooled features of proposals: F^1.0, F^0.5 and T^1.0 by the same rule."""

import tensorflow as tf

from featsr_tf.geometry.receptive_field import ReceptiveField
from featsr_tf.geometry.roi_align import Sampling
from featsr_tf.geometry.roi_align import roi_align
from featsr_tf.geometry.roi_align import sample_by_crops


class RoiPooling:
    """Samples one feature map at the true centres of its cells.

    Args:
        cells: stride and first centre of the feature map, px of the image
            that its extractor saw.
        crop_size: samples along each side of a proposal.
        maxpool_kernel_size: side of the max-pool on the samples; 1 = none.
        maxpool_stride: stride of that max-pool.
        sample: how features are sampled. Default `sample_by_crops`.
    """

    def __init__(
        self,
        cells: ReceptiveField,
        crop_size: int,
        maxpool_kernel_size: int = 1,
        maxpool_stride: int = 1,
        sample: Sampling = sample_by_crops,
    ):
        self.cells = cells
        self.crop_size = crop_size
        self.maxpool_kernel_size = maxpool_kernel_size
        self.maxpool_stride = maxpool_stride
        self.sample = sample

    @property
    def output_size(self) -> int:
        """Cells along each side of the pooled features, k."""
        rest = self.crop_size - self.maxpool_kernel_size
        return rest // self.maxpool_stride + 1

    def __call__(
        self,
        features: tf.Tensor,
        boxes: tf.Tensor,
        image_indices: tf.Tensor,
        image_scale: float = 1.0,
    ) -> tf.Tensor:
        """Pools the features of boxes.

        Args:
            features: `[B, h, w, C]`.
            boxes: `[n, 4]`, px of I^1.0.
            image_indices: `[n]` int32, row of `features` of each box.
            image_scale: px of the extractor's image per px of I^1.0: 1.0 for
                F^1.0 and T^1.0, 0.5 for F^0.5.

        Returns:
            `[n, k, k, C]`.
        """
        pooled = roi_align(
            features,
            boxes,
            image_indices,
            crop_size=self.crop_size,
            stride=self.cells.stride,
            first_center=self.cells.first_center,
            scale=image_scale,
            sample=self.sample,
        )
        if self.maxpool_kernel_size == 1:
            return pooled
        return tf.nn.max_pool2d(
            pooled, self.maxpool_kernel_size, self.maxpool_stride, "VALID"
        )
