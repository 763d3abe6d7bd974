"""Requests are joined, and nobody notices but the clock."""

import threading
import time

import numpy as np
import pytest
import tensorflow as tf

from featsr_tf.errors import DataError
from featsr_tf.exporting.exported_model import ServedModel
from featsr_tf.exporting.saved_model import export
from featsr_tf.exporting.versions import find_version
from featsr_tf.server.batching import Batcher
from featsr_tf.server.batching import BatchLimits
from featsr_tf.server.batching import QueueFullError
from tests.model.small import small_backbone
from tests.server.models import random_images
from tests.server.models import write_model

ROW = np.ones([1, 2])


class Recorder:
    """A model that waits to be let go; rows with -1 are bad input."""

    def __init__(self):
        self.batches = []
        self.go = threading.Event()

    def run(self, signature, batch):
        self.go.wait(10)
        self.batches.append((signature, len(batch)))
        if np.any(batch == -1):
            raise DataError("bad row")
        if np.any(batch == -2):
            raise RuntimeError("broken")
        return {"double": 2 * batch}


@pytest.fixture
def recorder():
    return Recorder()


@pytest.fixture
def make(recorder):
    batchers = []

    def make(
        run=recorder.run,
        observe=lambda *_: None,
        max_batch_size=4,
        max_pixels=1000,
        timeout_s=0.0,
        queue_size=100,
    ):
        limits = BatchLimits(max_batch_size, max_pixels, timeout_s, queue_size)
        batchers.append(Batcher(run, limits, observe))
        return batchers[-1]

    yield make
    recorder.go.set()
    for batcher in batchers:
        batcher.close()


def occupy(batcher):
    """Keeps the detector busy, so that what comes next has to wait."""
    future = batcher.submit("busy", ROW, 1)
    while batcher.queue_length:
        time.sleep(0.001)
    return future


def test_requests_that_wait_together_are_run_together(make, recorder):
    batcher = make()
    occupy(batcher)
    futures = [batcher.submit("a", n * ROW, 1) for n in range(3)]
    recorder.go.set()
    for n, future in enumerate(futures):
        np.testing.assert_equal(future.result(5).outputs["double"], 2 * n * ROW)
    assert recorder.batches == [("busy", 1), ("a", 3)]


def test_a_batch_has_no_more_rows_than_allowed(make, recorder):
    batcher = make(max_batch_size=4)
    occupy(batcher)
    sizes = [2, 1, 2, 1, 3]
    futures = [batcher.submit("a", np.ones([n, 2]), 1) for n in sizes]
    recorder.go.set()
    for size, future in zip(sizes, futures, strict=True):
        assert len(future.result(5).outputs["double"]) == size
    assert [rows for _, rows in recorder.batches] == [1, 3, 3, 3]


def test_a_batch_has_no_more_pixels_than_allowed(make, recorder):
    batcher = make(max_pixels=100)
    occupy(batcher)
    futures = [batcher.submit("a", ROW, 50) for _ in range(3)]
    recorder.go.set()
    for future in futures:
        future.result(5)
    assert [rows for _, rows in recorder.batches] == [1, 2, 1]


@pytest.mark.parametrize(
    "other", [("b", ROW), ("a", np.ones([1, 3])), ("a", ROW.astype("uint8"))]
)
def test_only_what_is_alike_is_joined(make, recorder, other):
    batcher = make()
    occupy(batcher)
    signature, batch = other
    futures = [
        batcher.submit("a", ROW, 1),
        batcher.submit(signature, batch, 1),
        batcher.submit("a", ROW, 1),
    ]
    recorder.go.set()
    for future in futures:
        future.result(5)
    assert [rows for _, rows in recorder.batches] == [1, 2, 1]


def test_a_request_waits_for_others_but_not_for_long(make, recorder):
    recorder.go.set()
    batcher = make(timeout_s=0.2)
    start = time.monotonic()
    futures = [batcher.submit("a", ROW, 1) for _ in range(2)]
    for future in futures:
        future.result(5)
    assert 0.15 < time.monotonic() - start < 3
    assert recorder.batches == [("a", 2)]


