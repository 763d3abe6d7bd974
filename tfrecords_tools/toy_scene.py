"""What the drawings of the toy data set share: a picture in the making."""

import dataclasses
import functools

import numpy as np
import PIL.Image
import PIL.ImageDraw

Colour = tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Scene:
    """A street scene in the making.

    Args:
        image: the RGB picture to draw on.
        horizon: row of the horizon in px.
        generator: source of randomness.
    """

    image: PIL.Image.Image
    horizon: int
    generator: np.random.Generator

    @property
    def height(self) -> int:
        """Height of the picture in px."""
        return self.image.height

    @property
    def width(self) -> int:
        """Width of the picture in px."""
        return self.image.width

    @functools.cached_property
    def draw(self) -> PIL.ImageDraw.ImageDraw:
        """Draws on the picture."""
        return PIL.ImageDraw.Draw(self.image)

    def choose(self, colours: tuple[Colour, ...]) -> Colour:
        """One of the colours, slightly changed."""
        return self.near(colours[self.generator.integers(len(colours))])

    def near(self, colour: Colour) -> Colour:
        """A colour like the given one, RGB 0..255."""
        shift = self.generator.normal(0, 9) + self.generator.normal(0, 5, 3)
        shifted = np.clip(np.add(colour, shift), 0, 255)
        return tuple(shifted.astype(int).tolist())

    def pole(self, x: float, top: float, base: float, size: float) -> None:
        """Draws the pole of something.

        Args:
            x: middle of the pole in px.
            top: row where it begins.
            base: row where it stands on the ground.
            size: of the thing that it carries, in px.
        """
        half = max(size * 0.06, 1) / 2
        if base > top:
            pole = (x - half, top, x + half, base)
            self.draw.rectangle(pole, fill=(130, 132, 134))


def smooth_noise(
    height: int, width: int, cells: int, generator: np.random.Generator
) -> np.ndarray:
    """A random field without sharp edges.

    Args:
        height: in px.
        width: in px.
        cells: number of blobs along the width.
        generator: source of randomness.

    Returns:
        `[height, width]` float32 of about -1 to 1.
    """
    rows = max(round(cells * height / width), 2)
    coarse = generator.uniform(-1, 1, size=(rows, cells)).astype(np.float32)
    fine = PIL.Image.fromarray(coarse).resize(
        (width, height), PIL.Image.Resampling.BICUBIC
    )
    return np.asarray(fine)
