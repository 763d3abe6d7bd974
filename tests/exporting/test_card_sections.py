"""Sections of a model card are taken as they are written, or refused."""

import pytest

from featsr_tf.errors import DataError
from featsr_tf.exporting.model_card import read_card_sections


@pytest.fixture
def card(tmp_path):
    """Writes a file and returns its path."""

    def write(content):
        path = tmp_path / "card.md"
        path.write_bytes(content)
        return str(path)

    return write


def test_a_byte_order_mark_is_no_part_of_the_text(card):
    sections = read_card_sections(card(b"\xef\xbb\xbf## Data\nOne.\n"))
    assert sections == {"Data": "One."}


def test_sections_keep_their_order_and_their_lines(card):
    sections = read_card_sections(
        card(b"\n## Data\n\nOne.\n\n### More\n- two\n\n## Limits\nNight.\n")
    )
    assert list(sections.items()) == [
        ("Data", "One.\n\n### More\n- two"),
        ("Limits", "Night."),
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "card.md: is empty; expected sections '## NAME'"),
        (b"# Card\n\n## Data\nOne.", "line 1: expected a section .* '# Card'"),
        (b"## Data\nOne.\n## Data\nTwo.", "the section 'Data' comes twice"),
        (b"## Data\n\n## Limits\nNight.", "the section 'Data' is empty"),
        (b"## Data\n\xff", "card.md: not a text file"),
    ],
)
def test_what_is_no_list_of_sections_is_refused(card, content, message):
    with pytest.raises(DataError, match=message):
        read_card_sections(card(content))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match="none.md: cannot be read: No such"):
        read_card_sections(str(tmp_path / "none.md"))
