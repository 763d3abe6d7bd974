"""Damaged files: no hang, no silent loss, and every good record is read."""

import json
import subprocess
import sys

import pytest

from featsr_tf.data.label_map import LabelMap
from featsr_tf.data.records import scan_records
from featsr_tf.errors import DataError
from tests.data.damaged_files import DAMAGES
from tests.data.damaged_files import NAMES
from tests.data.damaged_files import cut_header
from tests.data.damaged_files import doubled
from tests.data.damaged_files import flip_both
from tests.data.damaged_files import write_files
from tests.support import REPOSITORY

FIRST, SECOND = NAMES
ALL = set(range(10))
# A damage of any kind is found in seconds; a hang has no end.
TIME_LIMIT = 500
# What strict training says, what `verify` says, the records that cannot be
# saved. A file that holds nothing is refused whatever is allowed.
EXPECTED = {
    "nothing": ("", "", set()),
    "flip_payload": (
        f"{FIRST}: record 3: damaged, its checksum is wrong",
        f"{FIRST}: record 3 (byte 10029): damaged, the checksum of its content",
        {3},
    ),
    "flip_length": (
        f"{FIRST}: record 3: damaged, its length does not fit its checksum",
        f"{FIRST}: record 3 (byte 10029): damaged, its length does not fit",
        {3},
    ),
    "flip_both": (
        f"{FIRST}: record 3: damaged, its checksum is wrong",
        f"{SECOND}: record 0 (byte 0): damaged, the checksum of its content",
        {3, 5},
    ),
    "cut_body": (
        f"{SECOND}: record 4: damaged, the file ends inside it",
        f"{SECOND}: record 4 (byte 13386): damaged, the file ends inside it",
        {9},
    ),
    "cut_header": (
        f"{SECOND}: record 4: damaged, the file ends inside its length",
        f"{SECOND}: record 4 (byte 13386): damaged, the file ends inside its",
        {9},
    ),
    "cut_between": (
        f"{SECOND}: record 3 is missing: the manifest says 5 records, the file",
        f"{SECOND}: has ",
        {8, 9},
    ),
    "bad_images": (
        f"{SECOND}: record 1: image 6: the image is damaged: image file is",
        f"{SECOND}: record 2 (byte 5145): image 7: the image is neither a JPEG",
        {6, 7, 8},
    ),
    "empty": (
        f"{SECOND}: the record file is empty",
        f"{SECOND}: has 0 bytes, expected",
        None,
    ),
    "random_bytes": (
        f"{SECOND}: record 0: damaged, its length does not fit its checksum",
        f"{SECOND}: not one readable record in it",
        None,
    ),
    "compressed": (
        f"{SECOND}: is compressed with gzip",
        f"{SECOND}: is compressed with gzip",
        None,
    ),
    "missing": (
        f"{SECOND}: no such record file",
        f"{SECOND}: no such record file",
        None,
    ),
}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """Outcomes of all damages, from a process that a hang cannot keep."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "tests.data.damaged_files"),
            str(tmp_path_factory.mktemp("damaged")),
        ],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        timeout=TIME_LIMIT,
        check=True,
    )
    return json.loads(done.stdout)


def test_every_damage_has_an_outcome():
    assert EXPECTED.keys() == DAMAGES.keys()


@pytest.mark.parametrize("damage", EXPECTED)
def test_training_refuses_it_by_file_and_record(outcomes, damage):
    message, _, _ = EXPECTED[damage]
    found = outcomes[damage]["strict"]
    if message:
        assert found["error"].startswith(message)
    else:
        assert set(found["numbers"]) == ALL


@pytest.mark.parametrize("damage", EXPECTED)
def test_with_leave_every_good_record_is_trained_on(outcomes, damage):
    _, _, lost = EXPECTED[damage]
    found = outcomes[damage]["lenient"]
    if lost is None:
        assert SECOND in found["error"]
        return
    assert found["numbers"] == sorted(ALL - lost)
    assert len(found["warnings"]) == len(lost)
    for number, line in enumerate(found["warnings"], start=1):
        assert f"left out (bad example {number} of at most 3)" in line


def test_with_leave_every_good_record_is_evaluated(outcomes):
    assert outcomes["evaluation"]["numbers"] == [0, 1, 2, 4, 6, 7, 8, 9]


@pytest.mark.parametrize("damage", EXPECTED)
def test_verify_names_it_and_saves_every_good_record(outcomes, damage):
    strict, message, lost = EXPECTED[damage]
    found = outcomes[damage]["verify"]
    assert found["code"] == (2 if damage == "missing" else bool(strict))
    assert any(message in line for line in found["lines"]) == bool(message)
    if damage == "missing":
        assert found["numbers"] == []
    else:
        whole = {0, 1, 2, 3, 4} if lost is None else ALL - lost
        assert found["numbers"] == sorted(whole)


LABELS = LabelMap({1: "one", 2: "two"})


def test_one_bad_example_too_many_is_an_error(tmp_path):
    paths = write_files(tmp_path / "signs")
    flip_both(*paths)
    with pytest.warns(UserWarning, match="bad example 1 of at most 1"):
        with pytest.raises(DataError) as caught:
            scan_records(paths, LABELS, max_bad_examples=1)
    assert str(caught.value).startswith(f"{paths[1]}: record 0: damaged")
    assert "bad example 2, and max_bad_examples allows 1" in str(caught.value)


@pytest.mark.parametrize("allowed", [0, 3])
def test_a_shard_twice_as_long_is_refused_whatever_is_allowed(
    tmp_path, allowed
):
    paths = write_files(tmp_path / "signs")
    doubled(*paths)
    message = f"{SECOND}: record 5 is one too many: the manifest says 5 records"
    with pytest.raises(DataError, match=message):
        scan_records(paths, LABELS, max_bad_examples=allowed)


def test_a_shard_that_the_manifest_names_must_be_there(tmp_path):
    first, second = write_files(tmp_path / "signs")
    (tmp_path / "signs" / SECOND).unlink()
    with pytest.raises(
        DataError, match=f"{SECOND}: no such.*manifest.json names"
    ):
        scan_records([first], LABELS)


def test_some_shards_alone_may_be_read(tmp_path):
    first, _ = write_files(tmp_path / "signs")
    assert scan_records([first], LABELS).summary.num_examples == 5


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not a JSON file"),
        ("[" * 100_000, "not a JSON file"),
        ('{"format": 2}', "expected a manifest of format 1, found 2"),
        ('{"format": 1}', "not a whole manifest: 'shards'"),
        ('{"format": 1, "shards": [3]}', "not a whole manifest"),
        (
            '{"format": 1, "shards": [{"file": "x", "num_examples": "5"}]}',
            "num_examples of x is '5'; expected a number",
        ),
    ],
)
def test_a_damaged_manifest_is_named(tmp_path, text, message):
    paths = write_files(tmp_path / "signs")
    (tmp_path / "signs" / "signs.manifest.json").write_text(text)
    with pytest.raises(DataError, match=rf"signs\.manifest\.json: {message}"):
        scan_records(paths, LABELS)


def test_without_a_manifest_the_frames_are_counted(tmp_path):
    paths = write_files(tmp_path / "signs")
    (tmp_path / "signs" / "signs.manifest.json").unlink()
    assert scan_records(paths, LABELS).summary.num_examples == 10
    cut_header(*paths)
    with pytest.raises(DataError, match="ends inside its length"):
        scan_records(paths, LABELS)
