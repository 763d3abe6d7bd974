"""XML files are read in whatever encoding, and named where they are none."""

import pytest

from featsr_tf.errors import DataError
from tfrecords_tools.layouts import load_xml
from tfrecords_tools.layouts import root_tag

DECLARED = '<?xml version="1.0" encoding="{}"?>\n<!-- <no/> -->'


@pytest.fixture
def write(tmp_path):
    def write(content: bytes):
        path = tmp_path / "a.xml"
        path.write_bytes(content)
        return path

    return write


@pytest.mark.parametrize(
    ("encoding", "name"),
    [
        *(("utf-8", "Fu\xdf"), ("utf-16", "\u505c"), ("iso-8859-1", "Fu\xdf")),
        *(("gb2312", "\u505c"), ("shift_jis", "\u505c"), ("cp1252", "Fu\xdf")),
    ],
)
def test_the_encoding_is_the_one_declared(write, encoding, name):
    text = f"{DECLARED.format(encoding)}<root><name>{name}</name></root>"
    path = write(text.encode(encoding))
    assert load_xml(path).findtext("name") == name
    assert root_tag(path) == "root"


def test_a_byte_order_mark_is_no_part_of_it(write):
    path = write(b"\xef\xbb\xbf<root/>")
    assert load_xml(path).tag == root_tag(path) == "root"


@pytest.mark.parametrize(
    ("content", "message", "tag"),
    [
        (b" \n", "no element found.*; the file is empty: export or", ""),
        (b"<a>Fu\xdf</a>", "invalid token.*; save it as UTF-8, or name", "a"),
        (b"<a>&</a>", "invalid token[^;]*$", "a"),
        (b"version https://git-lfs.github.com/spec/v1", "run git lfs pull", ""),
        (DECLARED.format("x").encode() + b"<a/>", "unknown encoding", "a"),
        (DECLARED.format("gbk").encode() + b"<a>\x81", "not an XML file", "a"),
    ],
)
def test_what_is_no_xml_is_named(write, content, message, tag):
    path = write(content)
    with pytest.raises(DataError, match=f"a.xml: .*{message}"):
        load_xml(path)
    assert root_tag(path) == tag


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match="a.xml: cannot be read: No such file"):
        load_xml(tmp_path / "a.xml")
    assert root_tag(tmp_path / "a.xml") == ""
