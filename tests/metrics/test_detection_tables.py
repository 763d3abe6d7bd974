"""Detections of others must be judged, whatever they call things."""

import json

import numpy as np
import pytest

from featsr_tf.errors import DataError
from featsr_tf.metrics.coco_files import read_annotations
from featsr_tf.metrics.detection_tables import read_detections
from featsr_tf.metrics.evaluator import choose_threshold
from featsr_tf.metrics.evaluator import evaluate

BOX = [10, 8, 20, 12]
CORNERS = [8, 10, 20, 30]


@pytest.fixture
def annotate(tmp_path):
    """Annotations of one 20 px wide sign in the first of two images."""

    def write(
        names=("img/a.jpg", "img/b.jpg"),
        ids=(1, 2),
        size=(64, 48),
        other_size=None,
    ):
        sizes = (size, other_size or size, size)[: len(names)]
        content = {
            "images": [
                {"id": i, "file_name": n, "width": width, "height": height}
                for i, n, (width, height) in zip(ids, names, sizes, strict=True)
            ],
            "categories": [{"id": 1, "name": "sign"}, {"id": 2, "name": "car"}],
            "annotations": [
                {"id": 1, "image_id": ids[0], "category_id": 1, "bbox": BOX}
            ],
        }
        path = tmp_path / "gt.json"
        path.write_text(json.dumps(content))
        return read_annotations(path)

    return write


@pytest.fixture
def write(tmp_path):
    def write_file(content, name="det.json"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        is_text = isinstance(content, str)
        path.write_text(content if is_text else json.dumps(content))
        return path

    return write_file


def result(image, category=1, score=0.5):
    return {
        "image_id": image,
        "category_id": category,
        "bbox": BOX,
        "score": score,
    }


def listed(*names):
    return {
        "images": [{"id": n, "file_name": s} for n, s in enumerate(names, 5)],
        "annotations": [result(5)],
    }


def check_first(found, class_=1):
    (item,) = found
    assert item.image_id == 1
    np.testing.assert_allclose(item.boxes, [CORNERS])
    np.testing.assert_array_equal(item.classes, [class_])


@pytest.mark.parametrize("known", [1, 1.0, "1", "1.0"])
@pytest.mark.parametrize("found", [1, 1.0, "1", "1.0"])
def test_ids_follow_one_rule_in_both_files(
    annotate, write, capsys, known, found
):
    annotations = annotate(ids=(known, "x"))
    path = write([result(found, category=str(found))])
    check_first(read_detections(path, annotations))
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("above", "below"),
    [("data/val/", ""), ("", "images/"), ("x\\\\val\\\\", "")],
)
def test_names_that_several_folders_have_are_matched_with_these(
    annotate, write, capsys, above, below
):
    """`predict --recursive` tells the folders that it was given."""
    annotations = annotate((f"{below}s1/1.jpg", f"{below}s2/1.jpg"))
    found = [result(f"{above}s{number}/1.jpg") for number in (1, 2)]
    truths = read_detections(write(found), annotations)
    assert [len(item.boxes) for item in truths] == [1, 1]
    rule = "file name and its last folders"
    assert f"matched by {rule}, 2 of 2" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("known", "found", "rule"),
    [
        ("img/a.jpg", "img/a.jpg", "file name"),
        ("img/a.jpg", "img/a.png", "file name without ending"),
        ("img\\a.jpg", "./img/a.jpg", "file name, whatever its slashes"),
        ("a.jpg", "D:\\data\\img\\a.jpg", "file name without folders"),
        ("img/a.jpg", "a", "file name without folders and ending"),
        ("IMG/A.JPG", "img/a.jpg", "file name, whatever the case"),
        ("img/000139.jpg", 139, "file name without folders and ending"),
    ],
)
def test_names_are_matched_by_the_strictest_rule_that_fits(
    annotate, write, capsys, known, found, rule
):
    annotations = annotate((known, "other/b.jpg"))
    check_first(read_detections(write([result(found)]), annotations))
    line = f"det.json: images are matched by {rule}, 1 of 1\n"
    assert capsys.readouterr().err.endswith(line)
    check_first(read_detections(write(listed(str(found))), annotations))
    assert (
        f"matched by {rule}, 1 of 1; annotated, but" in capsys.readouterr().err
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            [result(1), result("c")],
            "'c' is not .*1 of 2 are, by id",
        ),
        ([result("x.jpg")], "'x.jpg' is not .*none of its 1 is.*'img/a.jpg'"),
        ([result(1), result(0)], "image_id 0 is .*from 0 .*; add 1 to each"),
        ([result(1, 0)], "category_id 0 is .*counts from 0"),
        (listed("1/a.jpg", "2/a.jpg"), "5 .'1/a.jpg'.*may mean several"),
        (listed("img/c.jpg"), "5 .'img/c.jpg'. is not among the 2"),
    ],
)
def test_an_unmatched_detection_is_named_with_the_cause(
    annotate, write, content, message
):
    with pytest.raises(DataError, match=f"det.json: detection .: .*{message}"):
        read_detections(write(content), annotate())


