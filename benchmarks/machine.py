"""What a measurement was made with."""

import os
import platform


def describe_machine() -> str:
    """Names processor cores, system and library versions in one line."""
    import keras
    import tensorflow as tf

    gpus = len(tf.config.list_physical_devices("GPU"))
    return (
        f"{os.cpu_count()} CPU cores, {gpus} GPUs, {platform.machine()}, "
        f"Python {platform.python_version()}, TensorFlow {tf.__version__}, "
        f"Keras {keras.__version__}"
    )
