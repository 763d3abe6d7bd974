"""Health, metrics and files of the server."""

import re

import numpy as np
import pytest
from starlette.testclient import TestClient

from featsr_tf.server import ServerOptions
from featsr_tf.server.app import create_app
from tests.server.toy_export import grey
from tests.server.toy_export import picture

ONE_PIXEL = {"instances": [[[[1, 2, 3]]]]}


def metric(client, name, **labels):
    """Returns the value of one line of the metrics."""
    for line in client.get("/metrics").text.splitlines():
        found = re.fullmatch(r"(\w+)(?:\{(.*)\})? (\S+)", line)
        if found and found[1] == name:
            given = dict(re.findall(r'(\w+)="([^"]*)"', found[2] or ""))
            if given == labels:
                return float(found[3])
    return None


def test_it_is_alive_and_ready(client):
    for path in ("/healthz", "/readyz"):
        response = client.get(path)
        assert (response.status_code, response.text) == (200, "ok")


def test_it_is_not_ready_once_it_has_stopped(toy_model):
    app = create_app(toy_model, ServerOptions())
    with TestClient(app) as client:
        assert client.get("/readyz").status_code == 200
    response = TestClient(app).get("/readyz")
    assert response.status_code == 503
    assert response.headers["Retry-After"] == "1"
    response = TestClient(app).post("/detect", content=picture(grey(0)))
    assert response.status_code == 503
    assert TestClient(app).get("/healthz").status_code == 200


def test_requests_are_counted_by_route_and_code(client):
    labels = {"method": "POST", "route": "/v1/models/{name}:{verb}"}
    other = {"method": "other", "route": "other", "code": "404"}

    def count():
        return (
            metric(client, "featsr_requests_total", code="200", **labels) or 0,
            metric(client, "featsr_requests_total", code="404", **labels) or 0,
            metric(client, "featsr_request_seconds_count", **labels) or 0,
            metric(client, "featsr_requests_total", **other) or 0,
        )

    before = count()
    for name in ("toy", "toy", "other"):
        client.post(f"/v1/models/{name}:predict", json=ONE_PIXEL)
    client.get("/no/such/path")
    np.testing.assert_equal(np.subtract(count(), before), [2, 1, 3, 1])


def test_batches_are_measured_by_signature(client):
    labels = {"signature": "serving_default"}

    def measure():
        names = ("batch_rows_sum", "batch_rows_count", "inference_seconds_sum")
        return [metric(client, f"featsr_{n}", **labels) or 0 for n in names]

    before = measure()
    client.post(
        "/v1/models/toy:predict", json={"instances": [[[[1, 2, 3]]]] * 3}
    )
    rows, count, seconds = np.subtract(measure(), before)
    assert (rows, count) == (3, 1)
    assert seconds > 0
    assert metric(client, "featsr_queue_length") == 0


def test_paths_of_clients_do_not_become_labels(client):
    client.get("/secret-path")
    client.post("/v1/models/secret-model:predict", json=ONE_PIXEL)
    assert "secret" not in client.get("/metrics").text


@pytest.mark.parametrize(
    "path, kind",
    [
        ("/", "text/html"),
        ("/style.css", "text/css"),
        ("/page.css", "text/css"),
        ("/page.js", "text/javascript"),
        ("/drawing.js", "text/javascript"),
        ("/icon.svg", "image/svg+xml"),
        ("/example", "image/png"),
    ],
)
def test_the_page_may_load_nothing_from_elsewhere(client, path, kind):
    response = client.get(path)
    assert response.status_code == 200
    assert response.headers["content-type"].startswith(kind)
    policy = response.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self';")
    assert "unsafe" not in policy
    if "image/png" != kind:
        addresses = set(re.findall(r"https?://[\w.]+", response.text))
        assert addresses <= {"http://www.w3.org"}


def test_without_a_photo_of_its_own_the_page_has_drawn_signs(toy_model):
    with TestClient(create_app(toy_model, ServerOptions())) as client:
        example = client.get("/example")
        assert example.headers["content-type"] == "image/jpeg"
        found = client.post("/detect", content=example.content)
    assert found.json()["image"] == {"width": 640, "height": 384}


@pytest.mark.parametrize(
    "method, path, code",
    [("GET", "/nothing", 404), ("GET", "/detect", 405), ("PUT", "/", 405)],
)
def test_what_is_not_there_is_said_in_json(client, method, path, code):
    response = client.request(method, path)
    assert response.status_code == code
    assert set(response.json()) == {"error"}
