"""What the network carries per step, and how training scales by a model.

    python -m benchmarks.network --pipeline pipelines/gtsdb_mobilenet.config

Bytes and all-reduces of a step are counted while its graph is made, its time
is measured on one device, an all-reduce between two processes of this machine.
The table for more devices comes from these figures by a formula; it is a model
and no measurement.
"""

import argparse
import contextlib
import json
import math
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import dataclass
from unittest import mock

from featsr_tf.command_line import add_pipeline_flags
from featsr_tf.command_line import read_pipeline
from featsr_tf.errors import exit_on_error

_DEVICES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
_ROUNDS = 20
_SMALL = 4
# So often per step the workers ask each other whether one of them stops, by a
# number of eight bytes.
_QUESTIONS = 2


@dataclass(frozen=True)
class Traffic:
    """What the devices reduce in a step.

    Attributes:
        num_calls: number of all-reduces of lists of tensors.
        num_tensors: number of tensors in them.
        num_bytes: bytes of these tensors, of one device.
    """

    num_calls: int
    num_tensors: int
    num_bytes: int


@dataclass(frozen=True)
class Network:
    """How fast an all-reduce is.

    Attributes:
        bandwidth: bytes per second and direction of one device's link.
        latency: seconds of a message without content.
    """

    bandwidth: float
    latency: float

    def seconds(self, traffic: Traffic, num_devices: int) -> float:
        """Time of the all-reduces of a step, on a ring of devices.

        Each device sends 2 (n - 1) / n times the bytes, in 2 (n - 1) messages
        per tensor; nothing overlaps.

        Args:
            traffic: of one step.
            num_devices: n.

        Returns:
            Seconds.
        """
        hops = 2 * (num_devices - 1)
        sent = traffic.num_bytes * hops / num_devices
        return sent / self.bandwidth + traffic.num_tensors * hops * self.latency

    def seconds_of_trees(self, traffic: Traffic, num_devices: int) -> float:
        """The same where a list of tensors goes up and down a binary tree.

        Args:
            traffic: of one step.
            num_devices: n.

        Returns:
            Seconds.
        """
        hops = 2 * math.ceil(math.log2(num_devices))
        sent = traffic.num_bytes * 2 * (num_devices - 1) / num_devices
        return sent / self.bandwidth + traffic.num_calls * hops * self.latency


def main() -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.network")
    add_pipeline_flags(parser)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument(
        "--gigabits", type=float, help="bandwidth; default: as measured here"
    )
    parser.add_argument(
        "--microseconds", type=float, help="latency; default: as measured here"
    )
    parser.add_argument(
        "--step_milliseconds",
        type=float,
        help="time of a step of every stage; default: as measured here",
    )
    arguments = parser.parse_args()
    with exit_on_error():
        run(read_pipeline(arguments), arguments)


def run(pipeline, arguments: argparse.Namespace) -> None:
    """Measures and prints.

    Args:
        pipeline: the config.
        arguments: of the command line.
    """
    from featsr_tf.evaluation.report_inputs import describe_environment

    stages = measure_stages(pipeline, arguments.rounds)
    print("; ".join(describe_environment().values()))
    print("\nper step and device      all-reduces  of tensors       bytes  ms")
    for name, (traffic, seconds) in stages.items():
        print(
            f"{name:25}{traffic.num_calls:11}{traffic.num_tensors:12}"
            f"{traffic.num_bytes:12,}{1000 * seconds:8.1f}"
        )
    largest = max(traffic.num_bytes for traffic, _ in stages.values())
    network = measure_loopback(largest)
    print(
        f"\nmeasured between two processes of this machine: "
        f"{8e-9 * network.bandwidth:.2f} Gbit/s, "
        f"{1e6 * network.latency:.0f} us per message"
    )
    if arguments.gigabits:
        network = Network(arguments.gigabits / 8e-9, network.latency)
    if arguments.microseconds:
        network = Network(network.bandwidth, 1e-6 * arguments.microseconds)
    print(
        "\nA model, not a measurement: images per second over those of one "
        f"device, at {8e-9 * network.bandwidth:.2f} Gbit/s and "
        f"{1e6 * network.latency:.0f} us,\nby rings / by trees\n"
    )
    print("devices".ljust(25) + "".join(f"{n:>12}" for n in _DEVICES))
    for name, (traffic, seconds) in stages.items():
        if arguments.step_milliseconds:
            seconds = 1e-3 * arguments.step_milliseconds
        cells = [speedups(network, traffic, seconds, n) for n in _DEVICES]
        print(f"{name:25}" + "".join(f"{cell:>12}" for cell in cells))


def speedups(
    network: Network, traffic: Traffic, seconds: float, num_devices: int
) -> str:
    """Images per second over those of one device, as text.

    Args:
        network: how fast it is.
        traffic: of one step.
        seconds: time of a step on one device.
        num_devices: how many, each with as many images as the one.

    Returns:
        By rings and by trees.
    """
    if num_devices == 1:
        return "1"
    times = (
        network.seconds(traffic, num_devices),
        network.seconds_of_trees(traffic, num_devices),
    )
    return " / ".join(
        f"{num_devices * seconds / (seconds + more):.3g}" for more in times
    )


