"""Street scenes without signs, the background of the toy data set."""

import numpy as np
import PIL.Image

from tfrecords_tools.toy_clutter import draw_car
from tfrecords_tools.toy_clutter import draw_distractor
from tfrecords_tools.toy_scene import Colour
from tfrecords_tools.toy_scene import Scene
from tfrecords_tools.toy_scene import smooth_noise

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
        generator: source of randomness.

    Returns:
        The scene, to draw signs on.
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
