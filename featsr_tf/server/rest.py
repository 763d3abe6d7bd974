"""The REST API of TensorFlow Serving."""

import base64
import binascii
import json
import re
import urllib.parse
from collections.abc import Callable
from typing import Any
from typing import NamedTuple

import numpy as np
from google.protobuf import json_format
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from featsr_tf.errors import DataError
from featsr_tf.exporting.exported_model import InputSpec
from featsr_tf.server.batching import DetectionService

_LONGEST_QUOTE = 60


def is_base64(value: Any) -> bool:
    """Tells whether a value stands for bytes, `{"b64": "..."}`."""
    return (
        isinstance(value, dict)
        and set(value) == {"b64"}
        and isinstance(value["b64"], str)
    )


def to_array(value: Any, dtype: np.dtype) -> np.ndarray:
    """Converts nested lists, or a single value.

    Args:
        value: of JSON.
        dtype: of the array; "object" for strings, which become bytes.

    Returns:
        An array.

    Raises:
        DataError: the lists are not of equal lengths, or a value is not of
            this type.
    """
    if dtype.kind == "O":
        array = np.array(_to_bytes(value), object)
        if any(isinstance(item, list) for item in array.flat):
            raise DataError("Encountered lists of unequal sizes")
        return array
    try:
        array = np.array(value)
    except (ValueError, OverflowError):
        array = np.array(None)
    kinds = "iuf" if dtype.kind == "f" else "iu"
    if array.size and array.dtype.kind not in kinds:
        _find_fault(value, dtype, 0, _list_sizes(value))
        raise _type_fault(value, dtype)
    with np.errstate(over="ignore", invalid="ignore"):
        converted = array.astype(dtype)
    changed = converted != array
    if dtype.kind == "f":
        changed = np.isfinite(array) & ~np.isfinite(converted)
    if np.any(changed):
        raise _type_fault(array[changed].flat[0].item(), dtype)
    return converted


def _to_bytes(value: Any) -> Any:
    if isinstance(value, list):
        return [_to_bytes(item) for item in value]
    if isinstance(value, str):
        # Half a pair of surrogates is no text, but it may be bytes.
        return value.encode("utf-8", "surrogatepass")
    if isinstance(value, dict):
        if not is_base64(value):
            raise fault(value, "not formatted correctly for base64 data")
        text = "".join(value["b64"].split()).rstrip("=")
        try:
            return base64.b64decode(
                text + "=" * (-len(text) % 4), validate=True
            )
        except (binascii.Error, ValueError):
            raise DataError("Unable to base64 decode") from None
    raise _type_fault(value, np.dtype(object))


def _list_sizes(value: Any) -> list[int]:
    sizes = []
    while isinstance(value, list):
        sizes.append(len(value))
        value = value[0] if value else None
    return sizes


def _find_fault(value: Any, dtype: np.dtype, level: int, sizes: list) -> None:
    """Raises the first fault; the first list of each level gives its size."""
    if not isinstance(value, list):
        if level != len(sizes):
            raise fault(
                value,
                f"found at incorrect level: {level + 1} in the JSON DOM. "
                f"Expected at level: {len(sizes)}",
            )
        is_number = isinstance(value, int) and not isinstance(value, bool)
        is_number = is_number and abs(value) < 2**63
        if not is_number and not (
            dtype.kind == "f" and isinstance(value, float)
        ):
            raise _type_fault(value, dtype)
        return
    if level >= len(sizes):
        raise DataError(
            f"Encountered list at unexpected level: {level} expected < "
            f"{len(sizes)}"
        )
    if len(value) != sizes[level]:
        raise DataError(
            f"Encountered list at unexpected size: {len(value)} at level: "
            f"{level} expected size: {sizes[level]}"
        )
    for item in value:
        _find_fault(item, dtype, level + 1, sizes)


def _type_fault(value: Any, dtype: np.dtype) -> DataError:
    kinds = {bool: str(value), str: "String", dict: "Object", list: "Array"}
    kinds |= {int: "Number", float: "Number", type(None): "Null"}
    name = {"O": "string", "f": "float"}.get(dtype.kind, dtype.name)
    return fault(
        value, f"Type: {kinds[type(value)]} is not of expected type: {name}"
    )


def fault(value: Any, message: str) -> DataError:
    """Returns the error about a value."""
    return DataError(f"JSON Value: {quote(value)} {message}")


def quote(value: Any) -> str:
    """Returns a value as JSON, cut off where it is long, as images are."""
    text = ""
    for piece in json.JSONEncoder().iterencode(value):
        text += piece
        if len(text) > _LONGEST_QUOTE:
            return text[:_LONGEST_QUOTE] + "..."
    return text


DEFAULT_SIGNATURE = "serving_default"


class PredictRequest(NamedTuple):
    """A request of the predict API.

    Attributes:
        signature: its name.
        batch: `[B, ...]`, the input.
        is_row_format: whether it came, and is answered, row by row.
    """

    signature: str
    batch: np.ndarray
    is_row_format: bool


