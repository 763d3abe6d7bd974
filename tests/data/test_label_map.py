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


def test_equal_display_names_are_told_apart_by_the_names(load):
    label_map = load(
        "item { id: 1 name: '/m/1' display_name: 'mouse' }"
        "item { id: 2 name: '/m/2' display_name: 'mouse' }"
        "item { id: 3 name: '/m/3' display_name: 'cat' }"
    )
    assert label_map.names == {1: "mouse (/m/1)", 2: "mouse (/m/2)", 3: "cat"}
    for text in ("mouse", "/m/2", "mouse (/m/2)"):
        assert label_map.knows(2, text)
    assert not label_map.knows(2, "/m/1")
    assert load(label_map.to_text()).names == label_map.names


def test_an_item_for_the_background_is_left_out(load):
    text = "item { id: 0 name: 'background' } item { id: 1 name: 'a' }"
    assert load(text).names == {1: "a"}


@pytest.mark.parametrize(
    "text",
    [
        "item { name: 'stop', id: 1, }",
        "item < name: 'stop'; id: 1; >",
        "item: [{ id: 1 name: 'st' 'op' }]",
        "\ufeffitem { id: 0x1 name: 'stop' }\r\n",
        "item { id: 1 name: '/m/02' display_name: 'stop'\n"
        "  keypoints { id: 0 label: 'corner' } ancestor_ids: [4, 5] }",
        "item { id: 1 name: 'stop' frequency: COMMON instance_count: 7 }",
    ],
)
def test_every_syntax_of_the_api_is_read(load, text):
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
        (
            "item {\n  id: 1 name: 'a' }\nitem { id: 0 name: 'b' }",
            r"pbtxt:3:6: the item 'b' has the id 0; expected ids from 1 "
            r"upwards, .*: add 1 to all ids, here and in the records",
        ),
        ("item { id: -1 name: 'a' }", "has the id -1"),
        ("item { name: 'a' }", "pbtxt:1:6: the item 'a' has no id"),
        ("item { id: 1 }", "pbtxt:1:6: the item has no name"),
        (
            "item { id: 1 name: 'a' }\nitem { id: 1 name: 'b' }",
            r"pbtxt:2:6: the id 1 occurs twice, first at .*pbtxt:1:6",
        ),
        (
            "item { id: 1 name: 'a' } item { id: 2 name: 'a' }",
            "pbtxt:1:31: the name 'a' occurs twice",
        ),
        ("item {\n  id: 1\n  nam: 'a'\n}", 'pbtxt:3:3: .*named "nam"'),
        (
            "item {\n id: 1\n name: 'a'\n item { id: 2 name: 'b' } }",
            r"pbtxt:4:2: an item inside another one; expected .*: close the",
        ),
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


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("item { id: 1 name: stop sign }", "1:20: the text stop sign has no q"),
        ("item {\n id: 1\n name: house,\n}", '3:8: .* write "house"'),
        ("item { name: house id: 1 }", 'write "house"'),
        ("item { id: 1 name: 30 }", 'write "30"'),
        ("item { id: 1 name: “toy” }", "the quote “ is none here; write str"),
        ("item { id: 1 name: ‘toy’ }", "the quote ‘ is none here; write str"),
        ('item { id: 1 name: ""toy" }', 'a doubled quote "" ends the text'),
        ('item { id: 1 name: "toy"" }', 'a doubled quote "" ends the text'),
        ("item { id: 1 name: 'it's' }", "the apostrophe t's ends the text"),
        ("item { id = 1 }", "1:11: expected a colon between name and value"),
        ("item { id：1 }", "the character '：' .FULLWIDTH COLON. does not"),
        ("cat\ndog\n", "no label map .*; expected item { id: 1 name:"),
        # What a quoted text holds is no slip.
        ("item { id: 1 name: 'ö “x”' x: 3 }", 'has no field named "x"'),
    ],
)
def test_slips_of_the_pen_are_named(tmp_path, text, message):
    path = tmp_path / "map.pbtxt"
    path.write_text(text)
    with pytest.raises(DataError, match=f"map.pbtxt:.*{message}") as caught:
        load_label_map(str(path))
    assert "\n" not in str(caught.value)
