"""Sections of a model card that people write: data, licence, limits."""

from pathlib import Path

from featsr_tf.errors import DataError

_MARK = "## "


def read_card_sections(path: str) -> dict[str, str]:
    """Reads the sections that a model card is to have besides its own.

    Args:
        path: a Markdown file; lines "## NAME" begin its sections, the first
            line one of them.

    Returns:
        The text of each section by its name, in their order.

    Raises:
        DataError: the file cannot be read, or a section has no text or comes
            twice.
    """
    sections: dict[str, list[str]] = {}
    name = None
    for number, line in enumerate(_read(path).strip().splitlines(), start=1):
        if line.startswith(_MARK):
            name = line.removeprefix(_MARK).strip()
            if name in sections:
                raise DataError(
                    f"{path}: the section {name!r} comes twice; join the two"
                )
            sections[name] = []
        elif name is None:
            raise DataError(
                f"{path}, line {number}: expected a section such as "
                f"'## Data', found {line[:60]!r}"
            )
        else:
            sections[name].append(line)
    texts = {name: "\n".join(lines).strip() for name, lines in sections.items()}
    for name, text in texts.items():
        if not text:
            raise DataError(
                f"{path}: the section {name!r} is empty; write it or leave it "
                "out"
            )
    return texts


def _read(path: str) -> str:
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise DataError(f"{path}: expected text, found other bytes") from None
    if not text.strip():
        raise DataError(f"{path}: is empty; expected sections '## NAME'")
    return text
