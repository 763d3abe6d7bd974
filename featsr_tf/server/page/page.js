// Sends a photo to /detect and shows what comes back.

import { drawPanel, drawZoom, overlap } from "/drawing.js";

const TITLES = { base: "Base detector", super_resolved: "Super-resolved" };
const SAME_OBJECT = 0.5;
// More cards than that say nothing more.
const MOST_CARDS = 60;

const element = (id) => document.getElementById(id);
const state = { model: null, photo: null, answer: null, chosen: null, turn: 0 };

async function start() {
  state.model = await readJson(await fetch("/model"));
  const { name, version, classes, detectors } = state.model;
  element("model").textContent =
    `${name}, version ${version}, ${count(classes.length, "class", "es")}`;
  state.colors = new Map(classes.map((item) => [item.id, item.color]));
  for (const detector of detectors) {
    element("panels").append(makePanel(detector));
  }
  if (detectors.includes("super_resolved")) {
    element("headline").textContent =
      "What does super-resolution of features find in your photo?";
  }
  const names = classes.map((item) => item.name).join(", ");
  element("classes").textContent = `It looks for: ${names}.`;
  if (state.model.min_score !== null) {
    element("score").value = state.model.min_score;
  }
  element("file").addEventListener("change", ({ target }) => {
    const [file] = target.files;
    // The same file can be chosen again.
    target.value = "";
    run(() => show(file));
  });
  element("example").addEventListener("click", () => run(showExample));
  element("score").addEventListener("input", draw);
  element("windows-label").hidden = !state.model.looks_again;
  element("windows").addEventListener("change", draw);
  element("download").addEventListener("click", download);
  listenForDrops();
  new ResizeObserver(draw).observe(element("panels"));
  if (new URLSearchParams(location.search).has("example")) {
    await showExample();
  }
}

// Whatever goes wrong is told in words.
async function run(action) {
  element("error").hidden = true;
  try {
    await action();
  } catch (error) {
    element("status").textContent = "";
    element("error").textContent = error instanceof TypeError
      ? "The server does not answer. Is it still running?" : error.message;
    element("error").hidden = false;
  }
}

async function readJson(response) {
  const answer = await response.json().catch(() => ({}));
  if (response.ok) return answer;
  const retry = response.status === 503 ? " Please try again soon." : "";
  throw new Error((answer.error || `The server failed (${response.status}).`) +
    retry);
}

async function showExample() {
  const response = await fetch("/example");
  if (!response.ok) await readJson(response);
  await show(new File([await response.blob()], "The example"));
}

async function show(file) {
  if (!file) return;
  const largest = state.model.max_body_mb;
  if (file.size > largest * 1e6) {
    throw new Error(`The photo has ${(file.size / 1e6).toFixed(1)} MB; the ` +
      `server takes up to ${largest} MB.`);
  }
  // A later photo wins, whichever answer comes first.
  const turn = ++state.turn;
  element("status").textContent = `Detecting in ${file.name} …`;
  const [photo, answer] = await Promise.all([
    createImageBitmap(file).catch(() => null),
    fetch("/detect", { method: "POST", body: file }).then(readJson),
  ]);
  if (turn !== state.turn) return;
  if (!photo) throw new Error("This browser cannot show the photo.");
  Object.assign(state, { photo, answer, chosen: null, name: file.name });
  element("results").hidden = false;
  document.querySelector("main").classList.remove("empty");
  draw();
}

function shown(detector) {
  const lowest = Number(element("score").value);
  return state.answer.detections[detector].filter(
    (object) => object.score >= lowest);
}

function shownWindows(detector) {
  return element("windows").checked
    ? state.answer.windows?.[detector] || [] : [];
}

function isSmall(object) {
  return object.area <= state.model.small_area;
}

function draw() {
  element("score-value").textContent =
    `${Math.round(100 * element("score").value)}%`;
  if (!state.answer) return;
  for (const detector of state.model.detectors) {
    const objects = shown(detector);
    const small = objects.filter(isSmall).length;
    const canvas = element(`canvas-${detector}`);
    const windows = shownWindows(detector);
    const text = `${count(objects.length, "object")}, ${small} small, ` +
      (windows.length ? `${count(windows.length, "window")}, ` : "") +
      milliseconds(state.answer.seconds[detector]);
    element(`count-${detector}`).textContent = text;
    canvas.setAttribute("aria-label", `${TITLES[detector]}: ${text}`);
    drawPanel(
      canvas, state.photo, objects, state.colors, state.chosen, windows);
  }
  drawSmallObjects();
  drawFacts();
  const totals = state.model.detectors.map((detector) =>
    `${TITLES[detector]}: ${count(shown(detector).length, "object")}`);
  element("status").textContent = `${state.name}. ${totals.join(". ")}.`;
}

