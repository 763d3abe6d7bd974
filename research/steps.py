"""Time per training step of the three stages, side by side.

    python -m research.steps --pipeline pipelines/gtsdb_mobilenet.config

Steps of the stages take turns, so that all see the same machine.
"""

import argparse
import functools

from featsr_tf.command_line.flags import add_pipeline_flags
from featsr_tf.command_line.flags import read_pipeline
from featsr_tf.errors import exit_on_error
from research.side_by_side import comparison
from research.side_by_side import in_turns
from research.side_by_side import print_environment


def main() -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(prog="python -m research.steps")
    add_pipeline_flags(parser)
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    with exit_on_error():
        run(read_pipeline(arguments), arguments.rounds)


def run(pipeline, rounds: int) -> None:
    """Measures and prints.

    Args:
        pipeline: the config.
        rounds: timed steps of each stage.
    """
    import tensorflow as tf

    from featsr_tf.data.build import load_records
    from featsr_tf.model.build import build_detector
    from featsr_tf.training import checkpoints
    from featsr_tf.training.build import build_stage
    from featsr_tf.training.build import stage_batches

    detector = build_detector(pipeline)
    source = load_records(
        pipeline.train_input_reader, pipeline.model.faster_rcnn.num_classes
    )
    calls = {}
    for name in checkpoints.STAGES:
        stage = build_stage(pipeline, name, detector)
        batch = next(iter(stage_batches(pipeline, source, stage, name)))
        calls[name] = functools.partial(tf.function(stage.train_step), batch)
    times = in_turns(calls, rounds)
    print_environment()
    print(comparison(times, checkpoints.BASE))


if __name__ == "__main__":
    main()
