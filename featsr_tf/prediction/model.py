"""A trained detector that takes pictures; loading it imports TensorFlow."""

import functools
import os
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from featsr_tf.data.label_map import load_label_map
from featsr_tf.data.pictures import Image
from featsr_tf.errors import ConfigError
from featsr_tf.errors import DataError
from featsr_tf.exporting.names import BASE
from featsr_tf.exporting.names import IMAGE_SIGNATURE
from featsr_tf.exporting.names import SUPER_RESOLVED
from featsr_tf.exporting.versions import CHECKSUMS_FILE
from featsr_tf.exporting.versions import ONNX_FILE
from featsr_tf.exporting.versions import SAVED_MODEL_FILE
from featsr_tf.exporting.versions import ModelVersion
from featsr_tf.exporting.versions import newest_version
from featsr_tf.files import stand_in_at
from featsr_tf.prediction.result_files import FrameResult
from featsr_tf.prediction.results import Result
from featsr_tf.prediction.sources import Frame
from featsr_tf.prediction.sources import find_sources
from featsr_tf.prediction.sources import frames_of
from featsr_tf.prediction.sources import given_frames
from featsr_tf.prediction.sources import holds_many
from featsr_tf.prediction.tiling import ImageFunction
from featsr_tf.prediction.tiling import Tiling
from featsr_tf.prediction.tiling import check_whole_number
from featsr_tf.prediction.tiling import detect
from featsr_tf.prediction.tiling import in_chunks
from featsr_tf.training import model_folder

if TYPE_CHECKING:
    from featsr_tf.model.detector import Detector

BATCH_SIZE = 4
# Folder of the SavedModel that the Object Detection API's exporter writes.
_API = "saved_model"
# Lowest score that is drawn of a detector that names none.
_FOREIGN_SCORE = 0.5
# What a detector is called by its refiner.
_TITLES = {
    "ZOOM": "Zoom",
    "SECOND_LOOK": "Second look",
    "NONE": "Two predictors",
}


class DetectionModel:
    """A trained detector.

    Args:
        input_size: from height and width of an image to those that the
            network sees, px.
        title: what it is called in pictures.
        detectors: which ones it has: both (default); BASE alone, which
            then looks in any case; or SUPER_RESOLVED alone, where it is not
            known to be a base detector.
    """

    def __init__(
        self,
        path: str,
        load_function: Callable[[str], ImageFunction],
        class_names: Mapping[int, str],
        min_score: float,
        input_size: Callable[[int, int], tuple[int, int]],
        files: Sequence[Path],
        title: str = "Detector",
        detectors: Sequence[str] = (BASE, SUPER_RESOLVED),
    ):
        self.path = path
        self.title = title
        self.detectors = tuple(detectors)
        self.class_names = class_names
        self.min_score = min_score
        self.input_size = input_size
        self.files = files
        self._load_function = functools.cache(load_function)
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"DetectionModel({self.path!r}, {len(self.class_names)} classes)"

    def function(self, name: str) -> ImageFunction:
        """Loads a detector when it is first asked for, by whichever thread.

        Raises:
            ConfigError: the base detector is none of its detectors.
            DataError: its weights are missing or damaged.
        """
        if name == BASE and BASE not in self.detectors:
            raise ConfigError(
                f"{self.path}: holds one detector, and no base detector "
                "beside it; leave --base out"
            )
        with self._lock:
            return self._load_function(name)

    def predict(
        self,
        source: Image | Iterable[Image],
        base: bool = False,
        tile: int | None = None,
        overlap: float = Tiling.overlap,
        whole_frame: bool = Tiling.whole_frame,
        batch_size: int = BATCH_SIZE,
        *,
        second_look: bool = False,
        stream: bool = False,
        bgr: bool = False,
    ) -> Result | list[Result] | Iterator[Result]:
        """Detects objects in pictures.

        Args:
            source: a picture: a path, the bytes of an image file, a PIL image
                or an array as `featsr_tf.data.pictures.as_array` takes it; or
                many: a folder, a pattern such as `photos/*.jpg`, a video, a
                list, or anything that yields pictures.
            base: whether the base detector looks instead of the
                super-resolved one. Default False.
            tile: side in px of the tiles that larger pictures are cut into.
                Default None, never.
            overlap: least part of a tile that its neighbour shows as well.
                Default 0.2.
            whole_frame: whether a picture is looked at as a whole beside its
                tiles. Default True.
            batch_size: pictures or tiles of one size that are looked at
                together. Default 4; 1 gives each result of a stream at once.
            second_look: whether windows of the size of a tile (default: half
                the picture's shorter side) are looked at, around small objects
                that the whole picture leaves in doubt, instead of all tiles.
                Default False.
            stream: whether results come one by one, while only the pictures of
                a batch are in memory. Default False.
            bgr: whether the channels of arrays are blue, green, red, as OpenCV
                has them. Default False.

        Returns:
            The result of a picture, the list of those of many, or, with
            `stream`, an iterator. A picture of a folder, a pattern or a video
            that cannot be read is left out with a warning.

        Raises:
            ConfigError: there can be no such tiles or batches.
            DataError: a picture that was given, or every one that was found,
                cannot be read.
        """
        check_batch_size(batch_size)
        tiling = None
        if tile is not None or second_look:
            tiling = Tiling(tile, overlap, whole_frame, second_look)
        is_path = isinstance(source, str | os.PathLike)
        is_found = is_path and holds_many(os.fsdecode(source))
        is_one = not is_found and (
            isinstance(source, Image | bytearray | memoryview)
            or not isinstance(source, Iterable)
            or hasattr(source, "__array__")
        )
        if is_found:
            frames = frames_of(find_sources([os.fsdecode(source)]))
        else:
            frames = given_frames([source] if is_one else source, bgr)
        name = BASE if base else SUPER_RESOLVED
        results = self._results(frames, name, batch_size, tiling)
        if stream:
            return results
        return next(results) if is_one else list(results)

    def _results(
        self,
        frames: Iterable[Frame],
        name: str,
        batch_size: int,
        tiling: Tiling | None,
    ) -> Iterator[Result]:
        functions = {name: self.function(name)}
        is_empty, error = True, None
        for frame, image, found in detect_frames(
            frames, functions, batch_size, tiling
        ):
            if image is None:
                error = DataError(found.error)
                if frame.source is None:
                    raise error
                warnings.warn(f"skipped: {error}", stacklevel=3)
                continue
            is_empty = False
            yield Result(
                # What is in a file need not be kept in memory.
                image if frame.kept is None else frame.kept,
                (found.height, found.width),
                found.found[name],
                self.class_names,
                self.min_score,
                frame.name,
                frame.state,
            )
        if is_empty and error is not None:
            raise error


