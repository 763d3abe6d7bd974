"""Sound input of all commands, and what must refuse spoilt input."""

import pathlib

import pytest

from featsr_tf.training import model_folder
from tests.bad_input.doors import HARMLESS
from tests.bad_input.doors import LABEL_MAP
from tests.bad_input.doors import image_record
from tests.bad_input.doors import records_with
from tests.data.example_files import encode
from tests.data.example_files import noise_image
from tests.data.example_files import write_records
from tests.model.small import CONFIG
from tests.model.small import small_pipeline


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working folder: sound records, a config and a model folder."""
    monkeypatch.chdir(tmp_path)
    pathlib.Path("small.config").write_text(CONFIG)
    pathlib.Path("label_map.pbtxt").write_text(LABEL_MAP.to_text())
    for name in ("train.record", "val.record"):
        write_records(name, records_with(image_record(1)))
    model_folder.prepare("trained", small_pipeline(), LABEL_MAP)
    return tmp_path


@pytest.fixture
def refuse(tmp_path, capsys):
    """Runs a command that must refuse its input, and gives its one line."""

    def run(main, *arguments):
        before = sorted(tmp_path.rglob("*"))
        with pytest.raises(SystemExit) as stopped:
            main(arguments)
        assert stopped.value.code == 2
        *others, error = capsys.readouterr().err.splitlines()
        assert error.startswith("error: ")
        assert all(map(HARMLESS.match, others))
        assert sorted(tmp_path.rglob("*")) == before
        return error

    return run


@pytest.fixture
def photos(folder):
    """Two images; the first is cut off."""
    pathlib.Path("photos").mkdir()
    image = encode(noise_image(64, 64), "JPEG")
    pathlib.Path("photos/a.jpg").write_bytes(image[:1000])
    pathlib.Path("photos/b.jpg").write_bytes(image)
    pathlib.Path("empty").mkdir()