// What is small to any detector, with the scores of all that found it; those
// that not all of them found come first.
function findSmallObjects() {
  const found = [];
  for (const detector of state.model.detectors) {
    for (const object of shown(detector)) {
      const same = found.find((other) => !(detector in other.scores) &&
        other.object.category_id === object.category_id &&
        similarity(other.object, object) >= SAME_OBJECT);
      if (same) {
        same.scores[detector] = object.score;
        same.isSmall ||= isSmall(object);
      } else {
        found.push({ object, isSmall: isSmall(object),
          scores: { [detector]: object.score } });
      }
    }
  }
  const finders = (item) => Object.keys(item.scores).length;
  const best = (item) => Math.max(...Object.values(item.scores));
  return found.filter((item) => item.isSmall).sort((a, b) => finders(a) - finders(b) || best(b) - best(a));
}

function similarity(first, second) {
  const common = overlap(first.bbox, second.bbox);
  return common / (first.area + second.area - common || 1);
}

function drawSmallObjects() {
  const side = Math.sqrt(state.model.small_area);
  const items = findSmallObjects();
  const more = items.length - MOST_CARDS;
  element("small-note").textContent = items.length
    ? `Up to ${side} x ${side} pixels of the photo, enlarged` +
      (more > 0 ? `; ${more} more are not shown.` : ".") +
      " Choose one to see where it is."
    : `None of up to ${side} x ${side} pixels at this score.`;
  const cards = items.slice(0, MOST_CARDS).map(makeCard);
  // The focus stays where it was, although the cards are new.
  const focused = document.activeElement?.dataset?.box;
  element("small").replaceChildren(...cards);
  for (const [index, card] of cards.entries()) {
    const { object } = items[index];
    drawZoom(card.querySelector("canvas"), state.photo, object,
      state.colors.get(object.category_id));
    const button = card.querySelector("button");
    if (button.dataset.box === focused) button.focus({ preventScroll: true });
  }
}

function makeCard({ object, scores }) {
  const box = JSON.stringify(object.bbox);
  const button = make("button", { type: "button" });
  button.dataset.box = box;
  const isChosen = JSON.stringify(state.chosen?.bbox) === box;
  button.setAttribute("aria-pressed", isChosen);
  button.append(make("canvas"), make("b", {
    textContent: object.category_name }));
  const [, , width, height] = object.bbox.map(Math.round);
  button.append(make("span", {
    className: "note", textContent: `${width} x ${height} px` }));
  for (const detector of state.model.detectors) {
    const score = scores[detector];
    button.append(make("span", {
      textContent: `${TITLES[detector]} ` +
        (score === undefined ? "–" : `${Math.round(100 * score)}%`),
    }));
  }
  button.addEventListener("click", () => {
    state.chosen = isChosen ? null : object;
    draw();
    element("panels").scrollIntoView({ block: "nearest" });
  });
  const item = make("li");
  item.append(button);
  return item;
}

function drawFacts() {
  const { image, seconds, model } = state.answer;
  const rows = [["Photo", `${image.width} x ${image.height} px`],
    ["Model", `${model.name}, version ${model.version}`],
    ["Decoding", milliseconds(seconds.decoding)],
    ...state.model.detectors.map((detector) => [
      TITLES[detector], milliseconds(seconds[detector])])];
  element("facts").replaceChildren(...rows.map(([name, value]) => {
    const row = make("tr");
    row.append(make("th", { scope: "row", textContent: name }),
      make("td", { textContent: value }));
    return row;
  }));
}

function makePanel(detector) {
  const figure = make("figure");
  const caption = make("figcaption");
  caption.append(make("strong", { textContent: TITLES[detector] }),
    make("span", { className: "note", id: `count-${detector}` }));
  const canvas = make("canvas", { id: `canvas-${detector}` });
  canvas.setAttribute("role", "img");
  figure.append(caption, canvas);
  return figure;
}

function download() {
  const text = JSON.stringify(state.answer, null, 1);
  const link = make("a", {
    href: URL.createObjectURL(new Blob([text], { type: "application/json" })),
    download: `${state.name.replace(/\.[^.]*$/, "")}.json`,
  });
  link.click();
  URL.revokeObjectURL(link.href);
}

function listenForDrops() {
  const drop = element("drop");
  for (const type of ["dragover", "dragleave", "drop"]) {
    document.addEventListener(type, (event) => {
      event.preventDefault();
      drop.classList.toggle("over", type === "dragover");
    });
  }
  document.addEventListener("drop", (event) =>
    run(() => show(event.dataTransfer.files[0])));
}

function make(tag, properties = {}) {
  return Object.assign(document.createElement(tag), properties);
}

function count(number, noun, plural = "s") {
  return `${number} ${noun}${number === 1 ? "" : plural}`;
}

function milliseconds(seconds) {
  return `${Math.round(1000 * seconds)} ms`;
}

run(start);