def detect_frames(
    frames: Iterable[Frame],
    functions: Mapping[str, ImageFunction],
    batch_size: int,
    tiling: Tiling | None,
) -> Iterator[tuple[Frame, np.ndarray | None, FrameResult]]:
    """Detects objects in frames, of which a batch is in memory.

    Args:
        functions: detectors by name.
        tiling: how large images are cut; None = not at all.

    Yields:
        Each frame, its image where it can be read, and its result.
    """
    read = ((frame, *_read(frame)) for frame in frames)
    for chunk in in_chunks(read, batch_size):
        images = [image for _, image, _ in chunk if image is not None]
        found = {
            name: iter(detect(function, images, batch_size, tiling))
            for name, function in functions.items()
        }
        for frame, image, error in chunk:
            if image is None:
                yield frame, None, FrameResult(frame.name, error=error)
                continue
            detections = {name: next(item) for name, item in found.items()}
            size = image.shape[:2]
            yield frame, image, FrameResult(frame.name, *size, detections)


def _read(frame: Frame) -> tuple[np.ndarray | None, str | None]:
    try:
        return frame.read(), None
    except DataError as error:
        return None, str(error)


def check_batch_size(batch_size: int) -> None:
    """Checks a batch size.

    Raises:
        ConfigError: it is below 1, or no whole number.
    """
    check_whole_number("batch_size", batch_size)
    if batch_size < 1:
        raise ConfigError(f"batch_size: expected 1 or more, found {batch_size}")


