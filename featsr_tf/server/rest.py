"""The REST API of TensorFlow Serving."""

import base64
import itertools
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
from google.protobuf import json_format
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.responses import Response
from starlette.routing import Route

from featsr_tf.errors import DataError
from featsr_tf.exporting.exported_model import InputSpec
from featsr_tf.exporting.names import SERVING_DEFAULT
from featsr_tf.server.service import DetectionService

_LONGEST_QUOTE = 60


class RestApi:
    """The routes below `/v1`."""

    def __init__(self, service: DetectionService):
        self._service = service
        self._model = service.model
        self._version = str(service.model.version)

    def routes(self) -> list[Route]:
        """Returns the routes."""
        name = "/v1/models/{name}"
        routes = []
        for model in (name, name + "/versions/{version}"):
            routes += [
                Route(model + ":{verb}", self.predict, methods=["POST"]),
                Route(model, self.status, methods=["GET"]),
                Route(f"{model}/metadata", self.metadata, methods=["GET"]),
            ]
        rest = Route("/v1/{path:path}", _refuse, methods=["GET", "POST"])
        return [*routes, rest]

    async def predict(self, request: Request) -> Response:
        """Runs a signature on the instances or inputs of the body."""
        self._check_model(request)
        verb = request.path_params["verb"]
        if verb != "predict":
            raise DataError(
                f"the signatures of this model are for :predict, not :{verb}"
            )
        body = await self._service.answer(request, self._predict)
        return Response(body, media_type="application/json")

    def _predict(self, body: bytes) -> bytes:
        signature, batch, is_row_format = parse_request(
            body, self._model.input_spec
        )
        outputs, _ = self._service.detect(signature, batch)
        return format_response(outputs, is_row_format)

    async def status(self, request: Request) -> Response:
        """Tells that the model is there."""
        self._check_model(request)
        status = {
            "version": self._version,
            "state": "AVAILABLE",
            "status": {"error_code": "OK", "error_message": ""},
        }
        return JSONResponse({"model_version_status": [status]})

    async def metadata(self, request: Request) -> Response:
        """Tells what the signatures take and give."""
        self._check_model(request)
        spec = {"name": self._model.name, "version": self._version}
        signatures = {
            name: json_format.MessageToDict(
                definition,
                preserving_proto_field_name=True,
                always_print_fields_with_no_presence=True,
            )
            for name, definition in self._model.signature_defs.items()
        }
        return JSONResponse(
            {
                "model_spec": {**spec, "signature_name": ""},
                "metadata": {"signature_def": {"signature_def": signatures}},
            }
        )

    def _check_model(self, request: Request) -> None:
        name = request.path_params["name"]
        version = request.path_params.get("version", self._version)
        if (name, version) != (self._model.name, self._version):
            raise HTTPException(
                404,
                f"Could not find version {version} of model {name}; expected "
                f"version {self._version} of model {self._model.name}",
            )


async def _refuse(request: Request) -> Response:
    raise DataError(
        f"Malformed request: {request.method} {request.url.path}; expected "
        "GET /v1/models/NAME or POST /v1/models/NAME:predict, with or without "
        "/versions/NUMBER after the name"
    )


def parse_request(
    body: bytes, input_spec: Callable[[str], InputSpec | None]
) -> tuple[str, np.ndarray, bool]:
    """Reads a request of the predict API.

    Returns:
        The name of the signature, its input `[B, ...]`, and whether it came,
        and is answered, row by row.
    """
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise DataError(f"JSON Parse error: {error}") from None
    if not isinstance(document, dict):
        raise DataError(f"JSON Value: {_quote(document)} Is not object")
    # Clients of TensorFlow Serving may send an empty name for the default.
    signature = document.get("signature_name") or SERVING_DEFAULT
    spec = input_spec(signature) if isinstance(signature, str) else None
    if spec is None:
        raise DataError(
            f"Serving signature name: {_quote(signature)} not found in "
            "signature def"
        )
    if ("inputs" in document) == ("instances" in document):
        raise DataError("expected one of the keys 'inputs' and 'instances'")
    is_row_format = "instances" in document
    values = document["instances" if is_row_format else "inputs"]
    if is_row_format and isinstance(values, list):
        values = [_without_name(item, spec.name) for item in values]
    elif not is_row_format:
        values = _without_name(values, spec.name)
    if not isinstance(values, list) or not values:
        raise DataError(f"expected a list of inputs, found {_quote(values)}")
    if spec.dtype.kind == "O":
        batch = np.array([_to_bytes(value) for value in values], object)
    else:
        batch = _to_numbers(values, spec)
    return signature, batch, is_row_format


