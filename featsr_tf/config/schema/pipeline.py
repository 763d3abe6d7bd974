"""The whole pipeline config."""

import dataclasses
import enum

from featsr_tf.config.fields import message
from featsr_tf.config.fields import refused
from featsr_tf.config.fields import setting
from featsr_tf.config.fields import unused
from featsr_tf.config.schema.augmentation import PreprocessingStep
from featsr_tf.config.schema.faster_rcnn import FasterRcnn
from featsr_tf.config.schema.optimizer import MOVING_AVERAGES
from featsr_tf.config.schema.optimizer import Optimizer
from featsr_tf.config.schema.super_resolution import FeatureSuperResolution

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


_RECORDS = "All records of the first eval_input_reader are evaluated, once."
_PICTURES = "Pictures are drawn by `featsr_tf.predict`, as its options say."
_TENSORBOARD = "TensorBoard shows a few evaluation images while training."
_CLASSES = "The results hold the figures of every class."
_ONLY_BOXES = "Only boxes are evaluated."


@dataclasses.dataclass
class ParameterizedMetric:
    """Metrics of keypoints, which are not evaluated here."""


@dataclasses.dataclass
class KeypointEdge:
    """A line between two keypoints in pictures."""

    start: int = unused(0, _ONLY_BOXES)
    end: int = unused(0, _ONLY_BOXES)


@dataclasses.dataclass
class SuperCategory:
    """Several classes whose figures are averaged."""

    key: str = unused("", _CLASSES)
    value: str = unused("", _CLASSES)


@dataclasses.dataclass
class EvalConfig:
    """How detections are judged."""

    batch_size: int = setting(1, "Images per step.", minimum=1, maximum=65536)
    num_visualizations: int = unused(10, _TENSORBOARD)
    num_examples: int = unused(5000, _RECORDS)
    eval_interval_secs: int = unused(300, _RECORDS)
    max_evals: int = unused(0, _RECORDS)
    save_graph: bool = unused(False, _TENSORBOARD)
    visualization_export_dir: str = unused("", _PICTURES)
    eval_master: str = unused("", "Evaluation runs on this machine.")
    metrics_set: list[str] = setting(
        [],
        "Protocol of `featsr_tf.evaluate`: coco_detection_metrics, "
        "pascal_voc_detection_metrics, else that of Tsinghua-Tencent 100K.",
    )
    export_path: str = unused(
        "", "`featsr_tf.predict` writes detections in the format of COCO."
    )
    ignore_groundtruth: bool = unused(
        False, "`featsr_tf.predict` needs no ground truth."
    )
    use_moving_averages: bool = unused(False, MOVING_AVERAGES)
    eval_instance_masks: bool = unused(False, _ONLY_BOXES)
    min_score_threshold: float = setting(
        0.5,
        "Least score of detections that are drawn.",
        maximum=1,
    )
    max_num_boxes_to_visualize: int = unused(20, _PICTURES)
    skip_scores: bool = unused(False, _PICTURES)
    skip_labels: bool = unused(False, _PICTURES)
    visualize_groundtruth_boxes: bool = unused(False, _PICTURES)
    groundtruth_box_visualization_color: str = unused("black", _PICTURES)
    keep_image_id_for_visualization_export: bool = unused(False, _PICTURES)
    retain_original_images: bool = unused(True, _TENSORBOARD)
    include_metrics_per_category: bool = unused(False, _CLASSES)
    all_metrics_per_category: bool = unused(False, _CLASSES)
    recall_lower_bound: float = unused(0.0, "Precision counts at any recall.")
    recall_upper_bound: float = unused(1.0, "Precision counts at any recall.")
    retain_original_image_additional_channels: bool = unused(
        False, "Images have three channels."
    )
    force_no_resize: bool = unused(
        False, "Images are resized by image_resizer, as in training."
    )
    use_dummy_loss_in_eval: bool = unused(
        False, "Evaluation computes no losses."
    )
    skip_predictions_for_unlabeled_class: bool = unused(
        False, "Every image counts as labelled for all classes."
    )
    parameterized_metric: list[ParameterizedMetric] = refused(
        [], "Metrics of keypoints; boxes are evaluated."
    )
    keypoint_edge: list[KeypointEdge] = unused([], _ONLY_BOXES)
    super_categories: list[SuperCategory] = unused([], _CLASSES)


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


_BUILT = "faster_rcnn is built."
_FLOATS = "Nothing is quantized; all numbers are floats."


@dataclasses.dataclass
class Ssd:
    """SSD, which is not built here."""


@dataclasses.dataclass
class CenterNet:
    """CenterNet, which is not built here."""


@dataclasses.dataclass
class ExperimentalModel:
    """A detector of your own, which cannot be plugged in here."""


@dataclasses.dataclass
class Model:
    """The detector and its feature super-resolution."""

    faster_rcnn: FasterRcnn = message(FasterRcnn, "The base detector.")
    ssd: Ssd | None = refused(None, f"SSD; {_BUILT}")
    center_net: CenterNet | None = refused(None, f"CenterNet; {_BUILT}")
    experimental_model: ExperimentalModel | None = refused(
        None, f"A detector of your own; {_BUILT}"
    )
    feature_super_resolution: FeatureSuperResolution = message(
        FeatureSuperResolution, "What this package adds."
    )


@dataclasses.dataclass
class Quantization:
    """Quantization of the weights."""

    delay: int = unused(500000, _FLOATS)
    weight_bits: int = unused(8, _FLOATS)
    activation_bits: int = unused(8, _FLOATS)
    symmetric: bool = unused(False, _FLOATS)


@dataclasses.dataclass
class GraphRewriter:
    """Changes to the graph after it is built."""

    quantization: Quantization | None = unused(None, _FLOATS)


@dataclasses.dataclass
class Pipeline:
    """A pipeline config (`TrainEvalPipelineConfig` of the API).

    Args:
        source: Name of the file that was read.
        origins: Where each field that is set was set: path -> "file:line:
            column" or "--set path".
    """

    model: Model = message(Model, "The detector.")
    train_config: TrainConfig = message(TrainConfig, "Stage 1.")
    train_input_reader: InputReader = message(InputReader, "Training data.")
    eval_config: EvalConfig = message(EvalConfig, "Evaluation.")
    eval_input_reader: list[InputReader] = setting(
        [], "Evaluation data; only the first is used."
    )
    graph_rewriter: GraphRewriter | None = unused(None, _FLOATS)
    source: str = dataclasses.field(default="", compare=False, repr=False)
    origins: dict[str, str] = dataclasses.field(
        default_factory=dict, compare=False, repr=False
    )

    def where(self, path: str) -> str:
        """Says where a field, or else what surrounds it, was set.

        Args:
            path: Path of a field, such as "model.faster_rcnn.num_classes".

        Returns:
            "file:line:column", "--set path", or the name of the file.
        """
        while path and path not in self.origins:
            path = path.rpartition(".")[0]
        return self.origins.get(path, self.source)
