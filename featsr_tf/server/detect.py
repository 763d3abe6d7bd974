"""Detections in a photo: base and super-resolved, in pixels and with names."""

import functools
import io
import time
from collections.abc import Sequence

from python_multipart import parse_form
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from featsr_tf.drawing.boxes import CLASS_COLORS
from featsr_tf.errors import DataError
from featsr_tf.exporting.exported_model import detections_in_pixels
from featsr_tf.exporting.names import BASE
from featsr_tf.exporting.names import DETECTORS
from featsr_tf.exporting.names import WINDOWS
from featsr_tf.metrics.detections import Detections
from featsr_tf.metrics.detections import area_ranges
from featsr_tf.server.service import DetectionService
from featsr_tf.server.uploads import read_photo


class DetectApi:
    """The routes `/detect` and `/model`."""

    def __init__(self, service: DetectionService):
        self._service = service
        self._model = service.model
        self._name = {"name": self._model.name, "version": self._model.version}
        # An export without a `base` signature is a base detector itself.
        names = DETECTORS if self._model.has_base else [BASE]
        self._signatures = {
            name: self._model.signature_of(name == BASE) for name in names
        }

    def routes(self) -> list[Route]:
        """Returns the routes."""
        return [
            Route("/detect", self.detect, methods=["POST"]),
            Route("/model", self.model, methods=["GET"]),
        ]

    async def detect(self, request: Request) -> JSONResponse:
        """Detects objects in the photo of the body."""
        work = functools.partial(
            self._detect,
            content_type=request.headers.get("content-type", ""),
            min_score=_min_score(request.query_params.get("min_score", "0")),
        )
        return JSONResponse(await self._service.answer(request, work))

    async def model(self, request: Request) -> JSONResponse:
        """Describes the model, for the page."""
        classes = [
            {
                "id": number,
                "name": name,
                "color": CLASS_COLORS[(number - 1) % len(CLASS_COLORS)],
            }
            for number, name in sorted(self._model.class_names.items())
        ]
        return JSONResponse(
            {
                **self._name,
                "detectors": list(self._signatures),
                "looks_again": self._model.looks_again,
                "classes": classes,
                "min_score": self._model.min_score,
                "small_area": area_ranges()[0].maximum,
                "max_body_mb": self._service.options.max_body_mb,
                "max_image_pixels": self._service.options.max_image_pixels,
            }
        )

    def _detect(self, body: bytes, content_type: str, min_score: float) -> dict:
        start = time.perf_counter()
        if content_type.startswith("multipart/form-data"):
            body = _file_of_form(body, content_type)
        if not body:
            raise DataError(
                "no photo; expected an image file as the body, or as a part of "
                "a multipart form"
            )
        image = read_photo(body, self._service.options.max_image_pixels)
        seconds = {"decoding": round(time.perf_counter() - start, 4)}
        detections, windows = {}, {}
        height, width = image.shape[:2]
        for name, signature in self._signatures.items():
            outputs, taken = self._service.detect(signature, image[None])
            seconds[name] = round(taken, 4)
            (found,) = detections_in_pixels(outputs, height, width)
            detections[name] = self._to_json(found, min_score)
            if WINDOWS in outputs:
                windows[name] = [
                    {"bbox": _bbox(box), "magnification": times}
                    for *box, times in found.windows.tolist()
                ]
        answer = {
            "model": self._name,
            "image": {"width": width, "height": height},
            "detections": detections,
            "seconds": seconds,
        }
        return {**answer, "windows": windows} if windows else answer

    def _to_json(self, found: Detections, min_score: float) -> list[dict]:
        """Detections of one image as COCO writes them, with names."""
        names = self._model.class_names
        return [
            {
                "category_id": item["category_id"],
                "category_name": names.get(
                    item["category_id"], f"class {item['category_id']}"
                ),
                "bbox": [round(side, 2) for side in item["bbox"]],
                "area": round(item["area"], 2),
                "score": round(item["score"], 4),
            }
            for item in found.above(min_score).to_coco()
        ]


def _bbox(box: Sequence[float]) -> list[float]:
    """A box as COCO has it, x, y, width, height."""
    ymin, xmin, ymax, xmax = box
    return [round(side, 2) for side in (xmin, ymin, xmax - xmin, ymax - ymin)]


def _min_score(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise DataError(f"min_score: expected 0 to 1, found {text!r}")
    return value


def _file_of_form(body: bytes, content_type: str) -> bytes:
    """The last file of a form; empty where there is none."""
    files: list = []
    headers = {"Content-Type": content_type.encode("latin-1")}
    try:
        parse_form(headers, io.BytesIO(body), None, files.append)
    except ValueError as error:
        raise DataError(f"the form is damaged: {error}") from None
    if not files:
        return b""
    with files[-1].file_object as file:
        file.seek(0)
        return file.read()
