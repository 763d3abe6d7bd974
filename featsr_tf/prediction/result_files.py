"""Results on disk while they grow, so that a killed run can go on."""

import contextlib
import csv
import itertools
import json
import os
import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path

import numpy as np
import PIL.Image

from featsr_tf.drawing.boxes import draw_detections
from featsr_tf.drawing.comparison import compare
from featsr_tf.errors import DataError
from featsr_tf.errors import FeatsrError
from featsr_tf.files import TEXT
from featsr_tf.files import atomic_write
from featsr_tf.files import write_picture
from featsr_tf.metrics.coco_files import write_coco_detections
from featsr_tf.metrics.detections import Detections
from featsr_tf.metrics.detections import ImageInfo
from featsr_tf.prediction import videos
from featsr_tf.prediction.sources import Source
from featsr_tf.prediction.sources import frames_of


@dataclass(frozen=True, eq=False)
class FrameResult:
    """What came of a frame.

    Args:
        name: path of the image, or PATH#NUMBER of a frame of a video.
        height: of the image in px; 0 where it could not be read.
        error: why it could not be read; None where it could.
    """

    name: str
    height: int = 0
    width: int = 0
    found: dict[str, Detections] = field(default_factory=dict)
    error: str | None = None

    def to_json(self) -> str:
        """Returns one line of JSON, without its end."""
        found = {
            name: [
                column.tolist()
                for column in (
                    item.boxes,
                    item.scores,
                    item.classes,
                    item.windows,
                )
            ]
            for name, item in self.found.items()
        }
        values = [self.name, self.height, self.width, found, self.error]
        return json.dumps(values)

    @classmethod
    def from_json(cls, line: str, image_id: int) -> "FrameResult":
        """Reads a line.

        Raises:
            ValueError: it is only part of a line.
        """
        name, height, width, found, error = json.loads(line)
        detections = {
            key: Detections(image_id, *columns)
            for key, columns in found.items()
        }
        return cls(name, height, width, detections, error)


class PartialResults:
    """A file of a line per finished frame, behind a header.

    A file that an earlier run with the same images and options has left is
    continued; a line that was cut off is removed.
    """

    def __init__(self, path: str | Path, fingerprint: str):
        self.path = Path(path)
        self.num_frames = 0
        self.num_readable = 0
        self.path.parent.mkdir(parents=True, exist_ok=True)
        header = json.dumps({"fingerprint": fingerprint}) + "\n"
        self._begin = len(header.encode())
        end = self._begin
        self._file = open(self.path, "a+b")
        if self._has(header):
            end = self._count()
        else:
            self._file.truncate(0)
            self._file.write(header.encode())
        self._file.truncate(end)

    def add(self, result: FrameResult) -> None:
        """Writes the result of the next frame.

        Raises:
            FeatsrError: the disk is full.
        """
        try:
            self._file.write(result.to_json().encode() + b"\n")
            self._file.flush()
        except OSError as error:
            # Closing writes what is in the buffer, and fails like this.
            with contextlib.suppress(OSError):
                self._file.close()
            raise FeatsrError(
                f"{self.path}: {error.strerror}; make room and run the same "
                "command again to go on from here"
            ) from None
        self.num_frames += 1
        self.num_readable += result.error is None

    def __iter__(self) -> Iterator[FrameResult]:
        """Reads all results; readable images are numbered from 0."""
        image_id = 0
        with open(self.path, "rb") as file:
            file.seek(self._begin)
            for line in file:
                result = FrameResult.from_json(line.decode(), image_id)
                image_id += result.error is None
                yield result

    def readable(self) -> Iterator[FrameResult]:
        """Reads the results of all images that could be read."""
        return (result for result in self if result.error is None)

    def num_detections(self, detector: str) -> int:
        """Counts what a detector has found."""
        return sum(len(item.scores) for item in _detections(self, detector))

    def close(self) -> None:
        """Leaves the file for a later run."""
        self._file.close()

    def remove(self) -> None:
        """Removes the file when all of it has been used."""
        self.close()
        os.unlink(self.path)

    def _has(self, header: str) -> bool:
        self._file.seek(0)
        found = self._file.readline()
        if found and found != header.encode():
            print(
                f"{self.path}: of other images or options, begun anew",
                file=sys.stderr,
            )
        return found == header.encode()

    def _count(self) -> int:
        """Counts the results; returns where the last whole line ends."""
        end = self._begin
        for line in self._file:
            try:
                result = FrameResult.from_json(line.decode(), 0)
            except ValueError:
                break
            if not line.endswith(b"\n"):
                break
            end += len(line)
            self.num_frames += 1
            self.num_readable += result.error is None
        return end


