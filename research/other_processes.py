"""Detectors of other libraries, each in a process of its own.

In one process with TensorFlow torch may abort, and Keras 2 and 3 are not both
to be had; threads of two libraries would wait at each other's expense.
"""

import importlib.metadata
import importlib.util
import multiprocessing
import os
from collections.abc import Callable, Mapping
from typing import Any, Protocol
from unittest import mock

import numpy as np

from featsr_tf.errors import DataError


def versions(packages: Mapping[str, str]) -> str:
    """Tells the versions of libraries.

    Args:
        packages: names of the packages by name of what is imported.

    Raises:
        DataError: one is missing.
    """
    for module in packages:
        if importlib.util.find_spec(module) is None:
            raise DataError(
                f"there is no {module}; this benchmark needs it: "
                f"pip install {' '.join(packages.values())}"
            )
    return ", ".join(
        f"{package} {importlib.metadata.version(package)}"
        for package in packages.values()
    )


class OtherDetector(Protocol):
    """A detector of another library.

    Attributes:
        num_judged: proposals that its head has judged last.
    """

    num_judged: int

    def inference(self, images: np.ndarray) -> Callable[[], object]:
        """Makes a call that detects objects.

        Args:
            images: `[B, H, W, 3]` RGB, 0..255, float32.
        """
        ...

    def training(
        self, images: np.ndarray, boxes: np.ndarray, classes: np.ndarray
    ) -> Callable[[], object]:
        """Makes a call that makes a step of training.

        Args:
            images: `[B, H, W, 3]` RGB, 0..255, float32.
            boxes: `[B, M, 4]` ymin, xmin, ymax, xmax, px.
            classes: `[B, M]` from 1.
        """
        ...


class DetectorProcess:
    """A process with a detector.

    Args:
        make: makes the detector.
        *arguments: of `make`.
        environment: variables of the process. Default none but our own.
    """

    def __init__(
        self,
        make: Callable[..., OtherDetector],
        *arguments: Any,
        environment: Mapping[str, str] | None = None,
    ):
        context = multiprocessing.get_context("spawn")
        self._pipe, other_end = context.Pipe()
        process = context.Process(
            target=_serve, args=(other_end, make, arguments)
        )
        # It ends with this process.
        process.daemon = True
        with mock.patch.dict(os.environ, environment or {}):
            process.start()
        other_end.close()

    def prepare(self, name: str, *arguments: np.ndarray) -> Callable[[], int]:
        """Makes a call, in place of the last one.

        Args:
            name: "inference" or "training".
            *arguments: of that method.

        Returns:
            What calls it and gives the number of proposals judged.
        """
        self._pipe.send((name, arguments))

        def call() -> int:
            self._pipe.send(None)
            try:
                return self._pipe.recv()
            except EOFError as error:
                raise DataError(
                    "the process of another library has ended; see above"
                ) from error

        return call


def _serve(pipe, make: Callable[..., OtherDetector], arguments: tuple) -> None:
    """Prepares calls and makes them when asked."""
    detector = make(*arguments)
    call = None
    while True:
        try:
            request = pipe.recv()
        except EOFError:
            return
        if request is not None:
            name, arguments = request
            call = getattr(detector, name)(*arguments)
        elif call is not None:
            call()
            pipe.send(detector.num_judged)
