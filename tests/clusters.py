"""Processes of this machine that train together."""

import json
import socket
from contextlib import ExitStack


def tf_configs(count: int) -> list[dict[str, str]]:
    """Variables for workers at ports that nobody has.

    Args:
        count: how many.

    Returns:
        The environment of each, TF_CONFIG alone.
    """
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("localhost", 0))
        addresses = [f"localhost:{p.getsockname()[1]}" for p in probes]
    configs = [
        {
            "cluster": {"worker": addresses},
            "task": {"type": "worker", "index": index},
        }
        for index in range(count)
    ]
    return [{"TF_CONFIG": json.dumps(config)} for config in configs]