CSV_COLUMNS = (
    "image_id",
    "file_name",
    "class_id",
    "class_name",
    "score",
    "ymin",
    "xmin",
    "ymax",
    "xmax",
)


def write_coco(
    path: str | Path,
    results: PartialResults,
    detector: str,
    class_names: Mapping[int, str],
) -> None:
    """Writes the detections in the layout of COCO, standing alone."""
    images = (
        ImageInfo(image_id, result.name, result.height, result.width)
        for image_id, result in enumerate(results.readable())
    )
    write_coco_detections(
        path,
        images,
        _detections(results, detector),
        _with_numbers(results, detector, class_names),
    )


def write_csv(
    path: str | Path,
    results: PartialResults,
    detector: str,
    class_names: Mapping[int, str],
) -> None:
    """Writes a row per detection; arguments as for `write_coco`."""
    names = _with_numbers(results, detector, class_names)
    with (
        atomic_write(path) as temporary,
        open(temporary, "w", newline="", **TEXT) as file,
    ):
        writer = csv.writer(file)
        writer.writerow(CSV_COLUMNS)
        for image_id, result in enumerate(results.readable()):
            found = result.found[detector]
            for class_id, score, box in zip(
                found.classes.tolist(),
                found.scores.tolist(),
                found.boxes.tolist(),
                strict=True,
            ):
                writer.writerow(
                    [image_id, result.name, class_id, names[class_id]]
                    + [score, *box]
                )


def _detections(results: PartialResults, detector: str) -> Iterator[Detections]:
    for result in results.readable():
        yield result.found[detector]


def _with_numbers(
    results: PartialResults, detector: str, class_names: Mapping[int, str]
) -> dict[int, str]:
    """Names of classes, those without one called after their number."""
    found: set[int] = set()
    for item in _detections(results, detector):
        found.update(item.classes.tolist())
    return {**{number: f"class {number}" for number in found}, **class_names}


_PICTURES = "pictures"
_VIDEOS = "videos"


@dataclass(frozen=True)
class Pictures:
    """Draws detections into files.

    Args:
        min_scores: lowest score that is drawn by name of the detector.
        titles: what it is called in pictures by name of the detector.
        max_pictures: largest number of images that are drawn; 0 = none, and no
            videos; None = all.
    """

    folder: Path
    class_names: Mapping[int, str]
    min_scores: Mapping[str, float]
    titles: Mapping[str, str]
    max_pictures: int | None = None

    @staticmethod
    def folders_in(folder: Path) -> list[Path]:
        """The folders that are made in a folder."""
        return [folder / _PICTURES, folder / _VIDEOS]

    def write_picture(
        self,
        source: Source,
        image: np.ndarray,
        found: Mapping[str, Detections],
        number: int,
    ) -> None:
        """Writes a JPEG file, unless there are enough of them.

        Args:
            source: of the image; frames of videos are left to `write_videos`,
                as half a video could not be continued.
            image: `[H, W, 3]` uint8 RGB.
            number: of the image, from 0.
        """
        if source.is_video or not self._wants(number):
            return
        picture = PIL.Image.fromarray(self._draw(image, found))
        path = self.folder / _PICTURES / source.drawn_as
        try:
            write_picture(path, picture)
        except DataError as error:
            warnings.warn(f"not drawn: {error}", stacklevel=2)

    def write_videos(
        self, all_sources: Iterable[Source], results: Iterable[FrameResult]
    ) -> None:
        """Writes an MP4 file for each video."""
        if self.max_pictures == 0:
            return
        frames = zip(frames_of(all_sources), results, strict=False)
        for source, pairs in itertools.groupby(frames, lambda p: p[0].source):
            if not source.is_video:
                continue
            # All pictures of a video have one size: no enlarged views.
            pictures = (
                self._draw(frame.read(), result.found, num_panels=0)
                for frame, result in pairs
                if result.error is None
            )
            first = next(pictures, None)
            if first is not None:
                videos.write_video(
                    self.folder / _VIDEOS / source.drawn_as,
                    itertools.chain([first], pictures),
                    videos.frames_per_second(source.path),
                )

    def _wants(self, number: int) -> bool:
        return self.max_pictures is None or number < self.max_pictures

    def _draw(
        self,
        image: np.ndarray,
        found: Mapping[str, Detections],
        num_panels: int = 4,
    ) -> np.ndarray:
        """Several detectors are drawn side by side."""
        shown = {
            name: detections.above(self.min_scores[name])
            for name, detections in found.items()
        }
        if len(shown) > 1:
            return compare(
                image,
                {self.titles[name]: item for name, item in shown.items()},
                names=self.class_names,
                score_threshold=0.0,
                num_panels=num_panels,
            )
        (kept,) = shown.values()
        return draw_detections(
            image, kept.boxes, kept.classes, kept.scores, self.class_names
        )
