"""How fast records become batches, and how fast training uses them up.

    python -m research.input --pipeline pipelines/gtsdb_mobilenet.config

Prints how long the input pipeline and a step of each stage take for a batch,
how long training waits for data, how memory grows over many steps, and what
the time of an image is spent on.
"""

import argparse
import dataclasses
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

from featsr_tf.command_line.flags import add_pipeline_flags
from featsr_tf.command_line.flags import read_pipeline
from featsr_tf.errors import exit_on_error
from research.memory import drift
from research.memory import resident_megabytes
from research.side_by_side import check_rounds
from research.side_by_side import comparison
from research.side_by_side import in_turns
from research.side_by_side import milliseconds
from research.side_by_side import print_environment
from research.side_by_side import wait_for_devices
from tfrecords_tools.tables import text_table

PIPELINE = "input pipeline"
# So many that what was prepared before a round counts for little.
_BATCHES_PER_ROUND = 64
_HELD_STEPS_PER_ROUND = 20
_PROFILED_IMAGES = 64


@dataclasses.dataclass
class Watched:
    """Steps of a training, in rounds.

    Attributes:
        waited: seconds that each round has waited for data.
        fed: seconds per step of each round, with the waiting.
        held: seconds per step where the batch is always the same one.
        memory: resident megabytes after each step.
    """

    waited: list[float] = dataclasses.field(default_factory=list)
    fed: list[float] = dataclasses.field(default_factory=list)
    held: list[float] = dataclasses.field(default_factory=list)
    memory: list[float] = dataclasses.field(default_factory=list)

    def summary(self) -> str:
        """Writes the share of waiting, what data cost in all, and memory."""
        shares = [w / f for w, f in zip(self.waited, self.fed, strict=True)]
        return "\n".join(
            [
                f"waits for data {statistics.median(shares):.1%} of the time "
                f"({min(shares):.1%} to {max(shares):.1%})",
                comparison({"held": self.held, "fed": self.fed}, "held"),
                f"resident memory {self.memory[0]:.0f} to "
                f"{self.memory[-1]:.0f} MB, first to last tenth "
                f"{drift(self.memory):+.2%}",
            ]
        )


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(
        prog="python -m research.input",
        description="Speed of the input pipeline against that of training.",
    )
    add_pipeline_flags(parser)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--steps",
        type=int,
        default=500,
        help="of the fastest stage, in which waiting and memory are watched",
    )
    arguments = parser.parse_args(argv)
    with exit_on_error():
        check_rounds(arguments.rounds)
        run(read_pipeline(arguments), arguments.rounds, arguments.steps)


def run(pipeline, rounds: int, num_steps: int) -> None:
    """Measures and prints.

    Args:
        pipeline: the config.
        rounds: how often everything is timed.
        num_steps: watched steps of the fastest stage.
    """
    from featsr_tf.data.build import load_records
    from featsr_tf.data.build import training_batches

    source = load_records(
        pipeline.train_input_reader, pipeline.model.faster_rcnn.num_classes
    )
    steps = make_steps(pipeline)
    batches = iter(training_batches(pipeline, source, with_half_images=True))
    batch = next(batches)
    print_environment()
    works = {name: lambda s=s: s(batch) for name, s in steps.items()}
    times = in_turns({PIPELINE: lambda: drain(batches), **works}, rounds)
    times[PIPELINE] = [t / _BATCHES_PER_ROUND for t in times[PIPELINE]]
    medians = {name: statistics.median(times[name]) for name in steps}
    fastest = min(medians, key=medians.__getitem__)
    print(f"\nPer batch of {pipeline.train_config.batch_size} images:")
    print(comparison(times, fastest))
    print(f"\n{num_steps} steps of {fastest}, the fastest stage:")
    print(watch(steps[fastest], batches, num_steps, rounds).summary())
    print("\nTime of all cores for an image, files and batching apart:")
    print(profile(pipeline, source, rounds))


def make_steps(pipeline) -> dict[str, Callable]:
    """Makes the training steps of all stages by name, functions of a batch."""
    import tensorflow as tf

    from featsr_tf.model.build import build_detector
    from featsr_tf.training import checkpoints
    from featsr_tf.training.build import build_stage

    detector = build_detector(pipeline, load_weights=False)
    return {
        name: tf.function(build_stage(pipeline, name, detector).train_step)
        for name in checkpoints.STAGES
    }


