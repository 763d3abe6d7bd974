"""EfficientNet-Lite0, which `keras.applications` does not have."""

import keras

_LAYERS = keras.layers
# Kernel size, expansion, filters, stride and repeats of each group of blocks.
_BLOCKS = (
    (3, 1, 16, 1, 1),
    (3, 6, 24, 2, 2),
    (5, 6, 40, 2, 2),
    (3, 6, 80, 2, 3),
    (5, 6, 112, 1, 3),
    (5, 6, 192, 2, 4),
    (3, 6, 320, 1, 1),
)


def efficientnet_lite0() -> keras.Model:
    """Builds the network without its classification head.

    It is EfficientNet-B0 without squeeze-and-excite, with ReLU6 for swish; its
    layers have the names of Keras' EfficientNet.

    Returns:
        Functional model from RGB images `[B, H, W, 3]`, 0..255, to features
        `[B, H / 32, W / 32, 320]`.
    """
    images = keras.Input((None, None, 3))
    features = _LAYERS.Rescaling(1 / 128, offset=-127 / 128)(images)
    features = _convolve(features, "stem_", "conv", "bn", 32, 3, stride=2)
    features = _LAYERS.ReLU(6.0, name="stem_activation")(features)
    for number, (kernel, expansion, filters, stride, repeats) in enumerate(
        _BLOCKS, 1
    ):
        for index in range(repeats):
            features = _block(
                features,
                f"block{number}{'abcd'[index]}_",
                kernel,
                expansion,
                filters,
                1 if index else stride,
            )
    return keras.Model(images, features, name="efficientnet_lite0")


def _block(inputs, name, kernel, expansion, filters, stride):
    """Expands the channels, convolves each for itself and projects them."""
    features, channels = inputs, inputs.shape[-1]
    if expansion > 1:
        features = _convolve(
            features, name, "expand_conv", "expand_bn", channels * expansion, 1
        )
        features = _LAYERS.ReLU(6.0, name=f"{name}expand_activation")(features)
    features = _LAYERS.DepthwiseConv2D(
        kernel, stride, "same", use_bias=False, name=f"{name}dwconv"
    )(features)
    features = _normalize(features, f"{name}bn")
    features = _LAYERS.ReLU(6.0, name=f"{name}activation")(features)
    features = _convolve(
        features, name, "project_conv", "project_bn", filters, 1
    )
    if stride == 1 and channels == filters:
        features = _LAYERS.Add(name=f"{name}add")([features, inputs])
    return features


def _convolve(inputs, name, conv, norm, filters, kernel, stride=1):
    features = _LAYERS.Conv2D(
        filters, kernel, stride, "same", use_bias=False, name=name + conv
    )(inputs)
    return _normalize(features, name + norm)


def _normalize(inputs, name):
    return _LAYERS.BatchNormalization(name=name)(inputs)