def measure_stages(pipeline, rounds: int) -> dict:
    """Counts what each stage sends, and times its steps on one device.

    Args:
        pipeline: the config.
        rounds: timed steps of each stage.

    Returns:
        Traffic and median seconds by stage.
    """
    import tensorflow as tf

    from featsr_tf.data.build import open_source
    from featsr_tf.data.build import training_batches
    from featsr_tf.model.build import build_detector
    from featsr_tf.training import checkpoints
    from featsr_tf.training.build import build_stage
    from featsr_tf.training.build import num_steps

    cpu, *_ = tf.config.list_physical_devices("CPU")
    configuration = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(cpu, configuration)
    source = open_source(
        pipeline.train_input_reader, pipeline.model.faster_rcnn.num_classes
    )
    batch = next(
        iter(training_batches(pipeline, source, with_half_images=True))
    )
    double = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    detector = build_detector(pipeline)
    with double.scope():
        mirrored = build_detector(pipeline)
    found = {}
    for name in checkpoints.STAGES:
        if not num_steps(pipeline, name):
            continue
        with double.scope():
            stage = build_stage(pipeline, name, mirrored)
        traffic = count_traffic(double, stage, batch)
        step = tf.function(build_stage(pipeline, name, detector).train_step)
        times = []
        for _ in range(rounds + 2):
            begin = time.perf_counter()
            step(batch)
            times.append(time.perf_counter() - begin)
        found[name] = traffic, statistics.median(times[2:])
    return found


def count_traffic(strategy, stage, batch) -> Traffic:
    """Counts the all-reduces of a step while its graph is made.

    Those after the step, by which workers stop together, are added.

    Args:
        strategy: several devices.
        stage: built in its scope.
        batch: what every device sees.

    Returns:
        The traffic of one device.
    """
    import tensorflow as tf

    seen: list[list[int]] = []
    original = tf.distribute.ReplicaContext.all_reduce

    def all_reduce(context, operation, values, options=None):
        tensors = map(tf.convert_to_tensor, tf.nest.flatten(values))
        sizes = [x.shape.num_elements() * x.dtype.size for x in tensors]
        seen.append(sizes)
        return original(context, operation, values, options)

    @tf.function
    def step(batch):
        return strategy.run(stage.train_step, args=(batch,))

    with mock.patch.object(
        tf.distribute.ReplicaContext, "all_reduce", all_reduce
    ):
        step.get_concrete_function(batch)
    # All replicas have been seen, which do the same.
    own = seen[:: strategy.num_replicas_in_sync] + [[8]] * _QUESTIONS
    return Traffic(len(own), sum(map(len, own)), sum(map(sum, own)))


def measure_loopback(num_bytes: int) -> Network:
    """Times all-reduces between two processes of this machine.

    Args:
        num_bytes: size of the large one.

    Returns:
        The network between them.
    """
    sizes = [_SMALL, num_bytes]
    with _two_workers([str(size) for size in sizes]) as chief:
        small, large = json.loads(chief.communicate()[0])
    # Two devices: each sends the bytes once, in two messages.
    return Network(num_bytes / max(large - small, 1e-9), small / 2)


@contextlib.contextmanager
def _two_workers(arguments: Sequence[str]) -> Iterator[subprocess.Popen]:
    """Runs `measure_all_reduces` twice; gives the process of the chief."""
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(2)]
        for probe in probes:
            probe.bind(("localhost", 0))
        addresses = [f"localhost:{p.getsockname()[1]}" for p in probes]
    program = (
        "import sys; from benchmarks.network import measure_all_reduces; "
        "measure_all_reduces(sys.argv[1:])"
    )
    processes = []
    for index in range(2):
        cluster = {"worker": addresses}
        task = {"type": "worker", "index": index}
        config = json.dumps({"cluster": cluster, "task": task})
        processes.append(
            subprocess.Popen(
                [sys.executable, "-c", program, *arguments],
                env={**os.environ, "TF_CONFIG": config},
                stdout=subprocess.PIPE,
                text=True,
            )
        )
    try:
        yield processes[0]
    finally:
        for process in processes:
            process.communicate()


def measure_all_reduces(sizes: Sequence[str]) -> None:
    """Prints the median seconds of all-reduces, as JSON.

    Args:
        sizes: bytes of each.
    """
    import tensorflow as tf

    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    medians = []
    for size in sizes:
        values = tf.zeros([int(size) // 4])

        @tf.function
        def reduce(values=values):
            def of_device():
                context = tf.distribute.get_replica_context()
                return context.all_reduce(tf.distribute.ReduceOp.SUM, values)

            return strategy.run(of_device)

        times = []
        for _ in range(_ROUNDS + 2):
            begin = time.perf_counter()
            tf.nest.map_structure(lambda x: x.numpy(), reduce())
            times.append(time.perf_counter() - begin)
        medians.append(statistics.median(times[2:]))
    print(json.dumps(medians))


if __name__ == "__main__":
    main()
