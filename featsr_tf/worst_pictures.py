"""Pictures of the images on which a detector fails most."""

import dataclasses
import json
import os
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence

import numpy as np
import PIL.Image
import tqdm

from featsr_tf.drawing import outcome_marks
from featsr_tf.evaluation.detections import Detections
from featsr_tf.evaluation.detections import GroundTruth
from featsr_tf.evaluation.detections import no_detections
from featsr_tf.evaluation.report_inputs import CAPTIONS_FILE
from featsr_tf.evaluation.report_inputs import read_captions
from featsr_tf.files import safe_stem
from featsr_tf.files import write_text
from featsr_tf.zooming import with_zooms
from featsr_tf.zooming import zoom_windows


def draw_worst_images(
    folder: str,
    name: str,
    result: Mapping,
    truths: Sequence[GroundTruth],
    detections: Sequence[Detections],
    names: Mapping[int, str],
    read_image: Callable[[int], np.ndarray],
) -> None:
    """Draws the images that an evaluation lists, small objects enlarged.

    Found objects are green, wrong detections red, missed objects blue.

    Args:
        folder: gets the pictures and their captions, which a report shows.
        name: of the detector.
        result: what `evaluate` returned.
        truths: one item per image.
        detections: at most one item per image.
        names: names of the evaluated classes by class id.
        read_image: makes the image `[height, width, 3]` of a position in
            `truths`.
    """
    os.makedirs(folder, exist_ok=True)
    found = {item.image_id: item for item in detections}
    captions = {}
    images = tqdm.tqdm(
        result["worst_images"], f"{name}: pictures", unit="image"
    )
    for rank, entry in enumerate(images, start=1):
        truth = truths[entry["position"]]
        seen = found.get(truth.image_id, no_detections(truth.image_id))
        marks = outcome_marks(
            _of_classes(truth, names),
            _of_classes(seen, names),
            names,
            result["min_score"],
        )
        image = read_image(entry["position"])
        boxes = np.reshape([mark.box for mark in marks], [-1, 4])
        windows = zoom_windows(boxes, image.shape)
        picture = PIL.Image.fromarray(with_zooms(image, marks, windows))
        stem = safe_stem(truth.file_name)
        file_name = f"{name}_worst_{rank:02d}_{stem}.jpg"
        picture.save(os.path.join(folder, file_name), quality=90)
        captions[file_name] = (
            f"{name.replace('_', ' ').capitalize()}, worst image {rank}: "
            f"{truth.file_name or truth.image_id}, {entry['missed']} missed, "
            f"{entry['false_positives']} false positives"
        )
    captions = {**read_captions(folder), **captions}
    write_text(
        os.path.join(folder, CAPTIONS_FILE),
        json.dumps(captions, indent=1) + "\n",
    )


def _of_classes(item, names: Mapping[int, str]):
    """Leaves out the objects or detections of classes without a name."""
    kept = np.isin(item.classes, list(names))
    changed = {
        field.name: value[kept]
        for field in dataclasses.fields(item)
        if isinstance(value := getattr(item, field.name), np.ndarray)
    }
    return dataclasses.replace(item, **changed)
