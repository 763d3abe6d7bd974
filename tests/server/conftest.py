"""Fixtures of the tests of the server."""

import pytest
from starlette.testclient import TestClient

from featsr_tf.exporting.exported_model import ExportedModel
from featsr_tf.exporting.versions import find_version
from featsr_tf.server import ServerOptions
from featsr_tf.server.app import create_app
from tests.server.toy_export import grey
from tests.server.toy_export import picture
from tests.server.toy_export import write_toy_export


@pytest.fixture(scope="session")
def toy_folder(tmp_path_factory):
    """The folder of the model `toy`, with version 3 in it."""
    folder = tmp_path_factory.mktemp("exports") / "toy"
    write_toy_export(folder / "3")
    return folder


@pytest.fixture(scope="session")
def toy_model(toy_folder):
    """The model `toy`, loaded."""
    return ExportedModel(find_version(str(toy_folder)))


@pytest.fixture(scope="session")
def looking_model(tmp_path_factory):
    """The model `toy` with a second look, loaded."""
    folder = tmp_path_factory.mktemp("exports") / "toy"
    write_toy_export(folder / "1", looks_again=True)
    return ExportedModel(find_version(str(folder)))


@pytest.fixture(scope="session")
def example(tmp_path_factory):
    """A photo for the page, 320 x 240 px."""
    path = tmp_path_factory.mktemp("photos") / "example.png"
    path.write_bytes(picture(grey(192, 240, 320)))
    return path


@pytest.fixture
def client(toy_model, example):
    """Talks to a server of the model `toy` in this process."""
    options = ServerOptions(max_body_mb=0.1, max_image_pixels=10_000)
    with TestClient(create_app(toy_model, options, example)) as client:
        yield client
