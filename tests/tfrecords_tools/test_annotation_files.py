"""Annotation files: what is wrong with one is said with its place."""

import pytest

from featsr_tf.config import load_pipeline
from featsr_tf.data.annotation_values import check_kind
from featsr_tf.data.annotation_values import finite
from featsr_tf.data.annotation_values import upright_hull
from featsr_tf.data.annotation_values import whole_number
from featsr_tf.data.label_map import load_label_map
from featsr_tf.data.pictures import read_image
from featsr_tf.data.tfrecord_files import record_offsets
from featsr_tf.errors import DataError
from featsr_tf.errors import FeatsrError
from tfrecords_tools.annotations import Outcome
from tfrecords_tools.annotations import load_json
from tfrecords_tools.annotations import member
from tfrecords_tools.annotations import path_inside
from tfrecords_tools.annotations import read_flag
from tfrecords_tools.annotations import read_names
from tfrecords_tools.images import prepare_image


@pytest.fixture
def write(tmp_path):
    def write(content: str | bytes):
        path = tmp_path / "file"
        if isinstance(content, str):
            content = content.encode()
        path.write_bytes(content)
        return path

    return write


def test_a_key_is_left_out_wherever_it_stands(write):
    path = write('{"a": [{"b": 1, "outline": [1, 2]}], "outline": {}}')
    assert load_json(path, leave_out=("outline",)) == {"a": [{"b": 1}]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "not a JSON file: Expecting value"),
        ('{"a": 1', "not a JSON file: .*line 1 column 8"),
        ("[1]", "expected an object, found .1."),
        ('{"a": {"b": 1, "c": 2, "b": 1}}', "the key 'b' occurs twice"),
        (b'{"a": "\xff"}', "not a text file: .*; if it is one, save it as UT"),
        (b"\xff\0", "not a text file: [^;]*$"),
        (b"\x1f\x8b\x08", "compressed with gzip; decompress it first"),
        ("[" * 100_000, "not a JSON file"),
        ('{"a": 1' + "0" * 10_000 + "}", "not a JSON file"),
    ],
)
def test_what_is_no_json_object_is_refused(write, content, message):
    path = write(content)
    with pytest.raises(DataError, match=message) as caught:
        load_json(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match="no.json: cannot be read: No such"):
        load_json(tmp_path / "no.json")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_byte_order_mark_is_no_part_of_a_text(write, encoding):
    assert load_json(write('{"ä": 1}'.encode(encoding))) == {"ä": 1}
    names = read_names(write("ä\r\nb\r\n".encode(encoding)))
    assert [name for name, _ in names] == ["ä", "b"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("version https://git-lfs.github.com/spec/v1\n", "run git lfs pull"),
        (
            "<!DOCTYPE html><title>404</title>",
            "web page .*: download it again",
        ),
    ],
)
def test_what_stands_in_the_place_of_a_file_is_named(write, content, message):
    path = write(content)
    for read in (load_json, load_label_map, record_offsets):
        with pytest.raises(DataError, match=f"{path}: .*{message}"):
            read(path)
    for read in (load_pipeline, read_image):
        with pytest.raises(FeatsrError, match=f"{path}: .*{message}"):
            read(str(path))
    with pytest.raises(DataError, match=message):
        prepare_image(content.encode())


@pytest.mark.parametrize(
    ("value", "is_set", "is_clear"),
    [
        *((value, True, True) for value in (1, "1", "True", True, "1.0", 1.0)),
        *((value, False, True) for value in (0, "", None, "no", False, "0.0")),
        *((value, False, False) for value in ("Unspecified", "0.35", -1, [])),
        *((value, True, False) for value in (2, "0.75")),
    ],
)
def test_flags_are_read_leniently_and_unclear_ones_counted(
    value, is_set, is_clear
):
    outcomes = () if is_clear else (Outcome.UNCLEAR_FLAG,)
    assert read_flag(value) == (is_set, outcomes)


