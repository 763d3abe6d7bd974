"""Street-like clutter, the background of the toy data set."""

import numpy as np
import PIL.Image
import PIL.ImageDraw

Colour = tuple[int, int, int]

_REDUCTION = 4
_SKIES = (
    ((96, 150, 214), (206, 224, 240)),
    ((142, 160, 182), (214, 218, 222)),
    ((120, 128, 140), (186, 190, 194)),
    ((86, 110, 160), (244, 204, 168)),
    ((66, 82, 112), (160, 150, 160)),
)
_GROUNDS = (
    ((104, 122, 74), (74, 96, 48)),
    ((128, 128, 96), (98, 104, 66)),
    ((142, 138, 130), (112, 108, 102)),
    ((150, 134, 104), (116, 100, 76)),
)
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
_PAINTS = (
    (150, 30, 34),
    (34, 62, 120),
    (196, 198, 200),
    (46, 48, 54),
    (224, 222, 216),
    (70, 100, 84),
)
# Things at the roadside that have a sign's colour or its shape, never both.
_PLAIN = (
    (52, 132, 74),
    (214, 120, 40),
    (150, 152, 156),
    (226, 226, 220),
    (96, 74, 130),
    (70, 72, 78),
)
_SIGN_COLOURS = ((190, 36, 42), (30, 84, 168), (238, 190, 44))


def draw_background(
    height: int, width: int, generator: np.random.Generator
) -> tuple[PIL.Image.Image, int]:
    """Draws a street scene without traffic signs.

    Args:
        height: in px.
        width: in px.
        generator: source of randomness.

    Returns:
        The RGB image, and the row of the horizon in px.
    """
    horizon = round(height * generator.uniform(0.42, 0.66))
    image = _sky_and_ground(height, width, horizon, generator)
    draw = PIL.ImageDraw.Draw(image)
    _hills(draw, width, horizon, generator)
    _houses(draw, height, width, horizon, generator)
    _road(draw, height, width, horizon, generator)
    for _ in range(generator.integers(1, 7)):
        _tree(draw, height, width, horizon, generator)
    # The farther ones first, so that near ones hide them.
    for nearness in sorted(generator.uniform(0.1, 0.75, generator.integers(4))):
        _car(draw, height, width, horizon, nearness, generator)
    for _ in range(generator.integers(1, 7)):
        _distractor(draw, height, width, horizon, generator)
    return image, horizon


def jitter(colour: Colour, generator: np.random.Generator) -> Colour:
    """A colour near the given one, RGB 0..255."""
    shift = generator.normal(0, 9) + generator.normal(0, 5, size=3)
    return tuple(np.clip(np.add(colour, shift), 0, 255).astype(int).tolist())


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


def _pick(options: tuple, generator: np.random.Generator):
    return options[generator.integers(len(options))]


def _sky_and_ground(
    height: int, width: int, horizon: int, generator: np.random.Generator
) -> PIL.Image.Image:
    """Gradients, clouds and grass, drawn small and enlarged."""
    rows, columns = height // _REDUCTION, width // _REDUCTION
    sky_rows = horizon // _REDUCTION
    top, low = _pick(_SKIES, generator)
    far, near = _pick(_GROUNDS, generator)
    pixels = np.empty((rows, columns, 3), np.float32)
    pixels[:sky_rows] = _gradient(top, low, sky_rows)
    pixels[sky_rows:] = _gradient(far, near, rows - sky_rows)
    clouds = smooth_noise(sky_rows, columns, 7, generator)
    clouds = clouds + 0.5 * smooth_noise(sky_rows, columns, 23, generator)
    cover = np.clip(clouds - generator.uniform(-0.2, 0.8), 0, 1)[..., None]
    pixels[:sky_rows] += cover * (np.float32(low) + 25 - pixels[:sky_rows])
    grain = smooth_noise(rows - sky_rows, columns, 80, generator)
    pixels[sky_rows:] += 14 * grain[..., None]
    small = PIL.Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
    return small.resize((width, height), PIL.Image.Resampling.BILINEAR)


def _gradient(top: Colour, low: Colour, rows: int) -> np.ndarray:
    weights = np.linspace(0, 1, rows, dtype=np.float32)[:, None, None]
    return np.float32(top) * (1 - weights) + np.float32(low) * weights