def parse_request(
    body: bytes, input_spec: Callable[[str], InputSpec | None]
) -> PredictRequest:
    """Reads a request.

    Args:
        body: the JSON text.
        input_spec: what a signature takes; None where there is no such one.

    Returns:
        The request.

    Raises:
        DataError: what is wrong with it, in the words of TensorFlow Serving.
    """
    try:
        return _parse_request(body, input_spec)
    except RecursionError:
        raise DataError("JSON Parse error: nested too deeply") from None


def format_response(
    outputs: dict[str, np.ndarray], is_row_format: bool
) -> bytes:
    """Writes a response.

    Args:
        outputs: `[B, ...]` by name.
        is_row_format: an object for each row instead of one for all.

    Returns:
        JSON text; numbers that are not finite are `NaN`, `Infinity` and
        `-Infinity`, as in TensorFlow Serving.
    """
    columns = {name: _plain(value) for name, value in outputs.items()}
    if not is_row_format:
        single = len(columns) == 1
        result = next(iter(columns.values())) if single else columns
        return _to_json({"outputs": result})
    if len(columns) == 1:
        (rows,) = columns.values()
    else:
        rows = [
            dict(zip(columns, values, strict=True))
            for values in zip(*columns.values(), strict=True)
        ]
    return _to_json({"predictions": rows})


def _parse_request(
    body: bytes, input_spec: Callable[[str], InputSpec | None]
) -> PredictRequest:
    document = _parse_json(body)
    signature = document.get("signature_name", DEFAULT_SIGNATURE)
    if not isinstance(signature, str):
        raise fault(
            document,
            "not formatted correctly. 'signature_name' key must be a string "
            "value.",
        )
    # Its clients may send an empty name for the default.
    signature = signature or DEFAULT_SIGNATURE
    spec = input_spec(signature)
    if spec is None:
        raise DataError(
            f'Serving signature name: "{signature}" not found in signature def'
        )
    if "instances" in document and "inputs" in document:
        raise fault(
            document,
            "Not formatted correctly expecting only one of 'inputs' or "
            "'instances' keys to exist ",
        )
    if "instances" in document:
        batch = _rows(document, spec)
    elif "inputs" in document:
        batch = _columns(document["inputs"], spec)
    else:
        raise DataError("Missing 'inputs' or 'instances' key")
    _check_shape(batch, spec)
    return PredictRequest(signature, batch, "instances" in document)


def _to_json(value: Any) -> bytes:
    return json.dumps(value).encode()


def _plain(values: np.ndarray) -> list:
    """Lists of numbers, as short as they can be written."""
    if values.dtype == np.float32:
        # 0.2 in 32 bits is 0.200000003 in 64: go by its shortest name.
        values = values.astype(str).astype(np.float64)
    return values.tolist()


def _parse_json(body: bytes) -> dict:
    if not body:
        raise DataError("JSON Parse error: The document is empty")
    try:
        document = json.loads(body)
    except json.JSONDecodeError as error:
        raise DataError(
            f"JSON Parse error: {error.msg} at offset: {error.pos}"
        ) from None
    except ValueError as error:
        raise DataError(f"JSON Parse error: {error}") from None
    if not isinstance(document, dict):
        raise fault(document, "Is not object")
    return document


def _rows(document: dict, spec: InputSpec) -> np.ndarray:
    instances = document["instances"]
    if not isinstance(instances, list):
        raise fault(document, "Excepting 'instances' to be an list/array")
    if not instances:
        raise fault(document, "No values in 'instances' array")
    are_named = _is_named(instances[0])
    arrays: list[np.ndarray] = []
    for index, item in enumerate(instances):
        if _is_named(item) != are_named:
            raise DataError(
                f"Expecting object but got list at item {index} of input list"
                if are_named
                else f"Expecting value/list but got object at item {index} of "
                "input list"
            )
        place = f"Failed to process element: {index}"
        if are_named:
            if set(item) != {spec.name}:
                raise DataError(
                    f"{place} of 'instances' list. JSON object: {quote(item)} "
                    f"keys must be equal to: {spec.name}"
                )
            item = item[spec.name]
            place += f" key: {spec.name}"
        try:
            array = to_array(item, spec.dtype)
            _check_same_shape(array, arrays)
        except DataError as error:
            raise DataError(
                f"{place} of 'instances' list. Error: INVALID_ARGUMENT: {error}"
            ) from None
        arrays.append(array)
    return np.stack(arrays)


def _columns(inputs: Any, spec: InputSpec) -> np.ndarray:
    if _is_named(inputs):
        if spec.name not in inputs:
            raise DataError(
                f"Missing named input: {spec.name} in 'inputs' object."
            )
        inputs = inputs[spec.name]
    return to_array(inputs, spec.dtype)


def _is_named(value: Any) -> bool:
    return isinstance(value, dict) and not is_base64(value)


def _check_same_shape(array: np.ndarray, others: list[np.ndarray]) -> None:
    if others and array.shape != others[0].shape:
        expected, found = (
            "[" + ",".join(map(str, shape)) + "]"
            for shape in (others[0].shape, array.shape)
        )
        raise DataError(f"Expecting shape {expected} but got: {found}")


