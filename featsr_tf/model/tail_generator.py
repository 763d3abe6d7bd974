"""A generator that is a copy of the extractor's tail, on a denser grid."""

import keras
from keras import ops

from featsr_tf.geometry.receptive_field import nodes_in_order
from featsr_tf.geometry.receptive_field import receptive_field
from featsr_tf.model import speed


@keras.saving.register_keras_serializable("featsr_tf")
class TailGenerator(keras.layers.Layer):
    """Refines small proposals by the extractor's own layers, seen denser.

    The layers from the sub layer to the base layer run on a crop of the sub
    features, with no more than the last of their strides. What they find is
    added to the base features by a convolution of kernel 1 that starts at
    zero, so that a new generator returns its base input unchanged.
    """

    def __init__(self, tail: keras.Model, **kwargs):
        super().__init__(**kwargs)
        self.tail = tail
        self._call_tail = speed.FoldedCall(tail)

    def build(self, base_shape, sub_shape):
        """Makes the variables."""
        channels = base_shape[-1]
        self.fusion = keras.layers.Conv2D(
            channels, 1, kernel_initializer="zeros", name="fusion"
        )
        both = channels + self.tail.output_shape[-1]
        self.fusion.build((*base_shape[:-1], both))

    def call(self, base, sub):
        """Super-resolves features.

        Args:
            base: `[n, k, k, C]` pooled features of the base layer, F.
            sub: `[n, k', k', C_sub]` pooled features of the sub layer, F_sub,
                of which the tail makes k cells along each side.

        Returns:
            `[n, k, k, C]` super-resolved features S.
        """
        features = self._call_tail(sub)
        return base + self.fusion(ops.concatenate([base, features], axis=-1))

    def compute_output_shape(self, base_shape, sub_shape):
        """Infers the shape of the output."""
        return base_shape

    def start_from(self, extractor: keras.Model) -> None:
        """Copies the weights of the extractor that the tail was made of."""
        self.tail.set_weights(_layers_behind_sub(extractor).get_weights())

    def for_inference(self) -> "TailGenerator":
        """Copies the generator without its batch normalization."""
        generator = TailGenerator(
            speed.folded_copy(self.tail),
            name=self.name,
            dtype=self.dtype_policy,
        )
        generator.fusion = self.fusion
        generator.built = True
        return generator

    def get_config(self):
        """Gives the constructor's arguments, for saving."""
        tail = keras.saving.serialize_keras_object(self.tail)
        return {**super().get_config(), "tail": tail}

    @classmethod
    def from_config(cls, config):
        """Makes a layer of what `get_config` gave."""
        tail = keras.saving.deserialize_keras_object(config.pop("tail"))
        return cls(tail, **config)


def build_tail(extractor: keras.Model) -> keras.Model:
    """Copies the layers of an extractor behind its sub layer.

    All strides but the last become 1: where the extractor sees a crop of the
    sub features as few cells, its tail sees them twice as dense as its output.

    Returns:
        Functional model from sub features `[n, 2k, 2k, C_sub]` to
        `[n, k, k, C]`, or from `[n, k, k, C_sub]` where nothing behind the
        sub layer has a stride; its variables are its own.
    """
    layers = _layers_behind_sub(extractor)
    dense = _layers_before_the_last_stride(layers)
    behind_padding = {
        node.input_tensors[0]._keras_history.operation.name: node.operation
        for node in nodes_in_order(layers)
        if node.operation.name in dense
    }

    def copy_layer(layer: keras.Layer) -> keras.Layer:
        config = layer.get_config()
        config["name"] = f"tail_{layer.name}"
        if layer.name in dense:
            config["strides"] = (1, 1)
        if isinstance(layer, keras.layers.ZeroPadding2D):
            consumer = behind_padding.get(layer.name)
            if consumer is not None:
                # Without its stride the layer keeps the size of its input.
                config["padding"] = [
                    ((size - 1) // 2, size // 2)
                    for size in consumer.kernel_size
                ]
        return type(layer).from_config(config)

    tail = keras.models.clone_model(layers, clone_function=copy_layer)
    tail.set_weights(layers.get_weights())
    return keras.Model(tail.input, tail.output, name="tail")


def _layers_behind_sub(extractor: keras.Model) -> keras.Model:
    """The extractor's own layers from the sub layer to the base layer."""
    return keras.Model(extractor.output["sub"], extractor.output["base"])


def _layers_before_the_last_stride(layers: keras.Model) -> set[str]:
    """Names of the layers with a stride that another one comes after."""
    last = receptive_field(layers).stride
    found = set()
    for node in nodes_in_order(layers):
        if max(getattr(node.operation, "strides", (1, 1))) > 1:
            reached = keras.Model(layers.input, node.outputs[0])
            if receptive_field(reached).stride < last:
                found.add(node.operation.name)
    return found