def drain(batches: Iterator) -> None:
    """Takes the batches of a round."""
    for _ in range(_BATCHES_PER_ROUND):
        next(batches)


def watch(
    step: Callable, batches: Iterator, num_steps: int, rounds: int
) -> Watched:
    """Trains, in turns with batches of the pipeline and with a held one.

    Args:
        step: a training step.
        batches: endless.
        num_steps: how many steps see batches of the pipeline.
        rounds: how many turns these are shared out to.

    Returns:
        What was seen.
    """
    watched = Watched()
    count = max(num_steps // rounds, 1)
    for _ in range(rounds):
        waited, begin = 0.0, time.perf_counter()
        for _ in range(count):
            asked = time.perf_counter()
            batch = next(batches)
            waited += time.perf_counter() - asked
            step(batch)
            wait_for_devices()
            watched.memory.append(resident_megabytes())
        watched.waited.append(waited / count)
        watched.fed.append((time.perf_counter() - begin) / count)
        begin = time.perf_counter()
        for _ in range(_HELD_STEPS_PER_ROUND):
            step(batch)
        wait_for_devices()
        held = time.perf_counter() - begin
        watched.held.append(held / _HELD_STEPS_PER_ROUND)
    return watched


def profile(pipeline, source, rounds: int) -> str:
    """Tells what the time of an image is spent on.

    Args:
        pipeline: the config.
        source: its training records.
        rounds: how often everything is timed.

    Returns:
        A table.
    """
    times = in_turns(
        partial_inputs(pipeline, source), rounds, 1, time.process_time
    )
    sums = {
        name: statistics.median(seconds) / _PROFILED_IMAGES
        for name, seconds in times.items()
    }
    return text_table(list(shares(sums)))


def shares(sums: Mapping[str, float]) -> Iterator[tuple[str, str, str]]:
    """Makes of seconds up to each part those of the part alone.

    Args:
        sums: seconds of all parts up to this one by its name; what comes
            first belongs to the measurement and is left out.

    Yields:
        Cells of a table.
    """
    before, *others = sums.values()
    total = others[-1] - before
    yield "", "ms", "share"
    for name, seconds in list(sums.items())[1:]:
        part = seconds - before
        yield name, milliseconds(part), f"{part / total:.0%}"
        before = seconds
    yield "sum", milliseconds(total), "100%"


def partial_inputs(pipeline, source) -> dict[str, Callable[[], object]]:
    """Makes works that each do one part more of what an image needs.

    Args:
        pipeline: the config.
        source: its training records.

    Returns:
        Works on `_PROFILED_IMAGES` images by the last part that they do, the
        first of which only takes records from memory.
    """
    import tensorflow as tf

    from featsr_tf.data.build import training_options
    from featsr_tf.data.decode import decode_example
    from featsr_tf.data.input_pipeline import shuffled_records
    from featsr_tf.data.input_pipeline import training_image

    options = training_options(pipeline, source)
    plain = dataclasses.replace(options, augmentations=())
    records = list(
        shuffled_records(source, options.seed)
        .take(_PROFILED_IMAGES)
        .as_numpy_iterator()
    )

    def work(part: Callable) -> Callable[[], object]:
        dataset = tf.data.Dataset.from_tensor_slices(records).enumerate()
        dataset = dataset.map(
            lambda number, record: part(
                record, tf.stack([0, tf.cast(number, tf.int32)])
            ),
            num_parallel_calls=tf.data.AUTOTUNE,
        )
        return lambda: dataset.reduce(0, lambda count, *_: count + 1).numpy()

    return {
        "taking a record": work(lambda record, _: record),
        "parsing and decoding": work(lambda record, _: decode_example(record)),
        "cropping and resizing": work(
            lambda record, seed: training_image([record], seed, plain)[1]
        ),
        "augmentation": work(
            lambda record, seed: training_image([record], seed, options)[1]
        ),
    }


if __name__ == "__main__":
    main()
