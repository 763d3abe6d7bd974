"""Time per image of the base and of the super-resolved detector.

    python -m research.inference --pipeline pipelines/gtsdb_mobilenet.config \
        --model_dir output/gtsdb_mobilenet

Both judge the same frames in turn, one at a time; with --others so do the base
detectors of other model folders.
"""

import argparse
import functools
from collections.abc import Collection, Sequence
from pathlib import Path

from featsr_tf.command_line.flags import add_pipeline_flags
from featsr_tf.command_line.flags import read_pipeline
from featsr_tf.config.schema import Pipeline
from featsr_tf.errors import ConfigError
from featsr_tf.errors import exit_on_error
from featsr_tf.exporting.names import BASE
from featsr_tf.exporting.names import DETECTORS
from featsr_tf.exporting.names import SUPER_RESOLVED
from research.side_by_side import comparison
from research.side_by_side import print_environment
from research.side_by_side import time_per_frame


def main() -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(prog="python -m research.inference")
    add_pipeline_flags(parser)
    parser.add_argument(
        "--model_dir", help="trained detectors; default: untrained ones"
    )
    parser.add_argument(
        "--others",
        nargs="+",
        default=[],
        metavar="DIR",
        help="model folders whose base detectors judge the same frames; their "
        "configs must resize frames alike",
    )
    parser.add_argument("--images", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    with exit_on_error():
        run(read_pipeline(arguments), arguments)


def run(pipeline, arguments: argparse.Namespace) -> None:
    """Measures and prints."""
    from featsr_tf.data.build import load_records

    source = load_records(
        pipeline.eval_input_reader[0], pipeline.model.faster_rcnn.num_classes
    )
    frames = load_frames(pipeline, source, arguments.images)
    detectors = load_detection_functions(pipeline, arguments.model_dir)
    others = load_others(pipeline, arguments.others, detectors)
    frames |= dict.fromkeys(others, frames[BASE])
    detectors |= others
    times = time_per_frame(
        (
            {
                name: functools.partial(detect, *frames[name][number])
                for name, detect in detectors.items()
            }
            for number in range(len(frames[BASE]))
        ),
        arguments.rounds,
    )
    print_environment()
    height, width = frames[BASE][0][0].shape[1:3]
    print(
        f"{len(frames[BASE])} frames of {width} x {height} px for the base, "
        f"{arguments.rounds} rounds"
    )
    print(comparison(times, BASE))


def load_frames(pipeline: Pipeline, source, count: int) -> dict[str, list]:
    """Loads frames, one in a batch, as each detector sees them.

    A first pass may see them smaller than the base, and a second look sees
    the originals, too.

    Args:
        source: the `RecordFiles`.
        count: how many, from the first on.

    Returns:
        The arguments of each call, by detector.
    """
    from featsr_tf.data.build import evaluation_batches
    from featsr_tf.prediction.data_set import network_inputs_of

    return {
        name: [
            network_inputs_of(batch)
            for batch in evaluation_batches(
                pipeline,
                source,
                batch_size=1,
                super_resolve=name == SUPER_RESOLVED,
            ).take(count)
        ]
        for name in DETECTORS
    }


def load_detection_functions(pipeline, model_dir: str | None) -> dict:
    """Loads both detection functions, or makes untrained ones."""
    from featsr_tf.model.build import build_detector
    from featsr_tf.prediction.data_set import detection_function
    from featsr_tf.prediction.evaluation import load_detection_function

    if model_dir:
        return {
            name: load_detection_function(pipeline, model_dir, name)
            for name in DETECTORS
        }
    detector = build_detector(pipeline).for_inference()
    return {
        BASE: detection_function(detector, super_resolve=False),
        SUPER_RESOLVED: detection_function(detector, super_resolve=True),
    }


def load_others(
    pipeline: Pipeline, folders: Sequence[str], taken: Collection[str]
) -> dict:
    """Loads the base detectors of model folders, by the folders' names.

    Args:
        pipeline: Frames are resized as it says.
        folders: Model folders.
        taken: Names that no folder may have.

    Raises:
        ConfigError: a folder is no model's, has the name of another one, or
            resizes frames otherwise.
    """
    from featsr_tf.prediction.evaluation import load_detection_function
    from featsr_tf.training import model_folder

    found = {}
    for folder in folders:
        other = model_folder.load(folder)
        ours, theirs = (
            item.model.faster_rcnn.image_resizer for item in (pipeline, other)
        )
        if ours != theirs:
            raise ConfigError(
                f"--others {folder}: expected the image_resizer of --pipeline, "
                f"{ours}, found {theirs}"
            )
        name = Path(folder).name
        if name in {*taken, *found}:
            raise ConfigError(f"--others {folder}: the name {name!r} is taken")
        found[name] = load_detection_function(other, folder, BASE)
    return found


if __name__ == "__main__":
    main()
