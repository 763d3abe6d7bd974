"""Label maps come from users' hands: each mistake must be named where it is."""

import pytest

from featsr_tf.data.label_map import LabelMap
from featsr_tf.data.label_map import check_num_classes
from featsr_tf.data.label_map import load_label_map
from featsr_tf.errors import DataError


@pytest.fixture
def load(tmp_path):
    def write_and_load(text: str) -> LabelMap:
        path = tmp_path / "label_map.pbtxt"
        path.write_text(text)
        return load_label_map(str(path))

    return write_and_load


def test_ids_may_have_gaps_and_the_largest_counts(load):
    label_map = load("item { id: 7 name: 'b' } item { id: 2 name: 'a' }")
    assert label_map.names == {7: "b", 2: "a"}
    assert label_map.num_classes == 7


def test_the_display_name_is_shown_and_the_name_still_known(load):
    label_map = load("item { id: 1 name: '/m/01' display_name: 'person' }")
    assert label_map.names == {1: "person"}
    assert label_map.knows(1, "person")
    assert label_map.knows(1, "/m/01")
    assert not label_map.knows(1, "dog")


def test_quotes_comments_and_colons_of_other_writers_are_read(load):
    text = '# signs\nitem: {\n  name: "stop"; id: 1  # one\n}\n'
    assert load(text).names == {1: "stop"}


def test_the_text_of_a_label_map_gives_the_same_label_map(load):
    names = {1: "sign 'a'", 3: "straße"}
    label_map = LabelMap(names, {3: "/m/street"})
    again = load(label_map.to_text())
    assert again.names == names
    assert again.identifiers == {3: "/m/street"}


@pytest.mark.parametrize(
    ("file", "num_names", "num_classes"),
    [
        ("mscoco_label_map.pbtxt", 80, 90),
        ("pascal_label_map.pbtxt", 20, 20),
        ("raccoon_label_map.pbtxt", 1, 1),
    ],
)
def test_label_maps_of_other_people_load(shared, file, num_names, num_classes):
    label_map = load_label_map(str(shared / "data" / "odapi" / file))
    assert len(label_map.names) == num_names
    assert label_map.num_classes == num_classes


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no items"),
        ("# nothing", "no items"),
        ("item { id: 0 name: 'a' }", r"item 1 \('a'\): has id 0; ids start"),
        ("item { id: -1 name: 'a' }", "has id -1"),
        ("item { name: 'a' }", r"item 1 \('a'\): has no id"),
        ("item { id: 1 }", "item 1: has no name"),
        ("item { id: 1 name: 'a' } item { id: 1 name: 'b' }", "id 1 occurs"),
        ("item { id: 1 name: 'a' } item { id: 2 name: 'a' }", "'a' occurs"),
        ("item {\n  id: 1\n  nam: 'a'\n}", 'pbtxt:3:3: .*named "nam"'),
        ("item {\n item { id: 1 } }", r"pbtxt:2:2: .*never nested"),
        ("item { id: 'one' }", "pbtxt:1:12: .*integer"),
        ("item { id: 1 name: 'a'", r"pbtxt:1:\d+: "),
        ("<annotation>", "pbtxt:1:1: "),
    ],
)
def test_a_mistake_is_one_line_that_says_where(load, text, message):
    with pytest.raises(DataError, match=message) as caught:
        load(text)
    assert "label_map.pbtxt" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"nothing\.pbtxt: .*No such file"):
        load_label_map(str(tmp_path / "nothing.pbtxt"))


def test_a_file_that_is_no_text_is_named(tmp_path):
    path = tmp_path / "label_map.pbtxt"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match=r"label_map\.pbtxt: "):
        load_label_map(str(path))


def test_a_model_needs_room_for_the_largest_id():
    label_map = LabelMap({1: "a", 5: "b"}, path="signs.pbtxt")
    check_num_classes(label_map, 5)
    with pytest.raises(DataError, match=r"signs\.pbtxt: .*id is 5 .*is 4"):
        check_num_classes(label_map, 4)
