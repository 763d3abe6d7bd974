"""However a conversion ends: no half data set, and the same call continues."""

import dataclasses
import glob
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Sequence

import pytest

from featsr_tf.data.label_map import LabelMap
from featsr_tf.errors import DataError
from featsr_tf.errors import FeatsrError
from tests.support import REPOSITORY
from tests.tfrecords_tools.annotated import LABEL_MAP
from tests.tfrecords_tools.annotated import file_contents
from tests.tfrecords_tools.annotated import make_image
from tests.tfrecords_tools.annotated import make_object
from tests.tfrecords_tools.annotated import make_split
from tfrecords_tools import conversion
from tfrecords_tools import shards
from tfrecords_tools.annotations import AnnotatedImage
from tfrecords_tools.annotations import LazyImages
from tfrecords_tools.annotations import Split
from tfrecords_tools.archives import unpacked
from tfrecords_tools.conversion import ConversionOptions
from tfrecords_tools.conversion import convert
from tfrecords_tools.create_toy_tf_record import create

OPTIONS = ConversionOptions(num_shards=3)


@pytest.fixture
def converted(monkeypatch) -> list[str]:
    """The source ids of the images that are converted, one by one."""
    source_ids = []
    original = shards.make_example

    def note(image, *arguments):
        source_ids.append(image.source_id)
        return original(image, *arguments)

    monkeypatch.setattr(shards, "make_example", note)
    return source_ids


def interrupt(output, at: str) -> None:
    """Converts six images to three shards until it comes to one of them."""
    original = shards.make_example

    def stop(image, *arguments):
        if image.source_id == at:
            raise KeyboardInterrupt
        return original(image, *arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shards, "make_example", stop)
        with pytest.raises(KeyboardInterrupt):
            convert(output, [make_split(6)], LABEL_MAP, OPTIONS)
    assert not glob.glob(f"{output}/**/*.record*", recursive=True)


def test_the_same_call_continues_after_an_interrupt(
    tmp_path, converted, capsys
):
    convert(tmp_path / "whole", [make_split(6)], LABEL_MAP, OPTIONS)
    interrupt(tmp_path / "out", at="5.png")
    converted.clear()
    table = convert(tmp_path / "out", [make_split(6)], LABEL_MAP, OPTIONS)
    assert converted == ["2.png", "5.png"]
    assert "out/.partial: continuing, 2 of 3" in capsys.readouterr().err
    assert file_contents(tmp_path / "out") == file_contents(tmp_path / "whole")
    assert table.splitlines()[1].split() == ["images", "6"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "whole"]
    assert not list((tmp_path / "out").glob(".*"))


def test_what_is_unfinished_lies_inside_the_output_folder(tmp_path):
    # As a mount point: what is above it is another disk, or not ours.
    (tmp_path / "out").mkdir()
    other = tmp_path / ".out.partial"
    other.mkdir()
    interrupt(tmp_path / "out", at="5.png")
    assert sorted(tmp_path.iterdir()) == [other, tmp_path / "out"]
    assert list((tmp_path / "out").iterdir()) == [tmp_path / "out/.partial"]
    assert not list(other.iterdir())


@dataclasses.dataclass(frozen=True)
class OneImage(LazyImages):
    """An image that a function makes."""

    found: Callable[[], AnnotatedImage]
    indices: range = range(1)

    def make(self, index: int) -> AnnotatedImage:
        return self.found()


def test_two_conversions_into_one_folder_do_not_meet(tmp_path):
    splits = [make_split(3, "train")]

    def convert_too():
        message = "out: another process converts into this folder; wait"
        with pytest.raises(FeatsrError, match=message):
            convert(tmp_path / "out", splits, LABEL_MAP, OPTIONS)
        return make_image(0, make_object())

    others = [Split("val", OneImage(convert_too))]
    convert(tmp_path / "out", others, LABEL_MAP, OPTIONS)
    convert(tmp_path / "out", splits, LABEL_MAP, OPTIONS)
    assert len(file_contents(tmp_path / "out")) == 4


def test_bad_input_is_told_though_the_partial_folder_is_gone(tmp_path):
    def fail():
        shutil.rmtree(tmp_path / "out" / ".partial")
        raise DataError("a.json: no boxes")

    with pytest.raises(DataError, match="a.json: no boxes"):
        bad = [Split("a", OneImage(fail))]
        convert(tmp_path / "out", bad, LABEL_MAP, OPTIONS)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("split", "label_map", "options"),
    [
        (make_split(7), LABEL_MAP, OPTIONS),
        (
            Split("signs", [*make_split(5).images, make_image(5)]),
            LABEL_MAP,
            OPTIONS,
        ),
        (make_split(6), LabelMap({1: "stop", 3: "yield"}), OPTIONS),
        (make_split(6), LABEL_MAP, ConversionOptions(4)),
        (
            make_split(6),
            LABEL_MAP,
            dataclasses.replace(OPTIONS, skip_bad_images=True),
        ),
    ],
    ids=["more images", "other objects", "other ids", "shards", "skipping"],
)
def test_another_call_starts_anew(
    tmp_path, converted, capsys, split, label_map, options
):
    interrupt(tmp_path / "out", at="5.png")
    converted.clear()
    convert(tmp_path / "out", [split], label_map, options)
    assert len(converted) == len(split.images)
    assert "made with other annotations" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_the_number_of_processes_may_change_on_the_way(tmp_path, converted):
    interrupt(tmp_path / "out", at="5.png")
    converted.clear()
    options = dataclasses.replace(OPTIONS, num_workers=4)
    convert(tmp_path / "out", [make_split(6)], LABEL_MAP, options)
    assert converted == ["2.png", "5.png"]