def format_response(
    outputs: dict[str, np.ndarray], is_row_format: bool
) -> bytes:
    """Writes outputs `[B, ...]`, as an object for each row or one for all.

    Numbers that are not finite are `NaN`, `Infinity` and `-Infinity`, as in
    TensorFlow Serving.
    """
    columns = {name: _to_lists(value) for name, value in outputs.items()}
    answer: dict = {"outputs": columns}
    if is_row_format:
        rows = zip(*columns.values(), strict=True)
        answer = {
            "predictions": [
                dict(zip(columns, row, strict=True)) for row in rows
            ]
        }
    return json.dumps(answer).encode()


def _to_lists(values: np.ndarray) -> list:
    """Lists of numbers, as short as they can be written."""
    if values.dtype == np.float32:
        # 0.2 in 32 bits is 0.200000003 in 64: go by its shortest name.
        values = values.astype(str).astype(np.float64)
    return values.tolist()


def _without_name(value: Any, name: str) -> Any:
    """The value of the only input, which may stand under its name."""
    if not isinstance(value, dict) or set(value) == {"b64"}:
        return value
    if set(value) != {name}:
        raise DataError(
            f"JSON object: {_quote(value)} keys must be equal to: {name}"
        )
    return value[name]


def _to_bytes(value: Any) -> bytes:
    """The bytes of a text or of `{"b64": "..."}`."""
    if isinstance(value, str):
        # Half a pair of surrogates is no text, but it may be bytes.
        return value.encode("utf-8", "surrogatepass")
    content = value.get("b64") if isinstance(value, dict) else None
    if not isinstance(content, str):
        raise DataError(
            f"JSON Value: {_quote(value)} is not of expected type: string"
        )
    text = "".join(content.split()).rstrip("=")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except ValueError:
        raise DataError("Unable to base64 decode") from None


def _to_numbers(values: list, spec: InputSpec) -> np.ndarray:
    """Nested lists of numbers as an array of the signature's type."""
    try:
        array = np.array(values)
    except ValueError as error:
        raise DataError(f"expected lists of equal lengths: {error}") from None
    if not array.size or not tf.TensorShape(spec.shape).is_compatible_with(
        array.shape
    ):
        expected = str(list(spec.shape)).replace("None", "?")
        raise DataError(
            f"{spec.name}: Expecting shape {expected} without zeros but got: "
            f"{list(array.shape)}"
        )
    if spec.dtype.kind == "f":
        if array.dtype.kind in "iuf" and np.isfinite(array).all():
            return array.astype(spec.dtype)
        raise DataError(f"{spec.name}: expected finite numbers")
    limits = np.iinfo(spec.dtype)
    is_whole = array.dtype.kind in "iu"
    if is_whole and limits.min <= array.min() and array.max() <= limits.max:
        return array.astype(spec.dtype)
    for item in np.array(values, object).flat:
        # The type itself: a truth value is an int for Python.
        if type(item) is not int or not limits.min <= item <= limits.max:
            break
    raise DataError(
        f"{spec.name}: expected numbers of type {spec.dtype.name}, "
        f"{limits.min} to {limits.max}, found {_quote(item)}"
    )


def _quote(value: Any) -> str:
    """A value as JSON, cut off where it is long, as images are."""
    pieces = json.JSONEncoder().iterencode(value)
    text = "".join(itertools.islice(pieces, _LONGEST_QUOTE))
    return text[:_LONGEST_QUOTE] + "..." * (len(text) > _LONGEST_QUOTE)
