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


def spectral_norms(discriminator):
    layers = [*discriminator.hidden, discriminator.logit]
    return [np.linalg.norm(layer.kernel, 2) for layer in layers]


def test_a_normalized_discriminator_keeps_the_promises_of_a_layer():
    check_layer(lambda: Discriminator((5, 3), True), [(4, 2, 2, 6)], (4,))


def test_in_training_the_greatest_singular_values_become_one():
    discriminator = Discriminator((5, 3), spectral_normalization=True)
    features = np.ones((4, 2, 2, 6), "float32")
    discriminator(features)
    before = spectral_norms(discriminator)
    discriminator(features, training=False)
    assert spectral_norms(discriminator) == before
    assert not np.allclose(before, 1.0, atol=0.01)
    for _ in range(30):
        discriminator(features, training=True)
    np.testing.assert_allclose(spectral_norms(discriminator), 1.0, rtol=0.01)


def test_normalization_leaves_the_directions_of_the_weights():
    discriminator = Discriminator((2,), spectral_normalization=True)
    discriminator.build((None, 1, 2, 1))
    # Singular values of 4 and 3.
    discriminator.hidden[0].kernel.assign([[0.0, 4.0], [3.0, 0.0]])
    features = np.ones((1, 1, 2, 1), "float32")
    for _ in range(30):
        discriminator(features, training=True)
    np.testing.assert_allclose(
        discriminator.hidden[0].kernel, [[0.0, 1.0], [0.75, 0.0]], atol=1e-3
    )
