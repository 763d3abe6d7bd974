"""Where the examples come from."""

import dataclasses
import enum

from featsr_tf.config.fields import message
from featsr_tf.config.fields import refused
from featsr_tf.config.fields import setting
from featsr_tf.config.fields import unused

_ORDER = "Training reads in random order, evaluation in that of the records."
_BYTES = "Records are shuffled in a buffer counted in bytes, files all."
_ONCE = "Training goes by steps, evaluation reads all records once."
_SPEED = "Speed is set by the package; results do not depend on it."
_BOXES = "Of the annotations only boxes and classes are read."


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

    name: str = unused("", "A name for people.")
    label_map_path: str = setting("", "The label map, a .pbtxt file.")
    shuffle: bool = unused(True, _ORDER)
    shuffle_buffer_size: int = unused(2048, _BYTES)
    filenames_shuffle_buffer_size: int = unused(100, _BYTES)
    num_epochs: int = unused(0, _ONCE)
    sample_1_of_n_examples: int = unused(1, "Every example is used.")
    sample_from_datasets_weights: list[float] = unused(
        [], "Every record is equally likely, whatever file it is in."
    )
    num_readers: int = unused(64, _SPEED)
    num_parallel_batches: int = unused(8, _SPEED)
    num_prefetch_batches: int = unused(-1, _SPEED)
    queue_capacity: int = unused(2000, _SPEED)
    min_after_dequeue: int = unused(1000, _SPEED)
    read_block_length: int = unused(32, _SPEED)
    prefetch_size: int = unused(512, _SPEED)
    num_parallel_map_calls: int = unused(64, _SPEED)
    drop_remainder: bool = unused(
        True, "Batches are full in training; evaluation leaves nothing out."
    )
    num_additional_channels: int = unused(0, "Images have three channels.")
    num_keypoints: int = unused(0, _BOXES)
    keypoint_type_weight: list[float] = unused([], _BOXES)
    max_number_of_boxes: int = unused(
        100, "train_config.max_number_of_boxes governs alone."
    )
    load_multiclass_scores: bool = unused(False, _BOXES)
    load_context_features: bool = unused(False, _BOXES)
    load_instance_masks: bool = unused(False, _BOXES)
    load_keypoint_depth_features: bool = unused(False, _BOXES)
    load_track_id: bool = unused(False, _BOXES)
    load_dense_pose: bool = unused(False, _BOXES)
    mask_type: InstanceMaskType = unused(
        InstanceMaskType.NUMERICAL_MASKS, _BOXES
    )
    use_display_name: bool = unused(
        False, "Classes are read as numbers, image/object/class/label."
    )
    include_source_id: bool = unused(False, "It is always included.")
    input_type: InputType = unused(
        InputType.TF_EXAMPLE, "Records are TF Examples."
    )
    frame_index: int = unused(-1, "Belongs to TF Sequence Examples.")
    tf_record_input_reader: TFRecordInputReader = message(
        TFRecordInputReader, "The files."
    )
    external_input_reader: OtherInputReader | None = refused(
        None, "A reader of your own; tf_record_input_reader is built."
    )
    max_bad_examples: int = setting(
        0,
        "Damaged or unsound records that are left out, each with a warning, "
        "before it is an error; above 0 all images are decoded beforehand.",
    )
    expand_labels_hierarchy: bool = unused(
        False, "A box has the one class that its record says."
    )
