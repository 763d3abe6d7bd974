"""A trained detector that takes pictures; loading it imports TensorFlow."""

import functools
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from featsr_tf.errors import ConfigError
from featsr_tf.errors import DataError
from featsr_tf.exporting.names import BASE
from featsr_tf.exporting.names import SUPER_RESOLVED
from featsr_tf.exporting.versions import CHECKSUMS_FILE
from featsr_tf.exporting.versions import SAVED_MODEL_FILE
from featsr_tf.exporting.versions import ModelVersion
from featsr_tf.exporting.versions import find_version
from featsr_tf.prediction.results import Result
from featsr_tf.prediction.sources import Image
from featsr_tf.prediction.sources import as_array
from featsr_tf.prediction.tiling import ImageFunction
from featsr_tf.prediction.tiling import Tiling
from featsr_tf.prediction.tiling import check_whole_number
from featsr_tf.prediction.tiling import detect
from featsr_tf.prediction.tiling import in_chunks
from featsr_tf.training import model_folder

if TYPE_CHECKING:
    from featsr_tf.model.detector import Detector

BATCH_SIZE = 4


class DetectionModel:
    """A trained detector.

    Args:
        input_size: from height and width of an image to those that the
            network sees, px.
    """

    def __init__(
        self,
        path: str,
        load_function: Callable[[str], ImageFunction],
        class_names: Mapping[int, str],
        min_score: float,
        input_size: Callable[[int, int], tuple[int, int]],
        files: Sequence[Path],
    ):
        self.path = path
        self.class_names = class_names
        self.min_score = min_score
        self.input_size = input_size
        self.files = files
        self._load_function = functools.cache(load_function)

    def __repr__(self) -> str:
        return f"DetectionModel({self.path!r}, {len(self.class_names)} classes)"

    def function(self, name: str) -> ImageFunction:
        """Loads a detector when it is first asked for.

        Raises:
            DataError: its weights are missing or damaged.
        """
        return self._load_function(name)

    def predict(
        self,
        images: Image | Iterable[Image],
        base: bool = False,
        tile: int | None = None,
        overlap: float = Tiling.overlap,
        whole_frame: bool = Tiling.whole_frame,
        batch_size: int = BATCH_SIZE,
    ) -> Result | list[Result]:
        """Detects objects in pictures.

        Args:
            images: a path, an array `[H, W, 3]` uint8 RGB, a PIL image, or a
                list of these.
            base: whether the base detector looks instead of the
                super-resolved one. Default False.
            tile: side in px of the tiles that larger pictures are cut into.
                Default None, never.
            overlap: least part of a tile that its neighbour shows as well.
                Default 0.2.
            whole_frame: whether a picture is looked at as a whole beside its
                tiles. Default True.
            batch_size: pictures or tiles of one size that are looked at
                together. Default 4.

        Returns:
            The result, or a list of results where a list was given.

        Raises:
            ConfigError: there can be no such tiles or batches.
            DataError: a picture cannot be read, or is no RGB image.
        """
        check_batch_size(batch_size)
        tiling = None if tile is None else Tiling(tile, overlap, whole_frame)
        function = self.function(BASE if base else SUPER_RESOLVED)
        is_one = not isinstance(images, Iterable) or isinstance(images, Image)
        results: list[Result] = []
        for chunk in in_chunks([images] if is_one else images, batch_size):
            arrays = [as_array(image) for image in chunk]
            found = detect(function, arrays, batch_size, tiling)
            results += [
                Result(
                    # What is in a file need not be kept in memory.
                    os.fspath(source)
                    if isinstance(source, str | os.PathLike)
                    else array,
                    array.shape[:2],
                    detections,
                    self.class_names,
                    self.min_score,
                )
                for source, array, detections in zip(
                    chunk, arrays, found, strict=True
                )
            ]
        return results[0] if is_one else results


def check_batch_size(batch_size: int) -> None:
    """Checks a batch size.

    Raises:
        ConfigError: it is below 1, or no whole number.
    """
    check_whole_number("batch_size", batch_size)
    if batch_size < 1:
        raise ConfigError(f"batch_size: expected 1 or more, found {batch_size}")


