"""Steps of stages 2 and 3 with a feature cache and without, side by side.

    python -m benchmarks.feature_cache \
        --pipeline pipelines/gtsdb_mobilenet.config

Every step gets data of its own, as in a training. The parts that a step is
made of are timed as well; what a cached step takes beyond them is how they
get in each other's way.
"""

import argparse
import tempfile
from collections.abc import Callable
from collections.abc import Sequence

from benchmarks.side_by_side import check_rounds
from benchmarks.side_by_side import comparison
from benchmarks.side_by_side import in_turns
from benchmarks.side_by_side import print_environment
from featsr_tf.command_line import add_pipeline_flags
from featsr_tf.command_line import read_pipeline
from featsr_tf.errors import exit_on_error

CACHED = "cached"
UNCACHED = "not cached"
_CACHE = "model.feature_super_resolution.feature_cache"


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command.

    Args:
        argv: arguments; default is the command line's.
    """
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.feature_cache",
        description="Time of a training step with a feature cache and without.",
    )
    add_pipeline_flags(parser)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument(
        "--images", type=int, default=100, help="how many the cache holds"
    )
    arguments = parser.parse_args(argv)
    with exit_on_error(), tempfile.TemporaryDirectory() as folder:
        check_rounds(arguments.rounds)
        arguments.overrides += [
            f"{_CACHE}.num_images={arguments.images}",
            f"{_CACHE}.folder='{folder}'",
        ]
        run(read_pipeline(arguments), arguments.rounds)


def run(pipeline, rounds: int) -> None:
    """Measures and prints.

    Args:
        pipeline: the config, with a `feature_cache`.
        rounds: timed steps of each kind.
    """
    from featsr_tf.data.build import open_source
    from featsr_tf.model.build import build_detector
    from featsr_tf.training import checkpoints

    source = open_source(
        pipeline.train_input_reader, pipeline.model.faster_rcnn.num_classes
    )
    detector = build_detector(pipeline)
    print_environment()
    for name in checkpoints.STAGES[1:]:
        works = make_works(pipeline, source, detector, name)
        print(f"\n{name}, batches of {pipeline.train_config.batch_size}:")
        print(comparison(in_turns(works, rounds), CACHED))


def make_works(
    pipeline, source, detector, name: str
) -> dict[str, Callable[[], object]]:
    """Makes steps of a stage and their parts.

    Args:
        pipeline: the config, with a `feature_cache`.
        source: the training records.
        detector: what the stage trains.
        name: of the stage.

    Returns:
        Functions without arguments, by name.
    """
    import tensorflow as tf

    from featsr_tf.data.build import training_batches
    from featsr_tf.data.shares import Share
    from featsr_tf.training.build import build_stage
    from featsr_tf.training.feature_cache import SEED_OFFSET
    from featsr_tf.training.feature_cache import cached_batches

    stage = build_stage(pipeline, name, detector)
    images = iter(
        training_batches(
            pipeline,
            source,
            with_half_images=stage.needs_half_images,
            seed_offset=SEED_OFFSET,
        )
    )
    make_batches = cached_batches(
        pipeline, source, stage, "", tf.distribute.get_strategy()
    )
    seen = iter(make_batches(Share(pipeline.train_config.batch_size)))
    step = tf.function(stage.train_step)
    look = tf.function(stage.look)
    held_images, held_seen = next(images), next(seen)
    return {
        UNCACHED: lambda: step(next(images)),
        CACHED: lambda: step(next(seen)),
        "part: images": lambda: next(images),
        "part: looking": lambda: look(held_images),
        "part: cache": lambda: next(seen),
        "part: learning": lambda: step(held_seen),
    }


if __name__ == "__main__":
    main()