def test_a_full_batch_waits_for_nobody(make, recorder):
    recorder.go.set()
    batcher = make(max_batch_size=2, timeout_s=30.0)
    futures = [batcher.submit("a", ROW, 1) for _ in range(2)]
    for future in futures:
        future.result(5)


def test_a_bad_image_does_not_spoil_the_batch(make, recorder):
    batcher = make()
    occupy(batcher)
    rows = [ROW, -ROW, 3 * ROW]
    futures = [batcher.submit("a", row, 1) for row in rows]
    recorder.go.set()
    with pytest.raises(DataError, match="bad row"):
        futures[1].result(5)
    for index in (0, 2):
        found = futures[index].result(5).outputs["double"]
        np.testing.assert_equal(found, 2 * rows[index])


def test_a_fault_of_the_model_ends_a_request_and_not_the_server(make, recorder):
    recorder.go.set()
    batcher = make()
    with pytest.raises(RuntimeError, match="broken"):
        batcher.submit("a", -2 * ROW, 1).result(5)
    assert batcher.is_ready
    batcher.submit("a", ROW, 1).result(5)


def test_no_more_requests_wait_than_may(make, recorder):
    batcher = make(queue_size=2)
    occupy(batcher)
    futures = [batcher.submit("a", ROW, 1) for _ in range(2)]
    with pytest.raises(QueueFullError):
        batcher.submit("a", ROW, 1)
    recorder.go.set()
    for future in futures:
        future.result(5)
    batcher.submit("a", ROW, 1).result(5)


def test_what_was_given_up_is_not_run(make, recorder):
    batcher = make()
    occupy(batcher)
    given_up = batcher.submit("a", ROW, 1)
    wanted = batcher.submit("b", ROW, 1)
    assert given_up.cancel()
    recorder.go.set()
    wanted.result(5)
    assert recorder.batches == [("busy", 1), ("b", 1)]


def test_closing_finishes_what_was_taken(make, recorder):
    batcher = make(timeout_s=30.0)
    futures = [batcher.submit(name, ROW, 1) for name in "abc"]
    recorder.go.set()
    batcher.close()
    assert all(future.done() for future in futures)
    assert not batcher.is_ready
    with pytest.raises(QueueFullError):
        batcher.submit("a", ROW, 1)


def test_each_batch_is_observed(make, recorder):
    seen = []
    batcher = make(observe=lambda *batch: seen.append(batch))
    recorder.go.set()
    result = batcher.submit("a", np.ones([3, 2]), 1).result(5)
    assert seen == [("a", 3, result.seconds)]


@pytest.mark.slow
def test_joined_images_get_the_detections_of_each_alone(tmp_path, make):
    pipeline = write_model(tmp_path / "model")
    with small_backbone():
        export(pipeline, str(tmp_path / "model"), str(tmp_path / "small"))
    model = ServedModel(find_version(str(tmp_path / "small")))
    images = random_images(4)
    alone = [model.run("image", image[None]) for image in images]
    seen = []
    batcher = make(
        model.run, lambda *batch: seen.append(batch[1]), timeout_s=5.0
    )
    futures = [batcher.submit("image", image[None], 1) for image in images]
    for expected, future in zip(alone, futures, strict=True):
        found = future.result(60).outputs
        for name, value in expected.items():
            np.testing.assert_allclose(found[name], value, atol=1e-5)
    assert seen == [4]


def test_strings_can_be_joined(make):
    def count(signature, batch):
        return {"length": tf.strings.length(tf.constant(batch)).numpy()}

    batcher = make(count, timeout_s=0.1)
    rows = [np.array([text], object) for text in (b"a", b"bcd")]
    futures = [batcher.submit("a", row, 1) for row in rows]
    lengths = [future.result(5).outputs["length"].item() for future in futures]
    assert lengths == [1, 3]
