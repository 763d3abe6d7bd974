"""The super-resolution feature discriminator (section 4.2)."""

from collections.abc import Sequence

import keras


@keras.saving.register_keras_serializable("featsr_tf")
class Discriminator(keras.layers.Layer):
    """Tells true high-resolution features from generated ones.

    A multi-layer perceptron with three layers: two hidden ones and the logit.

    Args:
        spectral_normalization: whether calls in training divide the weights
            of each layer by their greatest singular value (Miyato et al.,
            ICLR 2018).

    Example:
        >>> Discriminator()(keras.ops.ones([4, 7, 7, 64])).shape
        TensorShape([4])
    """

    def __init__(
        self,
        hidden_units: Sequence[int] = (512, 256),
        spectral_normalization: bool = False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.hidden_units = tuple(hidden_units)
        self.spectral_normalization = spectral_normalization
        self.flatten = keras.layers.Flatten()
        self.hidden = [
            self._dense(
                units,
                f"hidden{i + 1}",
                activation=keras.layers.LeakyReLU(negative_slope=0.2),
                kernel_initializer="he_normal",
            )
            for i, units in enumerate(self.hidden_units)
        ]
        self.logit = self._dense(1, "logit", dtype="float32")
        for layer in self.hidden:
            # TensorFlow's checkpoints hold attributes, but nothing in a list.
            setattr(self, layer.name, layer)

    def _dense(self, units: int, name: str, **options) -> keras.layers.Layer:
        dense = keras.layers.Dense(units, name=name, **options)
        if not self.spectral_normalization:
            return dense
        # It writes the weights anew, which must not lose digits.
        return keras.layers.SpectralNormalization(
            dense, dtype="float32", name=name
        )

    def build(self, input_shape):
        """Makes the variables."""
        _, height, width, channels = input_shape
        inputs = height * width * channels
        for layer, units in zip(self.hidden, self.hidden_units, strict=True):
            layer.build((None, inputs))
            inputs = units
        self.logit.build((None, inputs))

    def call(self, features, training=None):
        """Discriminates between true and generated features.

        Args:
            features: `[n, k, k, C]` pooled features.
            training: whether spectral normalization is brought up to date.

        Returns:
            `[n]` logits of D; positive means "true high-resolution".
        """
        hidden = self.flatten(features)
        for layer in self.hidden:
            hidden = layer(hidden, training=training)
        return self.logit(hidden, training=training)[:, 0]

    def compute_output_shape(self, input_shape):
        """Infers the shape of the output."""
        return (input_shape[0],)

    def get_config(self):
        """Gives the constructor's arguments, for saving."""
        return {
            **super().get_config(),
            "hidden_units": self.hidden_units,
            "spectral_normalization": self.spectral_normalization,
        }
