"""The model of the network, by hand, and what a step really sends."""

import keras
import pytest

from featsr_tf.training.build import build_stage
from featsr_tf.training.checkpoints import BASE
from featsr_tf.training.checkpoints import FINE_TUNE
from featsr_tf.training.checkpoints import SUPER_RESOLUTION
from featsr_tf.training.distribution import default_strategy
from research.network.model import Network
from research.network.model import Traffic
from research.network.model import speedups
from research.network.traffic import count_traffic
from research.network.traffic import gradient_bytes
from tests.model.small import small_backbone
from tests.model.small import small_detector
from tests.model.small import small_pipeline
from tests.training.batches import SMALL
from tests.training.batches import make_batch

NETWORK = Network(bandwidth=100.0, latency=1.0)
TRAFFIC = Traffic(num_calls=2, num_tensors=3, num_bytes=400)


@pytest.mark.parametrize(
    ("num_devices", "by_rings", "by_trees"),
    # 4 + 3 * 2 and 4 + 2 * 2; 6 + 3 * 6 and 6 + 2 * 4.
    [(1, 0.0, 0.0), (2, 10.0, 8.0), (4, 24.0, 14.0)],
)
def test_times_by_hand(num_devices, by_rings, by_trees):
    assert NETWORK.seconds(TRAFFIC, num_devices) == by_rings
    assert NETWORK.seconds_of_trees(TRAFFIC, num_devices) == by_trees


def test_speedups_by_hand():
    assert speedups(NETWORK, TRAFFIC, 10.0, 1) == "1"
    assert speedups(NETWORK, TRAFFIC, 10.0, 2) == "1 / 1.11"
    assert speedups(NETWORK, TRAFFIC, 16.0, 4) == "1.6 / 2.13"


def test_a_step_sends_its_gradients_once_and_single_numbers():
    strategy = default_strategy()
    keras.utils.set_random_seed(0)
    with strategy.scope():
        stage = build_stage(small_pipeline(), FINE_TUNE, small_detector())
    traffic = count_traffic(strategy, stage, make_batch([SMALL]))
    with small_backbone():
        gradients = gradient_bytes(small_pipeline())[FINE_TUNE]
    questions = 2
    rest = traffic.num_tensors - len(stage.trained_variables) - questions
    assert traffic.num_bytes == gradients + 4 * rest + 8 * questions
    # Divisors of four losses; these, their sum and the norm of the gradient.
    assert rest == 4 + 6
    # The losses go together, and so do the gradients.
    assert traffic.num_calls == 4 + 1 + 1 + questions


def test_the_discriminator_sends_its_gradients_too():
    fields = "model.feature_super_resolution"
    with small_backbone():
        first = gradient_bytes(small_pipeline())
        second = gradient_bytes(
            small_pipeline(
                f"{fields}.discriminator.hidden_units=[8, 5]",
                f"{fields}.fine_tune_stage.num_steps=0",
            )
        )
    assert list(first) == [BASE, SUPER_RESOLUTION, FINE_TUNE]
    assert list(second) == [BASE, SUPER_RESOLUTION]
    # One unit more after eight and before the last: nine weights and a bias.
    more = second[SUPER_RESOLUTION] - first[SUPER_RESOLUTION]
    assert more == 4 * (8 + 1 + 1)
