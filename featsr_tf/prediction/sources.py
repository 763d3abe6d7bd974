"""Images and videos, found by files, folders and patterns."""

import contextlib
import functools
import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import PIL.Image
import PIL.ImageOps

from featsr_tf.errors import ConfigError
from featsr_tf.errors import DataError
from featsr_tf.errors import FeatsrError
from featsr_tf.files import atomic_write
from featsr_tf.files import find_paths

Image = str | os.PathLike | np.ndarray | PIL.Image.Image


def as_array(image: Image) -> np.ndarray:
    """Turns a picture into an array.

    Args:
        image: path, array `[H, W, 3]` uint8 RGB, or PIL image.

    Returns:
        `[H, W, 3]` uint8 RGB; files and PIL images are turned upright.

    Raises:
        DataError: it cannot be read, or the array is no RGB image.
    """
    if isinstance(image, PIL.Image.Image):
        return _pixels(PIL.ImageOps.exif_transpose(image))
    if isinstance(image, str | os.PathLike):
        return read_image(os.fspath(image))
    if not isinstance(image, np.ndarray):
        raise DataError(
            "expected a path, an array or a PIL image, found "
            f"{type(image).__name__}"
        )
    is_rgb = image.ndim == 3 and image.shape[2] == 3 and image.size > 0
    if not is_rgb or image.dtype != np.uint8:
        raise DataError(
            "expected an RGB image [height, width, 3] of uint8, found an array "
            f"{list(image.shape)} of {image.dtype}"
        )
    return image


def read_image(path: str) -> np.ndarray:
    """Reads an image, upright and in colour.

    Returns:
        `[H, W, 3]` uint8 RGB, turned as its EXIF orientation says.

    Raises:
        DataError: the file is no image, damaged, or too large for PIL or for
            the memory.
    """
    try:
        with PIL.Image.open(path) as image:
            # In place: a large image is not copied.
            PIL.ImageOps.exif_transpose(image, in_place=True)
            return _pixels(image)
    except PIL.Image.DecompressionBombError as error:
        raise DataError(f"{path}: {error}") from None
    except MemoryError:
        raise DataError(f"{path}: too large for the memory") from None
    except FileNotFoundError:
        raise DataError(f"{path}: no such image file") from None
    except (OSError, ValueError, SyntaxError):
        raise DataError(
            f"{path}: no readable image; it is damaged or of another kind"
        ) from None


def _pixels(image: PIL.Image.Image) -> np.ndarray:
    return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))


ENDINGS = tuple(
    ".mp4 .avi .mov .mkv .m4v .webm .wmv .ts .mts .m2ts .mpg .mpeg .flv .3gp "
    ".ogv".split()
)
# For files that do not tell theirs.
_FRAMES_PER_SECOND = 25.0
_CODEC = "mp4v"


def read_frames(path: str) -> Iterator[Callable[[], np.ndarray]]:
    """Goes through the frames of a video.

    Yields:
        A function that decodes the frame, `[H, W, 3]` uint8 RGB, upright;
        it works until the next frame is asked for. Frames that are passed
        without a call cost little.

    Raises:
        ConfigError: OpenCV is not installed.
        DataError: the file is no video.
    """
    with _opened(path) as capture:
        while capture.grab():
            yield lambda: _decode(capture, path)


def count_video_frames(path: str) -> int:
    """How many frames a video says that it has; 0 where it does not tell.

    Raises:
        ConfigError: OpenCV is not installed.
    """
    cv2 = _opencv()
    with contextlib.suppress(DataError), _opened(path) as capture:
        return max(0, round(capture.get(cv2.CAP_PROP_FRAME_COUNT)))
    return 0


def frames_per_second(path: str) -> float:
    """The pace of a video.

    Raises:
        DataError: the file is no video.
    """
    with _opened(path) as capture:
        return capture.get(_opencv().CAP_PROP_FPS) or _FRAMES_PER_SECOND


