"""Detections and pictures of image files."""

import dataclasses
import os
import sys
from collections.abc import Sequence

import numpy as np
import PIL.Image
import PIL.ImageOps
import tensorflow as tf
import tqdm

from featsr_tf.data.build import build_resizer
from featsr_tf.data.label_map import load_label_map
from featsr_tf.data.resize import pad_to
from featsr_tf.data.resize import resize
from featsr_tf.data.resize import round_up
from featsr_tf.drawing import draw_detections
from featsr_tf.errors import DataError
from featsr_tf.evaluation.coco_files import write_coco_detections
from featsr_tf.evaluation.detections import Detections
from featsr_tf.evaluation.detections import ImageInfo
from featsr_tf.inference import detections_of_row
from featsr_tf.model_evaluation import load_detection_function
from featsr_tf.training import model_folder
from featsr_tf.zooming import compare

IMAGE_ENDINGS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".webp", ".tif")


@dataclasses.dataclass(frozen=True)
class PredictionOptions:
    """What is detected and drawn.

    Attributes:
        compare: draw base and super-resolved side by side. Default False.
        base_only: use the base detector. Default False.
        drawn_score: lowest score that is drawn; None = that of the model's
            `eval_config.min_score_threshold`.
        max_pictures: draw so many images at the most; None = all.
    """

    compare: bool = False
    base_only: bool = False
    drawn_score: float | None = None
    max_pictures: int | None = None


def find_images(places: Sequence[str]) -> list[str]:
    """Lists image files.

    Args:
        places: files, taken as they are, and folders, searched for images.

    Returns:
        Paths, sorted within each folder.

    Raises:
        DataError: a place does not exist, or there is no image at all.
    """
    paths = []
    for place in places:
        if os.path.isdir(place):
            paths += sorted(
                os.path.join(place, name)
                for name in os.listdir(place)
                if name.lower().endswith(IMAGE_ENDINGS)
            )
        elif os.path.exists(place):
            paths.append(place)
        else:
            raise DataError(f"{place}: no such image file or folder")
    if not paths:
        raise DataError(
            f"{', '.join(places)}: no images found; expected files ending in "
            f"{' '.join(IMAGE_ENDINGS)}"
        )
    return paths


def read_image(path: str) -> np.ndarray:
    """Reads an image, upright and in colour.

    Args:
        path: an image file of any kind that PIL reads.

    Returns:
        `[H, W, 3]` uint8 RGB, turned as its EXIF orientation says.

    Raises:
        DataError: the file is no image, or damaged.
    """
    try:
        with PIL.Image.open(path) as image:
            return np.asarray(PIL.ImageOps.exif_transpose(image).convert("RGB"))
    except (OSError, ValueError, SyntaxError, PIL.Image.DecompressionBombError):
        raise DataError(
            f"{path}: no readable image; it is damaged or of another kind"
        ) from None


def predict_files(
    model_dir: str,
    places: Sequence[str],
    output: str,
    options: PredictionOptions,
) -> int:
    """Detects objects in image files; writes pictures and detections.json.

    A damaged image is reported and skipped.

    Args:
        model_dir: model folder.
        places: image files and folders.
        output: folder for `detections.json` and `pictures/`.
        options: what is detected and drawn.

    Returns:
        The number of images that could not be read.

    Raises:
        ConfigError: there is no model in the folder.
        DataError: there are no images, or no checkpoint.
    """
    paths = find_images(places)
    pipeline = model_folder.load(model_dir)
    names = load_label_map(
        os.path.join(model_dir, model_folder.LABEL_MAP_FILE)
    ).names
    main = "base" if options.base_only else "super_resolved"
    wanted = ["base", "super_resolved"] if options.compare else [main]
    functions = {
        name: load_detection_function(pipeline, model_dir, name)
        for name in wanted
    }
    pictures = os.path.join(output, "pictures")
    os.makedirs(pictures, exist_ok=True)
    resizer = build_resizer(pipeline)
    drawn_score = options.drawn_score
    if drawn_score is None:
        drawn_score = pipeline.eval_config.min_score_threshold
    infos, found, unreadable = [], [], 0
    used: set[str] = set()
    for path in tqdm.tqdm(paths, desc="detecting", unit="image"):
        try:
            image = read_image(path)
        except DataError as error:
            tqdm.tqdm.write(f"skipped: {error}", file=sys.stderr)
            unreadable += 1
            continue
        image_id = len(infos)
        detections = {
            name: detect_image(function, image, resizer, image_id)
            for name, function in functions.items()
        }
        infos.append(ImageInfo(image_id, path, *image.shape[:2]))
        found.append(detections[main])
        if options.max_pictures is None or image_id < options.max_pictures:
            picture = _draw(image, detections, names, drawn_score)
            name = _unused_name(path, used)
            PIL.Image.fromarray(picture).save(
                os.path.join(pictures, name), quality=90
            )
    write_coco_detections(
        os.path.join(output, "detections.json"), infos, found, names
    )
    return unreadable


def detect_image(detect, image: np.ndarray, resizer, image_id: int):
    """Detects objects in one image.

    Args:
        detect: detection function.
        image: `[H, W, 3]` uint8 RGB.
        resizer: resizer of whole frames.
        image_id: number of the image.

    Returns:
        `Detections` in px of the image.
    """
    resized = resize(tf.constant(image), resizer)
    size = np.array(resized.shape[:2])
    scale = size / np.array(image.shape[:2])
    padded = pad_to(resized, *(round_up(side) for side in size.tolist()))
    found = detect(
        tf.cast(padded, tf.float32)[None],
        tf.constant(size[None], tf.float32),
        tf.constant(scale[None], tf.float32),
    )
    return detections_of_row(found, 0, scale, image_id)


def _draw(image, detections: dict[str, Detections], names, score):
    if len(detections) > 1:
        return compare(image, **detections, names=names, score_threshold=score)
    (found,) = detections.values()
    shown = found.above(score)
    return draw_detections(
        image, shown.boxes, shown.classes, shown.scores, names
    )


def _unused_name(source: str, used: set[str]) -> str:
    """Names a picture after its image; images of two folders may be alike."""
    stem = os.path.splitext(os.path.basename(source))[0]
    name, number = f"{stem}.jpg", 1
    while name in used:
        number += 1
        name = f"{stem}_{number}.jpg"
    used.add(name)
    return name
