"""Detections of any detector: files in the layout of COCO, tables, YOLO."""

import os
from pathlib import Path

from featsr_tf.metrics.coco_files import Annotations
from featsr_tf.metrics.coco_files import read_coco_detections
from featsr_tf.metrics.detection_tables import read_table
from featsr_tf.metrics.detection_tables import read_yolo_folder
from featsr_tf.metrics.detections import Detections

_TABLES = (".csv", ".tsv", ".txt")


def read_detections(
    path: str | Path, annotations: Annotations
) -> list[Detections]:
    """Reads the detections of any detector.

    How images and classes were matched, if not by their ids, and a scale of
    the scores that is not 0 to 1 are told on stderr.

    Args:
        path: A folder of YOLO's text files, a table (.csv, .tsv, .txt), or a
            JSON file as for `read_coco_detections`.

    Raises:
        DataError: If it cannot be read; names the entry that is wrong.
    """
    if os.path.isdir(path):
        return read_yolo_folder(path, annotations)
    if str(path).lower().endswith(_TABLES):
        return read_table(path, annotations)
    return read_coco_detections(path, annotations)
