"""The region proposal network of Faster R-CNN."""

import dataclasses
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from featsr_tf.geometry import boxes as box_ops
from featsr_tf.geometry import nms
from featsr_tf.geometry.boxes import anchor_grid
from featsr_tf.geometry.receptive_field import ReceptiveField
from featsr_tf.model import speed


class Proposals(NamedTuple):
    """Regions that may hold an object, best first.

    Attributes:
        boxes: `[B, P, 4]`, px of I^1.0, zero padded.
        scores: `[B, P]` objectness in 0..1.
        valid: `[B, P]` bool, false for padding.
    """

    boxes: tf.Tensor
    scores: tf.Tensor
    valid: tf.Tensor

    def above(self, threshold: float) -> "Proposals":
        """Makes padding of proposals whose objectness is below a threshold."""
        return self._replace(valid=self.valid & (self.scores >= threshold))


@keras.saving.register_keras_serializable("featsr_tf")
class ProposalNetwork(keras.layers.Layer):
    """Scores and refines the anchors of every feature cell.

    Args:
        kernel_initializer: of all three convolutions; None = He for the
            shared one and small normal values for the others.

    Example:
        >>> logits, deltas = ProposalNetwork(9)(tf.zeros([1, 8, 8, 256]))
        >>> logits.shape, deltas.shape
        (TensorShape([1, 576]), TensorShape([1, 576, 4]))
    """

    def __init__(
        self,
        anchors_per_cell: int,
        depth: int = 512,
        kernel_size: int = 3,
        *,
        activation: str = "relu",
        kernel_initializer=None,
        kernel_regularizer=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.anchors_per_cell = anchors_per_cell
        self.depth = depth
        self.kernel_size = kernel_size
        self.activation = activation
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        small = keras.initializers.RandomNormal(stddev=0.01)
        self.convolution = self._convolution(
            depth,
            kernel_size,
            "he_normal",
            padding="same",
            activation=activation,
            name="convolution",
        )
        self.objectness = self._convolution(
            anchors_per_cell, 1, small, dtype="float32", name="objectness"
        )
        self.deltas = self._convolution(
            4 * anchors_per_cell, 1, small, dtype="float32", name="deltas"
        )

    def _convolution(self, filters, kernel_size, initializer, **options):
        if self.kernel_initializer is not None:
            # One initializer gives every layer the same values.
            initializer = self.kernel_initializer.clone()
        return speed.BiasedConv2D(
            filters,
            kernel_size,
            kernel_initializer=initializer,
            kernel_regularizer=self.kernel_regularizer,
            **options,
        )

    def build(self, input_shape):
        """Makes the variables."""
        self.convolution.build(input_shape)
        hidden_shape = (*input_shape[:-1], self.depth)
        self.objectness.build(hidden_shape)
        self.deltas.build(hidden_shape)

    def call(self, features):
        """Scores the anchors.

        Args:
            features: `[B, h, w, C]` base features.

        Returns:
            objectness logits `[B, h * w * A]` and deltas `[B, h * w * A, 4]`.
        """
        hidden = self.convolution(features)
        logits = self.objectness(hidden)
        deltas = self.deltas(hidden)
        batch = tf.shape(features)[0]
        anchors = tf.shape(features)[1] * tf.shape(features)[2]
        anchors = anchors * self.anchors_per_cell
        if None not in features.shape[1:3]:
            height, width = features.shape[1:3]
            anchors = height * width * self.anchors_per_cell
        return (
            tf.reshape(logits, [batch, anchors]),
            tf.reshape(deltas, [batch, anchors, 4]),
        )

    def compute_output_shape(self, input_shape):
        """Infers the shape of the output."""
        batch, height, width, _ = input_shape
        anchors = None
        if height is not None and width is not None:
            anchors = height * width * self.anchors_per_cell
        return (batch, anchors), (batch, anchors, 4)

    def get_config(self):
        """Gives the constructor's arguments, for saving."""
        return {
            **super().get_config(),
            "anchors_per_cell": self.anchors_per_cell,
            "depth": self.depth,
            "kernel_size": self.kernel_size,
            "activation": self.activation,
            "kernel_initializer": keras.initializers.serialize(
                self.kernel_initializer
            ),
            "kernel_regularizer": keras.regularizers.serialize(
                self.kernel_regularizer
            ),
        }


@dataclasses.dataclass(kw_only=True, eq=False)
class ProposalSettings:
    """How proposals are made of the anchors.

    Attributes:
        cell_anchors: `[A, 4]`, px, around the origin. An array: a constant of
            every graph, where a tensor would be one more input.
        maximum: P, proposals per image.
        score_threshold: objectness below which no proposal is made.
        candidates: number of the best anchors that are decoded; None = all.
        anchors_at_corners: whether the anchors of cell (i, j) stand at (i, j)
            times the stride, as in the TF Object Detection API, rather than
            at the cell's true centre.
        clips_last: whether boxes are suppressed before they are clipped.
        suppress: one of `geometry/nms.py`.
    """

    cell_anchors: np.ndarray
    maximum: int = 300
    iou_threshold: float = 0.7
    score_threshold: float = 0.0
    clip_anchors: bool = False
    candidates: int | None = 2000
    anchors_at_corners: bool = False
    clips_last: bool = False
    suppress: nms.Suppression = nms.suppress


def place_anchors(
    features: tf.Tensor,
    cells: ReceptiveField,
    settings: ProposalSettings,
    image_size: tf.Tensor | None = None,
) -> tf.Tensor:
    """Places the anchors `[N, 4]`, px, on the cells of a feature map.

    Args:
        features: `[B, h, w, C]` base features.
        cells: stride and first centre of the map, px of its image.
        image_size: `[2]` int32, sides of that image with its padding, px, to
            which anchors are clipped. Default None: multiples of the stride.
    """
    height = features.shape[1] or tf.shape(features)[1]
    width = features.shape[2] or tf.shape(features)[2]
    anchors = anchor_grid(
        settings.cell_anchors,
        height,
        width,
        stride=cells.stride,
        first_center=-0.5
        if settings.anchors_at_corners
        else cells.first_center,
    )
    if settings.clip_anchors:
        if image_size is None:
            image_size = tf.stack([height, width]) * cells.stride
        sides = tf.cast(image_size, tf.float32)
        anchors = box_ops.clip(anchors[None], sides[None])[0]
    return anchors


def choose_proposals(
    logits: tf.Tensor,
    deltas: tf.Tensor,
    anchors: tf.Tensor,
    image_sizes: tf.Tensor,
    settings: ProposalSettings,
) -> Proposals:
    """Turns the network's outputs into proposals, without gradient.

    Args:
        logits: `[B, N]` objectness.
        deltas: `[B, N, 4]`.
        anchors: `[N, 4]`, px.
        image_sizes: `[B, 2]` valid height and width, px.
    """
    candidates = tf.shape(logits)[1]
    if settings.candidates is not None:
        candidates = tf.minimum(settings.candidates, candidates)
    best = tf.math.top_k(tf.stop_gradient(logits), candidates)
    best_deltas = tf.gather(
        tf.stop_gradient(deltas), best.indices, batch_dims=1
    )
    boxes = box_ops.decode(best_deltas, tf.gather(anchors, best.indices))
    scores = tf.sigmoid(best.values)
    if not settings.clips_last:
        boxes = box_ops.clip(boxes, image_sizes)
        # A box without area would be pooled from one point: no proposal.
        scores = tf.where(box_ops.area(boxes) >= 1.0, scores, -1.0)
    kept = settings.suppress(
        boxes[:, :, None, :],
        scores[:, :, None],
        settings.iou_threshold,
        settings.score_threshold,
        settings.maximum,
        settings.maximum,
    )
    valid = tf.range(settings.maximum)[None, :] < kept.count[:, None]
    if not settings.clips_last:
        return Proposals(kept.boxes, kept.scores, valid)
    boxes = box_ops.clip(kept.boxes, image_sizes)
    return Proposals(boxes, kept.scores, valid & (box_ops.area(boxes) > 0.0))
