"""Seeded mutations of texts and bytes that know a little of their structure."""

import random
import re

_TOKEN = re.compile(r"\w+|\s+|[^\w\s]")
STRANGE = (
    *("nan", "-nan", "inf", "-inf", "1e999", "-1", "0", "-0.0", "1e-400"),
    *("2147483648", "-2147483649", "9" * 400, "0x7fffffff", "07", "1.", ".5f"),
    *("true", "FALSE", "'", '"', "'\\377'", '"\\0"', "'\\u00e9'", "'\\'"),
    *("{", "}", "<", ">", "[", "]", ":", ";", ",", "#", "\\", "\0", "\n"),
    *("é", "\u202e", "\U0001f99d", "\ufeff", "\ud7ff", "\u2028", "\x7f"),
    *("[ext.x] {}", "item {", "any { [a/b] {} }", "x: y", "''", "{}", "[]"),
)


def mutate_text(content: bytes, chance: random.Random) -> bytes:
    """Changes a text of protocol buffers in one to three places.

    Args:
        content: a sound text, or what has become of one.
        chance: source of randomness.

    Returns:
        The changed text as bytes; now and then no UTF-8.
    """
    text = content.decode("utf-8-sig", "replace")
    for _ in range(chance.randint(1, 3)):
        tokens = _TOKEN.findall(text)
        if not tokens:
            break
        text = "".join(chance.choice(_CHANGES)(tokens, chance))
    content = text.encode()
    if chance.random() < 0.05:
        content = mutate_bytes(content, chance)
    return content


def _swap(tokens: list[str], chance: random.Random) -> list[str]:
    first, second = (chance.randrange(len(tokens)) for _ in range(2))
    tokens[first], tokens[second] = tokens[second], tokens[first]
    return tokens


def _delete(tokens: list[str], chance: random.Random) -> list[str]:
    start = chance.randrange(len(tokens))
    return tokens[:start] + tokens[start + chance.randint(1, 8) :]


def _replace(tokens: list[str], chance: random.Random) -> list[str]:
    tokens[chance.randrange(len(tokens))] = chance.choice(STRANGE)
    return tokens


def _replace_number(tokens: list[str], chance: random.Random) -> list[str]:
    places = [place for place, token in enumerate(tokens) if token.isdecimal()]
    if places:
        tokens[chance.choice(places)] = chance.choice(STRANGE[:20])
    return tokens


def _insert(tokens: list[str], chance: random.Random) -> list[str]:
    tokens.insert(chance.randrange(len(tokens)), chance.choice(STRANGE))
    return tokens


def _repeat(tokens: list[str], chance: random.Random) -> list[str]:
    start = chance.randrange(len(tokens))
    part = tokens[start : start + chance.randint(1, 30)]
    place = chance.randrange(len(tokens))
    return tokens[:place] + part + tokens[place:]


def _nest(tokens: list[str], chance: random.Random) -> list[str]:
    depth = chance.choice((1, 2, 50, 1000))
    place = chance.randrange(len(tokens))
    name = chance.choice(tokens)
    return [*tokens[:place], f"{name} {{ " * depth, *tokens[place:]]


def _truncate(tokens: list[str], chance: random.Random) -> list[str]:
    return tokens[: chance.randrange(len(tokens))]


_CHANGES = (
    _swap,
    _delete,
    _replace,
    _replace_number,
    _insert,
    _repeat,
    _nest,
    _truncate,
)


def mutate_bytes(content: bytes, chance: random.Random) -> bytes:
    """Flips, cuts out, repeats or inserts bytes.

    Args:
        content: a sound file or record.
        chance: source of randomness.

    Returns:
        The changed bytes.
    """
    if not content:
        return b"\xff"
    place = chance.randrange(len(content))
    length = chance.choice((1, 1, 2, 4, 8, 64, len(content)))
    piece = content[place : place + length]
    kind = chance.randrange(5)
    if kind == 0:
        flipped = bytes(byte ^ (1 << chance.randrange(8)) for byte in piece)
        return content[:place] + flipped + content[place + length :]
    if kind == 1:
        return content[:place] + content[place + length :]
    if kind == 2:
        other = chance.randrange(len(content))
        return content[:other] + piece + content[other:]
    if kind == 3:
        return (
            content[:place]
            + chance.randbytes(length % 64 + 1)
            + (content[place:])
        )
    return content[:place] + b"\xff" * len(piece) + content[place + length :]
