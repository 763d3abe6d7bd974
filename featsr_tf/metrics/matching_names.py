"""Which annotated image or class the ids and names of other files mean."""

import functools
import itertools
import re
from collections import Counter
from collections.abc import (
    Callable,
    Collection,
    Hashable,
    Iterator,
    Mapping,
    Sequence,
)
from dataclasses import dataclass

_ENDING = re.compile(
    r"\.(jpe?g|jpe|jfif|png|gif|bmp|webp|avif|tiff?|p[gpbn]m|txt|xml|json)$",
    re.IGNORECASE,
)
_WHOLE_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,17})(\.0+)?")


@dataclass(frozen=True)
class Rule:
    """One way to compare a key of a file with what is annotated.

    Args:
        label: how things are matched, for people.
        form: of a key; equal forms match. None matches nothing.
        known_form: of an annotated id and its name.
    """

    label: str
    form: Callable[[Hashable], Hashable]
    known_form: Callable[[Hashable, str], Hashable]


@dataclass(frozen=True)
class Matching:
    """What the keys of a file mean.

    Args:
        ids: annotated id by key; keys without one are left out.
        label: of the rule that was taken.
        doubtful: keys that mean the same as another key, or several ids.
    """

    ids: Mapping[Hashable, Hashable]
    label: str
    doubtful: Collection[Hashable]


def plain_id(value: Hashable) -> Hashable:
    """Makes 1, 1.0, "1" and "1.0" the same id; leaves any other as it is."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and _WHOLE_NUMBER.fullmatch(value.strip()):
        return int(value.strip().partition(".")[0])
    return value


BY_ID = Rule("id", plain_id, lambda id_, name: id_)


def match_keys(
    keys: Mapping[Hashable, Hashable],
    known: Mapping[Hashable, str],
    rules: Sequence[Rule],
) -> Matching:
    """Matches all keys of a file by one rule.

    Args:
        keys: by the file's own ids what is compared: names, or these ids.
        known: name by annotated id.
        rules: the strictest first. The first of those that match the most
            keys is taken.
    """
    best = Matching({}, rules[0].label, set())
    for rule in rules:
        matching = _match(keys, known, rule)
        if len(matching.ids) > len(best.ids) or not best.ids:
            best = matching if matching.ids or matching.doubtful else best
        if len(best.ids) == len(keys):
            break
    return best


def _match(keys: Mapping, known: Mapping, rule: Rule) -> Matching:
    ids: dict = {}
    several = set()
    for id_, name in known.items():
        form = rule.known_form(id_, name)
        several.update({form} if form in ids else ())
        ids[form] = id_
    forms = {key: rule.form(told) for key, told in keys.items()}
    often = Counter(forms.values())
    fitting = {
        key: form
        for key, form in forms.items()
        if form not in (None, "") and form in ids
    }
    doubtful = {
        key
        for key, form in fitting.items()
        if form in several or often[form] > 1
    }
    return Matching(
        {
            key: ids[form]
            for key, form in fitting.items()
            if key not in doubtful
        },
        rule.label,
        doubtful,
    )


def file_name_rules(
    keys: Collection[Hashable], known: Collection[str]
) -> list[Rule]:
    """Rules for names of image files, the strictest first.

    Args:
        keys: all of a file.
        known: all annotated names.
    """
    endings = (("", str), (" without ending", _without_ending))
    cases = (("", str), (", whatever the case", str.casefold))
    return [
        rule
        for case, ending in itertools.product(cases, endings)
        for rule in _folder_rules(
            f"{ending[0]}{case[0]}", (ending[1], case[1]), keys, known
        )
    ]


def _folder_rules(
    label: str,
    steps: Sequence[Callable[[str], str]],
    keys: Collection[Hashable],
    known: Collection[str],
) -> Iterator[Rule]:
    """Rules that differ in what they take of folders.

    Args:
        steps: what all of them do to names.
    """
    yield _text_rule(f"file name{label}", steps)
    plain = (_with_slashes, *steps)
    yield _text_rule(f"file name, whatever its slashes{label}", plain)
    yield _text_rule(
        f"file name without folders{label}".replace(
            "folders without", "folders and"
        ),
        (_without_folders, *steps),
    )
    # Names that several folders have: one of both files may name folders above.
    label = f"file name and its last folders{label}"
    form, known_form = (
        _text_form(
            (*plain, functools.partial(_longest_end, _forms(ends, plain)))
        )
        for ends in (known, keys)
    )
    slashed = _text_form(plain)
    yield Rule(label, form, lambda id_, name: slashed(name))
    yield Rule(label, slashed, lambda id_, name: known_form(name))


def _forms(
    names: Collection[Hashable], steps: Sequence[Callable[[str], str]]
) -> set[str | None]:
    form = _text_form(steps)
    return {form(name) for name in names}


def _longest_end(ends: Collection[str | None], name: str) -> str:
    """The longest end of a path that is one of some others; else all of it."""
    parts = name.split("/")
    tails = ("/".join(parts[begin:]) for begin in range(len(parts)))
    return next((tail for tail in tails if tail in ends), name)


def class_name_rules() -> list[Rule]:
    """Rules for names of classes, the strictest first."""
    return [
        _text_rule("name", (str,)),
        _text_rule("name, whatever the case", (str.strip, str.casefold)),
        _text_rule(
            "name, whatever the case and what parts its words",
            (lambda name: re.sub(r"[\s_-]+", "", name).casefold(),),
        ),
    ]


def _text_rule(label: str, steps: Sequence[Callable[[str], str]]) -> Rule:
    form = _text_form(steps)
    return Rule(label, form, lambda id_, name: form(name))


def _text_form(
    steps: Sequence[Callable[[str], str]],
) -> Callable[[Hashable], str | None]:
    def form(key: Hashable) -> str | None:
        if not isinstance(key, str | int):
            return None
        text = str(key)
        for step in steps:
            text = step(text)
        return text

    return form


def _with_slashes(name: str) -> str:
    name = re.sub(r"[\\/]+", "/", name)
    return re.sub(r"^(\./|/)+|/\.(?=/)", "", name)


def _without_folders(name: str) -> str:
    return _with_slashes(name).rpartition("/")[2]


def _without_ending(name: str) -> str:
    """The stem of a name; 000139 and 139 are one, as ids of images are."""
    stem = _ENDING.sub("", name)
    return stem.lstrip("0") or "0" if re.fullmatch("[0-9]+", stem) else stem


def describe_mismatch(
    key: Hashable, matching: Matching, keys: Collection, known: Mapping
) -> str:
    """Says why a key of a file probably matches nothing.

    Args:
        key: that has no annotated id.
        keys: all of the file.
        known: name by annotated id.
    """
    if key in matching.doubtful:
        return (
            f"by {matching.label} it may mean several: give every image its "
            "folder and ending in both files"
        )
    numbers = [id_ for id_ in map(plain_id, keys) if isinstance(id_, int)]
    ids = [number for number in known if isinstance(number, int)]
    if numbers and len(numbers) == len(keys) and ids and min(numbers) == 0:
        if min(ids) == 1:
            return (
                "the file counts from 0 and the annotations from 1; add 1 to "
                "each in the file"
            )
    if matching.ids:
        return (
            f"{len(matching.ids)} of {len(keys)} are, by {matching.label}; "
            "probably the annotations are of one part of what was detected"
        )
    shown = [name or id_ for id_, name in itertools.islice(known.items(), 3)]
    return (
        f"none of its {len(keys)} is, neither by id nor by name; found there "
        f"{', '.join(map(repr, shown))}: probably another data set or split"
    )
