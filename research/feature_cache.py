"""Steps of stages 2 and 3 with a feature cache and without, side by side.

    python -m research.feature_cache \
        --pipeline pipelines/gtsdb_mobilenet.config

Every step gets data of its own, as in a training. The parts that a step is
made of are timed as well; what a cached step takes beyond them is how they
get in each other's way. With `--sides` training crops of these sides come next:
looking grows with them, learning does not.
"""

import argparse
import statistics
import tempfile
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from featsr_tf.command_line.flags import add_pipeline_flags
from featsr_tf.command_line.flags import read_pipeline
from featsr_tf.config import load_pipeline
from featsr_tf.errors import exit_on_error
from research.side_by_side import add_clock_flag
from research.side_by_side import check_rounds
from research.side_by_side import clock_of
from research.side_by_side import comparison
from research.side_by_side import in_turns
from research.side_by_side import milliseconds
from research.side_by_side import print_environment
from research.side_by_side import ratio
from tfrecords_tools.tables import text_table

CACHED = "cached"
UNCACHED = "not cached"
LARGE_GAIN = 5
_EXTENSION = "model.feature_super_resolution"
_CACHE = f"{_EXTENSION}.feature_cache"
_CROP = f"{_EXTENSION}.training_crop"


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(
        prog="python -m research.feature_cache",
        description="Time of a training step with a feature cache and without.",
    )
    add_pipeline_flags(parser)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument(
        "--images", type=int, default=100, help="how many the cache holds"
    )
    parser.add_argument(
        "--sides",
        type=int,
        nargs="+",
        default=[],
        metavar="PX",
        help="measure square training crops of these sides, too",
    )
    add_clock_flag(parser)
    arguments = parser.parse_args(argv)
    with exit_on_error(), tempfile.TemporaryDirectory() as folder:
        check_rounds(arguments.rounds)
        arguments.overrides += [
            f"{_CACHE}.num_images={arguments.images}",
            f"{_CACHE}.folder='{folder}'",
        ]
        clock = clock_of(arguments)
        pipeline = read_pipeline(arguments)
        run(pipeline, pipelines_of_sides(arguments), arguments.rounds, clock)


def run(
    pipeline,
    of_sides: Mapping[int, Any],
    rounds: int,
    clock: Callable[[], float],
) -> None:
    """Measures and prints.

    Args:
        pipeline: the config, with a `feature_cache`.
        of_sides: of `pipelines_of_sides`.
        rounds: timed steps of each kind.
        clock: as for `in_turns`.
    """
    from featsr_tf.data.build import load_records
    from featsr_tf.model.build import build_detector
    from featsr_tf.training import checkpoints

    source = load_records(
        pipeline.train_input_reader, pipeline.model.faster_rcnn.num_classes
    )
    detector = build_detector(pipeline)
    shortest = int(source.summary.image_sizes.min())
    print_environment()
    for name in checkpoints.STAGES[1:]:
        works = make_works(pipeline, source, detector, name)
        print(f"\n{name}, batches of {pipeline.train_config.batch_size}:")
        print(comparison(in_turns(works, rounds, clock=clock), CACHED))
        times = {}
        for side, of_side in of_sides.items():
            fill_crops(of_side, shortest)
            works = make_works(of_side, source, detector, name)
            steps = {title: works[title] for title in (UNCACHED, CACHED)}
            times[side] = in_turns(steps, rounds, clock=clock)
        if times:
            print(f"\n{table_of_sides(times)}")


def pipelines_of_sides(arguments: argparse.Namespace) -> dict:
    """Reads the config with crops of several sides.

    Args:
        arguments: parsed flags.

    Returns:
        The configs by side in px, the smallest first.

    Raises:
        ConfigError: crops cannot have such a side.
    """
    return {
        side: load_pipeline(
            arguments.pipeline,
            [
                *arguments.overrides,
                f"{_CROP}.height={side}",
                f"{_CROP}.width={side}",
            ],
        )
        for side in sorted(set(arguments.sides))
    }


def fill_crops(pipeline, shortest: int) -> None:
    """Enlarges frames that are smaller than the training crops.

    Args:
        pipeline: the config, which is changed.
        shortest: side of all frames, px.
    """
    crop = pipeline.model.feature_super_resolution.training_crop
    least = max(crop.height, crop.width) / shortest
    crop.minimum_scale = max(crop.minimum_scale, least)
    crop.maximum_scale = max(crop.maximum_scale, least)


def table_of_sides(
    times: Mapping[int, Mapping[str, Sequence[float]]],
) -> str:
    """Writes the gain by side, and from which side on it is large.

    Args:
        times: by side in px, seconds of each round with a cache and without.

    Returns:
        One line per side, and what follows from them.
    """
    rows = [("side, px", "not cached, ms", "cached, ms", "gain", "quartiles")]
    gains = {}
    for side, both in times.items():
        gains[side], *quartiles = ratio(both[UNCACHED], both[CACHED])
        medians = (statistics.median(both[x]) for x in (UNCACHED, CACHED))
        rows.append(
            (
                str(side),
                *map(milliseconds, medians),
                f"{gains[side]:.2f}",
                "{:.2f} to {:.2f}".format(*quartiles),
            )
        )
    large = [side for side, gain in gains.items() if gain >= LARGE_GAIN]
    found = f"from {large[0]} px on" if large else "at none of these sides"
    return f"{text_table(rows)}\na gain of {LARGE_GAIN}: {found}"


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
    from featsr_tf.data.sharding import Shard
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
        pipeline, source, stage, "", tf.distribute.get_strategy(), base=""
    )
    seen = iter(make_batches(Shard(pipeline.train_config.batch_size)))
    step = tf.function(stage.train_step)
    compute = tf.function(stage.compute_frozen)
    held_images, held_seen = next(images), next(seen)
    return {
        UNCACHED: lambda: step(next(images)),
        CACHED: lambda: step(next(seen)),
        "part: images": lambda: next(images),
        "part: looking": lambda: compute(held_images),
        "part: cache": lambda: next(seen),
        "part: learning": lambda: step(held_seen),
    }


if __name__ == "__main__":
    main()
