"""What is on disk of a run that goes on later."""

import numpy as np
import pytest

from featsr_tf.errors import FeatsrError
from featsr_tf.metrics.detections import Detections
from featsr_tf.prediction.result_files import FrameResult
from featsr_tf.prediction.result_files import PartialResults

WINDOWS = [[0, 1 / 3, 20, 30, 3.0]]
FOUND = Detections(0, [[0.1, 1 / 3, 5, 6]], [0.7], [2], WINDOWS)
WHOLE = FrameResult("a.jpg", 48, 64, {"base": FOUND})
DAMAGED = FrameResult("b.jpg", error="b.jpg: no readable image")


@pytest.fixture
def path(tmp_path):
    results = PartialResults(tmp_path / "new/partial.jsonl", "same")
    for result in (WHOLE, DAMAGED, WHOLE):
        results.add(result)
    results.close()
    return results.path


def test_results_come_back_as_they_were(path):
    first, second, third = PartialResults(path, "same")
    assert (first.name, first.height, first.width) == ("a.jpg", 48, 64)
    found = first.found["base"]
    np.testing.assert_array_equal(found.boxes, FOUND.boxes)
    np.testing.assert_array_equal(found.scores, FOUND.scores)
    np.testing.assert_array_equal(found.classes, FOUND.classes)
    np.testing.assert_array_equal(found.windows, WINDOWS)
    assert second.error == DAMAGED.error
    assert found.image_id == 0
    # Only images that could be read have numbers.
    assert third.found["base"].image_id == 1


def test_what_is_there_is_counted_and_continued(path):
    results = PartialResults(path, "same")
    assert (results.num_frames, results.num_readable) == (3, 2)
    results.add(WHOLE)
    assert [result.name for result in results.readable()] == ["a.jpg"] * 3
    results.remove()
    assert not path.exists()


@pytest.mark.parametrize("num_bytes", [1, 2, 30])
def test_a_line_that_was_cut_off_is_removed(path, num_bytes):
    content = path.read_bytes()
    path.write_bytes(content[:-num_bytes])
    results = PartialResults(path, "same")
    assert (results.num_frames, results.num_readable) == (2, 1)
    results.add(WHOLE)
    results.close()
    assert path.read_bytes() == content


def test_zeros_after_a_power_cut_are_removed(path):
    content = path.read_bytes()
    path.write_bytes(content + bytes(100))
    PartialResults(path, "same").close()
    assert path.read_bytes() == content


def test_results_of_another_run_are_removed(path, capsys):
    assert list(PartialResults(path, "other")) == []
    assert "of other images or options, begun anew" in capsys.readouterr().err


def test_a_full_disk_is_named(path):
    class FullDisk:
        def write(self, *_):
            raise OSError(28, "No space left on device")

        close = write

    results = PartialResults(path, "same")
    results.close()
    results._file = FullDisk()
    with pytest.raises(FeatsrError, match="No space left .* make room and run"):
        results.add(WHOLE)
    assert results.num_frames == 3
