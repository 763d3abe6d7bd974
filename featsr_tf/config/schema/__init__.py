"""Every message of a pipeline config, declared once.

The names, the nesting and (where not said otherwise) the defaults are those
of the TF Object Detection API. A new field needs one line in one of these
modules: parsing, overrides, checks of its limits, printing and the config
reference follow from the declaration.
"""

from featsr_tf.config.schema.detector import FasterRcnn
from featsr_tf.config.schema.detector import FeatureExtractor
from featsr_tf.config.schema.detector import GridAnchorGenerator
from featsr_tf.config.schema.evaluation import EvalConfig
from featsr_tf.config.schema.hyperparameters import Activation
from featsr_tf.config.schema.hyperparameters import Hyperparams
from featsr_tf.config.schema.inputs import InputReader
from featsr_tf.config.schema.optimizer import LearningRate
from featsr_tf.config.schema.optimizer import Optimizer
from featsr_tf.config.schema.pipeline import Model
from featsr_tf.config.schema.pipeline import Pipeline
from featsr_tf.config.schema.postprocessing import ScoreConverter
from featsr_tf.config.schema.preprocessing import PreprocessingStep
from featsr_tf.config.schema.resizer import ImageResizer
from featsr_tf.config.schema.resizer import ResizeType
from featsr_tf.config.schema.super_resolution import AreaFrame
from featsr_tf.config.schema.super_resolution import BestBy
from featsr_tf.config.schema.super_resolution import FeatureSuperResolution
from featsr_tf.config.schema.super_resolution import GeneratorBlock
from featsr_tf.config.schema.super_resolution import Precision
from featsr_tf.config.schema.super_resolution import Refiner
from featsr_tf.config.schema.super_resolution import Supervision
from featsr_tf.config.schema.super_resolution import TrainingCrop
from featsr_tf.config.schema.super_resolution import TwinPooling
from featsr_tf.config.schema.train import TrainConfig

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
