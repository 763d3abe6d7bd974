"""The super-resolution feature discriminator (section 4.2)."""

from collections.abc import Sequence

import keras


@keras.saving.register_keras_serializable("featsr_tf")
class Discriminator(keras.layers.Layer):
    """Tells true high-resolution features from generated ones.

    A multi-layer perceptron with three layers: two hidden ones and the logit.

    Args:
        hidden_units: widths of the hidden layers. Default (512, 256).

    Example:
        >>> Discriminator()(keras.ops.ones([4, 7, 7, 64])).shape
        TensorShape([4])
    """

    def __init__(self, hidden_units: Sequence[int] = (512, 256), **kwargs):
        super().__init__(**kwargs)
        self.hidden_units = tuple(hidden_units)
        self.flatten = keras.layers.Flatten()
        self.hidden = [
            keras.layers.Dense(
                units,
                activation=keras.layers.LeakyReLU(negative_slope=0.2),
                kernel_initializer="he_normal",
                name=f"hidden{i + 1}",
            )
            for i, units in enumerate(self.hidden_units)
        ]
        self.logit = keras.layers.Dense(1, name="logit")
        for layer in self.hidden:
            # TensorFlow's checkpoints hold attributes, but nothing in a list.
            setattr(self, layer.name, layer)

    def build(self, input_shape):
        """Makes the variables."""
        _, height, width, channels = input_shape
        units = height * width * channels
        for layer in self.hidden:
            layer.build((None, units))
            units = layer.units
        self.logit.build((None, units))

    def call(self, features):
        """Judges features.

        Args:
            features: `[n, k, k, C]` pooled features.

        Returns:
            `[n]` logits of D; positive means "true high-resolution".
        """
        hidden = self.flatten(features)
        for layer in self.hidden:
            hidden = layer(hidden)
        return self.logit(hidden)[:, 0]

    def compute_output_shape(self, input_shape):
        """Infers the shape of the output."""
        return (input_shape[0],)

    def get_config(self):
        """Gives the constructor's arguments, for saving."""
        return {**super().get_config(), "hidden_units": self.hidden_units}
