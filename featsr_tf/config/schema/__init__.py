"""Every message of a pipeline config, declared once.

The names, the nesting and (where not said otherwise) the defaults are those
of the TF Object Detection API. A new field needs one line in one of these
modules: parsing, overrides, checks of its limits, printing and the config
reference follow from the declaration.
"""

from featsr_tf.config.schema.augmentation import PreprocessingStep
from featsr_tf.config.schema.faster_rcnn import Activation
from featsr_tf.config.schema.faster_rcnn import FasterRcnn
from featsr_tf.config.schema.faster_rcnn import FeatureExtractor
from featsr_tf.config.schema.faster_rcnn import GridAnchorGenerator
from featsr_tf.config.schema.faster_rcnn import Hyperparams
from featsr_tf.config.schema.faster_rcnn import ImageResizer
from featsr_tf.config.schema.faster_rcnn import ResizeType
from featsr_tf.config.schema.faster_rcnn import ScoreConverter
from featsr_tf.config.schema.optimizer import LearningRate
from featsr_tf.config.schema.optimizer import Optimizer
from featsr_tf.config.schema.pipeline import EvalConfig
from featsr_tf.config.schema.pipeline import InputReader
from featsr_tf.config.schema.pipeline import Model
from featsr_tf.config.schema.pipeline import Pipeline
from featsr_tf.config.schema.pipeline import TrainConfig
from featsr_tf.config.schema.super_resolution import AreaFrame
from featsr_tf.config.schema.super_resolution import BestBy
from featsr_tf.config.schema.super_resolution import FeatureSuperResolution
from featsr_tf.config.schema.super_resolution import GeneratorBlock
from featsr_tf.config.schema.super_resolution import Precision
from featsr_tf.config.schema.super_resolution import Refiner
from featsr_tf.config.schema.super_resolution import Supervision
from featsr_tf.config.schema.super_resolution import TrainingCrop
from featsr_tf.config.schema.super_resolution import TwinPooling

__all__ = [
    "Activation",
    "BestBy",
    "AreaFrame",
    "EvalConfig",
    "FasterRcnn",
    "FeatureExtractor",
    "FeatureSuperResolution",
    "GeneratorBlock",
    "GridAnchorGenerator",
    "Hyperparams",
    "ImageResizer",
    "InputReader",
    "LearningRate",
    "Model",
    "Optimizer",
    "Pipeline",
    "PreprocessingStep",
    "Precision",
    "Refiner",
    "ResizeType",
    "ScoreConverter",
    "Supervision",
    "TrainConfig",
    "TrainingCrop",
    "TwinPooling",
]
