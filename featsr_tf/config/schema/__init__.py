"""Every message of a pipeline config, declared once.

The names, the nesting and (where not said otherwise) the defaults are those
of the TF Object Detection API. A new field needs one line in one of these
modules: parsing, overrides, checks of its limits, printing and the config
reference follow from the declaration.
"""

import dataclasses

from featsr_tf.config.fields import BASE
from featsr_tf.config.fields import CACHE
from featsr_tf.config.fields import INFERENCE
from featsr_tf.config.fields import MODEL
from featsr_tf.config.fields import config_message
from featsr_tf.config.fields import field
from featsr_tf.config.fields import message
from featsr_tf.config.schema.augmentation import PreprocessingStep
from featsr_tf.config.schema.faster_rcnn import Activation
from featsr_tf.config.schema.faster_rcnn import FasterRcnn
from featsr_tf.config.schema.faster_rcnn import FeatureExtractor
from featsr_tf.config.schema.faster_rcnn import GridAnchorGenerator
from featsr_tf.config.schema.faster_rcnn import Hyperparams
from featsr_tf.config.schema.faster_rcnn import ImageResizer
from featsr_tf.config.schema.faster_rcnn import ResizeType
from featsr_tf.config.schema.faster_rcnn import ScoreConverter
from featsr_tf.config.schema.super_resolution import AreaFrame
from featsr_tf.config.schema.super_resolution import BackboneOptions
from featsr_tf.config.schema.super_resolution import FeatureSuperResolution
from featsr_tf.config.schema.super_resolution import GeneratorBlock
from featsr_tf.config.schema.super_resolution import Geometry
from featsr_tf.config.schema.super_resolution import Precision
from featsr_tf.config.schema.super_resolution import RefinerType
from featsr_tf.config.schema.super_resolution import SecondLookOptions
from featsr_tf.config.schema.super_resolution import Supervision
from featsr_tf.config.schema.super_resolution import TrainingCropOptions
from featsr_tf.config.schema.super_resolution import TwinPooling
from featsr_tf.config.schema.training import BestBy
from featsr_tf.config.schema.training import LearningRate
from featsr_tf.config.schema.training import Optimizer
from featsr_tf.config.schema.training import TrainConfig


@config_message
class TFRecordInputReader:
    """Files of TF Examples."""

    input_path: list[str] = field(
        [], "TFRecord files; `*` and `?` match several, as in a shell."
    )


@config_message
class InputReader:
    """One source of examples."""

    label_map_path: str = field("", "The label map, a .pbtxt file.")
    tf_record_input_reader: TFRecordInputReader = message(
        TFRecordInputReader, "The files."
    )
    max_bad_examples: int = field(
        0,
        "Damaged or unsound records that are left out, each with a warning, "
        "before it is an error; above 0 all images are decoded beforehand.",
    )


@config_message
class EvalConfig:
    """How detections are judged."""

    batch_size: int = field(1, "Images per step.", limits=(1, 65536))
    metrics_set: list[str] = field(
        [],
        "Protocol of `featsr_tf.evaluate`: coco_detection_metrics, "
        "pascal_voc_detection_metrics, else that of Tsinghua-Tencent 100K.",
    )
    min_score_threshold: float = field(
        0.5, "Least score of detections that are drawn.", limits=(0, 1)
    )


@config_message
class Model:
    """The detector and its feature super-resolution."""

    faster_rcnn: FasterRcnn = message(
        FasterRcnn, "The base detector.", MODEL | BASE | CACHE
    )
    feature_super_resolution: FeatureSuperResolution = message(
        FeatureSuperResolution, "What this package adds."
    )


@config_message
class Pipeline:
    """A pipeline config (`TrainEvalPipelineConfig` of the API).

    Args:
        origins: Where each field that is set was set: path -> "file:line:
            column" or "--set path".
    """

    model: Model = message(Model, "The detector.")
    train_config: TrainConfig = message(TrainConfig, "Stage 1.", BASE | CACHE)
    train_input_reader: InputReader = message(
        InputReader, "Training data.", BASE | CACHE | INFERENCE
    )
    eval_config: EvalConfig = message(EvalConfig, "Evaluation.", INFERENCE)
    eval_input_reader: list[InputReader] = field(
        [], "Evaluation data; only the first is used.", INFERENCE
    )
    source: str = dataclasses.field(default="", compare=False, repr=False)
    origins: dict[str, str] = dataclasses.field(
        default_factory=dict, compare=False, repr=False
    )

    def where(self, path: str) -> str:
        """Says where a field, or else what surrounds it, was set."""
        while path and path not in self.origins:
            path = path.rpartition(".")[0]
        return self.origins.get(path, self.source)
