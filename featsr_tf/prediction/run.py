"""Detections, pictures and videos of whatever a user points at."""

import contextlib
import dataclasses
import hashlib
import itertools
import json
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import tqdm

from featsr_tf import __version__
from featsr_tf.errors import ConfigError
from featsr_tf.exporting.names import BASE
from featsr_tf.exporting.names import SUPER_RESOLVED
from featsr_tf.files import hold_lock
from featsr_tf.metrics.options import scores_by_detector
from featsr_tf.prediction.model import BATCH_SIZE
from featsr_tf.prediction.model import DetectionModel
from featsr_tf.prediction.model import check_batch_size
from featsr_tf.prediction.model import detect_frames
from featsr_tf.prediction.result_files import PartialResults
from featsr_tf.prediction.result_files import Pictures
from featsr_tf.prediction.result_files import write_coco
from featsr_tf.prediction.result_files import write_csv
from featsr_tf.prediction.sources import Source
from featsr_tf.prediction.sources import count_frames
from featsr_tf.prediction.sources import file_state
from featsr_tf.prediction.sources import find_sources
from featsr_tf.prediction.sources import frames_of
from featsr_tf.prediction.tiling import Tiling

_DETECTIONS = "detections.json"
_TABLE = "detections.csv"
_PARTIAL = ".detections.partial.jsonl"
_LOCK = ".detections.lock"


@dataclasses.dataclass(frozen=True)
class PredictionOptions:
    """What is detected and drawn.

    Attributes:
        recursive: search folders in folders, too. Default False.
        compare: draw base and super-resolved side by side, and between them
            those of these models; None = do not. Default None.
        base_only: use the base detector. Default False.
        drawn_score: lowest score that is drawn, or one by name of the
            detector; None = that of the model's
            `eval_config.min_score_threshold`.
        max_pictures: largest number of images that are drawn; 0 = none, and no
            videos; None = all.
        csv: write `detections.csv`, too. Default False.
        tiling: how large images are cut; None = not at all.
        batch_size: images or tiles of one size that are looked at together.
            Default 4.
        label_map: file of the class names; None = that beside the model.
        overrides: fields that a model folder uses with another value, such
            as "model.feature_super_resolution.gate_maximum=8".
    """

    recursive: bool = False
    compare: tuple[str, ...] | None = None
    base_only: bool = False
    drawn_score: float | Mapping[str, float] | None = None
    max_pictures: int | None = None
    csv: bool = False
    tiling: Tiling | None = None
    batch_size: int = BATCH_SIZE
    label_map: str | None = None
    overrides: tuple[str, ...] = ()

    @property
    def main_detector(self) -> str:
        """Name of the detector whose detections are written."""
        return BASE if self.base_only else SUPER_RESOLVED

    @property
    def detectors(self) -> list[str]:
        """Names of all detectors that look."""
        if self.compare is None:
            return [self.main_detector]
        return [BASE, *self.compare, SUPER_RESOLVED]


