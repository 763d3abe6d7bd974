"""Annotations that are not read, but told apart to say what to do."""

import re
from pathlib import Path

from featsr_tf.errors import DataError
from featsr_tf.files import read_text

# Keys of JSON files by the tools that write them.
_KEYS = {
    "JSON of Label Studio": ("rectanglelabels",),
    "JSON of VGG Image Annotator": ("regions", "shape_attributes"),
    "JSON of VoTT": ("asset", "regions"),
    "JSON of Supervisely": ("classTitle",),
    "JSON of CreateML": ("image", "coordinates"),
}
_COLUMNS = {"xmin", "ymin", "xmax", "ymax"}


def unread_layout(path: Path) -> str:
    """The name of the layout of a file; "" where it is none of these."""
    ending = path.suffix.lower()
    if ending not in (".json", ".csv"):
        return ""
    try:
        text = read_text(path)
    except DataError:
        return ""
    if ending == ".json":
        found = (
            name
            for name, keys in _KEYS.items()
            if all(f'"{key}"' in text for key in keys)
        )
        return next(found, "")
    titles = set(re.findall(r"\w+", text.partition("\n")[0].lower()))
    return "a table of boxes" if titles >= _COLUMNS else ""
