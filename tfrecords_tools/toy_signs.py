"""Drawings of the toy data set's traffic signs."""

import functools
import math

import numpy as np
import PIL.Image
import PIL.ImageDraw

# Signs are drawn this large and reduced, which gives smooth borders.
_SIDE = 480
_OVERSAMPLING = 3
_RED = (196, 28, 36)
_BLUE = (24, 82, 172)
_YELLOW = (247, 196, 32)
_WHITE = (244, 244, 240)
_BLACK = (28, 28, 32)
_GREY = (120, 124, 128)
_GLYPH_VARIANTS = 4

TOY_CLASSES = {
    1: "prohibitory",
    2: "danger",
    3: "mandatory",
    4: "priority",
    5: "stop",
}

# Characters, each one stroke in a box of 2 x 4.
_CHARACTERS = {
    "0": ((0, 0), (2, 0), (2, 4), (0, 4), (0, 0)),
    "3": ((0, 0), (2, 0), (2, 2), (0.6, 2), (2, 2), (2, 4), (0, 4)),
    "5": ((2, 0), (0, 0), (0, 2), (2, 2), (2, 4), (0, 4)),
    "7": ((0, 0), (2, 0), (0.7, 4)),
    "8": ((0, 0), (2, 0), (2, 4), (0, 4), (0, 2), (2, 2), (0, 2), (0, 0)),
    "S": ((2, 0), (0, 0), (0, 2), (2, 2), (2, 4), (0, 4)),
    "T": ((0, 0), (2, 0), (1, 0), (1, 4)),
    "O": ((0, 0), (2, 0), (2, 4), (0, 4), (0, 0)),
    "P": ((0, 4), (0, 0), (2, 0), (2, 2), (0, 2)),
}


def draw_sign(
    label: int, size: float, generator: np.random.Generator
) -> PIL.Image.Image:
    """Draws a traffic sign, a little turned, squeezed and faded.

    Args:
        size: square root of the area of its box, in px.
    """
    variant = int(generator.integers(_GLYPH_VARIANTS))
    reduction = max(int(_SIDE / (_OVERSAMPLING * size)), 1)
    sign = _front(label, variant, reduction)
    angle = float(np.clip(generator.normal(0, 4), -10, 10))
    sign = sign.rotate(angle, PIL.Image.Resampling.BILINEAR)
    # Half transparent border pixels count as sign.
    sign = sign.crop(sign.getchannel("A").point(lambda a: a > 127).getbbox())
    squeeze = generator.uniform(0.82, 1.0)
    aspect = math.sqrt(squeeze * sign.width / sign.height)
    width = max(round(size * aspect), 1)
    height = max(round(size / aspect), 1)
    sign = sign.resize((width, height), PIL.Image.Resampling.BOX)
    return _weather(sign, generator)


@functools.cache
def _front(label: int, variant: int, reduction: int) -> PIL.Image.Image:
    """The sign seen from the front, with one of its glyphs."""
    image = PIL.Image.new("RGBA", (_SIDE, _SIDE), (0, 0, 0, 0))
    draw = PIL.ImageDraw.Draw(image)
    painters = {
        1: _prohibitory,
        2: _danger,
        3: _mandatory,
        4: _priority,
        5: _stop,
    }
    painters[label](draw, variant)
    return image.reduce(reduction)


def _prohibitory(draw: PIL.ImageDraw.ImageDraw, variant: int) -> None:
    _disc(draw, 0.46, _RED)
    if variant == 3:
        _rectangle(draw, 0.3, 0.08, _WHITE)
        return
    _disc(draw, 0.34, _WHITE)
    _text(draw, ("30", "50", "80")[variant], _BLACK, 0.075)


def _danger(draw: PIL.ImageDraw.ImageDraw, variant: int) -> None:
    _regular(draw, 3, 0.54, _RED, -90, 0.58)
    _regular(draw, 3, 0.34, _WHITE, -90, 0.58)
    if variant == 0:
        _strokes(draw, ((0.5, 0.42), (0.5, 0.6)), _BLACK, 0.06)
        _disc(draw, 0.033, _BLACK, (0.5, 0.68))
    elif variant == 1:
        points = ((0.44, 0.7), (0.44, 0.6), (0.55, 0.56), (0.55, 0.44))
        _strokes(draw, points, _BLACK, 0.055)
    elif variant == 2:
        _disc(draw, 0.04, _BLACK, (0.5, 0.46))
        _strokes(draw, ((0.5, 0.5), (0.5, 0.62)), _BLACK, 0.06)
        _strokes(draw, ((0.42, 0.72), (0.5, 0.6), (0.58, 0.72)), _BLACK, 0.04)
    else:
        _strokes(draw, ((0.38, 0.69), (0.62, 0.69)), _BLACK, 0.06)
        _strokes(draw, ((0.45, 0.6), (0.55, 0.6)), _BLACK, 0.06)


