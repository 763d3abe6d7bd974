"""The memory of a run does not grow with the number of its images."""

import tracemalloc

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
    outputs = find_bright(images)
    for name in ("detection_boxes", "detection_scores"):
        outputs[name][:] = outputs[name][:, :1]
    outputs["num_detections"][:] = 50
    return outputs


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
