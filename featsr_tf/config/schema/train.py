"""Stage 1, and what all stages share: batches, augmentation, checkpoints."""

import dataclasses
import enum

from featsr_tf.config.fields import message
from featsr_tf.config.fields import setting
from featsr_tf.config.fields import unused
from featsr_tf.config.schema.optimizer import Optimizer
from featsr_tf.config.schema.preprocessing import PreprocessingStep

_CHECKPOINT = (
    "Checkpoints of the API hold the variables of other layers and are not "
    "read; give Keras weights of the backbone by "
    "model.feature_super_resolution.backbone.weights."
)
_DEVICES = "All devices always take each step together."
_QUEUES = "Data come through tf.data, which has no such queues."
_ONE_LABEL = "Every box has one class; equal boxes stay several objects."
_TPU = "For TPUs; results do not depend on it."


class CheckpointVersion(enum.StrEnum):
    """Format of a checkpoint."""

    UNKNOWN = "UNKNOWN"
    V1 = "V1"
    V2 = "V2"


@dataclasses.dataclass
class TrainConfig:
    """Training of the base detector (stage 1)."""

    batch_size: int = setting(
        32, "Images per step, over all devices.", minimum=1, maximum=65536
    )
    data_augmentation_options: list[PreprocessingStep] = setting(
        [], "Steps of data augmentation, in this order."
    )
    sync_replicas: bool = unused(False, _DEVICES)
    keep_checkpoint_every_n_hours: float = unused(
        10000.0,
        "See model.feature_super_resolution.keep_checkpoints.",
    )
    optimizer: Optimizer = message(Optimizer, "Optimizer of stage 1.")
    gradient_clipping_by_norm: float = setting(
        0.0, "Greatest norm of the gradient; 0 = no limit."
    )
    fine_tune_checkpoint: str = unused("", _CHECKPOINT)
    fine_tune_checkpoint_version: CheckpointVersion = unused(
        CheckpointVersion.V1, _CHECKPOINT
    )
    fine_tune_checkpoint_type: str = unused("", _CHECKPOINT)
    from_detection_checkpoint: bool = unused(False, _CHECKPOINT)
    load_all_detection_checkpoint_vars: bool = unused(False, _CHECKPOINT)
    num_steps: int = setting(
        0,
        "Steps of stage 1; training needs at least one (0 is without end in "
        "the API).",
    )
    startup_delay_steps: float = unused(15.0, _DEVICES)
    bias_grad_multiplier: float = unused(
        0.0, "Gradients of biases are taken as they are."
    )
    update_trainable_variables: list[str] = setting(
        [],
        "Regular expressions: where set, only variables whose path matches "
        "one are trained.",
    )
    freeze_variables: list[str] = setting(
        [],
        "Regular expressions: variables whose path matches one stay fixed in "
        "stage 1.",
    )
    replicas_to_aggregate: int = unused(1, _DEVICES)
    batch_queue_capacity: int = unused(150, _QUEUES)
    num_batch_queue_threads: int = unused(8, _QUEUES)
    prefetch_queue_capacity: int = unused(5, _QUEUES)
    merge_multiple_label_boxes: bool = unused(False, _ONE_LABEL)
    use_multiclass_scores: bool = unused(False, _ONE_LABEL)
    add_regularization_loss: bool = setting(
        True, "Whether the losses of regularizers are minimized, in all stages."
    )
    max_number_of_boxes: int = setting(
        100,
        "Objects per image; what is cut beyond is counted and reported.",
        minimum=1,
        maximum=100000,
    )
    unpad_groundtruth_tensors: bool = unused(True, _TPU)
    retain_original_images: bool = unused(
        False, "Pictures in TensorBoard are made of evaluation images."
    )
    use_bfloat16: bool = unused(
        False, "See model.feature_super_resolution.precision."
    )
    summarize_gradients: bool = unused(
        False, "TensorBoard shows losses, gauges, learning rate and pictures."
    )