def _hills(
    draw: PIL.ImageDraw.ImageDraw,
    width: int,
    horizon: int,
    generator: np.random.Generator,
) -> None:
    colour = jitter(
        _pick(((104, 122, 128), (82, 104, 84)), generator), generator
    )
    columns = np.linspace(0, width, 40)
    walk = np.cumsum(generator.normal(0, horizon * 0.02, size=40))
    rows = horizon - 0.06 * horizon - np.abs(walk)
    outline = list(zip(columns.tolist(), rows.tolist(), strict=True))
    draw.polygon([(0, horizon), *outline, (width, horizon)], fill=colour)


def _houses(
    draw: PIL.ImageDraw.ImageDraw,
    height: int,
    width: int,
    horizon: int,
    generator: np.random.Generator,
) -> None:
    for _ in range(generator.integers(0, 8)):
        house_width = width * generator.uniform(0.07, 0.24)
        left = generator.uniform(-0.05, 0.95) * width
        top = horizon * generator.uniform(0.15, 0.8)
        base = horizon + height * generator.uniform(0, 0.05)
        box = (left, top, left + house_width, base)
        wall = jitter(_pick(_WALLS, generator), generator)
        draw.rectangle(box, fill=wall)
        if generator.random() < 0.5:
            peak = (left + house_width / 2, top - 0.3 * house_width)
            roof = jitter((104, 62, 52), generator)
            corners = [(left - 4, top), peak, (left + house_width + 4, top)]
            draw.polygon(corners, fill=roof)
        _windows(draw, box, wall, generator)


def _windows(
    draw: PIL.ImageDraw.ImageDraw,
    box: tuple[float, float, float, float],
    wall: Colour,
    generator: np.random.Generator,
) -> None:
    left, top, right, low = box
    step = generator.uniform(14, 30)
    shift = generator.choice([-70, -45, 40])
    glass = jitter(np.add(wall, shift), generator)
    pane_width, pane_height = step * 0.45, step * 0.6
    for y in np.arange(top + 0.4 * step, low - step, step):
        for x in np.arange(left + 0.3 * step, right - 0.6 * step, step):
            draw.rectangle((x, y, x + pane_width, y + pane_height), fill=glass)


def _road(
    draw: PIL.ImageDraw.ImageDraw,
    height: int,
    width: int,
    horizon: int,
    generator: np.random.Generator,
) -> None:
    asphalt = jitter((96, 96, 100), generator)
    vanishing = width * generator.uniform(0.25, 0.75)
    left = width * generator.uniform(-0.5, 0.2)
    right = width * generator.uniform(0.8, 1.5)
    corners = [(vanishing - 3, horizon), (vanishing + 3, horizon)]
    draw.polygon([*corners, (right, height), (left, height)], fill=asphalt)
    middle = (left + right) / 2
    # Dashes get longer towards the camera: equal steps of 1 / depth.
    edges = 1 / np.linspace(1, 12, 24)
    for near, far in zip(edges[::2], edges[1::2], strict=True):
        points = []
        for depth, side in ((near, -1), (near, 1), (far, 1), (far, -1)):
            x = vanishing + (middle - vanishing) * depth + side * 6 * depth
            points.append((x, horizon + (height - horizon) * depth))
        draw.polygon(points, fill=(212, 212, 206))


def _tree(
    draw: PIL.ImageDraw.ImageDraw,
    height: int,
    width: int,
    horizon: int,
    generator: np.random.Generator,
) -> None:
    x = generator.uniform(0, width)
    base = horizon + height * generator.uniform(0, 0.12)
    size = height * generator.uniform(0.08, 0.3)
    trunk = size * 0.06
    draw.rectangle(
        (x - trunk, base - size, x + trunk, base),
        fill=jitter((84, 68, 54), generator),
    )
    leaves = _pick(_LEAVES, generator)
    for _ in range(24):
        offset = np.clip(generator.normal(0, 0.28, size=2), -0.45, 0.45)
        dx, dy = offset * size
        radius = size * generator.uniform(0.08, 0.22)
        shade = np.add(leaves, -40 * dy / size - 8)
        draw.circle(
            (x + dx, base - 1.2 * size + dy),
            radius,
            fill=jitter(shade, generator),
        )


