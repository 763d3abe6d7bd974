"""A trained detector that takes pictures, wherever it comes from."""

import functools
import os
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path

from featsr_tf.errors import ConfigError
from featsr_tf.exporting.names import BASE
from featsr_tf.exporting.names import SUPER_RESOLVED
from featsr_tf.prediction.results import Result
from featsr_tf.prediction.sources import Image
from featsr_tf.prediction.sources import as_array
from featsr_tf.prediction.tiling import ImageFunction
from featsr_tf.prediction.tiling import Tiling
from featsr_tf.prediction.tiling import detect
from featsr_tf.prediction.tiling import in_chunks

BATCH_SIZE = 4


class DetectionModel:
    """A trained detector.

    Args:
        path: the model folder or SavedModel.
        load_function: makes the function of BASE or SUPER_RESOLVED.
        class_names: names by class id.
        min_score: lowest score worth showing, by the model's config.
        input_size: from height and width of an image to those that the
            network sees, px.
        files: whatever the detections depend on.
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

        Args:
            name: BASE or SUPER_RESOLVED.

        Returns:
            Its function.

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
            tile: larger pictures are cut into tiles of so many px. Default
                None, never.
            overlap: least part of a tile that its neighbour shows as well.
                Default 0.2.
            whole_frame: whether a picture is looked at as a whole beside its
                tiles. Default True.
            batch_size: so many pictures or tiles of one size are looked at
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
                    os.fspath(source) if _is_path(source) else array,
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


def _is_path(image: Image) -> bool:
    """Whether a picture is given by its file."""
    return isinstance(image, str | os.PathLike)


def check_batch_size(batch_size: int) -> None:
    """Checks a batch size.

    Raises:
        ConfigError: it is below 1.
    """
    if batch_size < 1:
        raise ConfigError(f"batch_size: expected 1 or more, found {batch_size}")
