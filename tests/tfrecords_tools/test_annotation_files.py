"""Annotation files: what is wrong with one is said with its place."""

import pytest

from featsr_tf.errors import DataError
from tfrecords_tools.annotations import check_kind
from tfrecords_tools.annotations import finite
from tfrecords_tools.annotations import load_json
from tfrecords_tools.annotations import member
from tfrecords_tools.annotations import path_inside
from tfrecords_tools.annotations import read_names


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
        (b'{"a": "\xff"}', "not a text file"),
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


def test_names_are_the_first_words_of_lines(write):
    path = write("000005  1\n\n  000007 -1\n")
    assert list(read_names(path)) == [
        ("000005", f"{path}:1"),
        ("000007", f"{path}:3"),
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