@pytest.mark.parametrize(
    ("titles", "row"),
    [
        ("image,class,score,xmin,ymin,xmax,ymax", "a.jpg,sign,0.5,10,8,30,20"),
        (
            "image_id,file_name,class_id,class_name,score,ymin,xmin,ymax,xmax",
            "0,a.jpg,1,sign,0.5,8,10,20,30",
        ),
        ("File Name;Label;Confidence;x;y;w;h", "a.jpg;SIGN;0,5;10,0;8;20;12"),
        (
            "image_id\tcategory_id\tscore\tcx\tcy\tw\th",
            "1\t1\t.5\t20\t14\t20\t12",
        ),
        (
            "ImageID,LabelName,Conf,XMin,XMax,YMin,YMax",
            f"a,sign,0.5,{10 / 64},{30 / 64},{8 / 48},{20 / 48}",
        ),
    ],
)
def test_tables_are_read_by_their_titles(annotate, write, titles, row):
    path = write(f"\ufeff{titles}\r\n{row}\r\n\r\n", "det.csv")
    found = read_detections(path, annotate())
    check_first(found)
    assert found[0].scores == [0.5]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: no column for image; .* found nothing"),
        ("a" * 200_000, "not a table: field larger"),
        ("TITLES\na.jpg,0,1,2,3,4,5", "line 2: category_id '0' .*from 0 and"),
        ("image,class,score,x,y", "line 1: no column for xmin, ymin"),
        ("a,sign,1,2,3,4,5", "line 1: no column for image"),
        ("TITLES\na.jpg,sign,1,2", "line 2: expected 7 columns, found 4"),
        ("TITLES\na.jpg,sign,1,2,3,x,5", "line 2: expected a finite .*'x'"),
        ("TITLES\na.jpg,sign,nan,2,3,4,5", "line 2: .*finite .*'nan'"),
        (
            "TITLES\n\na.jpg,sign,1,9,3,4,5",
            "line 3: expected a box of",
        ),
        ("TITLES\n\nz.jpg,sign,1,2,3,4,5", "line 3: image_id 'z.jpg' is not"),
        ("TITLES\na.jpg,bus,1,2,3,4,5", "line 2: category_id 'bus' is not"),
    ],
)
def test_a_wrong_table_is_refused_by_line(annotate, write, text, message):
    titles = "image,class,score,xmin,ymin,xmax,ymax"
    path = write(text.replace("TITLES", titles), "det.csv")
    with pytest.raises(DataError, match=f"det.csv: {message}"):
        read_detections(path, annotate())


# The middle at (20, 14) of 64 x 48 px, 20 x 12 px large.
YOLO = f"{20 / 64} {14 / 48} {20 / 64} {12 / 48}"


def test_a_folder_of_yolo_is_read_with_the_sizes_of_the_annotations(
    annotate, write, capsys
):
    path = write(f"0 {YOLO} 0.75\n", "labels/a.txt").parent
    found = read_detections(path, annotate())
    check_first(found)
    assert found[0].scores == [0.75]
    told = capsys.readouterr().err
    assert "order of the annotated ids: 0 = sign, 1 = car" in told
    assert "thus without detections: 1, such as 'img/b.jpg'" in told
    write("car\nsign\n", "labels/classes.txt")
    check_first(read_detections(path, annotate()), class_=2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"0 {YOLO}", "a.txt: line 1: .*the score is missing"),
        ("0 0.9 10 8 30 20", "a.txt: line 1: .*in shares of the image"),
        ("sign 0.9 10 8 30 20", "line 1: .*'sign'; expected numbers: class cx"),
        (f"0.5 {YOLO} 0.9", "a.txt: line 1: .*number of a class"),
        (f"0 {YOLO} 0.9 1 2", "a.txt: line 1: .*found 8 columns"),
        (f"\n7 {YOLO} 0.9", "a.txt: line 2: category_id 7 is not among the 2"),
    ],
)
def test_a_wrong_line_of_yolo_is_named(annotate, write, text, message):
    path = write(text, "labels/a.txt").parent
    with pytest.raises(DataError, match=message):
        read_detections(path, annotate())


def test_yolo_needs_files_and_the_sizes_of_images(annotate, write, tmp_path):
    with pytest.raises(DataError, match=r"expected a .txt file per image"):
        read_detections(write("{}", "out/detections.json").parent, annotate())
    path = write(f"0 {YOLO} 0.75\n", "labels/a.txt").parent
    with pytest.raises(DataError, match="image 1: expected its 'height' and"):
        read_detections(path, annotate(size=(-1, -1)))


def test_files_of_yolo_may_end_in_large_letters(annotate, write):
    path = write(f"0 {YOLO} 0.75\n", "labels/a.TXT").parent
    check_first(read_detections(path, annotate()))


def test_a_percent_sign_may_follow_a_score(annotate, write, capsys):
    titles = "image,class,score,xmin,ymin,xmax,ymax"
    path = write(f"{titles}\na.jpg,sign,95 %,10,8,30,20\n", "det.csv")
    found = read_detections(path, annotate())
    check_first(found)
    assert found[0].scores == [95]
    assert "as percent (0 to 100) do" in capsys.readouterr().err


