"""What a training would be, and whether it can begin, without running it."""

import tensorflow as tf

from featsr_tf.config import backbone_name
from featsr_tf.config.schema import Pipeline
from featsr_tf.data.build import load_records
from featsr_tf.data.build import training_batches
from featsr_tf.data.decode import translate_data_errors
from featsr_tf.data.keys import Batch
from featsr_tf.data.label_map import check_same_classes
from featsr_tf.data.records import RecordFiles
from featsr_tf.geometry import boxes as box_ops
from featsr_tf.metrics.detections import area_ranges
from featsr_tf.model.build import build_detector
from featsr_tf.model.detector import Detector
from featsr_tf.training import checkpoints
from featsr_tf.training import model_folder
from featsr_tf.training.build import build_stage
from featsr_tf.training.build import load_fine_tune_checkpoint
from featsr_tf.training.build import num_steps
from featsr_tf.training.origins import check_init_from_base
from featsr_tf.training.origins import check_later_stages
from featsr_tf.training.origins import check_one_start
from featsr_tf.training.origins import start_detector
from featsr_tf.training.problems import find_problems
from featsr_tf.training.problems import object_shapes
from featsr_tf.training.problems import scale_line


def check(
    pipeline: Pipeline,
    model_dir: str | None = None,
    base_from: str | None = None,
    start_from: str | None = None,
) -> str:
    """Reads config, label maps and records and builds the model.

    Args:
        model_dir: folder that would be trained in, or None.
        base_from: folder whose base stage would be taken, or None.
        start_from: detector that stage 1 would begin with, or None.

    Returns:
        The summary for people: data, strides, variables per stage, and how
        well the anchors cover the objects of each size.

    Raises:
        ConfigError: the model folder belongs to another config, or cannot go
            on with this one.
        DataError: records or label maps are missing or unsound.
    """
    check_one_start(base_from, start_from)
    if model_dir:
        model_folder.check(model_dir, pipeline)
        check_later_stages(pipeline, model_dir, base_from)
        if base_from is not None:
            check_init_from_base(pipeline, model_dir, base_from)
    num_classes = pipeline.model.faster_rcnn.num_classes
    source = load_records(pipeline.train_input_reader, num_classes, decode=True)
    if model_dir:
        model_folder.check_classes(model_dir, source.label_map)
    lines = [_data_line("training", source)]
    evaluated = [
        load_records(reader, num_classes, decode=True)
        for reader in pipeline.eval_input_reader
    ]
    for records in evaluated:
        check_same_classes(source.label_map, records.label_map)
        lines.append(_data_line("evaluation", records))
    detector = build_detector(pipeline)
    lines += _model_lines(pipeline, detector)
    if start_from is not None:
        lines.append(start_detector(detector, start_from, source.label_map)[0])
    elif pipeline.train_config.fine_tune_checkpoint and base_from is None:
        transfer, _ = load_fine_tune_checkpoint(pipeline, detector)
        lines.append(transfer.table())
    lines += ["anchors, best IoU with the objects of the training records:"]
    lines += _anchor_lines(pipeline, detector, source)
    lines.append(_batch_line(pipeline, source))
    lines.append(scale_line(pipeline, source, evaluated))
    lines += [
        f"warning: {problem}"
        for problem in find_problems(pipeline, source, evaluated)
    ]
    return "\n".join(lines)


def _data_line(title: str, source: RecordFiles) -> str:
    summary = source.summary
    return (
        f"{title} records: {len(source.paths)} files, {summary.num_examples} "
        f"images up to {summary.max_width} x {summary.max_height} px, "
        f"{summary.num_objects} objects of {len(summary.class_counts)} classes"
    )


def _model_lines(pipeline, detector: Detector) -> list[str]:
    cells, layers = detector.pool_base.cells, detector.backbone.layers
    lines = [
        f"backbone {backbone_name(pipeline)}: base layer {layers['base']}, "
        f"sub layer {layers['sub']}, stride {cells.stride} px, receptive field "
        f"{cells.size} px, first cell centred on pixel {cells.first_center:g}",
        f"detector: {detector.count_params():,} parameters",
    ]
    for name in checkpoints.STAGES:
        stage = build_stage(pipeline, name, detector)
        variables = stage.trained_variables
        count = sum(int(tf.size(variable.value)) for variable in variables)
        lines.append(
            f"stage {name}: {num_steps(pipeline, name)} steps, trains "
            f"{len(variables)} variables, {count:,} parameters"
        )
    return lines


def _anchor_lines(
    pipeline, detector: Detector, source: RecordFiles
) -> list[str]:
    """Compares anchors and objects by shape, both centred on one point."""
    shapes = tf.constant(object_shapes(pipeline, source), tf.float32)
    anchors = detector.proposal_settings.cell_anchors
    sides = tf.concat([-shapes / 2.0, shapes / 2.0], axis=1)
    overlap = box_ops.intersection_over_union(sides[None], anchors[None])[0]
    best = tf.reduce_max(overlap, axis=1).numpy()
    areas = source.summary.object_areas
    lines = []
    for size in area_ranges():
        inside = (areas >= size.minimum) & (areas <= size.maximum)
        if inside.any():
            covered = (best[inside] >= 0.5).mean()
            lines.append(
                f"  {size.name}: {inside.sum()} objects, mean "
                f"{best[inside].mean():.2f}, at least .5 for {covered:.0%}"
            )
    return lines


def _batch_line(pipeline, source: RecordFiles) -> str:
    with translate_data_errors(source):
        batch = next(iter(training_batches(pipeline, source)))
    return f"training batches: images {tuple(batch[Batch.IMAGES].shape)}"
