"""Whatever may happen to an image or an object is documented."""

import pytest

from tests.support import REPOSITORY
from tfrecords_tools.annotations import Outcome

ROWS = [
    line.strip(" |").split("|")
    for line in (REPOSITORY / "docs" / "data.md").read_text().splitlines()
    if line.startswith("|")
]


@pytest.mark.parametrize("outcome", Outcome)
def test_an_outcome_is_in_words_and_in_the_table_of_the_docs(outcome):
    assert outcome.description
    assert f"`{outcome}`" in [row[-1].strip() for row in ROWS]
