"""Makes a model folder of a checkpoint of the TF Object Detection API.

    featsr import --checkpoint DIR/checkpoint/ckpt-0 \
      --pipeline DIR/pipeline.config --label_map label_map.pbtxt \
      --model_dir models/imported

It has a finished base stage, with the API's own detections: it can be
evaluated, used and exported, and its later stages can be trained.
"""

import argparse
from collections.abc import Sequence

from featsr_tf.command_line.flags import add_model_dir_flag
from featsr_tf.command_line.flags import add_pipeline_flags
from featsr_tf.command_line.flags import model_dir_of
from featsr_tf.command_line.flags import read_pipeline
from featsr_tf.command_line.parser import CommandParser
from featsr_tf.config import Pipeline
from featsr_tf.config.schema import ResizeType
from featsr_tf.errors import ConfigError
from featsr_tf.errors import exit_on_error

_GEOMETRY = "model.feature_super_resolution.geometry"


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command."""
    parser = CommandParser(
        "featsr_tf.import_checkpoint",
        description="Makes a model folder of a checkpoint of the TF Object "
        "Detection API in TensorFlow 2.",
    )
    parser.add_argument(
        "--checkpoint",
        required=True,
        metavar="PREFIX",
        help="such as DIR/checkpoint/ckpt-0",
    )
    add_pipeline_flags(parser)
    parser.add_argument(
        "--label_map",
        metavar="FILE",
        help="default: that of the train_input_reader",
    )
    add_model_dir_flag(parser, "model folder to be made")
    arguments = parser.parse_args(argv)
    with exit_on_error():
        run(arguments)


def run(arguments: argparse.Namespace) -> None:
    """Imports, and prints what was taken."""
    arguments.overrides = [
        f"{_GEOMETRY}=OBJECT_DETECTION_API",
        f"train_config.fine_tune_checkpoint={arguments.checkpoint}",
        "train_config.fine_tune_checkpoint_type=detection",
        *arguments.overrides,
    ]
    if arguments.label_map:
        arguments.overrides.append(
            f"train_input_reader.label_map_path={arguments.label_map}"
        )
    pipeline = read_pipeline(arguments)
    _set_defaults_of_api(pipeline)
    import_checkpoint(pipeline, model_dir_of(arguments))


def _set_defaults_of_api(pipeline: Pipeline) -> None:
    """Sets what is not set and has another default in the API."""
    resizers = pipeline.model.faster_rcnn.image_resizer
    for name in ("keep_aspect_ratio_resizer", "fixed_shape_resizer"):
        path = f"model.faster_rcnn.image_resizer.{name}.resize_method"
        if getattr(resizers, name) and path not in pipeline.origins:
            getattr(resizers, name).resize_method = ResizeType.BILINEAR
    # Endless there; a stage without steps is never finished here.
    pipeline.train_config.num_steps = max(pipeline.train_config.num_steps, 1)


def import_checkpoint(pipeline: Pipeline, model_dir: str) -> None:
    """Makes a model folder with the weights of `fine_tune_checkpoint`.

    Raises:
        ConfigError: there is a model in the folder already, or the pipeline
            is not that of the checkpoint.
        DataError: the checkpoint or the label map is unsound.
    """
    from featsr_tf.data.label_map import check_num_classes
    from featsr_tf.data.label_map import load_label_map
    from featsr_tf.model.build import build_detector
    from featsr_tf.training import checkpoints
    from featsr_tf.training import model_folder
    from featsr_tf.training.build import build_stage
    from featsr_tf.training.build import load_fine_tune_checkpoint

    label_map = load_label_map(pipeline.train_input_reader.label_map_path)
    check_num_classes(label_map, pipeline.model.faster_rcnn.num_classes)
    with model_folder.locked(model_dir):
        if checkpoints.newest_stage(model_dir) is not None:
            raise ConfigError(
                f"{model_dir}: holds a model already; give another --model_dir"
            )
        detector = build_detector(pipeline, load_weights=False)
        transfer, notes = load_fine_tune_checkpoint(pipeline, detector)
        print(transfer.table(), flush=True)
        if not transfer.is_complete:
            raise ConfigError(
                f"{transfer.origin}: is not of {pipeline.source}: not all of "
                "the detector was found; expected the pipeline.config that it "
                "was trained with; to train from what fits, set "
                "train_config.fine_tune_checkpoint"
            )
        stage = build_stage(pipeline, checkpoints.BASE, detector)
        saved = checkpoints.StageCheckpoints(
            model_dir, checkpoints.BASE, stage.checkpointed()
        )
        saved.started_from = notes
        model_folder.prepare(model_dir, pipeline, label_map)
        model_folder.record_config(model_dir, checkpoints.BASE, 0, pipeline)
        saved.save(pipeline.train_config.num_steps)
    print(f"base: imported into {model_dir}", flush=True)


if __name__ == "__main__":
    main()
