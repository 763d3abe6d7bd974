"""Names in files of others are shown, and never opened, written to or run."""

import dataclasses
import html
import pathlib
import sys

import numpy as np
import pytest

from featsr_tf.drawing.comparison import draw_error_gallery
from featsr_tf.errors import DataError
from featsr_tf.evaluate import _read_image
from featsr_tf.files import is_inside
from featsr_tf.files import safe_stem
from featsr_tf.files import write_text
from featsr_tf.html_report.html import html_page
from featsr_tf.html_report.inputs import read_pictures
from tests.data.example_files import encode
from tests.data.example_files import example
from tests.data.example_files import noise_image
from tests.data.example_files import write_records
from tests.metrics.scenes import truth
from tfrecords_tools import show
from tfrecords_tools import stats
from tfrecords_tools import verify

SCRIPT = "<script>alert(1)</script>"
NAMES = (
    *("/etc/passwd", "../../x", "..", "..\\..\\x", "a/../../../x.jpg", SCRIPT),
    *("\0", "a\nb", "~root", "C:\\x", "x" * 5000, "é" * 300, "\udcff.jpg"),
    *("$(touch x)", "'; rm", "con", "", "%2e%2e%2fx"),
)
OPENED: list[str] = []
WATCHED = [False]


def watch(event, arguments, watched=WATCHED):
    if watched[0] and event == "open" and isinstance(arguments[0], str):
        OPENED.append(arguments[0])


# Hooks stay for ever: this one is asleep outside its test, and still called
# when the names of this module are gone.
sys.addaudithook(watch)


@pytest.fixture
def records(tmp_path):
    """A record for each name, and classes that are called so, too."""
    folder = tmp_path / "work" / "records"
    folder.mkdir(parents=True)
    image = encode(noise_image(64, 64), "JPEG")
    (folder / "label_map.pbtxt").write_text(
        f"item {{ id: 1 name: '{SCRIPT}' }} item {{ id: 2 name: '../../x' }}"
    )
    return write_records(
        folder / "signs.record",
        [
            example(image, [[0.25, 0.25, 0.5, 0.75]], [1], os_name)
            for os_name in (
                name.encode("utf-8", "replace").decode() for name in NAMES
            )
        ],
    )


def run(main, *arguments):
    try:
        main(list(map(str, arguments)))
    except SystemExit as stop:
        assert stop.code in (0, 1)


def test_tools_open_and_write_nothing_that_a_record_names(records, tmp_path):
    before = set(tmp_path.iterdir())
    output = tmp_path / "work" / "out"
    OPENED.clear()
    WATCHED[0] = True
    try:
        run(show.main, records, "--output", output, "--max_images", len(NAMES))
        run(stats.main, records, "--output", output / "stats.html")
        run(verify.main, records, "--repair", output / "repaired")
    finally:
        WATCHED[0] = False
    assert any(path.endswith("signs.record") for path in OPENED)
    assert "/etc/passwd" not in OPENED
    assert not [path for path in OPENED if ".." in pathlib.Path(path).parts]
    assert set(tmp_path.iterdir()) == before
    assert {path.name for path in output.iterdir() if path.is_dir()} == {
        "repaired"
    }
    pictures = list(output.glob("*.png"))
    assert len(pictures) == len(NAMES)
    for file in output.glob("*.html"):
        text = file.read_text()
        assert SCRIPT not in text
        assert html.escape(SCRIPT) in text


def test_the_worst_images_are_written_into_their_folder(tmp_path):
    folder = tmp_path / "work" / "pictures"
    truths = [
        dataclasses.replace(truth(image_id=number), file_name=name)
        for number, name in enumerate(NAMES)
    ]
    entries = [
        {"position": i, "missed": 1, "false_positives": 0}
        for i in range(len(NAMES))
    ]
    result = {"worst_images": entries, "min_score": 0.5}
    draw_error_gallery(
        str(folder),
        "base",
        result,
        truths,
        [],
        {1: SCRIPT},
        lambda position: noise_image(64, 64),
    )
    assert [path.name for path in tmp_path.iterdir()] == ["work"]
    assert [path.name for path in folder.parent.iterdir()] == ["pictures"]
    assert len(list(folder.glob("*.jpg"))) == len(NAMES)
    pictures, _ = read_pictures(str(folder), len(NAMES))
    section = show.pictures_section("Worst", pictures, {})
    write_text(tmp_path / "page.html", html_page("Page", "", [section]))
    assert SCRIPT not in (tmp_path / "page.html").read_text()


@pytest.mark.parametrize("name", ["/etc/hostname", "../secret.png", ".."])
def test_annotations_cannot_name_images_elsewhere(tmp_path, name):
    (tmp_path / "images").mkdir()
    (tmp_path / "secret.png").write_bytes(encode(noise_image(4, 4)))
    with pytest.raises(DataError, match="leads out of --image_dir"):
        _read_image(str(tmp_path / "images"), name)


def test_images_below_the_folder_are_read(tmp_path):
    (tmp_path / "train").mkdir()
    image = noise_image(4, 4)
    (tmp_path / "train" / "a.png").write_bytes(encode(image))
    found = _read_image(str(tmp_path), "train/a.png")
    np.testing.assert_array_equal(found, image)


@pytest.mark.parametrize("name", NAMES)
def test_a_stem_is_part_of_any_file_name(name, tmp_path):
    stem = safe_stem(name)
    assert 0 < len(stem) <= 50
    path = tmp_path / f"{stem}.txt"
    path.write_text("")
    assert path.parent.resolve() == tmp_path.resolve()
    assert list(tmp_path.iterdir()) == [path]


def test_sound_names_stay_as_they_are():
    assert safe_stem("train/00042.jpg") == "00042"
    assert is_inside("train/00042.jpg")
    assert not is_inside("")


def test_text_that_is_no_unicode_is_written(tmp_path):
    write_text(tmp_path / "a.txt", "a\udcffb")
    assert (tmp_path / "a.txt").read_text() == "a\\udcffb"
