"""Stage 1, and what all stages share: batches, augmentation, checkpoints."""

import dataclasses
import enum

from featsr_tf.config.fields import message
from featsr_tf.config.fields import setting
from featsr_tf.config.fields import unused
from featsr_tf.config.schema.augmentation import PreprocessingStep
from featsr_tf.config.schema.optimizer import Optimizer

WEIGHTS_INSTEAD = "Use feature_super_resolution.backbone.weights instead."


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
    sync_replicas: bool = unused(False, "Devices are always synchronous.")
    keep_checkpoint_every_n_hours: int = unused(1000, "Kept checkpoints.")
    optimizer: Optimizer = message(Optimizer, "Optimizer of stage 1.")
    gradient_clipping_by_norm: float = setting(
        0.0, "Greatest norm of the gradient; 0 = no limit."
    )
    fine_tune_checkpoint: str = unused("", WEIGHTS_INSTEAD)
    fine_tune_checkpoint_version: CheckpointVersion = unused(
        CheckpointVersion.V1, "Format of that checkpoint."
    )
    fine_tune_checkpoint_type: str = unused("", "Kind of that checkpoint.")
    from_detection_checkpoint: bool = unused(
        False, "Kind of that checkpoint, as it was once written."
    )
    load_all_detection_checkpoint_vars: bool = unused(
        False, "Whether all of that checkpoint is read."
    )
    num_steps: int = setting(
        0, "Steps of stage 1; at least one, unlike in the API.", minimum=1
    )
    startup_delay_steps: float = unused(15.0, "Delay between devices.")
    bias_grad_multiplier: float = unused(0.0, "Factor of bias gradients.")
    update_trainable_variables: list[str] = unused(
        [], "Variables that are trained; see `freeze_variables`."
    )
    freeze_variables: list[str] = setting(
        [], "Regular expressions: variables whose path matches stay fixed."
    )
    replicas_to_aggregate: int = unused(1, "Devices per step.")
    batch_queue_capacity: int = unused(150, "Size of a queue.")
    num_batch_queue_threads: int = unused(8, "Threads of a queue.")
    prefetch_queue_capacity: int = unused(5, "Size of a queue.")
    merge_multiple_label_boxes: bool = unused(
        False, "Whether equal boxes become one with several labels."
    )
    use_multiclass_scores: bool = unused(False, "Soft labels.")
    add_regularization_loss: bool = unused(True, "There is none here.")
    max_number_of_boxes: int = setting(
        100,
        "Objects per image; what is cut beyond is counted and reported.",
        minimum=1,
        maximum=100000,
    )
    unpad_groundtruth_tensors: bool = unused(True, "TPU switch.")
    retain_original_images: bool = unused(False, "Images for TensorBoard.")
    use_bfloat16: bool = unused(False, "TPU switch.")
    summarize_gradients: bool = unused(False, "Gradients in TensorBoard.")
