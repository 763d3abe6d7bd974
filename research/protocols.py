"""Time and memory of the evaluation protocols on large files of detections.

    python -m research.protocols

Draws objects and detections of many images, writes them in the layout of
COCO, and judges them with `featsr_tf.evaluate`, each protocol in a process of
its own with one thread.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import tqdm

from featsr_tf.errors import exit_on_error
from featsr_tf.metrics.evaluator import PROTOCOLS

ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def main() -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(prog="python -m research.protocols")
    parser.add_argument("--num_images", type=int, default=8000)
    parser.add_argument("--num_detections", type=int, default=300)
    parser.add_argument("--num_classes", type=int, default=45)
    arguments = parser.parse_args()
    with exit_on_error(), tempfile.TemporaryDirectory() as folder:
        run(arguments, Path(folder))


def run(arguments: argparse.Namespace, folder: Path) -> None:
    """Measures and prints.

    Args:
        arguments: numbers of images, of detections in each, and of classes.
        folder: for the files.
    """
    from featsr_tf.html_report.inputs import describe_environment

    write_files(arguments, folder)
    print("; ".join(describe_environment().values()))
    print(
        f"{arguments.num_images} images, {arguments.num_detections} detections "
        f"in each, {arguments.num_classes} classes, one thread"
    )
    for protocol in PROTOCOLS:
        program = (
            "import research.protocols as benchmark; "
            f"benchmark.judge({str(folder)!r}, {protocol!r})"
        )
        environment = {**os.environ, **dict.fromkeys(ONE_THREAD, "1")}
        subprocess.run(
            [sys.executable, "-c", program], env=environment, check=True
        )


def judge(folder: str, protocol: str) -> None:
    """Judges the files and prints time and peak memory of this process.

    Args:
        folder: where the files are.
        protocol: name of the protocol.
    """
    from featsr_tf.metrics.coco_files import read_annotations
    from featsr_tf.metrics.detection_tables import read_detections
    from featsr_tf.metrics.evaluator import Protocol
    from featsr_tf.metrics.evaluator import evaluate

    # Time of the processor: what else the machine does changes it little.
    begin = time.process_time()
    annotations = read_annotations(Path(folder, "objects.json"))
    found = read_detections(Path(folder, "detections.json"), annotations)
    read = time.process_time()
    evaluate(
        annotations.truths,
        found,
        annotations.names,
        protocol=Protocol(protocol),
    )
    end = time.process_time()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{protocol:7} reading {read - begin:5.1f} s, judging "
        f"{end - read:5.1f} s, peak memory {peak:6.0f} MiB"
    )


def write_files(arguments: argparse.Namespace, folder: Path) -> None:
    """Draws objects and detections, half of which lie close to an object.

    Args:
        arguments: numbers of images, of detections in each, and of classes.
        folder: gets objects.json and detections.json.
    """
    generator = np.random.default_rng(0)
    classes = arguments.num_classes
    objects = []
    with open(folder / "detections.json", "w", encoding="utf-8") as file:
        separator = "["
        for image in tqdm.trange(arguments.num_images, desc="drawing"):
            boxes, labels = draw_boxes(
                generator, generator.integers(9), classes
            )
            objects += entries(image, boxes, labels)
            stray = draw_boxes(generator, arguments.num_detections, classes)
            shown, shown_labels = stray
            near = generator.random(len(shown)) < 0.5
            if len(boxes):
                hit = generator.integers(len(boxes), size=near.sum())
                shift = generator.normal(scale=4, size=(len(hit), 4))
                shown[near] = np.maximum(boxes[hit] + shift, 1)
                shown_labels[near] = labels[hit]
            scores = generator.random(len(shown)).round(4).tolist()
            rows = entries(image, shown, shown_labels)
            for row, score in zip(rows, scores, strict=True):
                file.write(separator + json.dumps({**row, "score": score}))
                separator = ",\n"
        file.write("]")
    numbered = [{"id": n, **entry} for n, entry in enumerate(objects, 1)]
    content = {
        "images": [{"id": n} for n in range(arguments.num_images)],
        "categories": [
            {"id": n, "name": f"class {n}"} for n in range(1, classes + 1)
        ],
        "annotations": numbered,
    }
    (folder / "objects.json").write_text(json.dumps(content), encoding="utf-8")


def draw_boxes(generator: np.random.Generator, count: int, num_classes: int):
    """Draws x, y, width, height `[count, 4]` and class ids `[count]`."""
    corners = generator.uniform(0, 1800, [count, 2])
    sides = generator.uniform(8, 150, [count, 2])
    labels = generator.integers(1, num_classes + 1, count)
    return np.concatenate([corners, sides], axis=1), labels


def entries(image: int, boxes: np.ndarray, labels: np.ndarray) -> list[dict]:
    """Returns entries in the layout of COCO."""
    return [
        {"image_id": image, "category_id": label, "bbox": box}
        for box, label in zip(
            boxes.round(2).tolist(), labels.tolist(), strict=True
        )
    ]


if __name__ == "__main__":
    main()
