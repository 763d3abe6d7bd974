"""Distances of generated features from their targets, worked out by hand."""

import dataclasses

import numpy as np
import pytest

from featsr_tf.data.build import load_records
from featsr_tf.data.keys import Batch
from research.ablation.content import content_figures
from research.ablation.content import content_of_folds
from research.ablation.content import measure_content
from research.ablation.kept import read_kept
from research.ablation.kept import write_kept
from research.tests.cells import SMALL
from research.tests.cells import kept
from research.views import fixed_views
from tests.data.example_files import encode
from tests.data.example_files import example
from tests.data.example_files import noise_image
from tests.data.example_files import write_records
from tests.model.small import small_backbone
from tests.model.small import small_detector
from tests.model.small import small_pipeline

EXTENSION = "model.feature_super_resolution"
# 1.4 times the small threshold: the half-scale versions are small.
BOX = [0.0, 0.0, 0.6, 0.6]


def features(*values):
    """Features of one channel and one cell, a proposal for each value."""
    return np.array(values, "float32").reshape(-1, 1, 1, 1)


def test_errors_are_shares_of_the_spread_of_the_targets():
    # Targets 1, 3, 5, 7 lie 20 around their mean of 4.
    batches = [
        (features(1, 1), features(1, 2), features(1, 3)),
        (features(), features(), features()),
        (features(5, 3), features(5, 5), features(5, 7)),
    ]
    assert content_figures(batches) == pytest.approx(
        {
            "refined_error": (0 + 1 + 0 + 4) / 20,
            "input_error": (0 + 4 + 0 + 16) / 20,
            "target_over_input_mean": 16 / 10,
            "num_pairs": 4,
        }
    )


def test_the_best_constant_of_each_channel_has_the_error_one():
    generator = np.random.default_rng(0)
    targets = generator.normal([3.0, -50.0], [1.0, 5.0], (40, 3, 3, 2))
    constant = np.broadcast_to(targets.mean(axis=(0, 1, 2)), targets.shape)
    figures = content_figures([(targets, constant, targets)])
    assert figures["refined_error"] == pytest.approx(1.0)
    assert figures["input_error"] == 0.0
    assert figures["target_over_input_mean"] == pytest.approx(1.0)


def test_without_pairs_nothing_is_told():
    figures = content_figures([(features(), features(), features())])
    assert figures.pop("num_pairs") == 0
    assert all(np.isnan(value) for value in figures.values())


def test_folds_are_averaged_and_their_pairs_counted():
    first, second = (
        {
            "refined_error": value,
            "input_error": 2 * value,
            "target_over_input_mean": 1.0,
            "num_pairs": 5,
        }
        for value in (0.1, 0.3)
    )
    assert content_of_folds([first, second]) == pytest.approx(
        {
            "refined_error": 0.2,
            "input_error": 0.4,
            "target_over_input_mean": 1.0,
            "num_pairs": 10,
        }
    )
    assert content_of_folds([first, None]) is None


def test_content_is_kept(tmp_path):
    content = {"refined_error": 0.25, "num_pairs": 3}
    cell = kept(([SMALL], [SMALL], [0.9]), content=content)
    write_kept(tmp_path / "with.npz", cell)
    assert read_kept(tmp_path / "with.npz").content == content
    without = dataclasses.replace(cell, content=None)
    write_kept(tmp_path / "without.npz", without)
    assert read_kept(tmp_path / "without.npz").content is None


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    """Makes configs and the source of five frames with an object each."""
    folder = tmp_path_factory.mktemp("records")
    path = write_records(
        folder / "held_out.record",
        [
            example(encode(noise_image(64, 64, seed)), [BOX], [1])
            for seed in range(5)
        ],
    )
    label_map = folder / "label_map.pbtxt"
    label_map.write_text(
        'item { id: 1 name: "round" }\nitem { id: 2 name: "square" }\n'
    )
    reader = "train_input_reader"

    def make(*overrides):
        pipeline = small_pipeline(
            f"{reader}.label_map_path='{label_map}'",
            f"{reader}.tf_record_input_reader.input_path=['{path}']",
            *overrides,
        )
        return pipeline, load_records(pipeline.train_input_reader, 2)

    return make


@pytest.fixture(scope="module")
def _small_layers():
    with small_backbone():
        yield


@pytest.mark.usefixtures("_small_layers")
def test_a_generator_that_changes_nothing_is_as_far_off_as_its_input(opened):
    supervision = f"{EXTENSION}.supervision=MAGNIFIED"
    pipeline, source = opened(supervision)
    figures = measure_content(pipeline, small_detector(supervision), source)
    assert figures["refined_error"] == pytest.approx(figures["input_error"])
    assert figures["refined_error"] > 0.01
    assert figures["num_pairs"] > 4


@pytest.mark.usefixtures("_small_layers")
def test_the_placebo_is_its_input_and_is_lost_by_a_generator_that_changes_it(
    opened,
):
    supervision = f"{EXTENSION}.supervision=PLACEBO"
    pipeline, source = opened(supervision)
    detector = small_detector(supervision)
    for variable in detector.refiner.trainable_variables:
        variable.assign_add(variable + 0.1)
    figures = measure_content(pipeline, detector, source)
    assert figures["input_error"] == 0.0
    assert figures["target_over_input_mean"] == pytest.approx(1.0)
    assert figures["refined_error"] > 0.01


@pytest.mark.usefixtures("_small_layers")
def test_without_targets_there_is_no_content(opened):
    without = f"{EXTENSION}.supervision=NONE"
    pipeline, source = opened(without)
    assert measure_content(pipeline, small_detector(without), source) is None


def test_views_are_the_same_whatever_the_seed_and_each_frame_comes_once(opened):
    first, second = (
        [batch[Batch.IMAGES].numpy() for batch in fixed_views(*opened(seed))]
        for seed in (f"{EXTENSION}.seed=0", f"{EXTENSION}.seed=7")
    )
    np.testing.assert_array_equal(first, second)
    # Five frames make two full batches of two.
    frames = np.concatenate(first)
    assert len(frames) == 4
    assert len(np.unique(frames.reshape(4, -1), axis=0)) == 4
