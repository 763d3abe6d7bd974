"""Small annotated images for the tests of the conversion."""

import numpy as np
import tensorflow as tf

from featsr_tf.data.label_map import LabelMap
from tests.data.example_files import encode
from tests.data.example_files import noise_image
from tfrecords_tools.annotations import AnnotatedImage
from tfrecords_tools.annotations import AnnotatedObject
from tfrecords_tools.annotations import Split

HEIGHT, WIDTH = 48, 64
LABEL_MAP = LabelMap({1: "stop", 2: "yield"})


def make_object(box=(4, 4, 20, 30), name: str = "stop") -> AnnotatedObject:
    return AnnotatedObject(box, name, "signs.json: object 3")


def make_image(number: int, *objects, **changes) -> AnnotatedImage:
    """An image of noise with the given objects."""
    name = f"{number}.png"
    values = {
        "source_id": name,
        "filename": name,
        "objects": objects,
        "where": f"signs.json: image {number}",
        "data": encode(noise_image(HEIGHT, WIDTH, number)),
    }
    return AnnotatedImage(**(values | changes))


def make_split(count: int, name: str = "signs") -> Split:
    """A split of images with an object each."""
    images = [make_image(number, make_object()) for number in range(count)]
    return Split(name, images)


def read_examples(*paths) -> list[dict]:
    """The features of all examples of record files, lists by their keys."""
    examples = []
    for path in map(str, paths):
        for record in tf.data.TFRecordDataset(path).as_numpy_iterator():
            features = tf.train.Example.FromString(record).features.feature
            examples.append(
                {
                    key: list(getattr(value, value.WhichOneof("kind")).value)
                    for key, value in features.items()
                }
            )
    return examples


def boxes_of(example: dict) -> np.ndarray:
    """`[num_boxes, 4]` px in images of the size above, to 1/10000 px."""
    sides = ("ymin", "xmin", "ymax", "xmax")
    columns = [example[f"image/object/bbox/{side}"] for side in sides]
    boxes = np.array(columns).T * (HEIGHT, WIDTH, HEIGHT, WIDTH)
    return boxes.round(4)


def file_contents(folder) -> dict[str, bytes]:
    """The record files of a folder."""
    paths = sorted(folder.glob("*.record-*"))
    return {path.name: path.read_bytes() for path in paths}
