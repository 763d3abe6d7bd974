"""The parser of every command: its name as it was typed, and completion."""

import argparse
import os
from collections.abc import Sequence

# How the user has called a module: "featsr train" for "featsr_tf.train".
_names: dict[str, str] = {}


def call_it(module: str, name: str) -> None:
    """Lets a module's help and errors name the command as it was typed.

    Args:
        module: such as "featsr_tf.train".
        name: such as "featsr train".
    """
    _names[module] = name


class CommandParser(argparse.ArgumentParser):
    """Parses the flags of a command.

    Args:
        module: name of the command's module, such as "featsr_tf.train".
        description: one sentence of help.
    """

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