@pytest.mark.parametrize("value", [7, 7.0, "7", " 7.0 "])
def test_whole_numbers_are_read_however_they_are_written(value):
    assert whole_number(value, "here") == 7
    assert whole_number(2**60 + 1, "here") == 2**60 + 1


@pytest.mark.parametrize(
    "value", [True, None, "", "x", "1_12", 7.5, [], float("inf")]
)
def test_what_is_no_whole_number_is_refused(value):
    with pytest.raises(DataError, match="here: expected a whole number"):
        whole_number(value, "here")


def test_the_hull_of_a_turned_box_is_upright():
    box = (20, 8, 28, 48)
    assert upright_hull(box, 90) == upright_hull(box, -90) == (4, 24, 44, 32)
    assert upright_hull(box, 180) == box
    square = upright_hull((0, 0, 2, 2), 45)
    assert square == pytest.approx(
        (1 - 2**0.5, 1 - 2**0.5) + (1 + 2**0.5,) * 2, abs=1e-6
    )


def test_a_member_comes_back_as_what_it_has_to_be():
    record = {"int": 3, "text": "x", "list": [], "object": {}}
    assert member(record, "int", float, "here") == 3.0
    assert isinstance(member(record, "int", float, "here"), float)
    assert member(record, "text", str, "here") == "x"
    with pytest.raises(DataError, match="^here: has no 'more'; expected text"):
        member(record, "more", str, "here")


@pytest.mark.parametrize(
    ("value", "kind", "message"),
    [
        (True, int, "here: expected a whole number, found True"),
        (True, float, "here: expected a number, found True"),
        (1.5, int, "here: expected a whole number, found 1.5"),
        ("1", float, "here: expected a number, found '1'"),
        ("a\nb", str, "here: expected text, found 'a.*b'"),
        ("\ud800", str, "here: expected text, found '.*ud800'"),
        (None, str, "here: expected text, found None"),
        ({}, list, "here: expected a list, found {}"),
        (["x" * 99], dict, "here: expected an object, found .'x{58}\\.\\.\\.$"),
        (float("nan"), float, "here: expected a finite number, found nan"),
        (float("inf"), float, "here: expected a finite number, found inf"),
        (10**400, float, "here: expected a finite number, found 1000"),
    ],
)
def test_a_value_of_another_kind_is_refused(value, kind, message):
    with pytest.raises(DataError, match=message):
        check_kind(value, kind, "here")


@pytest.mark.parametrize("text", ["", "x", "nan", "-inf", "1,5", "1e999"])
def test_text_that_is_no_finite_number_is_refused(text):
    with pytest.raises(DataError, match="here: expected a finite number"):
        finite(text, "here")
    assert finite(" 45.70 ", "here") == 45.7


def test_names_are_whole_lines(write):
    path = write("000005\n\n  scan (2) \n")
    assert list(read_names(path)) == [
        ("000005", f"{path}:1"),
        ("scan (2)", f"{path}:3"),
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("\n \n", "no names in this file"),
        ("a\nb\na\n", ":3: 'a' stands in line 1 already"),
    ],
)
def test_a_list_of_nothing_or_of_doubles_is_refused(write, content, message):
    with pytest.raises(DataError, match=message):
        list(read_names(write(content)))


@pytest.mark.parametrize(
    "name",
    [
        *("", ".", "..", "/etc/passwd", "../../etc/passwd"),
        *("train/../../passwd", "a\0b.jpg", "a\nb.jpg", "\ud800.jpg"),
    ],
)
def test_a_path_out_of_its_folder_is_refused(name):
    with pytest.raises(DataError, match="^here: ") as caught:
        path_inside("data", name, "here")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "name", ["1.jpg", "train/1..2.jpg", "图\u3000片 1.jpg"]
)
def test_a_path_in_its_folder_is_joined_to_it(name):
    assert path_inside("data", name, "here") == f"data/{name}"