def load(
    path: str | os.PathLike, overrides: Sequence[str] = ()
) -> DetectionModel:
    """Loads a trained detector; see `featsr_tf.load`."""
    path = os.fspath(path)
    exported = _exported_folder(path)
    if exported is None:
        return _model_folder(path, overrides)
    if overrides:
        raise ConfigError(
            f"--set {overrides[0]}: expected a model folder of featsr_tf.train "
            f"with it, found the exported model {path}, which is as it was "
            "exported; give --set to featsr_tf.export"
        )
    return _saved_model(exported)


def load_detector(
    model_dir: str,
    stage: str | None = None,
    pipeline=None,
    **options,
) -> "Detector":
    """Loads the detector of a model folder as one of its stages left it.

    Everything that needs a trained detector loads it here.

    Args:
        stage: name of the stage, such as "base"; None = the last one that
            has a checkpoint. Of its checkpoints the best is taken where the
            training has validated, else the newest.
        pipeline: the config; None = that of the folder.

    Returns:
        The detector, as for training. After stage 1 its small predictor is
        the large one, as stage 2 would begin with.

    Raises:
        ConfigError: there is no model.
        DataError: there is no checkpoint, or only damaged ones.
    """
    # A SavedModel does without all of this.
    from featsr_tf.model.build import build_detector
    from featsr_tf.training import checkpoints

    if pipeline is None:
        pipeline = model_folder.load(model_dir)
    if stage is None:
        stage = checkpoints.newest_stage(model_dir) or checkpoints.BASE
    detector = build_detector(pipeline, load_weights=False, **options)
    checkpoints.restore_detector(detector, model_dir, stage)
    if stage == checkpoints.BASE:
        detector.start_small_predictor_from_large()
    return detector


def _exported_folder(path: str) -> Path | None:
    """The folder of a SavedModel; None where nothing was ever exported."""
    folder = Path(path)
    if (folder / SAVED_MODEL_FILE).is_file():
        return folder
    if (folder / CHECKSUMS_FILE).is_file():
        raise DataError(
            f"{path}: an export without {SAVED_MODEL_FILE}; expected one "
            "with --format saved_model"
        )
    for name in (SAVED_MODEL_FILE, CHECKSUMS_FILE):
        if any(folder.glob(f"*/{name}")):
            return find_version(path).folder
    return None


def _model_folder(path: str, overrides: Sequence[str]) -> DetectionModel:
    pipeline = model_folder.load(path, overrides)

    def load_function(name: str) -> ImageFunction:
        # A SavedModel does without all of this.
        from featsr_tf.data.build import build_resizer
        from featsr_tf.prediction.data_set import image_function
        from featsr_tf.prediction.evaluation import load_detection_function

        detect = load_detection_function(pipeline, path, name)
        return image_function(detect, build_resizer(pipeline))

    files = sorted(Path(path, "checkpoints").rglob("*"))
    return _make(path, pipeline, load_function, files)


def _saved_model(folder: Path) -> DetectionModel:
    from featsr_tf.exporting.exported_model import ExportedModel

    path = str(folder)
    pipeline = model_folder.load(path)
    model = ExportedModel(ModelVersion(folder.parent.name, 0, folder))

    def load_function(name: str) -> ImageFunction:
        return functools.partial(model.detect, base=name == BASE)

    files = [folder / SAVED_MODEL_FILE, *sorted(folder.glob("variables/*"))]
    return _make(path, pipeline, load_function, files)


def _make(path, pipeline, load_function, files) -> DetectionModel:
    from featsr_tf.data.build import build_resizer
    from featsr_tf.data.resize import resized_size

    resizer = build_resizer(pipeline)
    return DetectionModel(
        path,
        load_function,
        model_folder.load_classes(path).names,
        pipeline.eval_config.min_score_threshold,
        lambda height, width: resized_size(height, width, resizer),
        files,
    )
