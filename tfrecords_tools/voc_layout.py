"""Where the XML files of a data set in the layout of PASCAL VOC are."""

import collections
import dataclasses
import os
import re
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

from featsr_tf.data.annotation_values import shown
from featsr_tf.errors import DataError
from featsr_tf.files import read_text
from tfrecords_tools.annotations import path_inside
from tfrecords_tools.annotations import read_names
from tfrecords_tools.layouts import SPLITS
from tfrecords_tools.layouts import list_files
from tfrecords_tools.layouts import warn_of
from tfrecords_tools.layouts import without_wide_letters

YEARS = ("VOC2007", "VOC2012", "merged")
DEFAULT_SET = "train"
_SETS_FOLDER = Path("ImageSets", "Main")
_BOTH = "trainval"
_ANNOTATION_FOLDERS = ("Annotations", "annotations", "xmls")
_IMAGE_FOLDERS = ("JPEGImages", "images")
# What `cat_train.txt` says of an image: no cat, a difficult one, a cat.
_FLAG = re.compile(r"\s+(-1|0|1)$")
_CORNER = re.compile(rb"<[xy]min>\s*(-?[\d.]+)\s*</")
# Heads and hands of VOC's people, which have fractions at times.
_PART = re.compile(rb"<part>.*?</part>", re.DOTALL)
_ENDING = re.compile(r"\.(xml|jpe?g|png|bmp|tiff?)$", re.IGNORECASE)
# Slips in so few corners do not speak for the others.
_FEW_FRACTIONS = 0.01


@dataclasses.dataclass(frozen=True)
class AnnotationFiles:
    """XML files in order, and the folder that all of their kind are in.

    Args:
        data_set: the folder whose files count pixels in the same way.
        image_set: their set, such as "train", where it is known.
    """

    paths: Sequence[Path]
    folder: Path
    image_folder: Path
    data_set: Path
    image_set: str | None = None


def find_annotations(
    data_dir: Path, year: str | None, image_set: str | None
) -> list[AnnotationFiles]:
    """Finds the XML files of a set.

    These layouts are known: years with Annotations, ImageSets and JPEGImages;
    these three without a year, as CVAT writes them; a folder for each set, as
    Roboflow does; XML files anywhere below a folder. Which one is taken, if
    not the first, is said.

    Args:
        year: one of `YEARS`; None = the first that is there, else none.
        image_set: such as "train"; None = that one, or all images where there
            are no sets.

    Raises:
        DataError: there is no such folder, set or file.
    """
    parents = (data_dir, data_dir / "VOCdevkit")
    if year is None:
        years = [y for y in YEARS[:2] for p in parents if (p / y).is_dir()]
        if not years:
            return [_without_year(data_dir, image_set)]
        year = years[0]
        if year != YEARS[0]:
            _say(f"{data_dir}: of years there is {year} alone, it is taken")
    folders = [
        _year_folder(parents, name)
        for name in (YEARS[:2] if year == "merged" else (year,))
    ]
    return [_of_sets(folder, image_set or DEFAULT_SET) for folder in folders]


def find_first_pixel(folder: Path) -> int:
    """Tells whether the corners below a folder count pixels from 0 or 1."""
    corners = [
        corner
        for path in list_files(folder, ".xml")
        for corner in _corners_in(path)
    ]
    lowest = min(corners, default=1)
    fractions = [corner for corner in corners if not corner.is_integer()]
    evidence = None
    if lowest < 1:
        evidence = f"a corner of {lowest:g}"
    elif len(fractions) > _FEW_FRACTIONS * len(corners):
        evidence = f"fractions such as {fractions[0]:g}"
    if evidence is None:
        return 1
    _say(
        f"{folder}: {evidence} among {len(corners)} shows that pixels are"
        " counted from 0: boxes are taken as they are; call featsr convert voc"
        " with --first_pixel 1 where they are counted from 1, as in PASCAL VOC"
    )
    return 0


def read_sets(folder: Path) -> dict[Path, set[str]]:
    """Reads the splits of a folder with ImageSets/Main and annotations.

    Where there are lists of classes alone, such as `car_train.txt`, these
    tell the splits.

    Returns:
        The splits of each XML file in a list; none where no list is of one.
    """
    plain: dict[str, list[Path]] = collections.defaultdict(list)
    of_classes: dict[str, list[Path]] = collections.defaultdict(list)
    for path in sorted((folder / _SETS_FOLDER).glob("*.txt")):
        *classes, word = path.stem.lower().split("_")
        (of_classes if classes else plain)[word].append(path)
    lists = plain if plain.keys() & {*SPLITS, _BOTH} else of_classes
    chosen = {word: lists[word] for word in lists if word in SPLITS}
    if not {SPLITS[word] for word in chosen} & {"train", "val"}:
        chosen |= {"train": lists[_BOTH]} if _BOTH in lists else {}
    splits: dict[Path, set[str]] = collections.defaultdict(set)
    xml_folder = _files_of(folder).folder
    for word, paths in chosen.items():
        for path in paths:
            missing = []
            for number, line in enumerate(read_text(path).splitlines(), 1):
                if not line.strip():
                    continue
                where = f"{path}:{number}"
                try:
                    found = _annotation_of(line.strip(), xml_folder, where)
                    splits[found].add(SPLITS[word])
                except DataError as error:
                    missing.append(str(error))
            warn_of(missing, "left out")
    return dict(splits)