def _mandatory(draw: PIL.ImageDraw.ImageDraw, variant: int) -> None:
    _disc(draw, 0.46, _WHITE)
    _disc(draw, 0.44, _BLUE)
    turn = math.radians((0, 90, -90, 45)[variant])
    arrow = (
        ((0, 0.28), (0, -0.22)),
        ((-0.17, -0.08), (0, -0.27), (0.17, -0.08)),
    )
    for line in arrow:
        points = tuple(
            (
                0.5 + x * math.cos(turn) - y * math.sin(turn),
                0.5 + x * math.sin(turn) + y * math.cos(turn),
            )
            for x, y in line
        )
        _strokes(draw, points, _WHITE, 0.1)


def _priority(draw: PIL.ImageDraw.ImageDraw, variant: int) -> None:
    _regular(draw, 4, 0.47, _BLACK, 0)
    _regular(draw, 4, 0.45, _WHITE, 0)
    _regular(draw, 4, 0.3, _YELLOW, 0)
    if variant == 3:
        _strokes(draw, ((0.3, 0.62), (0.62, 0.3)), _GREY, 0.05)
        _strokes(draw, ((0.38, 0.7), (0.7, 0.38)), _GREY, 0.05)


def _stop(draw: PIL.ImageDraw.ImageDraw, variant: int) -> None:
    _regular(draw, 8, 0.49, _WHITE, 22.5)
    _regular(draw, 8, 0.46, _RED, 22.5)
    _text(draw, "STOP", _WHITE, (0.068, 0.064, 0.06, 0.066)[variant])


def _disc(
    draw: PIL.ImageDraw.ImageDraw,
    radius: float,
    colour: tuple,
    centre: tuple = (0.5, 0.5),
) -> None:
    draw.circle(
        (centre[0] * _SIDE, centre[1] * _SIDE), radius * _SIDE, fill=colour
    )


def _rectangle(
    draw: PIL.ImageDraw.ImageDraw,
    half_width: float,
    half_height: float,
    colour: tuple,
) -> None:
    low = ((0.5 - half_width) * _SIDE, (0.5 - half_height) * _SIDE)
    high = ((0.5 + half_width) * _SIDE, (0.5 + half_height) * _SIDE)
    draw.rectangle((low, high), fill=colour)


def _regular(
    draw: PIL.ImageDraw.ImageDraw,
    corners: int,
    radius: float,
    colour: tuple,
    degrees: float,
    centre_y: float = 0.5,
) -> None:
    angles = [
        math.radians(degrees + 360 * corner / corners)
        for corner in range(corners)
    ]
    draw.polygon(
        [
            (
                (0.5 + radius * math.cos(angle)) * _SIDE,
                (centre_y + radius * math.sin(angle)) * _SIDE,
            )
            for angle in angles
        ],
        fill=colour,
    )


def _strokes(
    draw: PIL.ImageDraw.ImageDraw, points: tuple, colour: tuple, width: float
) -> None:
    draw.line(
        [(x * _SIDE, y * _SIDE) for x, y in points],
        fill=colour,
        width=round(width * _SIDE),
        joint="curve",
    )


def _text(
    draw: PIL.ImageDraw.ImageDraw, text: str, colour: tuple, unit: float
) -> None:
    """Writes characters of 2 x 4 units, one unit apart, in the middle."""
    left = 0.5 - (1.5 * len(text) - 0.5) * unit
    for position, character in enumerate(text):
        points = tuple(
            (left + (3 * position + x) * unit, 0.5 + (y - 2) * unit)
            for x, y in _CHARACTERS[character]
        )
        _strokes(draw, points, colour, 0.75 * unit)


def _weather(
    sign: PIL.Image.Image, generator: np.random.Generator
) -> PIL.Image.Image:
    """Fades the colours, and lights the sign unevenly."""
    pixels = np.asarray(sign, np.float32).copy()
    grey = pixels[..., :3].mean(axis=-1, keepdims=True)
    fading = generator.uniform(0, 0.3)
    colours = pixels[..., :3] * (1 - fading) + grey * fading
    start, stop = generator.uniform(0.55, 1.05, size=2)
    light = np.linspace(start, stop, sign.height, dtype=np.float32)
    pixels[..., :3] = np.clip(colours * light[:, None, None], 0, 255)
    return PIL.Image.fromarray(pixels.astype(np.uint8), "RGBA")
