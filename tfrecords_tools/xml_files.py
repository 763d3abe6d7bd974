"""XML files of any origin."""

import os
import re
import xml.etree.ElementTree
from pathlib import Path
from xml.etree.ElementTree import Element

from featsr_tf.errors import DataError
from featsr_tf.files import stand_in

_DECLARATION = re.compile(
    rb"""\s*<\?xml[^>]*?\bencoding\s*=\s*["']([\w.-]+)["'][^>]*\?>"""
)
_COMMENT = re.compile(rb"<!--.*?-->", re.DOTALL)
_TAG = re.compile(rb"<([A-Za-z_][\w.-]*)")
# Longer than any comment in front of the first element.
_BEGINNING = 1 << 16


def load_xml(path: str | os.PathLike) -> Element:
    """Reads an XML file.

    Raises:
        DataError: it cannot be read or is no XML.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None
    try:
        return _parse(content)
    except (xml.etree.ElementTree.ParseError, ValueError, LookupError) as error:
        reason = stand_in(content) or f"not an XML file: {error}"
        if not content.strip():
            reason += "; the file is empty: export or copy it again"
        elif "invalid token" in reason and not _is_utf8(content):
            reason += "; save it as UTF-8, or name its encoding in line 1"
        raise DataError(f"{path}: {reason}") from None


def root_tag(path: str | os.PathLike) -> str:
    """How an XML file begins; "" where it is none."""
    try:
        with open(path, "rb") as file:
            beginning = file.read(_BEGINNING)
    except OSError:
        return ""
    found = _TAG.search(_COMMENT.sub(b"", without_wide_letters(beginning)))
    return found[1].decode() if found else ""


def without_wide_letters(content: bytes) -> bytes:
    """Makes plain letters of UTF-16 one byte each."""
    return content.replace(b"\0", b"")


def _parse(content: bytes) -> Element:
    # Expat stops entities that grow out of proportion and opens no others.
    declared = _DECLARATION.match(content)
    try:
        return xml.etree.ElementTree.fromstring(content)
    except ValueError:
        # Expat reads no letters of several bytes but Unicode's.
        if not declared:
            raise
    text = content[declared.end() :].decode(declared[1].decode())
    return xml.etree.ElementTree.fromstring(text)


def _is_utf8(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True