def _check_shape(batch: np.ndarray, spec: InputSpec) -> None:
    fits = len(batch.shape) == len(spec.shape) and all(
        expected in (None, size)
        for expected, size in zip(spec.shape, batch.shape, strict=True)
    )
    if not fits or not batch.size:
        wanted = ",".join("?" if n is None else str(n) for n in spec.shape)
        found = ",".join(map(str, batch.shape))
        raise DataError(
            f"{spec.name}: Expecting shape [{wanted}] without zeros but got: "
            f"[{found}]"
        )


_MODEL = r"/v1/models/([^/:]+)(?:/versions/(\d+)|/labels/([^/:]+))?"
_PREDICTION = re.compile(rf"{_MODEL}:(classify|regress|predict)", re.I)
_DESCRIPTION = re.compile(rf"{_MODEL}(/metadata)?", re.I)
# Of a number of 64 bits.
_MOST_DIGITS = 19
_KINDS = {"classify": "classification", "regress": "regression"}


class _Wanted(NamedTuple):
    """Which model a path names."""

    name: str
    version: int | None


class RestApi:
    """The routes below `/v1`.

    Args:
        service: answers the requests.
    """

    def __init__(self, service: DetectionService):
        self._service = service
        self._model = service.model

    def routes(self) -> list[Route]:
        """Returns the routes."""
        path = "/v1/{path:path}"
        return [
            Route(path, self.predict, methods=["POST"]),
            Route(path, self.describe, methods=["GET"]),
        ]

    async def predict(self, request: Request) -> Response:
        """Runs a signature on the instances or inputs of the body."""
        match = _match(_PREDICTION, request)
        wanted, verb = _wanted(match), match[4].lower()
        if not self._is_served(wanted):
            shown = (
                f"Latest({wanted.name})"
                if wanted.version is None
                else f"Specific({wanted.name}, {wanted.version})"
            )
            raise HTTPException(404, f"Servable not found for request: {shown}")
        if verb in _KINDS:
            raise DataError(
                f"Expected {_KINDS[verb]} signature method_name to be "
                f"tensorflow/serving/{verb}. Was: tensorflow/serving/predict"
            )
        parsed = await self._service.in_thread(
            parse_request, await request.body(), self._model.input_spec
        )
        result = await self._service.run(parsed.signature, parsed.batch)
        body = await self._service.in_thread(
            format_response, result.outputs, parsed.is_row_format
        )
        return Response(body, media_type="application/json")

    async def describe(self, request: Request) -> Response:
        """Tells the status of the model, or what its signatures take."""
        match = _match(_DESCRIPTION, request)
        wanted = _wanted(match)
        if not self._is_served(wanted):
            raise HTTPException(
                404,
                f"Could not find any versions of model {wanted.name}"
                if wanted.version is None
                else f"Could not find version {wanted.version} of model "
                f"{wanted.name}",
            )
        message = self._metadata() if match[4] else self._status()
        return Response(message, media_type="application/json")

    def _is_served(self, wanted: _Wanted) -> bool:
        return wanted.name == self._model.name and wanted.version in (
            None,
            self._model.version,
        )

    def _status(self) -> str:
        from tensorflow_serving.apis import get_model_status_pb2

        response = get_model_status_pb2.GetModelStatusResponse()
        status = response.model_version_status.add(version=self._model.version)
        status.state = get_model_status_pb2.ModelVersionStatus.AVAILABLE
        status.status.SetInParent()
        return _message_json(response)

    def _metadata(self) -> str:
        from tensorflow_serving.apis import get_model_metadata_pb2

        response = get_model_metadata_pb2.GetModelMetadataResponse()
        response.model_spec.name = self._model.name
        response.model_spec.version.value = self._model.version
        signatures = get_model_metadata_pb2.SignatureDefMap()
        for name, definition in self._model.signature_defs.items():
            signatures.signature_def[name].CopyFrom(definition)
        # As an Any it would be printed with its type, which the API leaves out.
        return (
            f'{{\n"model_spec":{_to_json(response.model_spec)},\n'
            f'"metadata": {{"signature_def": {_to_json(signatures)}}}\n}}\n'
        )


def _message_json(message) -> str:
    return json_format.MessageToJson(
        message,
        preserving_proto_field_name=True,
        always_print_fields_with_no_presence=True,
        indent=1,
    )


def _match(pattern: re.Pattern, request: Request) -> re.Match:
    # A name may hold an encoded slash, which must not look like one here.
    path = request.scope["raw_path"].decode("latin-1").partition("?")[0]
    match = pattern.fullmatch(path)
    if match is None:
        raise DataError(f"Malformed request: {request.method} {path}")
    return match


def _wanted(match: re.Match) -> _Wanted:
    name, version, label = match[1], match[2], match[3]
    if label is not None:
        raise DataError(f"Unrecognized servable version label: {label}")
    if version is not None and len(version) > _MOST_DIGITS:
        raise DataError(
            f"Failed to convert version: {version[:_MOST_DIGITS]}... to "
            "numeric."
        )
    return _Wanted(
        urllib.parse.unquote(name), None if version is None else int(version)
    )
