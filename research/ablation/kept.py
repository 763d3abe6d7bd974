"""What is kept of a detector: objects, detections, proposals, times."""

import dataclasses
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from featsr_tf.config.schema.super_resolution import AreaFrame
from featsr_tf.errors import DataError
from featsr_tf.files import atomic_write
from featsr_tf.metrics.detections import Detections
from featsr_tf.metrics.detections import GroundTruth

# px, of COCO's protocol, as `area_ranges` has it.
COCO_SMALL_SIDE = 32
_TRUTH_COLUMNS = ("boxes", "classes", "crowd", "difficult", "areas")
_DETECTION_COLUMNS = ("boxes", "scores", "classes")


@dataclasses.dataclass(frozen=True, eq=False)
class Kept:
    """What one detector did on the frames that it had not seen.

    Args:
        truths: One item per frame, in original pixels.
        found: One item per frame.
        proposals: One item per frame, class 1 and the objectness as score;
            None in the file of a detector that shares those of its base
            detector, `with_frames_of` adds them.
        scales: `[num_frames, 2]` px of I^1.0 per px of the frame, y and x.
        seconds: `[num_frames]` time of each.
        content: Of `content.content_figures`; None without targets.
    """

    truths: Sequence[GroundTruth]
    found: Sequence[Detections]
    proposals: Sequence[Detections] | None
    scales: np.ndarray
    seconds: np.ndarray
    content: Mapping[str, float] | None = None

    def with_frames_of(self, base: "Kept") -> "Kept":
        """Returns the same with proposals and scales of the base detector.

        A first pass that sees frames smaller rounds their sides otherwise:
        only with the same scales have all detectors the same small objects.
        """
        return dataclasses.replace(
            self, proposals=base.proposals, scales=base.scales
        )

    def measured(
        self, frame: AreaFrame, small_area: float = COCO_SMALL_SIDE**2
    ) -> "Kept":
        """Returns the same in pixels in which small is below 32 x 32.

        The bounds between sizes are COCO's, moved to the threshold of the
        config: in a frame that is half as large, they are half as far.

        Args:
            frame: In whose pixels `small_area` is.
            small_area: Below which an object is small, px^2.
        """
        factor = COCO_SMALL_SIDE / np.sqrt(small_area)
        scales = np.tile(self.scales, 2)
        if frame == AreaFrame.ORIGINAL:
            scales = np.ones_like(scales)
        scales = scales * factor
        return dataclasses.replace(
            self,
            truths=[
                dataclasses.replace(
                    truth,
                    boxes=truth.boxes * scale,
                    areas=truth.areas * scale[:2].prod(),
                )
                for truth, scale in zip(self.truths, scales, strict=True)
            ],
            found=_scaled(self.found, scales),
            proposals=self.proposals and _scaled(self.proposals, scales),
        )


def _scaled(items: Sequence[Detections], scales) -> list[Detections]:
    return [
        dataclasses.replace(item, boxes=item.boxes * scale)
        for item, scale in zip(items, scales, strict=True)
    ]


def pool(parts: Sequence[Kept]) -> Kept:
    """Joins what the detectors of all folds did, and numbers the frames anew.

    Args:
        parts: One item per fold.
    """
    return Kept(
        _numbered([item for part in parts for item in part.truths]),
        _numbered([item for part in parts for item in part.found]),
        _numbered([item for part in parts for item in part.proposals]),
        np.concatenate([part.scales for part in parts]),
        np.concatenate([part.seconds for part in parts]),
    )


def _numbered(items: Sequence) -> list:
    return [
        dataclasses.replace(item, image_id=number)
        for number, item in enumerate(items)
    ]


def write_kept(path: str | Path, kept: Kept) -> None:
    """Writes all of it into one file, atomically.

    Args:
        path: A file that ends in .npz.
        kept: What is to be kept.
    """
    arrays = {
        "names": np.array([truth.file_name for truth in kept.truths]),
        "sizes": np.array([(item.height, item.width) for item in kept.truths]),
        "scales": kept.scales,
        "seconds": kept.seconds,
        **_columns("truths", kept.truths, _TRUTH_COLUMNS),
        **_columns("found", kept.found, _DETECTION_COLUMNS),
    }
    if kept.proposals is not None:
        arrays |= _columns("proposals", kept.proposals, _DETECTION_COLUMNS)
    if kept.content is not None:
        arrays |= {f"content.{key}": n for key, n in kept.content.items()}
    with (
        atomic_write(path) as temporary,
        open(temporary, "wb") as file,
    ):
        np.savez_compressed(file, **arrays)


def read_kept(path: str | Path) -> Kept:
    """Reads what `write_kept` wrote.

    Raises:
        DataError: It is damaged.
    """
    try:
        with np.load(path) as arrays:
            frames = list(
                zip(arrays["names"].tolist(), *arrays["sizes"].T, strict=True)
            )
            truths = [
                GroundTruth(number, *frame, **columns)
                for number, (frame, columns) in enumerate(
                    zip(
                        frames,
                        _rows(arrays, "truths", _TRUTH_COLUMNS),
                        strict=True,
                    )
                )
            ]
            proposals = None
            if "proposals.counts" in arrays:
                proposals = _read_detections(arrays, "proposals")
            return Kept(
                truths,
                _read_detections(arrays, "found"),
                proposals,
                arrays["scales"],
                arrays["seconds"],
                _read_content(arrays),
            )
    # Damage shows in the archive, in its compressed parts or in what they hold.
    except (
        OSError,
        ValueError,
        KeyError,
        EOFError,
        NotImplementedError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        raise DataError(
            f"{path}: damaged ({type(error).__name__}); delete it and run the "
            "same command again"
        ) from error


def _read_detections(arrays, group: str) -> list[Detections]:
    return [
        Detections(number, **columns)
        for number, columns in enumerate(
            _rows(arrays, group, _DETECTION_COLUMNS)
        )
    ]


def _read_content(arrays) -> dict[str, float] | None:
    prefix = "content."
    found = {
        key.removeprefix(prefix): arrays[key].item()
        for key in arrays
        if key.startswith(prefix)
    }
    return found or None


def _columns(group: str, items: Sequence, columns: Sequence[str]) -> dict:
    joined = {
        f"{group}.{name}": np.concatenate(
            [getattr(item, name) for item in items]
        )
        for name in columns
    }
    counts = np.array([len(item.boxes) for item in items])
    return {f"{group}.counts": counts, **joined}


def _rows(arrays, group: str, columns: Sequence[str]) -> list[dict]:
    ends = np.cumsum(arrays[f"{group}.counts"])[:-1]
    parts = [np.split(arrays[f"{group}.{name}"], ends) for name in columns]
    return [
        dict(zip(columns, values, strict=True))
        for values in zip(*parts, strict=True)
    ]
