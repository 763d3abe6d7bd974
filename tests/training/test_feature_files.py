"""Cache files outlive kills, damage and a second training beside the first."""

import shutil
import threading
from unittest import mock

import filelock
import pytest
import tensorflow as tf

from featsr_tf.errors import DataError
from featsr_tf.errors import FeatsrError
from featsr_tf.training import feature_files
from featsr_tf.training.feature_files import translate_cache_errors
from tests.model.small import small_detector
from tests.training.batches import write_noise
from tests.training.test_feature_cache import Cache


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    return write_noise(tmp_path_factory.mktemp("records"))


@pytest.fixture(scope="module")
def filled(tmp_path_factory, records):
    """A cache of two images, its files written."""
    folder = tmp_path_factory.mktemp("cache")
    detector = small_detector()
    cache = Cache(folder, records, detector, "feature_cache.num_images=2")
    cache.batches(1)
    return cache


@pytest.fixture
def contents(filled):
    """The whole files, which are put back after the test."""
    contents = {
        path: path.read_bytes() for path in filled.folder.glob("*.tfrecord")
    }
    yield contents
    shutil.rmtree(filled.folder)
    filled.folder.mkdir()
    for path, content in contents.items():
        path.write_bytes(content)


def test_a_file_cut_short_is_computed_anew_and_said_so(
    filled, contents, capsys
):
    path = next(iter(contents))
    path.write_bytes(contents[path][:-7])
    filled.batches(1)
    assert f"{path}: is damaged" in capsys.readouterr().out
    assert path.stat().st_size == len(contents[path])
    assert list(tf.data.TFRecordDataset(str(path)))


def test_a_flipped_bit_is_named_by_file_and_record(filled, contents):
    path = next(iter(contents))
    changed = bytearray(contents[path])
    # The second of two records of the same size.
    changed[len(changed) // 2 + 20] ^= 1
    path.write_bytes(changed)
    with pytest.raises(DataError) as caught:
        with translate_cache_errors(str(filled.folder)):
            filled.batches(1)
    assert str(caught.value).startswith(f"{path}: record 1: ")
    assert "delete it" in str(caught.value)


def test_errors_that_no_file_explains_pass(filled):
    error = tf.errors.DataLossError(None, None, "of a record")
    with pytest.raises(tf.errors.DataLossError, match="of a record"):
        with translate_cache_errors(str(filled.folder)):
            raise error


@pytest.mark.slow
def test_what_a_killed_run_left_is_removed(filled, contents, capsys):
    path = next(iter(contents))
    path.unlink()
    leftover = filled.folder / f".{path.stem}.x1y2.tfrecord"
    leftover.write_bytes(b"half")
    filled.batches(1)
    assert not leftover.exists()
    assert "removed 1 unfinished files" in capsys.readouterr().out
    assert path.exists()


def test_a_second_training_waits_and_computes_nothing_twice(
    filled, contents, capsys
):
    path = next(iter(contents))
    path.unlink()
    held, waited_for = threading.Event(), threading.Event()

    def fill():
        with filelock.FileLock(filled.folder / ".lock"):
            held.set()
            waited_for.wait()
            path.write_bytes(contents[path])

    other = threading.Thread(target=fill)
    other.start()
    held.wait()
    acquire = filelock.FileLock.acquire

    def wait(own, blocking=True):
        if blocking:
            waited_for.set()
        return acquire(own, blocking=blocking)

    with (
        mock.patch.object(feature_files, "_write") as write,
        mock.patch.object(filelock.FileLock, "acquire", wait),
    ):
        filled.batches(1)
    other.join()
    write.assert_not_called()
    assert "waits for another process" in capsys.readouterr().out


def test_features_beyond_half_precision_are_refused(tmp_path, records):
    detector = small_detector()
    kernel = detector.extractor.trainable_variables[0]
    kernel.assign(kernel * 1e7)
    cache = Cache(
        tmp_path / "cache", records, detector, "feature_cache.num_images=2"
    )
    with pytest.raises(FeatsrError, match="at most 65504, the largest number"):
        cache.batches(1)
    assert not list(cache.folder.glob("*.tfrecord"))


@pytest.mark.parametrize("value", [65505.0, float("inf"), float("nan")])
def test_what_half_precision_does_not_hold(value):
    with pytest.raises(FeatsrError, match="targets reaches"):
        feature_files._check_largest({"targets": tf.constant(value)})
    feature_files._check_largest({"targets": tf.constant(65504.0)})
