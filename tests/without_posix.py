"""Runs commands as on a system without the modules of POSIX, one by one.

    python -m tests.without_posix 'verify a.record' 'stats a.record'

Windows has none of these modules, no such functions and no `/proc`; neither
can tf-models-official be installed there. Paths and processes stay those of
the system on which the test runs.
"""

import builtins
import io
import os
import shlex
import signal
import sys

_MODULES = ("fcntl", "grp", "pwd", "resource", "termios", "tty")
_NOT_INSTALLED = ("official", "tensorflow_text")
_FUNCTIONS = ("fchmod", "fork", "getuid", "geteuid", "sched_getaffinity")
_SIGNALS = ("SIGHUP", "SIGKILL", "SIGPIPE", "SIGQUIT", "SIGUSR1")


def hide_posix() -> None:
    """Hides what only POSIX has, for the rest of this process."""
    # It chooses for itself by what there is.
    import subprocess  # noqa: F401

    for name in (*_MODULES, *_NOT_INSTALLED):
        sys.modules[name] = None
    for name in _FUNCTIONS:
        delattr(os, name)
    for name in _SIGNALS:
        delattr(signal, name)
    open_file = io.open

    def open_outside_proc(file, *arguments, **options):
        if str(file).startswith("/proc"):
            raise FileNotFoundError(2, "No such file or directory", file)
        return open_file(file, *arguments, **options)

    builtins.open = io.open = open_outside_proc


if __name__ == "__main__":
    hide_posix()
    from featsr_tf.__main__ import main

    for command in sys.argv[1:]:
        main(shlex.split(command))
