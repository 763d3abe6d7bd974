"""Frames out of videos, and pictures into them."""

import contextlib
import itertools
import os
import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np

from featsr_tf.errors import ConfigError
from featsr_tf.errors import DataError
from featsr_tf.errors import FeatsrError
from featsr_tf.files import atomic_write

# For files that do not tell theirs.
_FRAMES_PER_SECOND = 25.0
_MOST_PER_SECOND = 1000
# OpenCV's codecs, H.264 first, which browsers play.
_CODECS = ("avc1", "mp4v")


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
        count, told = 0, capture.get(_opencv().CAP_PROP_FRAME_COUNT)
        while capture.grab():
            yield lambda: _decode(capture, path)
            count += 1
    if not count:
        raise DataError(f"{path}: no readable video; it has no whole frame")
    # Some kinds of files do not know their last one.
    if count + 1 < told:
        warnings.warn(
            f"{path}: {count} frames can be read, its header tells of "
            f"{told:.0f}; it may be cut off",
            stacklevel=2,
        )


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
        rate = capture.get(_opencv().CAP_PROP_FPS)
        # Some files tell 0, NaN or their clock's ticks.
        return rate if 0 < rate <= _MOST_PER_SECOND else _FRAMES_PER_SECOND


def write_video(
    path: str | Path, pictures: Iterable[np.ndarray], rate: float
) -> None:
    """Writes an MP4 file atomically, in H.264 where there is an encoder.

    Args:
        pictures: `[H, W, 3]` uint8 RGB, all of one size, one at least.
        rate: pictures per second.

    Raises:
        ConfigError: OpenCV cannot write such a video.
    """
    pictures = iter(pictures)
    first = next(pictures)
    # H.264 has even sides.
    height, width = (side // 2 * 2 for side in first.shape[:2])
    count = itertools.count()
    even = (
        np.ascontiguousarray(picture[:height, :width])
        for picture, _ in zip(
            itertools.chain([first], pictures), count, strict=False
        )
    )
    with atomic_write(path) as temporary, _plain_path(str(temporary)) as plain:
        options = (plain, even, (width, height), rate)
        if not _write_by_pyav(*options) and not _write_by_opencv(*options):
            raise ConfigError(
                f"{path}: no encoder takes videos of {width} x {height} px; "
                "--no_pictures does without"
            )
        # OpenCV does not tell that a disk is full.
        if count_video_frames(plain) < next(count):
            raise FeatsrError(
                f"{path}: the video could not be written whole; make room on "
                "the disk and run the same command again to go on from here"
            )


def _write_by_pyav(
    path: str, pictures, size: tuple[int, int], rate: float
) -> bool:
    """Writes H.264, unless PyAV or its encoder is not installed."""
    try:
        import av
    except ImportError:
        return False
    if "libx264" not in av.codecs_available or 0 in size:
        return False
    # Browsers play what begins with its index before they have all of it.
    options = {"movflags": "faststart"}
    try:
        with av.open(path, "w", format="mp4", options=options) as container:
            stream = container.add_stream(
                "libx264",
                rate=Fraction(rate).limit_denominator(1001),
                options={"preset": "veryfast"},
            )
            stream.width, stream.height = size
            stream.pix_fmt = "yuv420p"
            for picture in pictures:
                frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
    except av.error.OSError as error:
        # PyAV's own cannot be given another file name.
        raise OSError(error.errno, error.strerror) from None
    return True


def _write_by_opencv(
    path: str, pictures, size: tuple[int, int], rate: float
) -> bool:
    """Writes H.264, or what this OpenCV can; False where it is nothing."""
    cv2 = _opencv()
    log = cv2.utils.logging
    level = log.setLogLevel(log.LOG_LEVEL_SILENT)
    try:
        for codec in _CODECS:
            code = cv2.VideoWriter_fourcc(*codec)
            writer = cv2.VideoWriter(path, code, rate, size)
            if writer.isOpened():
                break
    finally:
        log.setLogLevel(level)
    if not writer.isOpened():
        return False
    if codec != _CODECS[0]:
        warnings.warn(
            "videos are written in MPEG-4 Part 2, which players play and "
            "browsers do not: there is no H.264 encoder here; pip install "
            "'featsr_tf[h264]' brings one",
            stacklevel=2,
        )
    try:
        for picture in pictures:
            writer.write(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    finally:
        writer.release()
    return True


def _opencv():
    # FFmpeg's own lines about a codec or a file say less than ours.
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    try:
        import cv2
    except ImportError:
        raise ConfigError(
            "videos need OpenCV; pip install 'featsr_tf[video]'"
        ) from None
    return cv2


@contextlib.contextmanager
def _opened(path: str):
    with _plain_path(path) as plain:
        capture = _opencv().VideoCapture(plain)
        try:
            if not capture.isOpened():
                raise DataError(f"{path}: no readable video")
            yield capture
        finally:
            capture.release()


@contextlib.contextmanager
def _plain_path(path: str) -> Iterator[str]:
    """Gives a path in UTF-8, as any other one ends OpenCV and Python with it.

    Yields:
        The path itself, or that of a link to it.
    """
    if path.isascii() or path == path.encode("utf-8", "replace").decode():
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        suffix = os.path.splitext(path)[1]
        link = os.path.join(folder, "video" + suffix * suffix.isascii())
        os.symlink(os.path.abspath(path), link)
        yield link


def _decode(capture, path: str) -> np.ndarray:
    cv2 = _opencv()
    is_read, frame = capture.retrieve()
    if not is_read:
        raise DataError(f"{path}: a frame is damaged")
    return cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
