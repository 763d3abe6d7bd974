"""Whatever a file of annotations holds: it is read, or refused in one line."""

import copy
import json
import random
from collections.abc import Callable, Iterator

import pytest

from featsr_tf.data.label_map import load_label_map
from featsr_tf.errors import DataError
from tests.tfrecords_tools.miniatures import write_coco
from tests.tfrecords_tools.miniatures import write_tt100k
from tests.tfrecords_tools.miniatures import write_voc
from tfrecords_tools import create_tt100k_tf_record
from tfrecords_tools.create_coco_tf_record import read_coco
from tfrecords_tools.create_voc_tf_record import read_annotation
from tfrecords_tools.image_folders import ImageFolder

NUM_FILES = 300
STRANGE = (
    *(None, True, -1, 1.5, 1e308, float("nan"), float("inf"), 10**400, 2**63),
    *("", "x", "..", "/etc", "1", "\0", "\ud800", [], {}, [[]], {"a": 1}),
)


def places(value, path: tuple = ()) -> Iterator[tuple]:
    """Paths to all values inside a value of JSON."""
    if isinstance(value, dict | list):
        keys = value if isinstance(value, dict) else range(len(value))
        for key in keys:
            yield (*path, key)
            yield from places(value[key], (*path, key))


def mutate_values(text: str, source: random.Random) -> bytes:
    """Exchanges or takes away some values of a JSON file."""
    content = copy.deepcopy(json.loads(text))
    for _ in range(source.randint(1, 3)):
        *path, last = source.choice(list(places(content)) or [(0,)])
        holder = content
        for key in path:
            holder = holder[key]
        if source.random() < 0.2 and holder:
            del holder[last]
        elif holder:
            holder[last] = source.choice(STRANGE)
    return json.dumps(content).encode()


def mutate_bytes(text: str, source: random.Random) -> bytes:
    """Changes, removes or repeats some bytes."""
    data = bytearray(text.encode())
    for _ in range(source.randint(1, 4)):
        start, other = source.randrange(len(data)), source.randrange(len(data))
        choice = source.randrange(3)
        if choice == 0:
            data[start] = source.randrange(256)
        elif choice == 1:
            del data[start : start + source.randint(1, 30)]
        else:
            data[start:start] = data[other : other + 20]
        data = data or bytearray(b"x")
    return bytes(data)


@pytest.fixture(scope="module")
def readers(tmp_path_factory) -> dict[str, tuple]:
    """A file and its reader, by the name of the data set."""
    folder = tmp_path_factory.mktemp("mutated")
    data = write_tt100k(folder, num_images=2)
    coco = write_coco(folder, num_images=2)
    voc = write_voc(folder, num_images=2) / "VOC2007"
    names = set(
        load_label_map(create_tt100k_tf_record.LABEL_MAP).names.values()
    )
    instances = coco / "annotations" / "instances_val2017.json"
    annotation = voc / "Annotations" / "2007_000002.xml"
    return {
        "tt100k": (
            data / "annotations.json",
            lambda: create_tt100k_tf_record.read_tt100k(data, names),
        ),
        "coco": (instances, lambda: read_coco(instances, coco / "val2017")),
        "voc": (
            annotation,
            lambda: read_annotation(
                annotation, ImageFolder(voc / "JPEGImages")
            ),
        ),
    }


@pytest.mark.filterwarnings("ignore:.*'types' lacks")
@pytest.mark.parametrize(
    ("name", "mutate"),
    [
        ("tt100k", mutate_values),
        ("tt100k", mutate_bytes),
        ("coco", mutate_values),
        ("coco", mutate_bytes),
        ("voc", mutate_bytes),
    ],
)
def test_only_errors_in_one_line_come_out(
    readers, name, mutate: Callable[[str, random.Random], bytes]
):
    path, read = readers[name]
    text = path.read_text()
    source = random.Random(0)
    num_refused = 0
    try:
        for _ in range(NUM_FILES):
            path.write_bytes(mutate(text, source))
            try:
                read()
            except DataError as error:
                assert len(str(error).splitlines()) == 1
                num_refused += 1
    finally:
        path.write_text(text)
    assert 0.3 * NUM_FILES < num_refused < NUM_FILES
