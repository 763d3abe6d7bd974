"""From predictions of proposals to detections of images."""

import dataclasses
from typing import NamedTuple

import tensorflow as tf

from featsr_tf.geometry import boxes as box_ops
from featsr_tf.geometry import nms
from featsr_tf.model.predictor import Predictions
from featsr_tf.model.proposal_network import Proposals


class RawDetections(NamedTuple):
    """What the proposals have become, before duplicates are suppressed.

    Attributes:
        boxes: `[B, P, C, 4]`, or `[B, P, 1, 4]` shared by all classes, px of
            I^1.0.
        scores: `[B, P, C + 1]`, column 0 is background.
        valid: `[B, P]` bool, false for padding.
    """

    boxes: tf.Tensor
    scores: tf.Tensor
    valid: tf.Tensor

    def clip(self, image_sizes: tf.Tensor) -> "RawDetections":
        """Clips the boxes to images of sizes `[B, 2]`, px."""
        shape = tf.shape(self.boxes)
        boxes = tf.reshape(self.boxes, [shape[0], -1, 4])
        boxes = tf.reshape(box_ops.clip(boxes, image_sizes), shape)
        return self._replace(boxes=tf.ensure_shape(boxes, self.boxes.shape))


class DetectionBatch(NamedTuple):
    """Detected objects of each image, best first, padded with zeros.

    Attributes:
        boxes: `[B, K, 4]`, px of I^1.0.
        scores: `[B, K]` in 0..1.
        classes: `[B, K]` int32 ids of the label map, 0 for padding.
        count: `[B]` int32, how many of the K are detections.
        windows: `[B, W, 5]` float32, where a second look was taken: a box, px
            of I^1.0, and its magnification, 0 for padding; None without one.
    """

    boxes: tf.Tensor
    scores: tf.Tensor
    classes: tf.Tensor
    count: tf.Tensor
    windows: tf.Tensor | None = None


_SCORE_CONVERTERS = {
    "SOFTMAX": tf.nn.softmax,
    "SIGMOID": tf.sigmoid,
    "IDENTITY": tf.identity,
}


@dataclasses.dataclass(kw_only=True, eq=False)
class PostProcessing:
    """Decodes boxes, converts scores and suppresses duplicates.

    Attributes:
        maximum_total: K, detections per image.
        score_converter: SOFTMAX, SIGMOID or IDENTITY.
        logit_scale: divisor of the logits before that.
        suppression: one of `geometry/nms.py`.
        clips_last: whether boxes are suppressed before they are clipped.
    """

    score_threshold: float = 0.0
    iou_threshold: float = 0.6
    maximum_per_class: int = 100
    maximum_total: int = 100
    score_converter: str = "SOFTMAX"
    logit_scale: float = 1.0
    suppression: nms.Suppression = nms.suppress
    clips_last: bool = False

    def scores(self, class_logits: tf.Tensor) -> tf.Tensor:
        """Converts logits `[n, C + 1]` to scores of the same shape."""
        convert = _SCORE_CONVERTERS[self.score_converter]
        return convert(class_logits / self.logit_scale)

    def decode(
        self,
        predictions: Predictions,
        proposals: Proposals,
        image_sizes: tf.Tensor,
    ) -> RawDetections:
        """Decodes boxes and converts scores.

        Args:
            proposals: `[B, P, ...]`.
            image_sizes: `[B, 2]` valid height and width, px.

        Returns:
            Candidates, clipped to the image if not later.
        """
        batch, count = tf.unstack(tf.shape(proposals.scores))
        scores = self.scores(predictions.class_logits)
        boxes = box_ops.decode(
            predictions.box_deltas,
            tf.reshape(proposals.boxes, [batch * count, 1, 4]),
        )
        box_classes = predictions.box_deltas.shape[1]
        raw = RawDetections(
            tf.reshape(boxes, [batch, count, box_classes, 4]),
            tf.reshape(scores, [batch, count, scores.shape[-1]]),
            proposals.valid,
        )
        return raw if self.clips_last else raw.clip(image_sizes)

    def suppress(
        self, raw: RawDetections, image_sizes: tf.Tensor | None = None
    ) -> DetectionBatch:
        """Keeps the best of overlapping boxes of a class.

        Args:
            image_sizes: as in `decode`, where boxes are clipped here.
        """
        if self.clips_last:
            inside = box_ops.area(raw.clip(image_sizes).boxes) > 0.0
            scores = tf.where(inside, raw.scores[..., 1:], -1.0)
            raw = raw._replace(
                scores=tf.concat([raw.scores[..., :1], scores], axis=-1)
            )
        kept = self.suppression(
            raw.boxes,
            tf.where(raw.valid[..., None], raw.scores[..., 1:], -1.0),
            self.iou_threshold,
            self.score_threshold,
            self.maximum_per_class,
            self.maximum_total,
        )
        is_detection = tf.range(self.maximum_total)[None] < kept.count[:, None]
        boxes = kept.boxes
        if self.clips_last:
            boxes = box_ops.clip(boxes, image_sizes)
        return DetectionBatch(
            boxes,
            kept.scores,
            tf.where(is_detection, kept.classes + 1, 0),
            kept.count,
        )