def load(
    path: str | os.PathLike,
    overrides: Sequence[str] = (),
    label_map: str | os.PathLike | None = None,
) -> DetectionModel:
    """Loads a trained detector; see `featsr_tf.load`."""
    path = os.fspath(path)
    exported = _find_exported(Path(path))
    if exported is None:
        return _model_folder(path, overrides, label_map)
    if overrides:
        raise ConfigError(
            f"--set {overrides[0]}: expected a model folder of featsr_tf.train "
            f"with it, found the exported model {path}, which is as it was "
            "exported; give --set to featsr_tf.export"
        )
    if exported.name == SAVED_MODEL_FILE:
        return _saved_model(exported.parent, label_map)
    return _onnx_model(exported, label_map)


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
        DataError: there is no checkpoint, or only damaged ones, or a stage
            was trained on another one before it than the folder holds now.
    """
    # A SavedModel does without all of this.
    from featsr_tf.model.build import build_detector
    from featsr_tf.training import checkpoints
    from featsr_tf.training.origins import find_unfinished
    from featsr_tf.training.origins import restore_stage

    if pipeline is None:
        pipeline = model_folder.load(model_dir)
    if stage is None:
        stage = checkpoints.newest_stage(model_dir) or checkpoints.BASE
        if left := find_unfinished(pipeline, model_dir):
            warnings.warn(
                f"{model_dir}: its training is not finished: {left}",
                stacklevel=2,
            )
    detector = build_detector(pipeline, load_weights=False, **options)
    restore_stage(detector, model_dir, stage)
    if stage == checkpoints.BASE:
        detector.start_small_predictor_from_large()
    return detector


def _find_exported(path: Path) -> Path | None:
    """The file of an exported model; None where nothing was ever exported."""
    if path.is_file():
        if path.suffix == ".onnx" or path.name == SAVED_MODEL_FILE:
            return path
        raise DataError(
            f"{path}: "
            + (
                stand_in_at(path)
                or "a file that is no model of a kind that is read; expected"
                " the folder of a SavedModel, an .onnx file, or a model folder"
                " of featsr_tf.train"
            )
        )
    if path.suffix == ".onnx" and not path.exists():
        raise DataError(f"{path}: no such file")
    # The last is the layout of the Object Detection API's exporter.
    for name in (SAVED_MODEL_FILE, ONNX_FILE, Path(_API, SAVED_MODEL_FILE)):
        if (path / name).is_file():
            return path / name
    if (path / CHECKSUMS_FILE).is_file():
        raise DataError(
            f"{path}: an export without {SAVED_MODEL_FILE} or {ONNX_FILE}; "
            "expected one with --format saved_model or onnx"
        )
    newest = newest_version(path) if path.is_dir() else None
    return newest and _find_exported(newest)


def _model_folder(
    path: str, overrides: Sequence[str], label_map: str | os.PathLike | None
) -> DetectionModel:
    pipeline = model_folder.load(path, overrides)

    def load_function(name: str) -> ImageFunction:
        # A SavedModel does without all of this.
        from featsr_tf.data.build import build_resizer
        from featsr_tf.data.build import looks_again
        from featsr_tf.prediction.data_set import image_function
        from featsr_tf.prediction.evaluation import load_detection_function

        detect = load_detection_function(pipeline, path, name)
        super_resolve = name == SUPER_RESOLVED
        return image_function(
            detect,
            build_resizer(pipeline, super_resolve),
            with_originals=super_resolve and looks_again(pipeline),
        )

    config = Path(path, model_folder.PIPELINE_FILE)
    files = [config, *sorted(Path(path, "checkpoints").rglob("*"))]
    return _make(path, pipeline, load_function, files, label_map)


def _saved_model(
    folder: Path, label_map: str | os.PathLike | None
) -> DetectionModel:
    from featsr_tf.exporting.exported_model import ExportedModel
    from featsr_tf.exporting.exported_model import read_signature_defs
    from featsr_tf.prediction.foreign_model import load_foreign_saved_model

    path = str(folder)
    files = [folder / SAVED_MODEL_FILE, *sorted(folder.glob("variables/*"))]
    if IMAGE_SIGNATURE not in read_signature_defs(folder):
        foreign = load_foreign_saved_model(folder)
        return _make_foreign(path, foreign, files, label_map)
    pipeline = model_folder.load(path)
    model = ExportedModel(ModelVersion(folder.parent.name, 0, folder))

    def load_function(name: str) -> ImageFunction:
        return functools.partial(model.detect, base=name == BASE)

    found = (BASE, SUPER_RESOLVED) if model.has_base else (BASE,)
    return _make(path, pipeline, load_function, files, label_map, found)


def _onnx_model(
    path: Path, label_map: str | os.PathLike | None
) -> DetectionModel:
    from featsr_tf.prediction.foreign_model import load_onnx

    model = load_onnx(path)
    if not (path.parent / CHECKSUMS_FILE).is_file():
        return _make_foreign(str(path), model, [path], label_map)
    # An export of this package.
    folder = str(path.parent)
    pipeline = model_folder.load(folder)
    return _make(
        folder,
        pipeline,
        lambda _: model.detect,
        [path],
        label_map,
        (SUPER_RESOLVED,),
    )


def _make_foreign(path, model, files, label_map) -> DetectionModel:
    folder = files[0].parent
    if label_map is None:
        folders = [folder, folder.parent] if folder.name == _API else [folder]
        beside = [place / model_folder.LABEL_MAP_FILE for place in folders]
        label_map = next(filter(Path.is_file, beside), None)
    return DetectionModel(
        path,
        lambda _: model.detect,
        {} if label_map is None else load_label_map(os.fspath(label_map)).names,
        _FOREIGN_SCORE,
        model.input_size,
        files,
        detectors=(SUPER_RESOLVED,),
    )


def _make(
    path,
    pipeline,
    load_function,
    files,
    label_map,
    detectors=(BASE, SUPER_RESOLVED),
) -> DetectionModel:
    from featsr_tf.data.build import build_resizer
    from featsr_tf.data.resize import resized_size

    resizer = build_resizer(pipeline)
    if label_map is None:
        label_map = Path(path, model_folder.LABEL_MAP_FILE)
    return DetectionModel(
        path,
        load_function,
        load_label_map(os.fspath(label_map)).names,
        pipeline.eval_config.min_score_threshold,
        lambda height, width: resized_size(height, width, resizer),
        files,
        _title(pipeline, detectors),
        detectors,
    )


def _title(pipeline, detectors) -> str:
    """What the detector is called in pictures."""
    refiner = pipeline.model.feature_super_resolution.refiner.value
    # The only detector of a file: no file but a SavedModel has a second look.
    is_base = detectors == (BASE,) or (
        refiner == "SECOND_LOOK" and BASE not in detectors
    )
    return (
        "Base detector" if is_base else _TITLES.get(refiner, "Super-resolved")
    )
