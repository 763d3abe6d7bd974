"""What every command does first: it parses, and keeps TensorFlow quiet.

TensorFlow's C++ code logs in two ways. The older one obeys the variable
TF_CPP_MIN_LOG_LEVEL, read when the library is loaded; the newer one, absl's
log, only its own function, which no Python module offers.
"""

import argparse
import contextlib
import ctypes
import importlib.abc
import importlib.util
import mmap
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path

LOG_LEVEL = "TF_CPP_MIN_LOG_LEVEL"
_ERRORS_ONLY = 2
_NOTHING = "3"
_LIBRARY = "libtensorflow_cc.so.2"
# The symbol holds absl's release, which changes with TensorFlow's.
_SYMBOL = re.compile(rb"_ZN4absl\w+SetMinLogLevelENS0_18LogSeverityAtLeastE")


def quiet_tensorflow() -> None:
    """Keeps TensorFlow's own lines off the terminal.

    Nothing is done where TensorFlow is loaded already, or where the user has
    set TF_CPP_MIN_LOG_LEVEL so low that warnings are wanted. TensorFlow is not
    imported here.
    """
    wants_warnings = os.environ.get(LOG_LEVEL, _NOTHING) in ("0", "1")
    if wants_warnings or "tensorflow" in sys.modules:
        return
    # Also for processes that are started from here.
    os.environ.setdefault(LOG_LEVEL, _NOTHING)
    sys.meta_path.insert(0, _AfterImport())


class _AfterImport(importlib.abc.MetaPathFinder):
    """Finds TensorFlow as usual, and silences absl's log once it is loaded."""

    def find_spec(self, fullname, path=None, target=None):
        if fullname != "tensorflow":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        if spec is None or spec.loader is None:
            return spec
        execute = spec.loader.exec_module

        def exec_module(module):
            execute(module)
            _silence_absl(Path(module.__file__).parent / _LIBRARY)

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


def _silence_absl(library: Path) -> None:
    """Lets only errors through; where it cannot be done, nothing changes."""
    with contextlib.suppress(OSError, AttributeError, ValueError):
        with (
            open(library, "rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
        ):
            found = _SYMBOL.search(content)
            name = found[0].decode() if found else ""
        # TensorFlow has loaded the library: this only finds it.
        getattr(ctypes.CDLL(str(library)), name)(_ERRORS_ONLY)


# How the user has called a module: "featsr train" for "featsr_tf.train".
_names: dict[str, str] = {}


def call_it(module: str, name: str) -> None:
    """Lets a module's help and errors name the command as it was typed."""
    _names[module] = name


class CommandParser(argparse.ArgumentParser):
    """Parses the flags of a command."""

    def __init__(self, module: str, description: str, **kwargs):
        name = _names.get(module, f"python -m {module}")
        super().__init__(prog=name, description=description, **kwargs)
        self._completes = False

    def parse_known_args(
        self, args: Sequence[str] | None = None, namespace=None
    ):
        """Parses, or answers a shell that wants to complete a flag."""
        # Set by the shell function that `featsr --completion` prints. The
        # library parses as well, what has been typed so far.
        if "_ARGCOMPLETE" in os.environ and not self._completes:
            import argcomplete

            self._completes = True
            argcomplete.autocomplete(self)
        return super().parse_known_args(args, namespace)
