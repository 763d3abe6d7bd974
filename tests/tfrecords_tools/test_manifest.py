"""A manifest says what its record files contain, and notices a change."""

import dataclasses
import hashlib
import json

import pytest

from featsr_tf.data.records import manifests_beside
from featsr_tf.errors import DataError
from tests.tfrecords_tools.annotated import LABEL_MAP
from tests.tfrecords_tools.annotated import make_image
from tests.tfrecords_tools.annotated import make_object
from tfrecords_tools.annotations import Split
from tfrecords_tools.conversion import ConversionOptions
from tfrecords_tools.conversion import convert
from tfrecords_tools.manifest import check_files
from tfrecords_tools.manifest import load_manifest


@pytest.fixture
def folder(tmp_path):
    """Two shards of two images and of one."""
    small, large = make_object(), make_object((0, 0, 48, 64), "yield")
    images = [make_image(0, small, large), make_image(1), make_image(2, small)]
    split = Split("signs", images)
    convert(tmp_path, [split], LABEL_MAP, ConversionOptions(2))
    return tmp_path


def test_it_holds_counts_and_checksums(folder):
    manifest = load_manifest(folder / "signs.manifest.json")
    assert manifest.name == "signs"
    assert manifest.label_map == "label_map.pbtxt"
    assert (manifest.num_examples, manifest.num_objects) == (3, 3)
    assert manifest.num_images_without_objects == 1
    assert manifest.class_counts == {"stop": 2, "yield": 1}
    assert manifest.size_counts == {"small": 2, "medium": 1, "large": 0}
    assert {"featsr_tf", "tensorflow", "pillow"} <= set(manifest.versions)
    assert manifest.command
    entries = [
        (shard.file, shard.num_examples, shard.num_objects)
        for shard in manifest.shards
    ]
    assert entries == [
        ("signs.record-00000-of-00002", 2, 3),
        ("signs.record-00001-of-00002", 1, 0),
    ]
    for shard in manifest.shards:
        content = (folder / shard.file).read_bytes()
        assert shard.bytes == len(content)
        assert shard.sha256 == hashlib.sha256(content).hexdigest()


def test_it_comes_back_from_its_file_as_it_was(folder, tmp_path):
    manifest = load_manifest(folder / "signs.manifest.json")
    manifest = dataclasses.replace(manifest, name="Straße")
    manifest.write(str(tmp_path))
    assert load_manifest(tmp_path / "Straße.manifest.json") == manifest


def test_it_is_found_beside_its_record_files(folder):
    names = [
        "signs.record-00001-of-00002",
        "signs.record-00000-of-00002",
        "other.record-00000-of-00001",
        "label_map.pbtxt",
    ]
    found = manifests_beside([str(folder / name) for name in names])
    assert found == [str(folder / "signs.manifest.json")]


def spoil_byte(path) -> None:
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda path: path.unlink(), "is missing"),
        (lambda path: path.write_bytes(b"abc"), "has 3 bytes, expected"),
        (spoil_byte, "has another checksum"),
    ],
)
def test_a_changed_file_is_noticed(folder, spoil, message):
    manifest = load_manifest(folder / "signs.manifest.json")
    assert check_files(manifest, str(folder)) == []
    path = folder / "signs.record-00001-of-00002"
    spoil(path)
    (problem,) = check_files(manifest, str(folder))
    assert problem.startswith(f"{path}: {message}")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda values: values.pop("format"), "format 1, found None"),
        (lambda values: values.update(format=2), "format 1, found 2"),
        (lambda values: values.pop("shards"), "not a whole manifest"),
        (lambda values: values.pop("name"), "not a whole manifest: .*name"),
        (lambda values: values.update(colour="red"), "not a whole .*colour"),
        (lambda values: values.update(num_examples="3"), "num_examples is '3'"),
        (lambda values: values["shards"].append(7), "not a whole manifest"),
        (
            lambda values: values["shards"][0].update(bytes=None),
            "bytes is None",
        ),
    ],
)
def test_a_spoiled_manifest_is_refused(folder, change, message):
    path = folder / "signs.manifest.json"
    values = json.loads(path.read_text())
    change(values)
    path.write_text(json.dumps(values))
    with pytest.raises(DataError, match=f"signs.manifest.json: .*{message}"):
        load_manifest(path)


@pytest.mark.parametrize("text", ["", "{", "[]", "7", "\ud800"])
def test_what_is_no_manifest_is_refused(tmp_path, text):
    path = tmp_path / "a.manifest.json"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(DataError, match="a.manifest.json: "):
        load_manifest(path)


def test_a_missing_manifest_is_named(tmp_path):
    with pytest.raises(DataError, match="a.json: cannot be read: No such"):
        load_manifest(tmp_path / "a.json")
