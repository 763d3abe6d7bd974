"""Pipeline configs: their fields, their text, their checks."""

from featsr_tf.config.checks import backbone_name
from featsr_tf.config.checks import has_api_geometry
from featsr_tf.config.differences import affects_of
from featsr_tf.config.differences import all_differences
from featsr_tf.config.differences import base_differences
from featsr_tf.config.differences import changes
from featsr_tf.config.differences import differences
from featsr_tf.config.differences import inference_differences
from featsr_tf.config.differences import stage_differences
from featsr_tf.config.differences import with_inference_of
from featsr_tf.config.fields import chosen
from featsr_tf.config.load import load_pipeline
from featsr_tf.config.load import parse_pipeline
from featsr_tf.config.schema import Pipeline
from featsr_tf.config.text_format import to_text
from featsr_tf.config.warnings import find_warnings
