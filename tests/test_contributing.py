"""The recipes of CONTRIBUTING.md must name files that exist."""

import re

import pytest

from tests.support import REPOSITORY

TEXT = (REPOSITORY / "CONTRIBUTING.md").read_text()
# The tree of the layout shortens its paths.
TEXT = re.sub(r"```.*?```", "", TEXT, flags=re.DOTALL)
FILES = sorted(set(re.findall(r"[\w./]+/(?:[\w.]+\.\w+)?(?=[`\s])", TEXT)))


@pytest.mark.parametrize("name", FILES)
def test_every_file_that_the_recipes_name_exists(name):
    assert (REPOSITORY / name).exists()
