"""Where the fields of a protocol buffer text stand, and what is wrong there."""

import itertools
import re
import unicodedata
from typing import Any

from featsr_tf.errors import printable

_TOKEN = re.compile(
    r"""\#[^\n]*                        # comment
    |"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'
    |[^\s{}<>\[\]:;,\#"']+              # name, number or choice
    |[{}<>\[\]:;,]""",
    re.VERBOSE,
)


_DOUBLED = re.compile(r"""(""|'')(?=[^\s"',;}\]])|(?<=\w)(""|'')""")
_QUOTED = re.compile(r""""[^"]*"|(?<!\w)'[^']*'|\#.*""")


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


def parse_error_text(error: Any, text: str = "") -> str:
    """Shortens an error of `google.protobuf.text_format` to a printable line.

    Its position and the text that it quotes are left out.

    Args:
        text: what was parsed: where it shows a common slip of the pen, this is
            said, with what to write. Default: "", not known.
    """
    said = re.sub(r"^\d+:\d+ : ", "", str(error))
    # The line that the parser quotes may be long.
    said = printable(re.sub(r"^'.*': ", "", said, flags=re.DOTALL))
    lines = text.splitlines()[: error.GetLine() or 0]
    slip = None
    if lines:
        rest = lines[-1][max((error.GetColumn() or 1) - 1, 0) :]
        slip = _find_slip(lines[-1], rest, said)
    if slip is None and len(lines) > 1:
        # A string that does not end is noticed in the next line.
        slip = _find_slip(lines[-2], "", "")
    return printable(slip) if slip else said


def _find_slip(line: str, rest: str, said: str) -> str | None:
    """Says what was probably meant in a line that cannot be parsed.

    Args:
        rest: of the line, from where the parser has stopped.
        said: by the parser.
    """
    outside = re.sub(_QUOTED, "", line)
    if match := re.search("[“”„‘’‚«»´`]", outside):
        return (
            f"the quote {match[0]} is none here; write straight ones, such as"
            ' "name"'
        )
    if match := _DOUBLED.search(line):
        return f"a doubled quote {match[0]} ends the text; write one quote"
    if 'Expected ":"' in said and rest.lstrip().startswith("="):
        return "expected a colon between name and value, not ="
    if match := re.search(r"\w'\w", re.sub('"[^"]*"', "", line)):
        return f'the apostrophe {match[0]} ends the text; write it in "..."'
    if "Expected string" in said:
        value = re.split(r"[{}\[\],;#]|\s+\w+\s*:", rest)[0].strip()
        return f'the text {value} has no quotes; write "{value}"'
    if match := re.search(r"[^\x00-\x7f]", outside):
        return (
            f"the character {match[0]!r} ({unicodedata.name(match[0], '?')})"
            " does not belong here; replace it by an ordinary one"
        )
    return None


def position(text: str, offset: int) -> tuple[int, int]:
    """Turns an offset in a text into a line and a column, both from 1."""
    start = text.rfind("\n", 0, offset) + 1
    return text.count("\n", 0, offset) + 1, offset - start + 1


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
