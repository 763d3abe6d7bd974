"""The discriminator: a perceptron with three layers (section 4.2)."""

import numpy as np

from featsr_tf.model.discriminator import Discriminator
from tests.support import check_layer


def test_a_discriminator_keeps_the_promises_of_a_layer():
    check_layer(lambda: Discriminator((5, 3)), [(4, 2, 2, 6)], (4,))


def test_there_are_three_layers_unless_told():
    discriminator = Discriminator()
    discriminator.build((None, 2, 2, 3))
    shapes = [tuple(weight.shape) for weight in discriminator.weights]
    assert shapes == [(12, 512), (512,), (512, 256), (256,), (256, 1), (1,)]


def test_hidden_layers_leak_and_the_logit_is_linear():
    discriminator = Discriminator((1,))
    discriminator.build((None, 1, 2, 1))
    discriminator.hidden[0].kernel.assign([[1.0], [1.0]])
    discriminator.logit.kernel.assign([[3.0]])
    discriminator.logit.bias.assign([1.0])
    # Sums of 10 and of -10, which leaks as -2.
    features = np.reshape([4.0, 6.0, -4.0, -6.0], (2, 1, 2, 1))
    logits = discriminator(features)
    np.testing.assert_allclose(logits, [31.0, -5.0], rtol=1e-6)
