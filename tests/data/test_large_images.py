"""Images that do not fit into the memory are refused in one line."""

import PIL.Image
import PIL.ImageFile
import pytest

from featsr_tf.data.examples import check_image
from featsr_tf.errors import DataError
from featsr_tf.prediction.sources import read_image
from tfrecords_tools.images import prepare_image


@pytest.fixture
def path(tmp_path, monkeypatch):
    """An image file, and a Pillow that has no memory for its pixels."""
    path = tmp_path / "image.png"
    PIL.Image.new("RGB", (3, 2)).save(path)

    def load(self):
        raise MemoryError

    monkeypatch.setattr(PIL.ImageFile.ImageFile, "load", load)
    return path


@pytest.mark.parametrize(
    "read",
    [
        lambda path: check_image(path.read_bytes()),
        lambda path: prepare_image(path.read_bytes()),
        lambda path: read_image(str(path)),
    ],
    ids=["record", "converter", "prediction"],
)
def test_an_image_that_is_too_large_for_the_memory_is_refused(path, read):
    with pytest.raises(DataError, match="too large for the memory"):
        read(path)
