// Photos with boxes, drawn as sharp as the screen is.

const DARK = "#101010";
// Of windows of a second look, as in pictures of `predict --compare`.
const WINDOW = "#ff5cf4";
const MARGIN_OF_ZOOM = 2;
// A label that hides more of the other boxes and labels is left out.
const MOST_HIDDEN = 0.3;

// Draws the photo and the boxes over it; the canvas takes the width it has.
export function drawPanel(
  canvas, photo, objects, colors, chosen, windows) {
  const ratio = window.devicePixelRatio || 1;
  const width = Math.max(1, Math.round(canvas.clientWidth * ratio));
  const scale = width / photo.width;
  canvas.width = width;
  canvas.height = Math.max(1, Math.round(photo.height * scale));
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(photo, 0, 0, canvas.width, canvas.height);
  const line = 2 * ratio;
  for (const view of windows) drawWindow(context, view, scale, ratio);
  for (const object of objects) {
    drawBox(context, object.bbox.map((value) => value * scale),
      colors.get(object.category_id), line);
  }
  const taken = objects.map((object) => object.bbox.map((v) => v * scale));
  for (const object of objects) {
    drawLabel(context, object, scale, colors.get(object.category_id),
      12 * ratio, taken);
  }
  if (chosen) {
    const box = chosen.bbox.map((value) => value * scale);
    drawRing(context, box, line);
  }
}

// Draws what is around a box, enlarged to a square.
export function drawZoom(canvas, photo, object, color) {
  const ratio = window.devicePixelRatio || 1;
  const side = Math.max(1, Math.round(canvas.clientWidth * ratio));
  canvas.width = canvas.height = side;
  const [x, y, width, height] = object.bbox;
  const window_ = Math.min(
    Math.max(width, height, 4) * MARGIN_OF_ZOOM, photo.width, photo.height);
  const left = clamp(x + width / 2 - window_ / 2, photo.width - window_);
  const top = clamp(y + height / 2 - window_ / 2, photo.height - window_);
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(
    photo, left, top, window_, window_, 0, 0, side, side);
  const scale = side / window_;
  drawBox(context,
    [(x - left) * scale, (y - top) * scale, width * scale, height * scale],
    color, 2 * ratio);
}

function clamp(value, maximum) {
  return Math.max(0, Math.min(value, maximum));
}

// The line lies outside of the box, so that the object stays in view.
function drawBox(context, [x, y, width, height], color, line) {
  context.lineWidth = line + 2;
  context.strokeStyle = DARK;
  const out = line / 2 + 1;
  context.strokeRect(x - out, y - out, width + 2 * out, height + 2 * out);
  context.lineWidth = line;
  context.strokeStyle = color;
  context.strokeRect(x - out, y - out, width + 2 * out, height + 2 * out);
}

// A thin line inside of the window, and its magnification in its corner.
function drawWindow(context, { bbox, magnification }, scale, ratio) {
  // Whole pixels keep so thin a line bright.
  const [x, y, width, height] = bbox.map((v) => Math.round(v * scale));
  context.lineWidth = ratio;
  context.strokeStyle = WINDOW;
  context.strokeRect(x + ratio / 2, y + ratio / 2,
    Math.max(0, width - ratio), Math.max(0, height - ratio));
  const text = `${magnification}x`;
  context.font = `${11 * ratio}px system-ui, sans-serif`;
  context.textBaseline = "top";
  context.fillStyle = DARK;
  context.fillRect(x + ratio, y + ratio,
    context.measureText(text).width + 4 * ratio, 13 * ratio);
  context.fillStyle = WINDOW;
  context.fillText(text, x + 3 * ratio, y + 2 * ratio);
}

function drawRing(context, [x, y, width, height], line) {
  const radius = Math.hypot(width, height) / 2 + 6 * line;
  for (const [thickness, color] of [[3 * line, DARK], [1.5 * line, "#fff"]]) {
    context.beginPath();
    context.arc(x + width / 2, y + height / 2, radius, 0, 2 * Math.PI);
    context.lineWidth = thickness;
    context.strokeStyle = color;
    context.stroke();
  }
}

function drawLabel(context, object, scale, color, size, taken) {
  const text =
    `${object.category_name} ${Math.round(100 * object.score)}%`;
  context.font = `600 ${size}px system-ui, sans-serif`;
  const width = context.measureText(text).width + size * 0.6;
  const height = size * 1.35;
  const [x, y, boxWidth, boxHeight] = object.bbox.map((v) => v * scale);
  const middle = y + boxHeight / 2 - height / 2;
  const gap = size / 3;
  const places = [
    [x - gap, y - height - gap], [x - gap, y + boxHeight + gap],
    [x + boxWidth + gap, middle], [x - width - gap, middle],
  ].map(([left, top]) => [clamp(left, context.canvas.width - width),
    clamp(top, context.canvas.height - height), width, height]);
  const hidden = places.map((place) => taken.reduce((sum, other) =>
    sum + overlap(place, other) / Math.max(1, other[2] * other[3]), 0));
  const least = Math.min(...hidden);
  if (least > MOST_HIDDEN) return;
  const place = places[hidden.indexOf(least)];
  taken.push(place);
  context.fillStyle = color;
  context.fillRect(...place);
  context.fillStyle = DARK;
  context.textBaseline = "middle";
  context.fillText(text, place[0] + size * 0.3, place[1] + height * 0.53);
}

// The area, in square pixels, that two boxes have in common.
export function overlap(first, second) {
  const width = Math.min(first[0] + first[2], second[0] + second[2]) -
    Math.max(first[0], second[0]);
  const height = Math.min(first[1] + first[3], second[1] + second[3]) -
    Math.max(first[1], second[1]);
  return Math.max(0, width) * Math.max(0, height);
}