def _car(
    draw: PIL.ImageDraw.ImageDraw,
    height: int,
    width: int,
    horizon: int,
    nearness: float,
    generator: np.random.Generator,
) -> None:
    base = horizon + (height - horizon) * nearness
    w = width * (0.03 + 0.16 * nearness)
    h = w * generator.uniform(0.62, 0.8)
    x = generator.uniform(0, width)
    paint = jitter(_pick(_PAINTS, generator), generator)
    dark = (34, 36, 42)
    draw.ellipse(
        (x - 0.05 * w, base - 0.1 * h, x + 1.05 * w, base + 0.06 * h),
        fill=(58, 58, 60),
    )
    for wheel in (0.06, 0.76):
        draw.rectangle(
            (x + wheel * w, base - 0.25 * h, x + (wheel + 0.18) * w, base),
            fill=dark,
        )
    draw.rounded_rectangle(
        (x, base - 0.65 * h, x + w, base - 0.12 * h), 0.1 * h, fill=paint
    )
    draw.polygon(
        [
            (x + 0.08 * w, base - 0.6 * h),
            (x + 0.2 * w, base - h),
            (x + 0.8 * w, base - h),
            (x + 0.92 * w, base - 0.6 * h),
        ],
        fill=paint,
    )
    draw.polygon(
        [
            (x + 0.17 * w, base - 0.62 * h),
            (x + 0.25 * w, base - 0.92 * h),
            (x + 0.75 * w, base - 0.92 * h),
            (x + 0.83 * w, base - 0.62 * h),
        ],
        fill=(66, 78, 90),
    )
    for lamp in (0.04, 0.82):
        draw.rectangle(
            (
                x + lamp * w,
                base - 0.5 * h,
                x + (lamp + 0.14) * w,
                base - 0.38 * h,
            ),
            fill=(176, 32, 30),
        )


def _distractor(
    draw: PIL.ImageDraw.ImageDraw,
    height: int,
    width: int,
    horizon: int,
    generator: np.random.Generator,
) -> None:
    """A thing that a careless detector takes for a sign."""
    size = float(np.exp(generator.uniform(np.log(9), np.log(60))))
    x = generator.uniform(0, width - size)
    y = generator.uniform(0.15 * height, horizon + 0.1 * height)
    base = horizon + 0.2 * height
    kind = generator.integers(4)
    if kind == 0:
        _pole(draw, x + size / 2, y + size, base, size)
        draw.ellipse(
            (x, y, x + size, y + size),
            fill=jitter(_pick(_PLAIN, generator), generator),
        )
    elif kind == 1:
        _board(draw, x, y, size, base, generator)
    elif kind == 2:
        _traffic_light(draw, x, y, size, base, generator)
    else:
        colour = jitter(_pick(_SIGN_COLOURS, generator), generator)
        w = size * generator.uniform(0.5, 1.6)
        _pole(draw, x + w / 2, y, base, size)
        draw.rectangle((x, y, x + w, y + 0.8 * size), fill=colour)


def _board(
    draw: PIL.ImageDraw.ImageDraw,
    x: float,
    y: float,
    size: float,
    base: float,
    generator: np.random.Generator,
) -> None:
    """An advertisement or signpost: coloured rectangle with lines of text."""
    back = jitter(_pick(_SIGN_COLOURS + _PLAIN, generator), generator)
    w, h = size * generator.uniform(1.2, 2.4), size
    for post in (0.2, 0.8):
        _pole(draw, x + post * w, y, base, size)
    draw.rectangle((x, y, x + w, y + h), fill=back)
    for row in (0.2, 0.45, 0.7):
        end = generator.uniform(0.4, 0.9)
        line = (x + 0.1 * w, y + row * h, x + end * w, y + (row + 0.12) * h)
        draw.rectangle(line, fill=(232, 232, 228))


def _traffic_light(
    draw: PIL.ImageDraw.ImageDraw,
    x: float,
    y: float,
    size: float,
    base: float,
    generator: np.random.Generator,
) -> None:
    w, h = size * 0.4, size
    _pole(draw, x + w / 2, y + h, base, size)
    draw.rounded_rectangle((x, y, x + w, y + h), 0.1 * w, fill=(36, 38, 40))
    lamps = ((206, 44, 40), (222, 170, 50), (60, 186, 104))
    lit = generator.integers(3)
    for number, colour in enumerate(lamps):
        shown = colour if number == lit else tuple(c // 4 for c in colour)
        centre = (x + w / 2, y + h * (0.2 + 0.3 * number))
        draw.circle(centre, 0.32 * w, fill=shown)


def _pole(
    draw: PIL.ImageDraw.ImageDraw,
    x: float,
    top: float,
    base: float,
    size: float,
) -> None:
    thickness = max(size * 0.06, 1)
    if base > top:
        draw.rectangle(
            (x - thickness / 2, top, x + thickness / 2, base),
            fill=(136, 138, 140),
        )
