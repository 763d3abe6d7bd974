"""The memory of a run does not grow with the number of its images."""

import dataclasses
import tracemalloc

import numpy as np
import pytest

from featsr_tf.prediction import loading
from featsr_tf.prediction.run import PredictionOptions
from featsr_tf.prediction.run import predict_files
from tests.prediction.bright import bright_model
from tests.prediction.bright import find_bright
from tests.prediction.bright import write_scenes

# What may be kept of an image: its path, and the name of its picture.
BYTES_PER_IMAGE = 1000


def find_many(images):
    """Fifty detections an image, about 3 kB on disk."""
    return [
        dataclasses.replace(
            found,
            boxes=np.repeat(found.boxes[:1], 50, axis=0),
            scores=np.repeat(found.scores[:1], 50),
            classes=np.repeat(found.classes[:1], 50),
        )
        for found in find_bright(images)
    ]


@pytest.fixture
def peak_of(monkeypatch, tmp_path):
    """Runs the command's work on a folder of images; returns bytes."""
    monkeypatch.setattr(loading, "load", lambda *_: bright_model(find_many))

    def run(count):
        write_scenes(tmp_path / str(count), count)
        options = PredictionOptions(csv=True, max_pictures=2)
        tracemalloc.start()
        try:
            predict_files(
                "bright",
                [str(tmp_path / str(count))],
                str(tmp_path / f"out {count}"),
                options,
            )
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    return run


def test_two_hundred_more_images_need_no_more_memory(peak_of):
    peak_of(10)  # Whatever is made once.
    few, many = peak_of(20), peak_of(220)
    assert many - few < 200 * BYTES_PER_IMAGE
