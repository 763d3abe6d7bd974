"""How the time of a step grows with the number of devices, by a formula."""

import math
from dataclasses import dataclass


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
