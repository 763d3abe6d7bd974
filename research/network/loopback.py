"""How fast two processes of this machine reduce numbers together."""

import contextlib
import json
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence

from featsr_tf.errors import WorkerError
from research.network.model import Network

_ROUNDS = 20
_SMALL = 4


def measure_loopback(num_bytes: int) -> Network:
    """Times all-reduces between two processes of this machine.

    Args:
        num_bytes: size of the large one.

    Returns:
        The network between them.
    """
    sizes = [_SMALL, num_bytes]
    output = _output_of_two_workers([str(size) for size in sizes])
    small, large = json.loads(output)
    # Two devices: each sends the bytes once, in two messages.
    return Network(num_bytes / max(large - small, 1e-9), small / 2)


def _output_of_two_workers(arguments: Sequence[str]) -> str:
    """Runs `measure_all_reduces` twice; gives what the chief prints."""
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(2)]
        for probe in probes:
            probe.bind(("localhost", 0))
        addresses = [f"localhost:{p.getsockname()[1]}" for p in probes]
    program = (
        "import sys; from research.network import loopback; "
        "loopback.measure_all_reduces(sys.argv[1:])"
    )
    with contextlib.ExitStack() as stack:
        processes = []
        for index in range(2):
            cluster = {"worker": addresses}
            task = {"type": "worker", "index": index}
            config = json.dumps({"cluster": cluster, "task": task})
            process = subprocess.Popen(
                [sys.executable, "-c", program, *arguments],
                env={**os.environ, "TF_CONFIG": config},
                stdout=subprocess.PIPE,
                text=True,
            )
            stack.callback(process.kill)
            processes.append(process)
        outputs = [process.communicate()[0] for process in processes]
    if any(process.returncode for process in processes):
        raise WorkerError(
            "two processes of this machine cannot train together; what they "
            "printed tells why"
        )
    return outputs[0]


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
                # A tensor from without is on no device.
                own = tf.identity(values)
                return context.all_reduce(tf.distribute.ReduceOp.SUM, own)

            return strategy.run(of_device)

        times = []
        for _ in range(_ROUNDS + 2):
            begin = time.perf_counter()
            tf.nest.map_structure(lambda x: x.numpy(), reduce())
            times.append(time.perf_counter() - begin)
        medians.append(statistics.median(times[2:]))
    print(json.dumps(medians))