def _corners_in(path: Path) -> Iterator[float]:
    try:
        content = without_wide_letters(path.read_bytes())
        found = _CORNER.findall(_PART.sub(b"", content))
        yield from map(float, found)
    # What is wrong with a file is said when it is read.
    except (OSError, ValueError):
        return


def _year_folder(parents: Sequence[Path], year: str) -> Path:
    for parent in parents:
        if (parent / year).is_dir():
            return parent / year
    raise DataError(
        f"{parents[0]}: no folder {year} in it; expected VOCdevkit, with"
        f" {year}/Annotations, {year}/ImageSets and {year}/JPEGImages"
    )


def _without_year(data_dir: Path, image_set: str | None) -> AnnotationFiles:
    if not data_dir.is_dir():
        raise DataError(f"{data_dir}: no such folder")
    sets = sorted((data_dir / _SETS_FOLDER).glob("*.txt"))
    if sets:
        names = [path.stem for path in sets]
        chosen = image_set or DEFAULT_SET
        if image_set is None and len(names) == 1:
            (chosen,) = names
        if chosen not in names:
            raise DataError(
                f"{data_dir / _SETS_FOLDER}: no {chosen}.txt in it; give --set,"
                f" one of {', '.join(names)}"
            )
        _say(f"{data_dir}: no folder of a year; the set {chosen} is read")
        return _of_sets(data_dir, chosen)
    folder = data_dir
    if (data_dir / (image_set or DEFAULT_SET)).is_dir():
        folder = data_dir / (image_set or DEFAULT_SET)
    elif image_set is not None:
        raise DataError(
            f"{data_dir}: no set {shown(image_set)} in it, neither"
            f" {_SETS_FOLDER / image_set}.txt nor a folder {image_set}; leave"
            " --set out to read all XML files"
        )
    files = _files_of(folder)
    paths = list_files(files.folder, ".xml")
    if not paths:
        raise DataError(
            f"{folder}: no XML files in it; expected VOCdevkit, the folder"
            " above VOC2007, or a folder with annotations"
        )
    _say(f"{folder}: no list of a set; all {len(paths)} XML files are read")
    return dataclasses.replace(files, paths=paths, data_set=data_dir)


def _files_of(folder: Path) -> AnnotationFiles:
    """The folders of annotations and images, which may be the folder itself."""
    first = [folder / name for name in _ANNOTATION_FOLDERS] + [folder]
    second = [folder / name for name in _IMAGE_FOLDERS] + [folder]
    xml_folder, image_folder = (
        next(path for path in paths if path.is_dir() or path == folder)
        for paths in (first, second)
    )
    return AnnotationFiles((), xml_folder, image_folder, xml_folder)


def _of_sets(folder: Path, image_set: str) -> AnnotationFiles:
    """Reads `ImageSets/Main/SET.txt`."""
    files = _files_of(folder)
    places: dict[Path, str] = {}
    for line, where in read_names(folder / _SETS_FOLDER / f"{image_set}.txt"):
        path = _annotation_of(line, files.folder, where)
        if path in places:
            raise DataError(
                f"{where}: {shown(line)} stands in {places[path]} already"
            )
        places[path] = where
    return dataclasses.replace(files, paths=list(places), image_set=image_set)


def _annotation_of(line: str, folder: Path, where: str) -> Path:
    """Finds the file of a line: an id or a path, perhaps with a flag."""
    without_flag = _FLAG.sub("", line)
    # The whole line first: a name may end in " 1".
    texts = [line, without_flag]
    # Lists of PaddleDetection have the path of the image and then this one.
    last = line.split()[-1]
    if re.search(r"[\\/]", last) or _ENDING.search(last):
        texts.append(last)
    for text in dict.fromkeys(texts):
        name = _ENDING.sub("", text.replace("\\", "/"))
        for inside in dict.fromkeys((text, name, os.path.basename(name))):
            path = Path(path_inside(folder, f"{inside}.xml", where))
            if path.is_file():
                return path
    path = folder / f"{without_flag}.xml"
    raise DataError(f"{where}: no annotation {path} of {shown(without_flag)}")


def _say(message: str) -> None:
    warnings.warn(message, stacklevel=3)
