"""Where the fields of a protocol buffer text stand, and what is wrong there."""

import itertools
import re
from typing import Any

from featsr_tf.errors import printable

_TOKEN = re.compile(
    r"""\#[^\n]*                        # comment
    |"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'
    |[^\s{}<>\[\]:;,\#"']+              # name, number or choice
    |[{}<>\[\]:;,]""",
    re.VERBOSE,
)


class _Scope:
    """A message that is open while the text is read."""

    def __init__(self, descriptor: Any, path: str):
        self.descriptor = descriptor
        self.path = path
        self.counts: dict[str, int] = {}
        self.field: Any = None

    def enter(self) -> "_Scope":
        """Opens the message of the field that was named last."""
        path = _join(self.path, self.field.name)
        if self.field.is_repeated:
            index = self.counts.get(self.field.name, 0)
            self.counts[self.field.name] = index + 1
            path = f"{path}.{index}"
        return _Scope(self.field.message_type, path)


def find_positions(text: str, descriptor: Any) -> dict[str, tuple[int, int]]:
    """Finds the line and column of every field that a text sets.

    Returns:
        Path -> (line, column), both from 1. Messages in a list stand under
        their index, such as "eval_input_reader.0".
    """
    tokens = [
        match
        for match in _TOKEN.finditer(text)
        if not match.group().startswith("#")
    ]
    found: dict[str, tuple[int, int]] = {}
    scopes = [_Scope(descriptor, "")]
    for token, following in itertools.pairwise(tokens):
        scope = scopes[-1]
        if token.group() in "{<":
            scopes.append(scope.enter())
            found.setdefault(scopes[-1].path, position(text, token.start()))
        elif token.group() in "}>":
            scopes.pop()
        elif following.group() in ":{<" and token.group() not in ":[,;]":
            scope.field = scope.descriptor.fields_by_name[token.group()]
            path = _join(scope.path, scope.field.name)
            found.setdefault(path, position(text, token.start()))
    return found


def parse_error_text(error: Exception) -> str:
    """Shortens an error of `google.protobuf.text_format` to a printable line.

    Its position and the text that it quotes are left out.
    """
    said = re.sub(r"^\d+:\d+ : ", "", str(error))
    # The line that the parser quotes may be long.
    return printable(re.sub(r"^'.*': ", "", said, flags=re.DOTALL))


def position(text: str, offset: int) -> tuple[int, int]:
    """Turns an offset in a text into a line and a column, both from 1."""
    start = text.rfind("\n", 0, offset) + 1
    return text.count("\n", 0, offset) + 1, offset - start + 1


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
