"""Where the examples come from."""

import dataclasses
import enum

from featsr_tf.config.fields import message
from featsr_tf.config.fields import refused
from featsr_tf.config.fields import setting
from featsr_tf.config.fields import unused


class InstanceMaskType(enum.StrEnum):
    """Format of instance masks."""

    DEFAULT = "DEFAULT"
    NUMERICAL_MASKS = "NUMERICAL_MASKS"
    PNG_MASKS = "PNG_MASKS"


class InputType(enum.StrEnum):
    """Kind of the records."""

    INPUT_DEFAULT = "INPUT_DEFAULT"
    TF_EXAMPLE = "TF_EXAMPLE"
    TF_SEQUENCE_EXAMPLE = "TF_SEQUENCE_EXAMPLE"


@dataclasses.dataclass
class TFRecordInputReader:
    """Files of TF Examples."""

    input_path: list[str] = setting(
        [], "TFRecord files; `*` and `?` match several, as in a shell."
    )


@dataclasses.dataclass
class OtherInputReader:
    """An input reader that is not built here."""


@dataclasses.dataclass
class InputReader:
    """One source of examples."""

    name: str = unused("", "Name of the data set.")
    label_map_path: str = setting("", "The label map, a .pbtxt file.")
    shuffle: bool = unused(
        True, "Training reads in random order, evaluation never does."
    )
    shuffle_buffer_size: int = unused(2048, "The buffer is counted in bytes.")
    filenames_shuffle_buffer_size: int = unused(100, "Files are all shuffled.")
    num_epochs: int = unused(0, "Training goes by steps, evaluation once.")
    sample_1_of_n_examples: int = unused(1, "Every example is used.")
    num_readers: int = unused(64, "Files read in parallel.")
    num_parallel_batches: int = unused(8, "Batches made in parallel.")
    num_prefetch_batches: int = unused(2, "Batches made ahead.")
    queue_capacity: int = unused(2000, "Size of a queue.")
    min_after_dequeue: int = unused(1000, "Size of a queue.")
    read_block_length: int = unused(32, "Examples read at once.")
    prefetch_size: int = unused(512, "Examples read ahead.")
    num_parallel_map_calls: int = unused(64, "Examples decoded in parallel.")
    drop_remainder: bool = unused(True, "Whether short batches are dropped.")
    num_additional_channels: int = unused(0, "Channels beside RGB.")
    num_keypoints: int = unused(0, "Keypoints per object.")
    keypoint_type_weight: list[float] = unused([], "Weights of keypoints.")
    max_number_of_boxes: int = unused(
        100, "train_config.max_number_of_boxes governs alone."
    )
    load_multiclass_scores: bool = unused(False, "Soft labels.")
    load_context_features: bool = unused(False, "Context features.")
    load_instance_masks: bool = unused(False, "Instance masks.")
    load_keypoint_depth_features: bool = unused(False, "Depth of keypoints.")
    load_track_id: bool = unused(False, "Tracks.")
    load_dense_pose: bool = unused(False, "Dense poses.")
    mask_type: InstanceMaskType = unused(
        InstanceMaskType.NUMERICAL_MASKS, "Format of instance masks."
    )
    use_display_name: bool = unused(False, "Labels are read as numbers.")
    include_source_id: bool = unused(False, "Always included.")
    input_type: InputType = unused(InputType.TF_EXAMPLE, "Kind of records.")
    frame_index: int = unused(-1, "Frame of a sequence.")
    tf_record_input_reader: TFRecordInputReader = message(
        TFRecordInputReader, "The files."
    )
    external_input_reader: OtherInputReader | None = refused(
        None, "A reader of your own."
    )
    expand_labels_hierarchy: bool = unused(False, "Labels of parents.")
