"""Detections in a photo: base and super-resolved, in pixels and with names."""

import asyncio
import time

import numpy as np
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from featsr_tf.drawing.boxes import CLASS_COLORS
from featsr_tf.errors import DataError
from featsr_tf.exporting.names import BASE_SIGNATURE
from featsr_tf.exporting.names import BOXES
from featsr_tf.exporting.names import CLASSES
from featsr_tf.exporting.names import COUNT
from featsr_tf.exporting.names import IMAGE_SIGNATURE
from featsr_tf.exporting.names import SCORES
from featsr_tf.metrics.detections import area_ranges
from featsr_tf.server.batching import DetectionService
from featsr_tf.server.batching import Outputs
from featsr_tf.server.uploads import read_photo

BASE = "base"
SUPER_RESOLVED = "super_resolved"


class DetectApi:
    """The routes `/detect` and `/model`.

    Args:
        service: answers the requests.
        has_example: whether there is a photo to try it with.
    """

    def __init__(self, service: DetectionService, has_example: bool):
        self._service = service
        self._model = service.model
        self._has_example = has_example
        # An export without a `base` signature is a base detector itself.
        self._signatures = {BASE: IMAGE_SIGNATURE}
        if self._model.has_base:
            self._signatures = {
                BASE: BASE_SIGNATURE,
                SUPER_RESOLVED: IMAGE_SIGNATURE,
            }

    def routes(self) -> list[Route]:
        """Returns the routes."""
        return [
            Route("/detect", self.detect, methods=["POST"]),
            Route("/model", self.model, methods=["GET"]),
        ]

    async def detect(self, request: Request) -> JSONResponse:
        """Detects objects in the photo of the body."""
        min_score = _min_score(request.query_params.get("min_score", "0"))
        content = await _read_photo_file(request)
        start = time.perf_counter()
        image = await self._service.in_thread(
            read_photo, content, self._service.options.max_image_pixels
        )
        seconds = {"decoding": round(time.perf_counter() - start, 4)}
        results = await asyncio.gather(
            *(
                self._service.run(signature, image[None])
                for signature in self._signatures.values()
            )
        )
        height, width = image.shape[:2]
        detections = {}
        for name, result in zip(self._signatures, results, strict=True):
            seconds[name] = round(result.seconds, 4)
            detections[name] = self._to_json(result.outputs, image, min_score)
        return JSONResponse(
            {
                "model": self._name(),
                "image": {"width": width, "height": height},
                "detections": detections,
                "seconds": seconds,
            }
        )

    async def model(self, request: Request) -> JSONResponse:
        """Describes the model, for the page."""
        options = self._service.options
        return JSONResponse(
            {
                **self._name(),
                "detectors": list(self._signatures),
                "classes": [
                    {
                        "id": number,
                        "name": name,
                        "color": CLASS_COLORS[(number - 1) % len(CLASS_COLORS)],
                    }
                    for number, name in sorted(self._model.class_names.items())
                ],
                "min_score": self._model.min_score,
                "small_area": area_ranges()[0].maximum,
                "max_body_mb": options.max_body_mb,
                "max_image_pixels": options.max_image_pixels,
                "has_example": self._has_example,
            }
        )

    def _name(self) -> dict:
        return {"name": self._model.name, "version": self._model.version}

    def _to_json(
        self, outputs: Outputs, image: np.ndarray, min_score: float
    ) -> list[dict]:
        """Detections of one image as COCO writes them."""
        height, width = image.shape[:2]
        count = int(outputs[COUNT][0])
        scores = outputs[SCORES][0][:count].tolist()
        sides = np.array([height, width, height, width])
        boxes = (outputs[BOXES][0][:count] * sides).tolist()
        classes = outputs[CLASSES][0][:count].astype(int).tolist()
        return [
            {
                "category_id": category,
                "category_name": self._model.class_names.get(
                    category, f"class {category}"
                ),
                "bbox": [
                    round(value, 2)
                    for value in (xmin, ymin, xmax - xmin, ymax - ymin)
                ],
                "area": round((xmax - xmin) * (ymax - ymin), 2),
                "score": round(score, 4),
            }
            for (ymin, xmin, ymax, xmax), score, category in zip(
                boxes, scores, classes, strict=True
            )
            if score >= min_score
        ]


def _min_score(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise DataError(f"min_score: expected 0 to 1, found {text!r}")
    return value


async def _read_photo_file(request: Request) -> bytes:
    kind = request.headers.get("content-type", "")
    if not kind.startswith("multipart/form-data"):
        content = await request.body()
    else:
        content = b""
        async with request.form(max_files=1, max_fields=8) as form:
            for part in form.values():
                if isinstance(part, UploadFile):
                    content = await part.read()
    if not content:
        raise DataError(
            "no photo; expected an image file as the body, or as a part of a "
            "multipart form"
        )
    return content
