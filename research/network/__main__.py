"""What the network carries per step, and how training scales by a model.

    python -m research.network --pipeline pipelines/gtsdb_mobilenet.config

Bytes and all-reduces of a step are counted while its graph is made, its time
is measured on one device, an all-reduce between two processes of this machine.
The table for more devices comes from these figures by a formula; it is a model
and no measurement.
"""

import argparse

from featsr_tf.command_line.flags import add_pipeline_flags
from featsr_tf.command_line.flags import read_pipeline
from featsr_tf.errors import exit_on_error
from research.network.loopback import measure_loopback
from research.network.model import Network
from research.network.model import speedups
from research.network.traffic import gradient_bytes
from research.network.traffic import measure_stages

_DEVICES = (1, 2, 4, 8, 16, 32, 64, 128, 256)


def main() -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(prog="python -m research.network")
    add_pipeline_flags(parser)
    parser.add_argument(
        "--bytes_only",
        action="store_true",
        help="prints the bytes of each stage's gradients, without records",
    )
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
        pipeline = read_pipeline(arguments)
        if arguments.bytes_only:
            for name, count in gradient_bytes(pipeline).items():
                print(f"{name:17}{count:12,}")
        else:
            run(pipeline, arguments)


def run(pipeline, arguments: argparse.Namespace) -> None:
    """Measures and prints.

    Args:
        pipeline: the config.
        arguments: of the command line.
    """
    from featsr_tf.html_report.inputs import describe_environment

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
    if arguments.step_milliseconds:
        stages = {
            name: (traffic, 1e-3 * arguments.step_milliseconds)
            for name, (traffic, _) in stages.items()
        }
    print(
        "\nA model, not a measurement: images per second over those of one "
        f"device, at {8e-9 * network.bandwidth:.2f} Gbit/s and "
        f"{1e6 * network.latency:.0f} us,\nby rings / by trees\n"
    )
    print("devices" + "".join(f"{name:>20}" for name in stages))
    for count in _DEVICES:
        cells = [speedups(network, *stage, count) for stage in stages.values()]
        print(f"{count:7}" + "".join(f"{cell:>20}" for cell in cells))


if __name__ == "__main__":
    main()
