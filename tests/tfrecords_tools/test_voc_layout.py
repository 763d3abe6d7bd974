"""XML files are found in the layouts that tools export."""

import pytest

from featsr_tf.errors import DataError
from tfrecords_tools.voc_layout import find_annotations
from tfrecords_tools.voc_layout import find_first_pixel
from tfrecords_tools.voc_layout import read_sets

BOX = "<bndbox><xmin>{}</xmin><ymin>{}</ymin></bndbox>"


@pytest.fixture
def write(tmp_path):
    def write(**files):
        for name, text in files.items():
            path = tmp_path / name.replace("__", "/").replace("_DOT_", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path

    return write


def names_in(folder, year=None, image_set=None):
    return [
        path.relative_to(folder).as_posix()
        for files in find_annotations(folder, year, image_set)
        for path in files.paths
    ]


@pytest.fixture
def years(write):
    def years(lines: str, *names: str):
        files = {f"VOC2007__Annotations__{n}_DOT_xml": "" for n in names}
        sets = {"VOC2007__ImageSets__Main__train_DOT_txt": lines}
        return write(**files, **sets)

    return years


@pytest.mark.parametrize(
    "line",
    [
        *("scan (2)", "scan (2) 1", "scan (2)  -1", "scan (2).jpg"),
        *("JPEGImages/scan (2).jpg", "C:\\x\\scan (2).xml"),
    ],
)
def test_the_whole_line_is_a_name_but_for_a_flag(years, line):
    folder = years(line, "scan", "scan (2)", "1")
    assert names_in(folder) == ["VOC2007/Annotations/scan (2).xml"]


def test_a_name_may_end_as_a_flag_does(years):
    folder = years("scan 1\n", "scan", "scan 1")
    assert names_in(folder) == ["VOC2007/Annotations/scan 1.xml"]


def test_two_columns_of_paths_are_an_image_and_its_annotation(years):
    folder = years("JPEGImages/x.jpg Annotations/scan.xml\n", "scan")
    assert names_in(folder) == ["VOC2007/Annotations/scan.xml"]


def test_the_end_of_a_name_is_no_name(years):
    folder = years("frame 7\n", "7")
    with pytest.raises(DataError, match="no annotation .*frame 7.xml"):
        names_in(folder)


def test_one_file_in_two_lines_is_named(years):
    folder = years("scan\nscan.jpg 1\n", "scan")
    with pytest.raises(DataError, match=":2: 'scan.jpg 1' stands in .*:1 al"):
        names_in(folder)


def test_the_year_that_is_there_is_taken(write):
    folder = write(
        VOCdevkit__VOC2012__Annotations__a_DOT_xml="",
        VOCdevkit__VOC2012__ImageSets__Main__train_DOT_txt="a",
    )
    with pytest.warns(match="there is VOC2012 alone"):
        assert names_in(folder) == ["VOCdevkit/VOC2012/Annotations/a.xml"]


def test_sets_without_a_year_are_read(write):
    folder = write(
        Annotations__a_DOT_xml="",
        Annotations__sub__b_DOT_xml="",
        ImageSets__Main__default_DOT_txt="a\nsub/b\n",
    )
    expected = ["Annotations/a.xml", "Annotations/sub/b.xml"]
    with pytest.warns(match="the set default is read"):
        assert names_in(folder) == expected
    with pytest.raises(DataError, match="no val.txt in it; .* one of default"):
        names_in(folder, image_set="val")


def test_folders_of_sets_are_sets(write):
    folder = write(
        train__a_DOT_xml="", train__a_DOT_jpg="", valid__b_DOT_xml=""
    )
    with pytest.warns(match="train: no list of a set; all 1 XML files are"):
        assert names_in(folder) == ["train/a.xml"]
    with pytest.warns(match="no list"):
        assert names_in(folder, image_set="valid") == ["valid/b.xml"]
    with pytest.raises(DataError, match="no set 'test' in it, neither"):
        names_in(folder, image_set="test")


@pytest.mark.parametrize("place", ["", "annotations__", "x__y__"])
def test_without_sets_all_files_are_read(write, place):
    folder = write(**{f"{place}b_DOT_xml": "", f"{place}a_DOT_xml": ""})
    place = place.replace("__", "/")
    with pytest.warns(match="no list of a set; all 2 XML files are read"):
        assert names_in(folder) == [f"{place}a.xml", f"{place}b.xml"]


def test_a_folder_without_annotations_is_named(write, tmp_path):
    folder = write(a_DOT_txt="")
    with pytest.raises(DataError, match="no XML files in it; expected"):
        names_in(folder)
    with pytest.raises(DataError, match="none: no such folder"):
        names_in(tmp_path / "none")


@pytest.mark.parametrize(
    ("corners", "message"),
    [
        ((10, 0), "a corner of 0 among 4"),
        ((0.5, 3), "a corner of 0.5"),
        ((10.5, 8), "fractions such as 10.5"),
    ],
)
def test_corners_show_that_pixels_are_counted_from_0(write, corners, message):
    folder = write(a_DOT_xml=BOX.format(9, 9), b_DOT_xml=BOX.format(*corners))
    with pytest.warns(match=f"{message}.* boxes are taken as they are"):
        assert find_first_pixel(folder) == 0


def test_pixels_are_counted_from_1_otherwise(write):
    texts = {f"n{n}_DOT_xml": BOX.format(9, 9) for n in range(99)}
    # One slip in 200 corners speaks for no others.
    folder = write(**texts, z_DOT_xml=BOX.format(45.7, 1), bad_DOT_xml="<x")
    assert find_first_pixel(folder) == 1


def test_parts_of_objects_do_not_tell_how_pixels_are_counted(write):
    part = f"<part>{BOX.format(10.5, 0)}</part>"
    assert find_first_pixel(write(a_DOT_xml=part + BOX.format(9, 9))) == 1


def test_corners_are_found_in_utf_16(tmp_path):
    text = '<?xml version="1.0" encoding="utf-16"?>' + BOX.format(0, 3)
    (tmp_path / "a.xml").write_text(text, "utf-16")
    with pytest.warns(match="a corner of 0 among 2"):
        assert find_first_pixel(tmp_path) == 0


def test_all_folders_of_a_data_set_count_pixels_alike(write):
    folder = write(
        train__a_DOT_xml=BOX.format(9, 9), valid__b_DOT_xml=BOX.format(0, 9)
    )
    with pytest.warns(match="no list of a set"):
        (files,) = find_annotations(folder, None, "train")
    assert files.data_set == folder


def sets_of(folder) -> dict[str, set[str]]:
    return {path.stem: splits for path, splits in read_sets(folder).items()}


SETS = {
    f"Annotations__{name}_DOT_xml": ""
    for name in ("a", "b", "sub__c", "scan 1")
}


@pytest.mark.parametrize(
    "lists",
    [
        {"train": "a.jpg\r\n\r\nsub/c", "val": "JPEGImages\\b.png 1\nscan 1"},
        {"trainval": "a\nsub/c 1\n", "test": "b -1\nscan 1"},
        {
            "car_train": "a 1\nsub/c -1",
            "two_words_train": "sub/c.jpg 1",
            "car_val": "b 1",
            "car_test": "scan 1.jpg  1",
        },
    ],
)
def test_lists_tell_the_splits_of_files(write, lists):
    named = {f"ImageSets__Main__{n}_DOT_txt": t for n, t in lists.items()}
    splits = sets_of(write(**SETS, **named))
    second = "test" if "test" in lists else "val"
    last = "test" if "car_test" in lists else second
    assert splits == {
        **{"a": {"train"}, "c": {"train"}},
        **{"b": {second}, "scan 1": {last}},
    }


def test_names_without_a_file_are_counted(write):
    folder = write(**SETS, ImageSets__Main__train_DOT_txt="a\nx\ny\n")
    with pytest.warns(match="train.txt:2: no annotation .* of 'x' and 1 other"):
        assert sets_of(folder) == {"a": {"train"}}
