"""Feature super-resolution for small object detection (Noh et al. 2019)."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from featsr_tf.prediction.model import DetectionModel

__version__ = "0.1.0"


def load(
    path: str | os.PathLike,
    overrides: Sequence[str] = (),
    label_map: str | os.PathLike | None = None,
) -> "DetectionModel":
    """Loads a trained detector.

    TensorFlow's own lines stay off the terminal, as those of commands, unless
    it is imported already or TF_CPP_MIN_LOG_LEVEL is 0 or 1.

    Args:
        path: a model folder of `featsr_tf.train`; what `featsr_tf.export`
            wrote: the folder NAME, whose newest version is taken, or
            NAME/VERSION; or a SavedModel or ONNX file of any detector with the
            signature of the Object Detection API.
        overrides: fields that a model folder uses with another value, such
            as "model.feature_super_resolution.gate_maximum=8".
        label_map: file of the class names. Default `label_map.pbtxt` beside
            the model; without it classes of a foreign detector are numbers.

    Raises:
        ConfigError: there is none.
        DataError: it is damaged.
    """
    from featsr_tf.command_line.parser import quiet_tensorflow

    quiet_tensorflow()
    # TensorFlow takes seconds to import; commands that fail do without it.
    from featsr_tf.prediction import model

    return model.load(path, overrides, label_map)
