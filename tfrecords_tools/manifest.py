"""`NAME.manifest.json`: what the record files of a split must contain."""

import contextlib
import dataclasses
import importlib.metadata
import json
import os
import re
import shlex
import sys
import typing
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from featsr_tf.data.label_map import LabelMap
from featsr_tf.data.label_map import load_label_map
from featsr_tf.data.records import FORMAT
from featsr_tf.data.records import is_manifest
from featsr_tf.data.records import manifest_name
from featsr_tf.data.records import read_manifest
from featsr_tf.errors import DataError
from featsr_tf.errors import FeatsrError
from featsr_tf.files import hold_lock
from tfrecords_tools import storage
from tfrecords_tools.annotations import Outcome
from tfrecords_tools.record_files import LABEL_MAP_NAME
from tfrecords_tools.record_files import is_record_file
from tfrecords_tools.shards import ShardFacts
from tfrecords_tools.shards import ShardJob
from tfrecords_tools.shards import is_finished

_PARTIAL = ".partial"
_LOCK = ".conversion.lock"
_FINGERPRINT = "fingerprint"
_RECORDED_PACKAGES = ("featsr_tf", "tensorflow", "pillow")


def package_versions() -> dict[str, str]:
    """The installed versions of what decides about the bytes of records."""
    return {
        name: importlib.metadata.version(name) for name in _RECORDED_PACKAGES
    }


@dataclasses.dataclass(frozen=True)
class ShardEntry:
    """One record file."""

    file: str
    num_examples: int
    num_objects: int
    bytes: int
    sha256: str


@dataclasses.dataclass(frozen=True)
class Manifest:
    """The record files of a split.

    Args:
        versions: of the packages that decide about the bytes.
    """

    name: str
    label_map: str
    num_examples: int
    num_objects: int
    num_images_without_objects: int
    class_counts: dict[str, int]
    size_counts: dict[str, int]
    outcomes: dict[str, int]
    shards: tuple[ShardEntry, ...]
    command: str = dataclasses.field(
        default_factory=lambda: shlex.join(sys.orig_argv)
    )
    versions: dict[str, str] = dataclasses.field(
        default_factory=package_versions
    )

    @classmethod
    def of_shards(
        cls,
        name: str,
        shards: Sequence[ShardFacts],
        label_map: LabelMap,
        outcomes: Sequence[Outcome] = (),
    ) -> "Manifest":
        """The manifest of a split; shards without records are no files.

        Args:
            outcomes: those that no shard has counted.
        """
        class_counts = _add_counts(shard.class_counts for shard in shards)
        return cls(
            name=name,
            label_map=LABEL_MAP_NAME,
            num_examples=sum(shard.num_examples for shard in shards),
            num_objects=sum(shard.num_objects for shard in shards),
            num_images_without_objects=sum(
                shard.num_images_without_objects for shard in shards
            ),
            class_counts={
                class_name: class_counts.get(class_name, 0)
                for _, class_name in sorted(label_map.names.items())
            },
            size_counts=_add_counts(shard.size_counts for shard in shards),
            outcomes=_add_counts(
                [*(shard.outcomes for shard in shards), Counter(outcomes)]
            ),
            shards=tuple(
                ShardEntry(
                    shard.file,
                    shard.num_examples,
                    shard.num_objects,
                    shard.bytes,
                    shard.sha256,
                )
                for shard in shards
                if shard.num_examples
            ),
        )

    def to_text(self) -> str:
        """The JSON text of the manifest."""
        values = {"format": FORMAT, **dataclasses.asdict(self)}
        return json.dumps(values, indent=1, ensure_ascii=False) + "\n"

    def write(self, folder: str) -> None:
        """Writes `NAME.manifest.json` into a folder, atomically."""
        path = os.path.join(folder, manifest_name(self.name))
        storage.write_text(path, self.to_text())


def load_manifest(path: str) -> Manifest:
    """Reads a manifest.

    Raises:
        DataError: the file cannot be read, or is no manifest of this format.
    """
    values = read_manifest(path)
    try:
        shards = tuple(ShardEntry(**shard) for shard in values.pop("shards"))
        manifest = Manifest(**values, shards=shards)
        _check_types(manifest, *shards)
    except (KeyError, TypeError) as error:
        raise DataError(f"{path}: not a whole manifest: {error}") from None
    return manifest


def check_files(manifest: Manifest, folder: str) -> list[str]:
    """Compares record files with their manifest.

    Returns:
        A line for each file that is missing or different; none when all are
        as they were written.
    """
    problems = []
    for shard in manifest.shards:
        path = os.path.join(folder, shard.file)
        if not os.path.isfile(path):
            problems.append(f"{path}: is missing")
        elif os.path.getsize(path) != shard.bytes:
            problems.append(
                f"{path}: has {os.path.getsize(path)} bytes, expected"
                f" {shard.bytes}"
            )
        elif storage.sha256(path) != shard.sha256:
            problems.append(f"{path}: has another checksum than when written")
    return problems


def partial_path(output: str) -> str:
    """The hidden folder in an output folder that unfinished shards are in.

    It lies inside, as the folder above may be another disk or not be writable.
    """
    return os.path.join(output, _PARTIAL)


def check_output(
    output: str, split_names: Sequence[str], label_map: LabelMap
) -> None:
    """Checks that splits may be written into a folder.

    Raises:
        DataError: a file is in its place, its label map cannot be read, or it
            holds other records whose label map would be replaced by another.
    """
    import tensorflow as tf

    if not tf.io.gfile.exists(output):
        return
    if not tf.io.gfile.isdir(output):
        raise DataError(f"{output}: is a file, expected a folder")
    path = os.path.join(output, LABEL_MAP_NAME)
    text = storage.read_text(path)
    if text in (None, label_map.to_text()):
        return
    for name in sorted(tf.io.gfile.listdir(output)):
        if _is_of_others(name, split_names):
            if not storage.is_remote(path) and _is_the_same(path, label_map):
                return
            raise DataError(
                f"{output}: {name} belongs to records with another label map"
                f" than this conversion's, the {LABEL_MAP_NAME} there; choose"
                " another output folder"
            )


