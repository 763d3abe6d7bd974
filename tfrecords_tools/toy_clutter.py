"""Cars, boards and lamps: what the toy detector must not take for signs."""

import numpy as np

from tfrecords_tools.toy_scene import Scene

_PAINTS = (
    (150, 30, 34),
    (34, 62, 120),
    (196, 198, 200),
    (46, 48, 54),
    (224, 222, 216),
    (70, 100, 84),
)
# Things at the roadside have a sign's colour or its shape, never both.
_PLAIN = (
    (52, 132, 74),
    (214, 120, 40),
    (150, 152, 156),
    (226, 226, 220),
    (96, 74, 130),
    (70, 72, 78),
)
_SIGN_COLOURS = ((190, 36, 42), (30, 84, 168), (238, 190, 44))
_LAMPS = ((206, 44, 40), (222, 170, 50), (60, 186, 104))


def draw_car(scene: Scene, nearness: float) -> None:
    """Draws a car seen from behind.

    Args:
        scene: the picture.
        nearness: 0 at the horizon, 1 at the lower border.
    """
    base = scene.horizon + (scene.height - scene.horizon) * nearness
    width = scene.width * (0.03 + 0.16 * nearness)
    height = width * scene.generator.uniform(0.62, 0.8)
    left = scene.generator.uniform(0, scene.width)
    paint = scene.choose(_PAINTS)
    draw = scene.draw

    def place(*points: tuple[float, float]) -> list[tuple[float, float]]:
        """Car coordinates, 0 to 1 from lower left, to pixels."""
        return [(left + x * width, base - y * height) for x, y in points]

    draw.ellipse(place((-0.05, 0.1), (1.05, -0.06)), fill=(58, 58, 60))
    for wheel in (0.06, 0.76):
        corners = place((wheel, 0.25), (wheel + 0.18, 0))
        draw.rectangle(corners, fill=(34, 36, 42))
    body = place((0, 0.65), (1, 0.12))
    draw.rounded_rectangle(body, 0.1 * height, fill=paint)
    cabin = place((0.08, 0.6), (0.2, 1), (0.8, 1), (0.92, 0.6))
    draw.polygon(cabin, fill=paint)
    window = place((0.17, 0.62), (0.25, 0.92), (0.75, 0.92), (0.83, 0.62))
    draw.polygon(window, fill=(66, 78, 90))
    for lamp in (0.04, 0.82):
        corners = place((lamp, 0.5), (lamp + 0.14, 0.38))
        draw.rectangle(corners, fill=(176, 32, 30))


def draw_distractor(scene: Scene) -> None:
    """Draws a thing at the roadside that a hasty detector calls a sign."""
    generator = scene.generator
    size = float(np.exp(generator.uniform(np.log(9), np.log(60))))
    x = generator.uniform(0, scene.width - size)
    low = scene.horizon + 0.1 * scene.height
    y = generator.uniform(0.15 * scene.height, low)
    kinds = (_plain_disc, _board, _traffic_light, _plain_rectangle)
    kinds[generator.integers(len(kinds))](scene, x, y, size)


def _base(scene: Scene) -> float:
    """The row where things at the roadside stand."""
    return scene.horizon + 0.2 * scene.height


def _plain_disc(scene: Scene, x: float, y: float, size: float) -> None:
    scene.pole(x + size / 2, y + size, _base(scene), size)
    disc = (x, y, x + size, y + size)
    scene.draw.ellipse(disc, fill=scene.choose(_PLAIN))


def _plain_rectangle(scene: Scene, x: float, y: float, size: float) -> None:
    width = size * scene.generator.uniform(0.5, 1.6)
    scene.pole(x + width / 2, y, _base(scene), size)
    rectangle = (x, y, x + width, y + 0.8 * size)
    scene.draw.rectangle(rectangle, fill=scene.choose(_SIGN_COLOURS))


def _board(scene: Scene, x: float, y: float, size: float) -> None:
    """An advertisement or a signpost: a rectangle with lines of text."""
    width = size * scene.generator.uniform(1.2, 2.4)
    for post in (0.2, 0.8):
        scene.pole(x + post * width, y, _base(scene), size)
    back = scene.choose(_SIGN_COLOURS + _PLAIN)
    scene.draw.rectangle((x, y, x + width, y + size), fill=back)
    for row in (0.2, 0.45, 0.7):
        end = x + width * scene.generator.uniform(0.4, 0.9)
        top = y + row * size
        line = (x + 0.1 * width, top, end, top + 0.12 * size)
        scene.draw.rectangle(line, fill=(232, 232, 228))


def _traffic_light(scene: Scene, x: float, y: float, size: float) -> None:
    width = size * 0.4
    scene.pole(x + width / 2, y + size, _base(scene), size)
    box = (x, y, x + width, y + size)
    scene.draw.rounded_rectangle(box, 0.1 * width, fill=(36, 38, 40))
    lit = scene.generator.integers(len(_LAMPS))
    for number, colour in enumerate(_LAMPS):
        shown = colour if number == lit else tuple(c // 4 for c in colour)
        centre = (x + width / 2, y + size * (0.2 + 0.3 * number))
        scene.draw.circle(centre, 0.32 * width, fill=shown)
