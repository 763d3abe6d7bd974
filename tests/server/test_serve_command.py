"""The command that starts the server, and how it ends."""

import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request

import pytest

from featsr_tf import serve
from featsr_tf.errors import DataError
from featsr_tf.exporting.exported_model import ExportedModel
from featsr_tf.exporting.versions import find_version
from featsr_tf.exporting.versions import write_checksums
from tests.server.toy_export import write_toy_export
from tests.support import REPOSITORY


def error_of(capsys, *arguments):
    with pytest.raises(SystemExit) as exit_:
        serve.main([*map(str, arguments)])
    assert exit_.value.code == 2
    message = capsys.readouterr().err
    assert message.startswith("error: ") and message.count("\n") == 1
    return message


@pytest.fixture
def versions(tmp_path):
    """A model folder with three versions, and one that is being written."""
    for name in ("2", "9", "10", ".11-part"):
        folder = tmp_path / "signs" / name
        folder.mkdir(parents=True)
        (folder / "saved_model.pb").write_bytes(b"")
    return tmp_path / "signs"


def test_the_newest_version_is_served(versions):
    found = find_version(str(versions))
    assert found == ("signs", 10, versions / "10")


def test_a_version_can_be_given(versions):
    assert find_version(str(versions / "9")) == ("signs", 9, versions / "9")


def test_a_model_may_have_a_number_for_a_name(versions):
    versions.rename(versions.parent / "7")
    assert find_version(str(versions.parent / "7"))[:2] == ("7", 10)


def test_what_is_no_export_is_refused(tmp_path, versions, capsys):
    missing = tmp_path / "missing"
    assert "no such folder" in error_of(capsys, "--model", missing)
    assert "no numbered versions" in error_of(capsys, "--model", tmp_path)
    (versions / "10" / "saved_model.pb").unlink()
    message = error_of(capsys, "--model", versions)
    assert f"{versions / '10'}: saved_model.pb is missing" in message


@pytest.mark.parametrize(
    "flag, value",
    [
        ("--max_batch_size", 0),
        ("--max_body_mb", "nan"),
        ("--max_body_mb", "inf"),
        ("--max_image_pixels", -5),
        ("--timeout_s", 0),
        ("--queue_size", 0),
    ],
)
def test_limits_that_cannot_hold_are_refused(versions, capsys, flag, value):
    message = error_of(capsys, "--model", versions, flag, value)
    assert f"{flag}: expected more than 0" in message


def test_a_port_in_use_is_said_at_once(versions, capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        message = error_of(capsys, "--model", versions, "--port", port)
    assert f"--host 127.0.0.1 --port {port}: Address already in use" in message


@pytest.mark.parametrize("host", ["\u00e4..b", "no.such.host.invalid"])
def test_a_host_that_is_none_is_refused(versions, capsys, host):
    message = error_of(capsys, "--model", versions, "--host", host)
    assert f"--host {host} --port 8501: " in message


@pytest.mark.parametrize("address", [("--port", -1), ("--port", 70_000)])
def test_an_impossible_address_is_refused(versions, capsys, address):
    message = error_of(capsys, "--model", versions, *address)
    assert f"--port: expected 0 to 65535, found {address[1]}" in message


def test_a_missing_example_is_refused(versions, capsys):
    message = error_of(capsys, "--model", versions, "--example", "no.jpg")
    assert "no.jpg: no such file" in message


@pytest.mark.parametrize("content", [b"", b"garbage"])
def test_a_damaged_model_is_refused(toy_folder, tmp_path, content):
    folder = tmp_path / "broken" / "1"
    folder.mkdir(parents=True)
    labels = (toy_folder / "3" / "label_map.pbtxt").read_text()
    (folder / "label_map.pbtxt").write_text(labels)
    (folder / "saved_model.pb").write_bytes(content)
    with pytest.raises(DataError, match=re.escape(str(folder))):
        ExportedModel(find_version(str(folder)))


def test_a_model_without_weights_is_refused(toy_folder, tmp_path):
    folder = tmp_path / "broken" / "1"
    write_toy_export(folder)
    (folder / "variables" / "variables.index").write_bytes(b"cut")
    with pytest.raises(DataError, match="the SavedModel is damaged"):
        ExportedModel(find_version(str(folder)))
    # Of what is just as it was written, nobody is told that it is damaged.
    write_checksums(folder)
    with pytest.raises(DataError, match="is as it was written, but cannot be"):
        ExportedModel(find_version(str(folder)))


def test_a_folder_with_brackets_is_no_pattern(tmp_path):
    write_toy_export(tmp_path / "run [1]" / "1")
    model = ExportedModel(find_version(str(tmp_path / "run [1]")))
    assert model.class_names == {1: "stop", 2: "yield"}


@pytest.mark.parametrize(
    "number",
    [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)],
)
def test_it_starts_answers_and_stops_in_order(toy_folder, number):
    command = [sys.executable, "-m", "featsr_tf.serve", "--port", "0"]
    process = subprocess.Popen(
        [*command, "--model", str(toy_folder)],
        cwd=REPOSITORY,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout.readline() == f"loading {toy_folder / '3'}\n"
        started = process.stdout.readline()
        address = re.fullmatch(r"toy, version 3: (http://\S+/)\n", started)[1]
        with urllib.request.urlopen(f"{address}readyz") as response:
            assert response.read() == b"ok"
        process.send_signal(number)
        _, errors = process.communicate(timeout=30)
    finally:
        process.kill()
    assert "Traceback" not in errors
    assert process.returncode == (0 if number == signal.SIGTERM else 130)
