"""Slicing aided hyper inference around a base detector (Akyon et al. 2022).

The package `sahi` itself, by its own interface: slices and the whole frame,
its default overlap and merging, slices of one size in one batch.
"""

import numpy as np
from sahi.models.base import DetectionModel
from sahi.predict import get_sliced_prediction
from sahi.prediction import ObjectPrediction

from featsr_tf.metrics.detections import Detections
from featsr_tf.prediction.tiling import ImageFunction
from research.alternatives.ways import Way

# Slices that go through the detector together.
_BATCH_SIZE = 8


class SlicedDetector(DetectionModel):
    """A detector of ours as SAHI calls one."""

    def set_model(self, model: ImageFunction, **kwargs) -> None:
        """Takes a function from images `[B, H, W, 3]` to their detections."""
        self.model = model

    def perform_inference(self, image: np.ndarray) -> None:
        """Detects in one image."""
        self._original_predictions = self.model(image[None])

    def perform_batch_inference(self, images: list[np.ndarray]) -> None:
        """Detects in images of one size, or one by one."""
        if len({image.shape for image in images}) == 1:
            self._original_predictions = self.model(np.stack(images))
        else:
            self._original_predictions = [
                self.model(image[None])[0] for image in images
            ]

    def _create_object_prediction_list_from_original_predictions(
        self, shift_amount_list=None, full_shape_list=None
    ) -> None:
        shifts = _per_image(shift_amount_list or [0, 0])
        shapes = _per_image(full_shape_list)
        self._object_prediction_list_per_image = [
            [
                ObjectPrediction(
                    bbox=box[[1, 0, 3, 2]].tolist(),
                    category_id=int(class_id),
                    category_name=str(class_id),
                    score=float(score),
                    shift_amount=shifts[index],
                    full_shape=shapes[index] if shapes else None,
                )
                for box, score, class_id in zip(
                    found.boxes, found.scores, found.classes, strict=True
                )
                if score >= self.confidence_threshold and _has_area(box)
            ]
            for index, found in enumerate(self._original_predictions)
        ]


def _per_image(values) -> list:
    return values if not values or isinstance(values[0], list) else [values]


def _has_area(box: np.ndarray) -> bool:
    """SAHI refuses boxes without any."""
    return bool(np.all(np.floor(box[2:]) > np.floor(box[:2])))


def sahi_way(function: ImageFunction, side: int) -> Way:
    """Makes a way to look of slices of `side` px and the whole frame."""
    model = SlicedDetector(
        model=function, device="cpu", confidence_threshold=0.01
    )

    def way(frame: np.ndarray) -> Detections:
        found = get_sliced_prediction(
            frame,
            model,
            slice_height=side,
            slice_width=side,
            batch_size=_BATCH_SIZE,
            verbose=0,
        ).object_prediction_list
        boxes = np.array([item.bbox.to_xyxy() for item in found])
        return Detections(
            image_id=0,
            boxes=boxes.reshape(-1, 4)[:, [1, 0, 3, 2]],
            scores=np.array([item.score.value for item in found]),
            classes=np.array([item.category.id for item in found], np.int32),
        )

    return way