def write_video(
    path: str | Path, pictures: Iterable[np.ndarray], rate: float
) -> None:
    """Writes an MP4 file atomically.

    Args:
        pictures: `[H, W, 3]` uint8 RGB, all of one size, one at least.
        rate: pictures per second.

    Raises:
        ConfigError: OpenCV cannot write such a video.
    """
    cv2 = _opencv()
    pictures = iter(pictures)
    first = next(pictures)
    height, width = first.shape[:2]
    codec = cv2.VideoWriter_fourcc(*_CODEC)
    with atomic_write(path) as temporary:
        writer = cv2.VideoWriter(str(temporary), codec, rate, (width, height))
        if not writer.isOpened():
            raise ConfigError(
                f"{path}: this OpenCV cannot write {_CODEC} videos of "
                f"{width} x {height} px; --no_pictures does without"
            )
        count = 0
        try:
            for picture in itertools.chain([first], pictures):
                writer.write(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
                count += 1
        finally:
            writer.release()
        # OpenCV does not tell that a disk is full.
        if count_video_frames(str(temporary)) < count:
            raise FeatsrError(
                f"{path}: the video could not be written whole; make room on "
                "the disk and run the same command again to go on from here"
            )


def _opencv():
    try:
        import cv2
    except ImportError:
        raise ConfigError(
            "videos need OpenCV; pip install 'featsr_tf[video]'"
        ) from None
    return cv2


@contextlib.contextmanager
def _opened(path: str):
    capture = _opencv().VideoCapture(path)
    try:
        if not capture.isOpened():
            raise DataError(f"{path}: no readable video")
        yield capture
    finally:
        capture.release()


def _decode(capture, path: str) -> np.ndarray:
    cv2 = _opencv()
    is_read, frame = capture.retrieve()
    if not is_read:
        raise DataError(f"{path}: a frame is damaged")
    return cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)


IMAGE_ENDINGS = tuple(
    ".jpg .jpeg .jpe .jfif .png .gif .bmp .webp .avif .tif .tiff .ppm .pgm "
    ".pnm".split()
)


@dataclass(frozen=True)
class Source:
    """An image or a video.

    Args:
        drawn_as: name of the file with its detections drawn, unlike those of
            other sources.
    """

    path: str
    drawn_as: str

    @property
    def is_video(self) -> bool:
        """Whether it is one, by its name."""
        return self.path.lower().endswith(ENDINGS)


@dataclass(frozen=True)
class Frame:
    """An image, or a frame of a video.

    Args:
        name: path of the image; PATH#NUMBER of a frame, from 0.
        read: reads `[H, W, 3]` uint8 RGB; a frame of a video can only be read
            until the next one is asked for. Raises DataError where the image
            is damaged.
    """

    source: Source
    name: str
    read: Callable[[], np.ndarray]


def find_sources(
    places: Sequence[str],
    recursive: bool = False,
    skipped_folders: Iterable[str | os.PathLike] = (),
) -> list[Source]:
    """Lists images and videos.

    Args:
        places: files, taken as they are; folders, searched for images; and
            patterns of files, such as `photos/2024-*/*.jpg`.
        recursive: whether folders in folders are searched, too. Default
            False.

    Raises:
        DataError: a place does not exist, or there is no image at all.
    """
    skipped = {os.path.realpath(folder) for folder in skipped_folders}
    paths: list[str] = []
    for place in places:
        if os.path.isdir(place):
            paths += _images_in(place, recursive, skipped)
        elif os.path.exists(place):
            paths.append(place)
        elif matching := find_paths(place):
            paths += filter(os.path.isfile, matching)
        else:
            raise DataError(f"{place}: no such image file or folder")
    if not paths:
        raise DataError(
            f"{', '.join(places)}: no images found; expected files ending in "
            f"{' '.join(IMAGE_ENDINGS)}"
        )
    return _named(paths)


def frames_of(sources: Iterable[Source]) -> Iterator[Frame]:
    """Goes through all images and the frames of all videos.

    Yields:
        The frames; for a video that cannot be opened one that cannot be read.
    """
    for source in sources:
        if not source.is_video:
            read = functools.partial(read_image, source.path)
            yield Frame(source, source.path, read)
            continue
        try:
            for number, read in enumerate(read_frames(source.path)):
                yield Frame(source, f"{source.path}#{number}", read)
        except DataError as error:
            yield Frame(source, source.path, functools.partial(_fail, error))


def count_frames(sources: Iterable[Source]) -> int:
    """How many frames there are, as far as videos tell."""
    return sum(
        count_video_frames(source.path) if source.is_video else 1
        for source in sources
    )


def _images_in(
    folder: str, recursive: bool, skipped: set[str]
) -> Iterator[str]:
    for path, folders, names in os.walk(folder):
        folders[:] = [
            name
            for name in sorted(folders)
            if recursive
            and os.path.realpath(os.path.join(path, name)) not in skipped
        ]
        for name in sorted(names):
            if name.lower().endswith(IMAGE_ENDINGS):
                yield os.path.join(path, name)


def _named(paths: Iterable[str]) -> list[Source]:
    """Names pictures after their images; those of two folders may be alike."""
    used: set[str] = set()
    next_number: dict[str, int] = {}
    sources = []
    for path in paths:
        stem = os.path.splitext(os.path.basename(path))[0]
        name = stem
        while name in used:
            next_number[stem] = next_number.get(stem, 1) + 1
            name = f"{stem}_{next_number[stem]}"
        used.add(name)
        is_video = path.lower().endswith(ENDINGS)
        ending = ".mp4" if is_video else ".jpg"
        sources.append(Source(path, name + ending))
    return sources


def _fail(error: DataError) -> np.ndarray:
    raise error
