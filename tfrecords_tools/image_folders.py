"""Finds image files by what annotations call them."""

import collections
import functools
import os
import re
import unicodedata
import urllib.parse
from pathlib import Path

import PIL.Image

from featsr_tf.data.annotation_values import shown
from featsr_tf.errors import DataError
from tfrecords_tools.annotations import Outcome
from tfrecords_tools.annotations import path_inside
from tfrecords_tools.layouts import refuse_unreadable

# Both slashes part folders, and so do the colon of a Windows drive and "?d="
# of Label Studio's local files, "/data/local-files/?d=a/b.jpg".
_SEPARATORS = re.compile(r"[\\/:]+|\?d=")


class ImageFolder:
    """A folder with images, perhaps in folders of its own.

    Annotations of other tools hold the paths of the machine that they were
    made on: what is not there under the path itself is looked for under its
    last parts, and then by its name anywhere in the folder.
    """

    def __init__(self, folder: str | os.PathLike):
        self.folder = folder
        # What annotations call each image, and those that were found by the
        # last part of their name alone.
        self._names: dict[str, str] = {}
        self._guessed: dict[str, str] = {}

    def find(
        self, name: str, where: str, own_name: str = ""
    ) -> tuple[str, tuple[Outcome, ...]]:
        """Finds an image.

        Args:
            name: a path, file name or address of an annotation.
            where: the annotation, for messages.
            own_name: the path of the annotation's own file, without ending:
                an image of this name is preferred, if there are several one
                in a folder of the same name. Default: "", none.

        Returns:
            The path inside the folder, as it is given where there is no such
            file, and the outcome to be counted if it is another one.

        Raises:
            DataError: several images fit, or the path leads elsewhere and
                none does, or it is the image that was found for an annotation
                of another name.
        """
        found = self._of_stem(own_name, name, where) if own_name else None
        if found is None:
            found = name if self._is_file(name) else self._of_path(name)
        if found is None:
            found = self._of_last_part(name, where)
        elif found in self._guessed and self._names[found] != name:
            raise DataError(
                f"{where}: {shown(found)} in {self.folder} is its image, but"
                f" was found for {shown(self._names[found])} of"
                f" {self._guessed[found]}, whose own is not there; add that"
                " image, or remove its annotation"
            )
        if found is None:
            path_inside(self.folder, name, where)
            return name, ()
        self._names[found] = name
        return found, () if found == name else (Outcome.OTHER_NAME,)

    def _is_file(self, name: str) -> bool:
        try:
            return os.path.isfile(path_inside(self.folder, name, ""))
        except DataError:
            return False

    def _of_stem(self, own_name: str, name: str, where: str) -> str | None:
        stem, own_path = os.path.basename(own_name), f"/{own_name}"
        fitting = self._by_stem.get(_plain(stem), [])
        # Each choice is made where it leaves an image.
        for is_better in (
            lambda path: Path(path).stem == stem,
            lambda path: name.replace("\\", "/").endswith(path),
            lambda path: f"/{os.path.splitext(path)[0]}".endswith(own_path),
            lambda path: os.path.basename(path) == name,
        ):
            fitting = list(filter(is_better, fitting)) or fitting
        if len(fitting) > 1:
            raise DataError(
                f"{where}: {' and '.join(map(shown, fitting[:2]))} in"
                f" {self.folder} may both be its image; remove one"
            )
        return fitting[0] if fitting else None

    def _of_path(self, name: str) -> str | None:
        for parts in _readings(name):
            for first in range(len(parts)):
                path = os.path.join(*parts[first:])
                if self._is_file(path):
                    return path
        return None

    def _of_last_part(self, name: str, where: str) -> str | None:
        """Finds an image that no annotation of another name has."""
        for parts in _readings(name):
            last = _plain(parts[-1])
            fitting = self._by_stem.get(Path(last).stem, [])
            same = [p for p in fitting if os.path.basename(p) == parts[-1]]
            same = same or [p for p in fitting if _plain(p).endswith(last)]
            chosen = same or fitting
            if len(chosen) > 1:
                chosen = _of_the_longest_end(chosen, parts)
            if len(chosen) == 1 and self._names.get(chosen[0], name) == name:
                self._guessed[chosen[0]] = where
                return chosen[0]
        return None

    @functools.cached_property
    def _by_stem(self) -> dict[str, list[str]]:
        """Paths of all images in the folder by their names without ending."""
        endings = PIL.Image.registered_extensions()
        found = collections.defaultdict(list)
        for folder, _, names in os.walk(self.folder, onerror=refuse_unreadable):
            for name in sorted(names):
                stem, ending = os.path.splitext(name)
                if ending.lower() in endings:
                    path = os.path.join(folder, name)
                    relative = os.path.relpath(path, self.folder)
                    found[_plain(stem)].append(relative)
        return found


def _readings(name: str) -> list[list[str]]:
    """The parts of a path, as it stands and as an address."""
    unquoted = urllib.parse.unquote(urllib.parse.urlsplit(name).path)
    texts = (name, unquoted, urllib.parse.unquote(name))
    readings = (list(filter(None, _SEPARATORS.split(t))) for t in texts)
    return list(filter(None, readings))


def _of_the_longest_end(paths: list[str], parts: list[str]) -> list[str]:
    """Those of the paths that end in the most parts."""
    for first in range(len(parts)):
        end = _plain(os.path.join("/", *parts[first:]))
        found = [path for path in paths if _plain(f"/{path}").endswith(end)]
        if found:
            return found
    return paths


def _plain(name: str) -> str:
    """A name in small letters, with each accent in its letter."""
    return unicodedata.normalize("NFC", name).lower()
