"""First values of a detector from another one, of other classes perhaps."""

from pathlib import Path

import numpy as np

from featsr_tf.data.label_map import LabelMap
from featsr_tf.errors import ConfigError
from featsr_tf.errors import DataError
from featsr_tf.exporting.names import BASE_SIGNATURE
from featsr_tf.exporting.versions import SAVED_MODEL_FILE
from featsr_tf.exporting.versions import newest_version
from featsr_tf.model import speed
from featsr_tf.model.detector import Detector
from featsr_tf.model.weight_files import read_weights
from featsr_tf.model.weight_transfer import class_ids_by_name
from featsr_tf.model.weight_transfer import transfer_weights
from featsr_tf.training import checkpoints
from featsr_tf.training import model_folder
from featsr_tf.training.distribution import digest

_NAMED = 5


def start_detector(
    detector: Detector, start_from: str, label_map: LabelMap
) -> tuple[str, dict]:
    """Takes what fits of another detector as first values of this one.

    These are the extractor, the proposal network, the large predictor, with
    its rows of the classes that have the same names, and the focus head. The
    rest is new, as without this.

    Args:
        start_from: model folder, or an exported SavedModel.
        label_map: the classes of `detector`.

    Returns:
        What was taken, as a table for people; and what the checkpoints of
        stage 1 tell of it.

    Raises:
        ConfigError: batch normalization is to learn, but was folded.
        DataError: there is no detector, or its extractor is another one.
    """
    folder, arrays = _read(start_from)
    theirs = model_folder.load_classes(str(folder)).names
    class_ids = class_ids_by_name(label_map.names, theirs)
    for network in (
        detector.extractor,
        detector.large_predictor.second_stage,
    ):
        unfolded = speed.unfolded_weights(network, arrays)
        learns = {v.path for v in network.trainable_variables}
        if learns & (unfolded.keys() - arrays.keys()):
            raise ConfigError(
                f"{start_from}: batch normalization is folded into its "
                "convolutions, but batch_norm_trainable is true; expected "
                "false, or the model folder that it was exported from"
            )
        arrays = unfolded
    parts = {
        "extractor": detector.extractor.variables,
        "proposal network": detector.proposal_network.variables,
        "large predictor": detector.large_predictor.variables,
    }
    if detector.focus_head is not None:
        parts["focus head"] = detector.focus_head.variables
    transfer = transfer_weights(parts, arrays, start_from, class_ids)
    detector.start_small_predictor_from_large()
    classes = _describe_classes(label_map, theirs, class_ids)
    # Folders above would be those of one machine.
    name = "/".join(
        folder.resolve().parts[-2 if folder.name.isdecimal() else -1 :]
    )
    taken = {part: got.describe() for part, got in transfer.parts.items()}
    notes = {
        "stage": name,
        "step": None,
        "weights": digest(*detector.get_weights()),
        "taken": taken | {"classes": classes},
    }
    return f"{transfer.table()}\n  classes: {classes}\n  the rest is new", notes


def _read(start_from: str) -> tuple[Path, dict[str, np.ndarray]]:
    """Finds a detector and reads its weights, those of its base detector."""
    folder = Path(start_from)
    if (folder / SAVED_MODEL_FILE).is_file():
        return folder, read_weights(str(folder), BASE_SIGNATURE)
    stage = checkpoints.newest_stage(start_from)
    if stage is not None:
        arrays = {}
        # Later stages have a focus head, stage 1 the base detector.
        for name in dict.fromkeys([stage, checkpoints.BASE]):
            path = checkpoints.find_used(start_from, name)
            if path is not None:
                arrays |= read_weights(path)
        return folder, arrays
    newest = newest_version(folder)
    if newest is None or not (newest / SAVED_MODEL_FILE).is_file():
        found = "a folder without either" if folder.is_dir() else "no folder"
        raise DataError(
            f"{start_from}: expected a model folder with checkpoints, or a "
            f"SavedModel of python -m featsr_tf.export; found {found}"
        )
    return newest, read_weights(str(newest), BASE_SIGNATURE)


def _describe_classes(
    label_map: LabelMap, theirs: dict[int, str], class_ids: dict[int, int]
) -> str:
    text = f"{len(class_ids)} of {len(label_map.names)} found by name"
    if len(class_ids) == len(label_map.names):
        return text
    new = [n for i, n in label_map.names.items() if i not in class_ids]
    return f"{text}, new: {_listed(new)}; there: {_listed([*theirs.values()])}"


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{', '.join(names[:_NAMED])}{more}"