def predict_files(
    model_path: str,
    places: Sequence[str],
    output: str,
    options: PredictionOptions,
) -> int:
    """Detects objects in image files; writes pictures and detections.json.

    A damaged image is reported and skipped. A run that was stopped is
    continued when it is called again.

    Raises:
        ConfigError: there is no model, or an option is out of range.
        DataError: there are no images, or no checkpoint.
    """
    check_batch_size(options.batch_size)
    folder = Path(output)
    drawn = Pictures.folders_in(folder)
    sources = find_sources(places, options.recursive, drawn)
    num_frames = count_frames(sources)
    # TensorFlow takes seconds to import.
    from featsr_tf.prediction.model import load

    model = load(model_path, options.overrides, options.label_map)
    _warn_of_shrinking(model, options.tiling)
    others = {path: load(path) for path in options.compare or ()}
    _check_classes(model, others)
    functions = {
        name: others[name].function(SUPER_RESOLVED)
        if name in others
        else model.function(name)
        for name in _detectors(model, options)
    }
    pictures = _pictures(folder, model, others, options)
    images = (source.drawn_as for source in sources if not source.is_video)
    numbers = {name: number for number, name in enumerate(images)}
    fingerprint = _fingerprint([model, *others.values()], sources, options)
    with contextlib.ExitStack() as stack:
        stack.enter_context(_locked(folder))
        results = PartialResults(folder / _PARTIAL, fingerprint)
        stack.enter_context(contextlib.closing(results))
        if not results.num_frames:
            _warn_of_older(folder, sources, options)
        bar = stack.enter_context(_bar(num_frames, results))
        frames = itertools.islice(frames_of(sources), results.num_frames, None)
        for frame, image, result in detect_frames(
            frames, functions, options.batch_size, options.tiling
        ):
            if image is None:
                bar.write(f"skipped: {result.error}", file=sys.stderr)
            else:
                pictures.write_picture(
                    frame.source,
                    image,
                    result.found,
                    numbers.get(frame.source.drawn_as, 0),
                )
            results.add(result)
            bar.update()
        _write(folder, results, options, model.class_names)
        pictures.write_videos(sources, results)
        num_found = results.num_detections(options.main_detector)
        results.remove()
    num_skipped = results.num_frames - results.num_readable
    skipped = f", {num_skipped} skipped" if num_skipped else ""
    print(
        f"wrote {folder / _DETECTIONS}: {results.num_readable} images, "
        f"{num_found} detections{skipped}"
    )
    if options.max_pictures != 0:
        least = pictures.min_scores[options.main_detector]
        print(f"pictures show those of {least:g} or more")
    return num_skipped


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keeps an output folder for one run; the lock goes with the process."""
    folder.mkdir(parents=True, exist_ok=True)

    def refuse() -> None:
        raise ConfigError(
            f"--output {folder}: another run writes into this folder; wait "
            "until it ends, or give another one"
        ) from None

    with hold_lock(folder / _LOCK, refuse):
        yield
        (folder / _LOCK).unlink(missing_ok=True)


def _warn_of_older(
    folder: Path, sources: Sequence[Source], options: PredictionOptions
) -> None:
    """Names what an earlier run has left that this one does not replace."""
    drawn = {source.drawn_as for source in sources}
    left = [
        path
        for place in Pictures.folders_in(folder)
        if place.is_dir()
        for path in sorted(place.iterdir())
        if path.name not in drawn
    ]
    if not options.csv and (folder / _TABLE).exists():
        left.append(folder / _TABLE)
    if left:
        warnings.warn(
            f"--output {folder}: {len(left)} files of an earlier run, such as "
            f"{left[0].relative_to(folder)}, stay beside the new results; "
            "remove them, or give another folder",
            stacklevel=3,
        )


def _bar(num_frames: int, results: PartialResults) -> tqdm.tqdm:
    return tqdm.tqdm(
        total=num_frames,
        initial=results.num_frames,
        desc="detecting",
        unit="image",
        dynamic_ncols=True,
    )


def _write(
    folder: Path,
    results: PartialResults,
    options: PredictionOptions,
    class_names: Mapping[int, str],
) -> None:
    written = (results, options.main_detector, class_names)
    write_coco(folder / _DETECTIONS, *written)
    if options.csv:
        write_csv(folder / _TABLE, *written)


def _check_classes(
    model: DetectionModel, others: Mapping[str, DetectionModel]
) -> None:
    for path, other in others.items():
        if other.class_names != model.class_names:
            raise ConfigError(
                f"--compare {path}: expected the classes of {model.path}, "
                f"{', '.join(model.class_names.values())}; found "
                f"{', '.join(other.class_names.values())}"
            )


def _detectors(model: DetectionModel, options: PredictionOptions) -> list[str]:
    """Names the detectors that look, of a model of one this once."""
    if options.compare is None or len(model.detectors) > 1:
        return options.detectors
    if not options.compare:
        raise ConfigError(
            f"--compare: {model.path} holds one detector; name another model "
            "to compare it with"
        )
    return [*options.compare, options.main_detector]


def _titles(
    model: DetectionModel, others: Mapping[str, DetectionModel]
) -> dict[str, str]:
    """Names each detector for people, and no two alike."""
    titles = {BASE: "Base detector", SUPER_RESOLVED: model.title}
    for path, other in others.items():
        is_taken = other.title in titles.values()
        titles[path] = f"{other.title} of {path}" if is_taken else other.title
    return titles


def _pictures(
    folder: Path,
    model: DetectionModel,
    others: Mapping[str, DetectionModel],
    options: PredictionOptions,
) -> Pictures:
    score = options.drawn_score
    if score is None:
        score = model.min_score
    own = [name for name in options.detectors if name not in others]
    scores = scores_by_detector(score, own, "min_score")
    return Pictures(
        folder,
        model.class_names,
        scores | dict.fromkeys(others, scores[options.main_detector]),
        _titles(model, others),
        options.max_pictures,
    )


def _warn_of_shrinking(model: DetectionModel, tiling: Tiling | None) -> None:
    if tiling is None or tiling.side is None:
        return
    seen = min(model.input_size(tiling.side, tiling.side))
    if seen < tiling.side:
        warnings.warn(
            f"the model shrinks tiles of {tiling.side} px to {seen} px; "
            f"--tile {seen} keeps every pixel",
            stacklevel=2,
        )


def _fingerprint(
    models: Sequence[DetectionModel],
    sources: Sequence[Source],
    options: PredictionOptions,
) -> str:
    """Tells runs apart whose results would differ."""
    states = [(str(path), path.stat()) for m in models for path in m.files]
    decisive = [
        __version__,
        [model.path for model in models],
        [(name, state.st_size, state.st_mtime_ns) for name, state in states],
        [(source.path, file_state(source.path)) for source in sources],
        # Neither decides about what is found and drawn.
        dataclasses.asdict(
            dataclasses.replace(options, csv=False, batch_size=1)
        ),
    ]
    return hashlib.sha256(json.dumps(decisive).encode()).hexdigest()
