"""Evaluation."""

import dataclasses

from featsr_tf.config.fields import setting
from featsr_tf.config.fields import unused


@dataclasses.dataclass
class EvalConfig:
    """How detections are judged."""

    batch_size: int = setting(1, "Images per step.", minimum=1, maximum=65536)
    num_visualizations: int = unused(10, "Pictures in TensorBoard.")
    num_examples: int = unused(5000, "All examples are evaluated.")
    eval_interval_secs: int = unused(300, "Seconds between evaluations.")
    max_evals: int = unused(0, "Number of evaluations.")
    save_graph: bool = unused(False, "Whether the graph is saved.")
    visualization_export_dir: str = unused("", "Folder for pictures.")
    eval_master: str = unused("", "Address of a cluster.")
    metrics_set: list[str] = unused(
        [], "Always: COCO's AP at 0.5, and recall, accuracy and F1 by size."
    )
    export_path: str = unused("", "`featsr_tf.predict` writes detections.")
    ignore_groundtruth: bool = unused(False, "See `featsr_tf.predict`.")
    use_moving_averages: bool = unused(False, "There are none here.")
    eval_instance_masks: bool = unused(False, "Instance masks.")
    min_score_threshold: float = setting(
        0.5,
        "Least score of detections that are drawn.",
        maximum=1,
    )
    max_num_boxes_to_visualize: int = unused(20, "Boxes per picture.")
    skip_scores: bool = unused(False, "Whether pictures lack scores.")
    skip_labels: bool = unused(False, "Whether pictures lack labels.")
    visualize_groundtruth_boxes: bool = unused(False, "Truth in pictures.")
    groundtruth_box_visualization_color: str = unused(
        "black", "Colour of the truth."
    )
    keep_image_id_for_visualization_export: bool = unused(
        False, "Names of pictures."
    )
    retain_original_images: bool = unused(True, "Images for TensorBoard.")
    include_metrics_per_category: bool = unused(False, "Metrics by class.")
    all_metrics_per_category: bool = unused(False, "Metrics by class.")
    recall_lower_bound: float = unused(0.0, "Range of recall.")
    recall_upper_bound: float = unused(1.0, "Range of recall.")
    retain_original_image_additional_channels: bool = unused(
        False, "Channels beside RGB."
    )
    force_no_resize: bool = unused(False, "Whether images keep their size.")
    use_dummy_loss_in_eval: bool = unused(False, "TPU switch.")
