"""The server speaks the REST API of TensorFlow Serving.

Bodies and messages are those of its documentation and of its own tests.
"""

import base64
import json

import numpy as np
import PIL.Image
import pytest
import tensorflow as tf

from featsr_tf.errors import DataError
from featsr_tf.exporting.exported_model import InputSpec
from featsr_tf.server.rest import _to_numbers
from featsr_tf.server.rest import format_response
from featsr_tf.server.service import _joined
from tests.server.toy_export import BOXES
from tests.server.toy_export import grey
from tests.server.toy_export import picture

PREDICT = "/v1/models/toy:predict"
DARK = grey(64).tolist()
BRIGHT = grey(128).tolist()


def post(client, body, path=PREDICT):
    content = body if isinstance(body, str | bytes) else json.dumps(body)
    response = client.post(path, content=content)
    assert response.headers["content-type"] == "application/json"
    return response.status_code, response.json()


def row(score):
    return {
        "detection_boxes": np.float32(BOXES).astype(str).astype(float).tolist(),
        "detection_scores": [score, 0.125],
        "detection_classes": [1.0, 2.0],
        "num_detections": 2.0,
    }


def b64(content):
    return {"b64": base64.b64encode(content).decode()}


def example_of(content):
    example = tf.train.Example()
    feature = example.features.feature["image/encoded"]
    feature.bytes_list.value.append(content)
    return example.SerializeToString()


@pytest.mark.parametrize(
    "instances",
    [
        [DARK, BRIGHT],
        [{"input_tensor": DARK}, {"input_tensor": BRIGHT}],
    ],
)
def test_rows_are_answered_by_rows(client, instances):
    code, answer = post(client, {"instances": instances})
    assert code == 200
    assert answer == {"predictions": [row(0.25), row(0.5)]}


@pytest.mark.parametrize(
    "inputs", [[DARK, BRIGHT], {"input_tensor": [DARK, BRIGHT]}]
)
def test_columns_are_answered_by_columns(client, inputs):
    code, answer = post(client, {"inputs": inputs})
    assert code == 200
    rows = [row(0.25), row(0.5)]
    assert answer == {
        "outputs": {name: [item[name] for item in rows] for name in rows[0]}
    }


def test_another_signature_can_be_asked_for(client):
    request = {"signature_name": "base", "instances": [BRIGHT]}
    assert post(client, request)[1] == {"predictions": [row(0.25)]}


def test_an_empty_signature_name_is_the_default_one(client):
    request = {"signature_name": "", "instances": [DARK]}
    assert post(client, request)[1] == {"predictions": [row(0.25)]}


@pytest.mark.parametrize("key", ["instances", "inputs"])
@pytest.mark.parametrize(
    "signature, wrap",
    [("encoded_image", lambda file: file), ("tf_example", example_of)],
)
def test_files_are_sent_in_base64(client, key, signature, wrap):
    files = [picture(grey(64)), picture(grey(128, 30, 30))]
    request = {
        "signature_name": signature,
        key: [b64(wrap(file)) for file in files],
    }
    code, answer = post(client, request)
    assert code == 200
    if key == "inputs":
        scores = answer["outputs"]["detection_scores"]
    else:
        scores = [item["detection_scores"] for item in answer["predictions"]]
    assert scores == [[0.25, 0.125], [0.5, 0.125]]


def test_files_are_converted_as_everywhere(client):
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    stored = grey(64)
    stored[-1, 0] = 128  # The upper left corner of the upright image.
    wide = grey(128)[..., 0].astype("uint16") * 257
    files = [picture(stored, exif=exif), picture(wide)]
    request = {"signature_name": "encoded_image"}
    code, answer = post(
        client, {**request, "instances": [b64(file) for file in files]}
    )
    assert (code, answer["predictions"]) == (200, [row(0.5), row(0.5)])


def test_base64_may_lack_its_padding(client):
    text = base64.b64encode(picture(grey(64))).decode().rstrip("=")
    request = {
        "signature_name": "encoded_image",
        "instances": [{"input_tensor": {"b64": text}}],
    }
    assert post(client, request) == (200, {"predictions": [row(0.25)]})


def test_status_is_that_of_the_documentation(client):
    expected = {
        "model_version_status": [
            {
                "version": "3",
                "state": "AVAILABLE",
                "status": {"error_code": "OK", "error_message": ""},
            }
        ]
    }
    for path in ("/v1/models/toy", "/v1/models/toy/versions/3"):
        response = client.get(path)
        assert response.status_code == 200
        assert response.json() == expected


