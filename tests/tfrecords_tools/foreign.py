"""Small data sets in the layouts of other tools."""

from pathlib import Path

from tests.data.example_files import encode
from tests.data.example_files import noise_image

HEIGHT, WIDTH = 48, 64


def write_image(path: Path, seed: int = 0) -> Path:
    """Writes a picture of 64 x 48 px, another one for each seed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode(noise_image(HEIGHT, WIDTH, seed)))
    return path


def write_files(folder: Path, files: dict[str, str]) -> Path:
    """Writes texts, and a picture under each name that ends in .png."""
    for number, (name, text) in enumerate(files.items()):
        path = folder / name
        if path.suffix == ".png":
            write_image(path, number)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    return folder


def boxes_of(images) -> dict[str, list[tuple]]:
    """Class and box in px, to 1/100, by the names of images."""
    return {
        image.source_id: [
            (item.name, *(round(side, 2) for side in item.box))
            for item in image.objects
        ]
        for image in images
    }
