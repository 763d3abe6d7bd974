"""A small server of an exported detector, for one machine."""

import dataclasses


def _limit(default, meaning: str):
    return dataclasses.field(default=default, metadata={"help": meaning})


@dataclasses.dataclass(frozen=True)
class ServerOptions:
    """What a server takes on before it refuses."""

    max_batch_size: int = _limit(8, "images of one request")
    max_body_mb: float = _limit(32.0, "largest body of a request, in 10^6 B")
    max_image_pixels: int = _limit(
        25_000_000, "most pixels of all images of a request together"
    )
    timeout_s: float = _limit(
        30.0, "seconds for reading a request, and again for answering it"
    )
    queue_size: int = _limit(
        16, "requests that may wait; more are told to try again"
    )