def test_metadata_tell_what_a_signature_takes(client):
    answer = client.get("/v1/models/toy/metadata").json()
    assert answer["model_spec"] == {
        "name": "toy",
        "signature_name": "",
        "version": "3",
    }
    signatures = answer["metadata"]["signature_def"]["signature_def"]
    image = signatures["image"]
    assert image["method_name"] == "tensorflow/serving/predict"
    assert image["inputs"]["input_tensor"]["dtype"] == "DT_UINT8"
    shape = image["inputs"]["input_tensor"]["tensor_shape"]
    assert [dim["size"] for dim in shape["dim"]] == ["-1", "-1", "-1", "3"]
    assert signatures["tf_example"]["inputs"]["input_tensor"]["dtype"] == (
        "DT_STRING"
    )


@pytest.mark.parametrize("name", ["half", "toy/versions/4"])
def test_what_is_not_served_has_no_status_and_predicts_nothing(client, name):
    model, _, version = name.partition("/versions/")
    message = (
        f"Could not find version {version or 3} of model {model}; expected "
        "version 3 of model toy"
    )
    for path in (f"/v1/models/{name}", f"/v1/models/{name}/metadata"):
        response = client.get(path)
        assert response.status_code == 404
        assert response.json() == {"error": message}
    answer = post(client, {}, f"/v1/models/{name}:predict")
    assert answer == (404, {"error": message})


def test_the_served_version_can_be_named(client):
    answer = post(
        client, {"instances": [DARK]}, "/v1/models/toy/versions/3:predict"
    )
    assert answer == (200, {"predictions": [row(0.25)]})


@pytest.mark.parametrize(
    "path, error",
    [
        ("/v1/models/toy", "Malformed request: POST /v1/models/toy"),
        ("/v1/models/toy/labels/new:predict", "Malformed request"),
        ("/v1/models/toy:guess", "are for :predict, not :guess"),
        ("/v1/models/toy:classify", "are for :predict, not :classify"),
        ("/v1/models/toy:regress", "are for :predict, not :regress"),
    ],
)
def test_a_path_that_says_nothing_is_refused(client, path, error):
    code, answer = post(client, {"instances": [DARK]}, path)
    assert code == 400
    assert error in answer["error"]


@pytest.mark.parametrize(
    "body, error",
    [
        ("", "JSON Parse error: Expecting value"),
        ("{", "JSON Parse error: "),
        ('{"a": 1', "JSON Parse error: "),
        (b"\xff\xfe{}", "JSON Parse error: "),
        ("[" * 50_000, "JSON Parse error: maximum recursion"),
        (f'{{"instances": {"9" * 5000}}}', "JSON Parse error: "),
        ("[]", "Is not object"),
        ("{}", "expected one of the keys 'inputs' and 'instances'"),
        ({"instances": [1], "inputs": [1]}, "one of the keys"),
        ({"instances": 1}, "expected a list of inputs, found 1"),
        ({"instances": []}, "expected a list of inputs, found []"),
        ({"signature_name": 1}, "Serving signature name: 1 not found"),
        (
            {"signature_name": "x", "instances": [1]},
            'Serving signature name: "x" not found in signature def',
        ),
        (
            {"inputs": {"x": 1}},
            'JSON object: {"x": 1} keys must be equal to: input_tensor',
        ),
        (
            {"instances": [DARK, {"x": 1}]},
            'JSON object: {"x": 1} keys must be equal to: input_tensor',
        ),
        ({"instances": [[[[1, 2, 3], [4, 5]]]]}, "shape was (1, 1, 2)"),
        ({"instances": [[[[1, 2, 3], 4]]]}, "expected lists of equal lengths"),
        ({"instances": [[[1, [2]]]]}, "expected lists of equal lengths"),
        (
            {"instances": [[[[1, 2, 3]]], [[[1, 2, 3]], [[1, 2, 3]]]]},
            "expected lists of equal lengths",
        ),
        ({"instances": [[[[1, 2]]]]}, "Expecting shape [?, ?, ?, 3]"),
        ({"instances": [[]]}, "Expecting shape [?, ?, ?, 3]"),
        (
            {"instances": [[[[1, 2, 256]]]]},
            "input_tensor: expected numbers of type uint8, 0 to 255, found 256",
        ),
        ({"instances": [[[[1, 2, -1]]]]}, "found -1"),
        ({"instances": [[[[1, 2, 0.5]]]]}, "found 0.5"),
        ({"instances": [[[[1, 2, "3"]]]]}, 'found "3"'),
        ({"instances": [[[[1, 2, None]]]]}, "found null"),
        ({"instances": [[[[1, 2, {"a": 1}]]]]}, 'found {"a": 1}'),
        ({"instances": [[[[True, True, True]]]]}, "found true"),
        ('{"instances": [[[[1, 2, NaN]]]]}', "found NaN"),
        ('{"instances": [[[[1, 2, 1e400]]]]}', "found Infinity"),
        ({"instances": [[[[1, 2, 10**30]]]]}, "found 1000000"),
        ('{"instances": %s}' % ("[" * 950 + "]" * 950), ""),
        (r'{"signature_name": "\ud800", "instances": [1]}', "not found"),
    ],
)
def test_a_malformed_body_is_refused_in_words(client, body, error):
    code, answer = post(client, body)
    assert code == 400
    assert error in answer["error"]
    assert len(answer["error"]) < 300


