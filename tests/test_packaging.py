"""What a fresh machine gets must be all that the package imports and reads."""

import ast
import configparser
import importlib.metadata
import re
import sys

import pytest

import featsr_tf
from tests.support import REPOSITORY
from tests.test_import_directions import DOORS
from tests.test_import_directions import MODULES
from tests.test_import_directions import imported_names

SETUP = configparser.ConfigParser()
SETUP.read(REPOSITORY / "setup.cfg")
REQUIREMENTS = SETUP["options"]["install_requires"].strip().splitlines()
EXTRA_REQUIREMENTS = [
    requirement
    for extra, requirements in SETUP["options.extras_require"].items()
    for requirement in requirements.strip().splitlines()
    if extra != "dev"
]


def normalized(distribution: str) -> str:
    return re.split(r"[ <>=~]", distribution.lower())[0].replace("_", "-")


def test_the_installed_version_is_that_of_the_package():
    assert importlib.metadata.version("featsr_tf") == featsr_tf.__version__


@pytest.mark.parametrize("requirement", REQUIREMENTS + EXTRA_REQUIREMENTS)
def test_a_requirement_has_a_lower_and_an_upper_bound(requirement):
    assert "~=" in requirement or (">=" in requirement and "<" in requirement)


def test_every_imported_distribution_is_required():
    required = set(map(normalized, REQUIREMENTS + EXTRA_REQUIREMENTS))
    providers = importlib.metadata.packages_distributions()
    names = {
        name.split(".")[0]
        for tree in MODULES.values()
        for name in imported_names(ast.walk(tree))
    }
    own = {"featsr_tf", "tfrecords_tools"}
    for name in names - own - sys.stdlib_module_names:
        # What belongs to an extra need not be installed.
        found = set(map(normalized, providers.get(name, [name])))
        assert found & required, f"{name} is not in setup.cfg"


def test_every_folder_with_modules_is_a_package():
    for name in MODULES:
        parents = name.split(".")[:-1]
        while parents:
            assert ".".join(parents) in MODULES, f"{name} has no __init__.py"
            parents.pop()


def test_every_pattern_of_package_data_finds_files():
    for package, patterns in SETUP["options.package_data"].items():
        for pattern in patterns.split():
            assert list((REPOSITORY / package).glob(pattern)), pattern


def test_every_command_of_make_demo_is_a_door():
    makefile = (REPOSITORY / "Makefile").read_text()
    demo = makefile.partition("\ndemo:")[2].partition("\n\n")[0]
    commands = re.findall(r"-m ((?:featsr_tf|tfrecords_tools)\.\w+)", demo)
    assert len(set(commands)) == 5
    assert set(commands) <= set(DOORS)
