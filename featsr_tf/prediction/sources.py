"""Images and videos: found by files, folders and patterns, or given."""

import functools
import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from featsr_tf.data.pictures import Image
from featsr_tf.data.pictures import as_array
from featsr_tf.data.pictures import read_image
from featsr_tf.errors import DataError
from featsr_tf.files import find_paths
from featsr_tf.prediction.videos import count_video_frames
from featsr_tf.prediction.videos import read_frames

ENDINGS = tuple(
    ".mp4 .avi .mov .mkv .m4v .webm .wmv .ts .mts .m2ts .mpg .mpeg .flv .3gp "
    ".ogv".split()
)
# Of most file systems, in bytes.
_LONGEST_NAME = 255
IMAGE_ENDINGS = tuple(
    ".jpg .jpeg .jpe .jfif .png .gif .bmp .webp .avif .tif .tiff .ppm .pgm "
    ".pnm".split()
)
# Of pictures that are not read.
_UNREAD_ENDINGS = tuple(
    ".heic .heif .hif .jxl .dng .cr2 .cr3 .nef .arw .orf .rw2 .raf".split()
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


FileState = tuple[int, int]


@dataclass(frozen=True)
class Frame:
    """An image, or a frame of a video.

    Args:
        source: where it was found; None where it was given.
        name: path of the image; PATH#NUMBER of a frame, from 0; "" for what
            has none.
        read: reads `[H, W, 3]` uint8 RGB; a frame of a video, or one that was
            given, can only be read until the next one is asked for. Raises
            DataError where the image is damaged.
        kept: path or content of the image file, to be read again; None where
            there is none.
        state: of the file at this path, now.
    """

    source: Source | None
    name: str
    read: Callable[[], np.ndarray]
    kept: str | bytes | None = None
    state: FileState | None = None


def file_state(path: str) -> FileState | None:
    """Tells a file from what is written over it; None where there is none."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None
    return found.st_mtime_ns, found.st_size


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
        DataError: a place does not exist or cannot be read, or there is no
            image at all.
    """
    skipped = {os.path.realpath(folder) for folder in skipped_folders}
    paths: list[str] = []
    for place in places:
        if os.path.isdir(place):
            images, videos, unread, links = _look_into(
                place, recursive, skipped
            )
            paths += images
            _warn_of(place, unread, "pictures of kinds that are not read")
            _warn_of(place, videos, "videos, which must be named themselves,")
            if recursive:
                _warn_of(place, links, "links to other folders")
        elif os.path.exists(place):
            paths.append(place)
        elif matching := find_paths(place):
            paths += [
                path
                for path in matching
                if os.path.isfile(path)
                and not skipped.intersection(_folders_above(path))
            ]
        else:
            raise DataError(f"{place}: no such image file or folder")
    if not paths:
        found = "no images found"
        if deeper := [
            path
            for place in places
            if os.path.isdir(place)
            for path in _look_into(place, True, skipped)[0]
        ]:
            found += (
                f" in it itself, but {len(deeper)} in folders below, such as "
                f"{deeper[0]}: add --recursive"
            )
        raise DataError(
            f"{', '.join(places)}: {found}; expected files ending in "
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
            yield _file_frame(source, source.path)
            continue
        try:
            for number, read in enumerate(read_frames(source.path)):
                yield Frame(source, f"{source.path}#{number}", read)
        except DataError as error:
            yield Frame(source, source.path, functools.partial(_fail, error))


def given_frames(images: Iterable[Image], bgr: bool = False) -> Iterator[Frame]:
    """Goes through pictures of any kind.

    Args:
        bgr: whether arrays are blue, green, red. Default False.
    """
    for image in images:
        if isinstance(image, str | os.PathLike):
            yield _file_frame(None, os.fsdecode(image))
            continue
        kept = None
        if isinstance(image, bytes | bytearray | memoryview):
            kept = image = bytes(image)
        yield Frame(None, "", functools.partial(as_array, image, bgr), kept)


def _file_frame(source: Source | None, path: str) -> Frame:
    read = functools.partial(read_image, path)
    return Frame(source, path, read, path, file_state(path))


def holds_many(path: str) -> bool:
    """Whether a path is no single image: a folder, a pattern or a video."""
    return path.lower().endswith(ENDINGS) or not os.path.isfile(path)


def count_frames(sources: Iterable[Source]) -> int:
    """How many frames there are, as far as videos tell."""
    return sum(
        count_video_frames(source.path) if source.is_video else 1
        for source in sources
    )


def _folders_above(path: str) -> Iterator[str]:
    folder = os.path.dirname(os.path.realpath(path))
    while folder != os.path.dirname(folder):
        yield folder
        folder = os.path.dirname(folder)


def _look_into(
    folder: str, recursive: bool, skipped: set[str]
) -> tuple[list[str], list[str], list[str], list[str]]:
    """Lists images, videos, other pictures, and links to folders."""
    images: list[str] = []
    videos: list[str] = []
    unread: list[str] = []
    links: list[str] = []
    for path, folders, names in os.walk(folder, onerror=_refuse):
        inside = [os.path.join(path, name) for name in sorted(folders)]
        links += [place for place in inside if os.path.islink(place)]
        folders[:] = [
            os.path.basename(place)
            for place in inside
            if recursive and os.path.realpath(place) not in skipped
        ]
        for name in sorted(names):
            if name.lower().endswith(IMAGE_ENDINGS):
                images.append(os.path.join(path, name))
            elif name.lower().endswith(ENDINGS):
                videos.append(os.path.join(path, name))
            elif name.lower().endswith(_UNREAD_ENDINGS):
                unread.append(os.path.join(path, name))
    return images, videos, unread, links


def _warn_of(folder: str, left_out: Sequence[str], what: str) -> None:
    if left_out:
        warnings.warn(
            f"{folder}: {len(left_out)} {what} left out, such as {left_out[0]}",
            stacklevel=3,
        )


def _refuse(error: OSError) -> None:
    raise DataError(f"{error.filename}: cannot be read: {error.strerror}")


def _named(paths: Iterable[str]) -> list[Source]:
    """Names pictures after their images; those of two folders may be alike."""
    used: set[str] = set()
    next_number: dict[str, int] = {}
    sources = []
    for path in paths:
        stem = _cut(os.path.splitext(os.path.basename(path))[0])
        name = stem
        while name in used:
            next_number[stem] = next_number.get(stem, 1) + 1
            name = f"{stem}_{next_number[stem]}"
        used.add(name)
        is_video = path.lower().endswith(ENDINGS)
        ending = ".mp4" if is_video else ".jpg"
        sources.append(Source(path, name + ending))
    return sources


def _cut(stem: str) -> str:
    """Leaves room in a name for a number and an ending."""
    while len(os.fsencode(stem)) > _LONGEST_NAME - len("_1234567.mp4"):
        stem = stem[:-1]
    return stem


def _fail(error: DataError) -> np.ndarray:
    raise error