NOISE = np.random.default_rng(0).integers(0, 255, (40, 40, 3), np.uint8)


@pytest.mark.parametrize(
    "instance, error",
    [
        (5, "JSON Value: 5 is not of expected type: string"),
        (["a"], 'JSON Value: ["a"] is not of expected type: string'),
        ({"b64": "*"}, "Unable to base64 decode"),
        ({"b64": 5}, 'JSON Value: {"b64": 5} is not of expected type: string'),
        ("a text", "no readable image of 6 bytes"),
        ("\ud800", "no readable image of 3 bytes"),
        (
            b64(picture(NOISE, "JPEG")[:-100]),
            "the image is damaged: image file is truncated",
        ),
        (
            b64(picture(grey(9))[:50]),
            "the image is damaged: image file is truncated",
        ),
        (b64(picture(grey(9), "GIF")), "expected JPEG, PNG or BMP"),
    ],
)
def test_a_file_that_is_no_image_is_refused(client, instance, error):
    request = {"signature_name": "encoded_image", "instances": [instance]}
    code, answer = post(client, request)
    assert code == 400
    assert error in answer["error"]
    assert "Graph" not in answer["error"]


@pytest.mark.parametrize("content", [b"\n", b"\n\x00", b"\n\x03abc"])
def test_an_example_without_an_image_is_refused(client, content):
    request = {"signature_name": "tf_example", "instances": [b64(content)]}
    assert post(client, request)[0] == 400


def test_a_request_larger_than_a_batch_is_refused(client):
    code, answer = post(client, {"instances": [[[[1, 2, 3]]]] * 9})
    assert code == 400
    assert answer["error"] == (
        "Task size 9 is larger than maximum input batch size 8"
    )


def test_pixels_of_a_request_are_counted_together(client):
    file = b64(picture(grey(9, 90, 100)))
    request = {"signature_name": "encoded_image", "instances": [file]}
    assert post(client, request)[0] == 200
    request["instances"] = [file, file]
    code, answer = post(client, request)
    assert code == 400
    assert (
        "18000 pixels are too many; expected at most 10000" in (answer["error"])
    )


def test_numbers_that_are_not_finite_are_written_as_tokens():
    values = np.float32([0.2, np.nan, np.inf, -np.inf])
    text = format_response({"score": values[:2]}, is_row_format=True)
    assert text == b'{"predictions": [{"score": 0.2}, {"score": NaN}]}'
    text = format_response({"score": values}, is_row_format=False)
    assert text == b'{"outputs": {"score": [0.2, NaN, Infinity, -Infinity]}}'


def test_a_model_of_floats_is_given_floats():
    spec = InputSpec("input_tensor", np.dtype("float32"), (None, None, None, 3))
    for values in ([[[[0, 128, 255]]]], [[[[0.5, 1.5, 2.5]]]]):
        found = _to_numbers(values, spec)
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, values)
    with pytest.raises(DataError, match="expected finite numbers"):
        _to_numbers([[[["x", 1, 2]]]], spec)


def test_answers_of_fewer_candidates_are_filled_up():
    joined = _joined([np.ones([1, 2, 4]), np.ones([2, 3, 4])])
    assert joined.shape == (3, 3, 4)
    assert joined[0, 2].tolist() == [0.0] * 4
    assert joined.sum() == 4 * (2 + 3 + 3)
    assert _joined([np.ones([1]), np.ones([2])]).tolist() == [1.0] * 3