def test_a_finished_shard_that_has_changed_is_written_again(
    tmp_path, converted
):
    interrupt(tmp_path / "out", at="5.png")
    converted.clear()
    shard = tmp_path / "out" / ".partial" / "signs.record-00000-of-00003"
    shard.write_bytes(shard.read_bytes()[:-1])
    convert(tmp_path / "out", [make_split(6)], LABEL_MAP, OPTIONS)
    assert converted == ["0.png", "3.png", "2.png", "5.png"]


def test_an_interrupt_before_the_first_shard_leaves_nothing(tmp_path):
    interrupt(tmp_path / "out", at="3.png")
    assert list(tmp_path.iterdir()) == []


TOY = {"num_train": 36, "num_val": 6, "image_height": 200, "image_width": 220}
TOY_OPTIONS = ConversionOptions(num_shards=6)


# Each process needs seconds to import TensorFlow.
@pytest.mark.parametrize("num_workers", [1, 2])
@pytest.mark.slow
def test_a_killed_conversion_leaves_no_file_and_is_continued(
    tmp_path, capsys, num_workers
):
    output = tmp_path / "toy"
    partial = output / ".partial"
    flags = [
        *(f"--{name}={value}" for name, value in TOY.items()),
        "--num_shards=6",
        f"--num_workers={num_workers}",
    ]
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "tfrecords_tools.create_toy_tf_record"),
            *("--output_path", str(output), *flags),
        ],
        cwd=REPOSITORY,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(lambda: len(list(partial.glob("*.json"))) > 0, process)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert not glob.glob(f"{output}/*")
    create(str(output), **TOY, options=TOY_OPTIONS)
    assert "toy/.partial: continuing" in capsys.readouterr().err
    assert not partial.exists()
    create(str(tmp_path / "whole"), **TOY, options=TOY_OPTIONS)
    assert len(file_contents(output)) == 12
    # The first shards come from other processes, the rest from this one.
    assert file_contents(output) == file_contents(tmp_path / "whole")


def wait_for(happened, process, seconds: float = 300) -> None:
    deadline = time.monotonic() + seconds
    while not happened():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.slow
def test_an_error_in_another_process_is_told_and_leaves_nothing(tmp_path):
    images = [make_image(number, make_object()) for number in range(8)]
    images[5] = make_image(5, make_object(name="bus"))
    options = ConversionOptions(num_shards=4, num_workers=2)
    with pytest.raises(DataError, match="the class 'bus' is not in label map"):
        convert(tmp_path / "out", [Split("a", images)], LABEL_MAP, options)
    assert list(tmp_path.iterdir()) == []


class Deadly(Sequence):
    """Ends the process that unpickles it, as the system does for memory."""

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index):
        return self

    def __reduce__(self):
        return os._exit, (1,)


def test_a_process_that_is_ended_from_outside_is_noticed(tmp_path):
    options = ConversionOptions(num_shards=2, num_workers=2)
    message = "ended from outside.*the same command continues"
    with pytest.raises(FeatsrError, match=message):
        convert(tmp_path / "out", [Split("a", Deadly())], LABEL_MAP, options)
    assert list(tmp_path.iterdir()) == []


def test_another_file_of_the_same_name_starts_anew(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(b"one")
    image = dataclasses.replace(make_image(0), data=None, path=str(path))
    splits = [Split("signs", [image])]
    before = conversion._fingerprint(splits, LABEL_MAP, OPTIONS)
    assert conversion._fingerprint(splits, LABEL_MAP, OPTIONS) == before
    path.write_bytes(b"other")
    assert conversion._fingerprint(splits, LABEL_MAP, OPTIONS) != before


def test_a_zip_that_is_unpacked_again_is_the_same_call(tmp_path):
    place = tmp_path / "a.zip"
    with zipfile.ZipFile(place, "w") as archive:
        archive.writestr("a.png", b"one")
    found = set()
    for _ in range(2):
        with unpacked(place) as folder:
            path = str(folder / "a.png")
            image = dataclasses.replace(
                make_image(0), data=None, path=path, where=path
            )
            splits = [Split("signs", [image])]
            found.add(conversion._fingerprint(splits, LABEL_MAP, OPTIONS))
    assert len(found) == 1
