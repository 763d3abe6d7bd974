"""Street scenes without signs, the background of the toy data set."""

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
        horizon: row of the horizon in px.
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

    Returns:
        `[height, width]` float32 of about -1 to 1.
    """
    rows = max(round(cells * height / width), 2)
    coarse = generator.uniform(-1, 1, size=(rows, cells)).astype(np.float32)
    fine = PIL.Image.fromarray(coarse).resize(
        (width, height), PIL.Image.Resampling.BICUBIC
    )
    return np.asarray(fine)


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


# The soft parts are drawn this much smaller and enlarged, for speed.
_REDUCTION = 4
# Colours at the top and at the horizon.
_SKIES = (
    ((96, 150, 214), (206, 224, 240)),
    ((142, 160, 182), (214, 218, 222)),
    ((120, 128, 140), (186, 190, 194)),
    ((86, 110, 160), (244, 204, 168)),
    ((66, 82, 112), (160, 150, 160)),
)
# Colours at the horizon and at the lower border.
_GROUNDS = (
    ((104, 122, 74), (74, 96, 48)),
    ((128, 128, 96), (98, 104, 66)),
    ((142, 138, 130), (112, 108, 102)),
    ((150, 134, 104), (116, 100, 76)),
)
_HILLS = ((104, 122, 128), (82, 104, 84))
_WALLS = (
    (172, 150, 128),
    (150, 96, 78),
    (196, 190, 178),
    (132, 136, 144),
    (208, 196, 160),
    (108, 92, 86),
    (178, 128, 108),
)
_LEAVES = (
    (58, 88, 44),
    (74, 104, 52),
    (44, 72, 46),
    (98, 112, 52),
    (132, 104, 50),
)


def draw_background(
    height: int, width: int, generator: np.random.Generator
) -> Scene:
    """Draws a street scene without traffic signs.

    Args:
        height: in px.
        width: in px.
    """
    horizon = round(height * generator.uniform(0.42, 0.66))
    image = _sky_and_ground(height, width, horizon, generator)
    scene = Scene(image, horizon, generator)
    _hills(scene)
    for _ in range(generator.integers(0, 8)):
        _house(scene)
    _road(scene)
    for _ in range(generator.integers(1, 7)):
        _tree(scene)
    # The farther ones first, so that near ones hide them.
    for nearness in sorted(generator.uniform(0.1, 0.75, generator.integers(4))):
        draw_car(scene, nearness)
    for _ in range(generator.integers(1, 7)):
        draw_distractor(scene)
    return scene


def _sky_and_ground(
    height: int, width: int, horizon: int, generator: np.random.Generator
) -> PIL.Image.Image:
    rows, columns = height // _REDUCTION, width // _REDUCTION
    sky_rows = horizon // _REDUCTION
    top, low = _SKIES[generator.integers(len(_SKIES))]
    far, near = _GROUNDS[generator.integers(len(_GROUNDS))]
    pixels = np.empty((rows, columns, 3), np.float32)
    sky, ground = pixels[:sky_rows], pixels[sky_rows:]
    sky[:] = _gradient(top, low, sky_rows)
    ground[:] = _gradient(far, near, rows - sky_rows)
    clouds = smooth_noise(sky_rows, columns, 7, generator)
    clouds = clouds + 0.5 * smooth_noise(sky_rows, columns, 23, generator)
    cover = np.clip(clouds - generator.uniform(-0.2, 0.8), 0, 1)[..., None]
    sky += cover * (np.array(low, np.float32) + 25 - sky)
    grain = smooth_noise(rows - sky_rows, columns, 80, generator)
    ground += 14 * grain[..., None]
    small = PIL.Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
    return small.resize((width, height), PIL.Image.Resampling.BILINEAR)


def _gradient(top: Colour, low: Colour, rows: int) -> np.ndarray:
    weights = np.linspace(0, 1, rows, dtype=np.float32)[:, None, None]
    return np.array(top) * (1 - weights) + np.array(low) * weights


def _hills(scene: Scene) -> None:
    horizon, width = scene.horizon, scene.width
    columns = np.linspace(0, width, 40)
    walk = np.cumsum(scene.generator.normal(0, horizon * 0.02, size=40))
    rows = horizon - 0.06 * horizon - np.abs(walk)
    outline = list(zip(columns.tolist(), rows.tolist(), strict=True))
    scene.draw.polygon(
        [(0, horizon), *outline, (width, horizon)], fill=scene.choose(_HILLS)
    )


def _house(scene: Scene) -> None:
    uniform = scene.generator.uniform
    width = scene.width * uniform(0.07, 0.24)
    left = scene.width * uniform(-0.05, 0.95)
    top = scene.horizon * uniform(0.15, 0.8)
    base = scene.horizon + scene.height * uniform(0, 0.05)
    wall = scene.choose(_WALLS)
    scene.draw.rectangle((left, top, left + width, base), fill=wall)
    if scene.generator.random() < 0.5:
        peak = (left + width / 2, top - 0.3 * width)
        corners = [(left - 4, top), peak, (left + width + 4, top)]
        scene.draw.polygon(corners, fill=scene.near((104, 62, 52)))
    step = uniform(14, 30)
    shift = scene.generator.choice([-70, -45, 40])
    glass = scene.near(tuple(channel + shift for channel in wall))
    for y in np.arange(top + 0.4 * step, base - step, step):
        for x in np.arange(left + 0.3 * step, left + width - 0.6 * step, step):
            pane = (x, y, x + 0.45 * step, y + 0.6 * step)
            scene.draw.rectangle(pane, fill=glass)


def _road(scene: Scene) -> None:
    horizon, height, width = scene.horizon, scene.height, scene.width
    vanishing = width * scene.generator.uniform(0.25, 0.75)
    left = width * scene.generator.uniform(-0.5, 0.2)
    right = width * scene.generator.uniform(0.8, 1.5)
    corners = [(vanishing - 3, horizon), (vanishing + 3, horizon)]
    scene.draw.polygon(
        [*corners, (right, height), (left, height)],
        fill=scene.near((96, 96, 100)),
    )
    middle = (left + right) / 2
    # Dashes get longer towards the camera: equal steps of 1 / depth.
    edges = 1 / np.linspace(1, 12, 24)
    for near, far in zip(edges[::2], edges[1::2], strict=True):
        points = []
        for depth, side in ((near, -1), (near, 1), (far, 1), (far, -1)):
            x = vanishing + (middle - vanishing) * depth + side * 6 * depth
            points.append((x, horizon + (height - horizon) * depth))
        scene.draw.polygon(points, fill=(212, 212, 206))


def _tree(scene: Scene) -> None:
    generator = scene.generator
    x = generator.uniform(0, scene.width)
    base = scene.horizon + scene.height * generator.uniform(0, 0.12)
    size = scene.height * generator.uniform(0.08, 0.3)
    half = size * 0.06
    trunk = (x - half, base - size, x + half, base)
    scene.draw.rectangle(trunk, fill=scene.near((84, 68, 54)))
    leaves = _LEAVES[generator.integers(len(_LEAVES))]
    for _ in range(24):
        offset = np.clip(generator.normal(0, 0.28, size=2), -0.45, 0.45)
        centre = np.array([x, base - 1.2 * size]) + offset * size
        radius = size * generator.uniform(0.08, 0.22)
        # Lighter above, where the sun comes from.
        shade = tuple(channel - 8 - 40 * offset[1] for channel in leaves)
        scene.draw.circle(centre.tolist(), radius, fill=scene.near(shade))
