"""ResNets of Keras as the TF Object Detection API lays them out."""

import keras

_POOL = "pool1_pool"
_POOL_PADDING = "pool1_pad"


def rewired(
    network: keras.Model, pools_same: bool = False, is_dilated: bool = False
) -> keras.Model:
    """Copies a network with the same variables, laid out otherwise.

    Args:
        network: a ResNet of `keras.applications`.
        pools_same: whether its max-pool pads as little as it needs, at the
            end first, which moves every cell behind it.
        is_dilated: whether its fourth group of blocks keeps the stride of the
            third: its 3 x 3 kernels leave every second cell out instead.
    """

    def copy_layer(layer: keras.Layer) -> keras.Layer:
        config = layer.get_config()
        if pools_same and layer.name == _POOL_PADDING:
            return keras.layers.Activation("linear", name=layer.name)
        if pools_same and layer.name == _POOL:
            config["padding"] = "same"
        if is_dilated and layer.name.startswith("conv4_"):
            if config.get("strides") == (2, 2):
                config["strides"] = (1, 1)
            if config.get("kernel_size") == (3, 3):
                config["dilation_rate"] = (2, 2)
        return type(layer).from_config(config)

    copy = keras.models.clone_model(network, clone_function=copy_layer)
    copy.set_weights(network.get_weights())
    return copy
