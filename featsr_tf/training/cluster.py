"""The machines that train together, as the variable TF_CONFIG names them.

Every machine gets the same list and its own place in it:

    TF_CONFIG='{"cluster": {"worker": ["node0:2222", "node1:2222"]},
                "task": {"type": "worker", "index": 0}}'
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from featsr_tf.errors import ConfigError

VARIABLE = "TF_CONFIG"
_CHIEF = "chief"
_WORKER = "worker"
_EXAMPLE = (
    '{"cluster": {"worker": ["node0:2222", "node1:2222"]}, '
    '"task": {"type": "worker", "index": 0}}'
)


@dataclass(frozen=True)
class Cluster:
    """The machines that train together.

    Attributes:
        addresses: `host:port` of every worker, the chief first.
        index: place of this one.
    """

    addresses: tuple[str, ...]
    index: int


def read_cluster(environment: Mapping[str, str] = os.environ) -> Cluster | None:
    """Reads TF_CONFIG.

    Args:
        environment: variables; default is the process's.

    Returns:
        The cluster; None where there is no other machine.

    Raises:
        ConfigError: it does not say which machines there are, or which of
            them this one is.
    """
    text = environment.get(VARIABLE, "").strip()
    if not text:
        return None
    try:
        config = json.loads(text)
    except ValueError as error:
        raise _refused("", "JSON", str(error)) from None
    roles = _roles(_member(config, "", "cluster", dict, "an object"))
    task = _member(config, "", "task", dict, "an object")
    role = _member(task, "task.", "type", str, "a text")
    if role not in roles:
        raise _refused("task.type", " or ".join(roles), repr(role))
    index = _member(task, "task.", "index", int, "a number")
    if not 0 <= index < len(roles[role]):
        most = len(roles[role]) - 1
        raise _refused("task.index", f"0 to {most}", str(index))
    addresses = tuple(name for names in roles.values() for name in names)
    if len(set(addresses)) < len(addresses):
        raise _refused("cluster", "addresses that differ", ", ".join(addresses))
    if len(addresses) == 1:
        return None
    if role == _WORKER:
        index += len(roles.get(_CHIEF, ()))
    return Cluster(addresses, index)


def _roles(cluster: Mapping[str, Any]) -> dict[str, list[str]]:
    """Addresses by role, the chief first."""
    unknown = sorted(set(cluster) - {_CHIEF, _WORKER})
    if unknown or not cluster:
        found = ", ".join(map(repr, unknown)) or "nothing"
        raise _refused("cluster", "worker, and chief at the most", found)
    if len(cluster.get(_CHIEF, [""])) != 1:
        raise _refused("cluster.chief", "one address", repr(cluster[_CHIEF]))
    roles = {}
    for role in (_CHIEF, _WORKER):
        if role in cluster:
            addresses = _member(cluster, "cluster.", role, list, "a list")
            for number, address in enumerate(addresses):
                _check_address(f"cluster.{role}[{number}]", address)
            roles[role] = addresses
    return roles


def _check_address(where: str, address: Any) -> None:
    host, _, port = str(address).rpartition(":")
    is_port = port.isdecimal() and 0 < int(port) < 2**16
    if not isinstance(address, str) or not host or not is_port:
        raise _refused(where, "host:port", repr(address))


def _member(parent: Any, where: str, name: str, kind: type, expected: str):
    if not isinstance(parent, dict):
        raise _refused(where.rstrip("."), "an object", repr(parent))
    value = parent.get(name)
    # A truth value is an integer to Python.
    if not isinstance(value, kind) or isinstance(value, bool):
        found = "nothing" if value is None else repr(value)
        raise _refused(f"{where}{name}", expected, found)
    return value


def _refused(where: str, expected: str, found: str) -> ConfigError:
    place = f"{VARIABLE}: {where}" if where else VARIABLE
    return ConfigError(
        f"{place}: expected {expected}, found {found}; an example: {_EXAMPLE}"
    )