def boxed(*box):
    return {**result(1), "bbox": box}


def test_boxes_written_as_two_corners_are_questioned(annotate, write, capsys):
    corners = [boxed(10, 8, 30, 20), boxed(40, 30, 60, 44)]
    read_detections(write(corners), annotate())
    line = capsys.readouterr().err
    assert "det.json: 1 of 2 boxes reach beyond their images; all would" in line
    for others in ([boxed(-9, -9, 90, 70)], [boxed(10, 8, 20, 12)] * 2):
        read_detections(write(others), annotate())
        assert capsys.readouterr().err == ""


def test_boxes_of_fractions_are_refused(annotate, write):
    path = write([boxed(0.1, 0.2, 0.3, 0.5), boxed(0, 0, 1, 1)])
    with pytest.raises(DataError, match="det.json: all 2 boxes lie within 0"):
        read_detections(path, annotate())
    assert read_detections(write([boxed(0, 0, 1, 1)]), annotate())
    assert read_detections(path, annotate(size=(0, 0)))


@pytest.mark.parametrize(
    ("scores", "told"),
    [
        ((0.2, 1), ""),
        ((3.5, 1285), "scores go from 3.5 to 1285; --min_score counts"),
        ((12, 97.5), "scores go from 12 to 97.5, as percent (0 to 100) do;"),
        ((-4, 0.5), "scores go from -4 to 0.5; --min_score counts"),
    ],
)
def test_scores_are_judged_on_their_own_scale(
    annotate, write, capsys, scores, told
):
    wrong, right = scores
    annotations = annotate()
    found = read_detections(
        write([result(1, score=right), result(2, score=wrong)]), annotations
    )
    line = capsys.readouterr().err
    assert (told in line) if told else (line == "")
    threshold, f1 = choose_threshold(annotations.truths, found, [1])
    assert wrong < threshold <= right
    assert f1 == 1
    for minimum, precision in ((threshold, 1), (wrong, 0.5)):
        figures = evaluate(annotations.truths, found, {1: "sign"}, minimum)
        assert figures["all"]["recall"] == 1
        assert figures["all"]["precision"] == precision


def test_shares_are_of_the_image_that_their_row_means(annotate, write):
    """Ids that look like the names of other images stay ids."""
    annotations = annotate(
        names=("000001.jpg", "000002.jpg"), ids=(0, 1), other_size=(640, 480)
    )
    row = "sign,0.5,0.125,0.25,0.5,0.5"
    titles = "image_id,class,score,xmin,ymin,xmax,ymax"
    path = write(f"{titles}\n0,{row}\n1,{row}\n", "det.csv")
    first, second = read_detections(path, annotations)
    np.testing.assert_allclose(first.boxes, [[12, 8, 24, 32]])
    np.testing.assert_allclose(second.boxes, [[120, 80, 240, 320]])


def test_shares_may_name_images_by_their_ids(annotate, write):
    row = "2,sign,0.5,0.125,0.25,0.5,0.5"
    titles = "image_id,class,score,xmin,ymin,xmax,ymax"
    (item,) = read_detections(
        write(f"{titles}\n{row}\n", "det.csv"), annotate()
    )
    assert item.image_id == 2
    np.testing.assert_allclose(item.boxes, [[12, 8, 24, 32]])


def test_cells_beyond_the_titles_are_refused(annotate, write):
    titles = "image,class,score,xmin,ymin,xmax,ymax"
    path = write(f"{titles}\na.jpg,sign,0,9,10,8,30,20\n", "det.csv")
    with pytest.raises(DataError, match="line 2: expected 7 columns, found 8"):
        read_detections(path, annotate())
    path = write(f"{titles}\na.jpg,sign,.9,10,8,30,20,\n", "det.csv")
    check_first(read_detections(path, annotate()))


@pytest.mark.parametrize("letter", ["\u2028", "\x85", "\x0b"])
def test_names_with_odd_letters_stay_in_one_row(annotate, write, letter):
    name = f"a{letter}b.jpg"
    titles = "image,class,score,xmin,ymin,xmax,ymax"
    path = write(f"{titles}\n{name},sign,.9,10,8,30,20\n", "det.csv")
    check_first(read_detections(path, annotate(names=(name, "c.jpg"))))


def test_an_image_without_a_name_goes_by_its_id(annotate, write):
    content = {"images": [{"id": 1, "file_name": None}]}
    content["annotations"] = [result(1)]
    check_first(read_detections(write(content), annotate()))


def test_own_names_decide_where_some_annotated_images_have_none(
    annotate, write
):
    """Own ids count from 0, as those of annotations may."""
    annotations = annotate(("", "a.jpg", "b.jpg"), ids=(0, 1, 2))
    content = {
        "images": [{"id": 1, "file_name": "photos/b.jpg"}],
        "annotations": [result(1)],
    }
    (found,) = read_detections(write(content), annotations)
    assert found.image_id == 2
