"""Lists the licences of everything that is installed with the package.

    python -m tests.licences            # prints the page
    python -m tests.licences --write    # writes docs/licences.md

A licence is taken from the metadata that a distribution ships. Exit code 1
where one does not allow to pass the package on under Apache-2.0.
"""

import argparse
import dataclasses
import importlib.metadata
import pathlib
import re
import sys
from collections.abc import Mapping, Sequence

from featsr_tf.files import write_text

REPOSITORY = pathlib.Path(__file__).resolve().parents[1]
PAGE = REPOSITORY / "docs" / "licences.md"
LOCK = REPOSITORY / "requirements.lock"
OWN = "featsr-tf"
# Where the metadata say nothing, or less than the licence file.
READ_BY_HAND = {
    "namex": "Apache-2.0",
    "text-unidecode": "Artistic-1.0 OR GPL-2.0-or-later",
}
# What wheels hold beside the package's own code.
BUNDLED = {
    "av": (
        "its wheel holds FFmpeg with x264 and x265 (GPL-2.0-or-later); only "
        "the extras `h264` and `supervision` bring it: leave them out of what "
        "you pass on"
    ),
    "opencv-python-headless": (
        "its wheel holds FFmpeg (LGPL-2.1); only the extra `video` brings it"
    ),
    "scipy": "its wheel holds libgfortran (GPL with the GCC exception)",
}
_STRONG = re.compile(r"(?<!L)(?<!Lesser )A?GPL|General Public Licen[sc]e")
_WEAK = re.compile(r"LGPL|Lesser General Public|MPL|Mozilla|EPL|CDDL")


@dataclasses.dataclass(frozen=True)
class Package:
    """A distribution and its licence.

    Args:
        name: in lower case, with hyphens.
        version: the exact one of the lock file.
        licence: as its metadata say.
    """

    name: str
    version: str
    licence: str

    @property
    def is_allowed(self) -> bool:
        """Whether one of the licences to choose from is no GPL or AGPL."""
        choices = re.split(r"\bOR\b", self.licence)
        return bool(self.licence) and not all(map(is_strong, choices))

    @property
    def is_weak(self) -> bool:
        """Whether changes to it have to be published, but no more."""
        return bool(_WEAK.search(self.licence))


def is_strong(licence: str) -> bool:
    """Whether a licence asks that all of a program be under it."""
    lesser = re.sub(r"Lesser General Public Licen[sc]e", "LGPL", licence)
    return bool(_STRONG.search(lesser))


def normalized(name: str) -> str:
    """The one spelling of a distribution's name."""
    return re.sub(r"[-_.]+", "-", name).lower()


def locked_versions(text: str) -> dict[str, str]:
    """Versions by name of a lock file."""
    pins = re.findall(r"^([\w.-]+)(?:\[.*\])?==(\S+)", text, re.MULTILINE)
    return {normalized(name): version for name, version in pins}


def installed(versions: Mapping[str, str]) -> list[Package]:
    """Those of the distributions that are installed, sorted by name.

    Args:
        versions: from `locked_versions`. What is installed may differ.

    Returns:
        The packages, with the versions given and the licences found.
    """
    packages = []
    for name in sorted(versions):
        try:
            found = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        licence = licence_of(name, found)
        packages.append(Package(name, versions[name], licence))
    return packages


def licence_of(name: str, found: importlib.metadata.Distribution) -> str:
    """What the metadata say, the most exact field first."""
    if name in READ_BY_HAND:
        return READ_BY_HAND[name]
    about = found.metadata
    expression = about.get("License-Expression")
    classifiers = [
        line.rpartition(" :: ")[2]
        for line in about.get_all("Classifier") or []
        if line.startswith("License :: ")
    ]
    words = (about.get("License") or "").strip().split("\n")[0]
    return expression or ", ".join(classifiers) or words


def page(packages: Sequence[Package]) -> str:
    """The text of docs/licences.md."""
    weak = ", ".join(item.name for item in packages if item.is_weak)
    lines = [
        "# Licences of the dependencies",
        "",
        "Written by `python -m tests.licences --write` from the metadata of",
        "the versions in `requirements.lock`. featsr_tf itself is Apache-2.0",
        "and contains none of them; none is under the GPL or AGPL alone.",
        "",
        f"Weak copyleft (their own source stays open, no more): {weak}.",
        "",
        "Wheels that hold more than their own code:",
        "",
        *(
            f"- `{item.name}`: {BUNDLED[item.name]}."
            for item in packages
            if item.name in BUNDLED
        ),
        "",
        "| package | version | licence |",
        "|---|---|---|",
        *(f"| {p.name} | {p.version} | {p.licence} |" for p in packages),
    ]
    return "\n".join(lines) + "\n"


def main(argv: Sequence[str] | None = None) -> None:
    """Prints or writes the page."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.licences",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--write", action="store_true", help="write the page")
    arguments = parser.parse_args(argv)
    packages = installed(locked_versions(LOCK.read_text()))
    if arguments.write:
        write_text(PAGE, page(packages))
        print(f"wrote {PAGE}")
    else:
        print(page(packages), end="")
    refused = [item for item in packages if not item.is_allowed]
    for item in refused:
        print(f"not allowed: {item.name}: {item.licence}", file=sys.stderr)
    if refused:
        sys.exit(1)


if __name__ == "__main__":
    main()