def _is_the_same(path: str, label_map: LabelMap) -> bool:
    """Whether a file says what a label map says, in whatever form."""
    found = load_label_map(path)
    return dataclasses.replace(found, path=label_map.path) == label_map


def _is_of_others(name: str, split_names: Sequence[str]) -> bool:
    """Whether a file belongs to records of other splits."""
    if is_manifest(name):
        return name not in map(manifest_name, split_names)
    is_own = any(re.fullmatch(_shard_pattern(s), name) for s in split_names)
    return is_record_file(name) and not is_own


@contextlib.contextmanager
def unfinished(
    output: str, jobs: Sequence[ShardJob], fingerprint: str
) -> Iterator[list[ShardJob]]:
    """Keeps the partial folder while shards are written.

    Bad input removes the folder. Whatever else ends the block leaves the
    finished shards, which the next call need not write again.

    Raises:
        FeatsrError: the output folder cannot be written to, or another
            process converts there.
    """
    import tensorflow as tf

    folder = partial_path(output)
    is_new = not tf.io.gfile.exists(output)
    try:
        tf.io.gfile.makedirs(output)
        with _locked(output):
            try:
                yield _open(folder, jobs, fingerprint)
                tf.io.gfile.rmtree(folder)
            except BaseException as error:
                _clean_up(folder, () if isinstance(error, DataError) else jobs)
                raise
    except tf.errors.OpError as error:
        raise FeatsrError(f"{output}: cannot write there: {error}") from None
    finally:
        if is_new:
            _remove_if_empty(output)


@contextlib.contextmanager
def _locked(output: str) -> Iterator[None]:
    """Keeps a local folder for one conversion; stores have no locks."""
    if storage.is_remote(output):
        yield
        return

    def refuse() -> None:
        raise FeatsrError(
            f"{output}: another process converts into this folder; wait until"
            " it ends, or choose another --output_path"
        )

    path = os.path.join(output, _LOCK)
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(hold_lock(path, refuse))
        except OSError as error:
            raise FeatsrError(
                f"{output}: cannot write there: {error.strerror}"
            ) from None
        try:
            yield
        finally:
            # Not every system lets a file be removed that is open.
            with contextlib.suppress(OSError):
                os.unlink(path)


def publish(
    output: str,
    folder: str,
    label_map: LabelMap,
    manifests: Sequence[Manifest],
) -> None:
    """Moves finished shards into their final folder.

    Older shards of the same splits are removed; the manifests come last.
    """
    import tensorflow as tf

    for manifest in manifests:
        for shard in manifest.shards:
            tf.io.gfile.rename(
                os.path.join(folder, shard.file),
                os.path.join(output, shard.file),
                overwrite=True,
            )
        _remove_older_shards(output, manifest)
    label_map_path = os.path.join(output, LABEL_MAP_NAME)
    storage.write_text(label_map_path, label_map.to_text())
    for manifest in manifests:
        manifest.write(output)


def _open(
    folder: str, jobs: Sequence[ShardJob], fingerprint: str
) -> list[ShardJob]:
    """Makes the folder, or finds what an earlier call has left in it."""
    import tensorflow as tf

    path = os.path.join(folder, _FINGERPRINT)
    if tf.io.gfile.exists(folder):
        if storage.read_text(path) == fingerprint:
            missing = [job for job in jobs if not is_finished(job)]
            done = len(jobs) - len(missing)
            _say(f"{folder}: continuing, {done} of {len(jobs)} shards are done")
            return missing
        _say(f"{folder}: made with other annotations or options, made anew")
        tf.io.gfile.rmtree(folder)
    tf.io.gfile.makedirs(folder)
    storage.write_text(path, fingerprint)
    return list(jobs)


def _say(message: str) -> None:
    print(message, file=sys.stderr)


def _clean_up(folder: str, jobs: Sequence[ShardJob]) -> None:
    """Removes the folder, unless one of the jobs is finished in it."""
    import tensorflow as tf

    with contextlib.suppress(tf.errors.OpError):
        if not any(is_finished(job) for job in jobs):
            tf.io.gfile.rmtree(folder)


def _remove_if_empty(folder: str) -> None:
    import tensorflow as tf

    with contextlib.suppress(tf.errors.OpError):
        if not tf.io.gfile.listdir(folder):
            tf.io.gfile.rmtree(folder)


def _shard_pattern(split_name: str) -> str:
    return re.escape(split_name) + r"\.record-\d{5}-of-\d{5}"


def _remove_older_shards(output: str, manifest: Manifest) -> None:
    import tensorflow as tf

    pattern = _shard_pattern(manifest.name)
    current = {shard.file for shard in manifest.shards}
    for name in tf.io.gfile.listdir(output):
        if re.fullmatch(pattern, name) and name not in current:
            tf.io.gfile.remove(os.path.join(output, name))


def _add_counts(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Adds up numbers of the same name."""
    total: Counter[str] = Counter()
    for part in counts:
        total.update(part)
    return dict(total)


def _check_types(*values: Manifest | ShardEntry) -> None:
    for value in values:
        for field in dataclasses.fields(value):
            kind = typing.get_origin(field.type) or field.type
            found = getattr(value, field.name)
            if not isinstance(found, kind):
                raise TypeError(f"{field.name} is {found!r:.80}")
