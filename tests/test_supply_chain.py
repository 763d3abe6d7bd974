"""The exact versions fit the ranges, and their licences allow Apache-2.0."""

import importlib.metadata
import re

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement

from tests import licences
from tests.licences import Package
from tests.support import REPOSITORY
from tests.test_packaging import SETUP

LOCK = licences.LOCK.read_text()
PINS = licences.locked_versions(LOCK)
EXTRAS = SETUP["options.extras_require"]
# Not among those that CI and demo need.
OPTIONAL = {"beam", "sahi"}


def requirements():
    """All that `make install` asks for."""
    lines = SETUP["options"]["install_requires"].strip().splitlines()
    for extra, text in EXTRAS.items():
        if extra not in OPTIONAL:
            lines += text.strip().splitlines()
    wanted = map(Requirement, lines)
    return [
        item
        for item in wanted
        if licences.normalized(item.name) != licences.OWN
    ]


@pytest.mark.parametrize("wanted", requirements(), ids=str)
def test_an_exact_version_is_in_its_range(wanted):
    version = PINS[licences.normalized(wanted.name)]
    assert wanted.specifier.contains(version), "call `make lock`"


def test_every_exact_version_has_checksums():
    blocks = re.split(r"\n(?=[\w])", LOCK)
    pinned = [block for block in blocks if re.match(r"[\w.\[\]-]+==", block)]
    assert len(pinned) == len(PINS) > 100
    for block in pinned:
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", block), block[:60]


def test_what_the_exact_versions_need_is_pinned_too():
    """One level is enough: each pinned package is asked for its own needs."""
    environment = {"extra": "", "sys_platform": "linux"}
    for name in PINS:
        try:
            needs = importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:
            continue
        if importlib.metadata.version(name) != PINS[name]:
            continue
        for need in map(Requirement, needs):
            marker = need.marker or Marker("python_version > '3'")
            if marker.evaluate(environment):
                pinned = PINS.get(licences.normalized(need.name))
                assert pinned, f"{name} needs {need}"
                assert need.specifier.contains(pinned), f"{name} needs {need}"


def test_the_makefile_installs_what_is_locked_and_can_do_without():
    makefile = (REPOSITORY / "Makefile").read_text()
    assert "--require-hashes" in makefile
    assert "--editable '.[dev]'" in makefile


INSTALLED = licences.installed(PINS)


@pytest.mark.parametrize("package", INSTALLED, ids=lambda item: item.name)
def test_no_dependency_is_under_the_gpl_alone(package):
    assert package.licence, f"read the licence of {package.name} by hand"
    assert package.is_allowed, package.licence


def test_the_page_lists_every_exact_version():
    text = licences.PAGE.read_text()
    for name, version in PINS.items():
        assert f"| {name} | {version} | " in text, "python -m tests.licences"


@pytest.mark.parametrize(
    ("licence", "allowed", "weak"),
    [
        ("MIT", True, False),
        ("GPL-3.0-or-later", False, False),
        ("GNU General Public License v2 (GPLv2)", False, False),
        ("GNU Affero General Public License v3", False, False),
        ("AGPL-3.0", False, False),
        ("LGPL-2.1", True, True),
        ("GNU Lesser General Public License v3 (LGPLv3)", True, True),
        ("Artistic-1.0 OR GPL-2.0-or-later", True, False),
        ("MPL-2.0 AND MIT", True, True),
        ("", False, False),
    ],
)
def test_licences_are_told_apart(licence, allowed, weak):
    package = Package("a", "1", licence)
    assert package.is_allowed == allowed
    assert package.is_weak == weak
