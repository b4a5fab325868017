// The explorer's page: controls, drawings and the loop that trains. What is computed stands in network.mjs, what is said in
// words.mjs; the engine and the digits are in the file itself, gzipped and in base64.
import { ACTIVATIONS, DATA, INITIALIZERS, NUMBERS, Network, python, readLink, usual, writeLink } from "./network.mjs";
import { WORDS, shown } from "./words.mjs";

const ENGINE = "/*ENGINE*/",
  DIGITS = "/*DIGITS*/";
const at = (id) => document.getElementById(id);
const escape = (text) => String(text).replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);

let state,
  network,
  words,
  chosen = 1,
  question = null; // chosen: the layer with a control of its own; question: a preset's name
let losses = [],
  accuracies = [],
  measured = null,
  isTraining = false,
  isWaiting = false,
  lastDrawn = 0,
  drawingTakes = 0;

// Controls

// A slider's place for a value, and back; of those that are powers of ten it is the exponent.
const SLIDERS = {
  depth: { low: 1, high: 50, step: 1 },
  width: { low: 2, high: 256, step: 1 },
  gain: { low: -3, high: 2, step: 0.05, isPower: true },
  bias: { low: -2, high: 2, step: 0.05 },
  rate: { low: -4, high: 2, step: 0.05, isPower: true },
  momentum: { low: 0, high: 0.99, step: 0.01 },
};
const place = (key, value) => (SLIDERS[key].isPower ? Math.log10(Math.max(value, 1e-9)) : value);
const value = (key, place) => (SLIDERS[key].isPower ? Number((10 ** place).toPrecision(2)) : Number(Number(place).toFixed(2)));

const slider = (
  id,
  key,
  label,
) => `<label><span class="row"><span id="${id}-label">${escape(label)}</span><output id="${id}-value" for="${id}"></output></span>
  <input type="range" id="${id}" min="${SLIDERS[key].low}" max="${SLIDERS[key].high}" step="${SLIDERS[key].step}"></label>`;
const select = (id, label, options) =>
  `<label><span>${escape(label)}</span><select id="${id}">${Object.entries(options)
    .map(([name, text]) => `<option value="${name}">${escape(text)}</option>`)
    .join("")}</select></label>`;

function writeControls() {
  at("controls").setAttribute("aria-label", words.controls);
  at("controls").innerHTML = [
    select("data", words.data, words.datas),
    slider("depth", "depth", words.depth),
    slider("width", "width", words.width),
    select("activation", words.activation, words.activations),
    select("init", words.init, words.inits),
    slider("gain", "gain", words.gain),
    slider("bias", "bias", words.bias),
    `<label class="check"><input type="checkbox" id="norm"><span>${escape(words.norm)}</span></label>`,
    `<label><span>${escape(words.seed)}</span><input type="number" id="seed" min="0" max="${NUMBERS.seed[1]}" step="1" inputmode="numeric"></label>`,
    slider("rate", "rate", words.rate),
    slider("momentum", "momentum", words.momentum),
    `<fieldset><legend>${escape(words.one)}</legend>`,
    select("layer", words.layer, {}),
    select("layer-init", words.layerInit, { "": words.asNetwork, ...words.inits }),
    slider("layer-gain", "gain", words.layerGain),
    "</fieldset>",
  ].join("");
}

const setSlider = (id, key, number) => {
  at(id).value = place(key, number);
  at(id).setAttribute("aria-valuetext", String(number));
  at(`${id}-value`).textContent = String(number);
};

function showControls() {
  for (const key of ["data", "activation", "init"]) at(key).value = state[key];
  for (const key of Object.keys(SLIDERS)) setSlider(key, key, state[key]);
  at("norm").checked = state.norm === "1";
  at("seed").value = state.seed;
  at("gain").disabled = state.init === "zeros";
  at("gain-label").textContent = words.gainOf[state.init] ?? words.gain;
  at("width").disabled = state.depth === 1;
  if (state.widths) at("width-value").textContent = state.widths.join(", ");
  chosen = Math.min(chosen, state.depth);
  if (at("layer").length !== state.depth)
    at("layer").innerHTML = Array.from(
      { length: state.depth },
      (_, i) => `<option value="${i + 1}">${words.layerN(i + 1)}</option>`,
    ).join("");
  at("layer").value = chosen;
  const own = state.layers[chosen];
  at("layer-init").value = own ? own[0] : "";
  at("layer-gain").disabled = !own || own[0] === "zeros";
  setSlider("layer-gain", "gain", own ? own[1] : state.gain);
  for (const button of at("presets").children) button.setAttribute("aria-pressed", String(button.dataset.preset === question));
  at("question").textContent = question ? words.presetList.find(([name]) => name === question)[2] : "";
  at("train").textContent = isTraining ? words.pause : words.train;
}

function listen() {
  at("controls").addEventListener("input", ({ target }) => {
    const { id } = target,
      own = state.layers[chosen];
    question = null;
    if (id === "seed") {
      const isGood = target.value !== "" && target.checkValidity();
      target.setAttribute("aria-invalid", String(!isGood));
      if (!isGood) return;
      state.seed = Number(target.value);
    } else if (id === "layer") chosen = Number(target.value);
    else if (id === "layer-init" && target.value) state.layers[chosen] = [target.value, own ? own[1] : 1];
    else if (id === "layer-init") delete state.layers[chosen];
    else if (id === "layer-gain") own[1] = value("gain", target.value);
    else if (id === "norm") state.norm = target.checked ? "1" : "0";
    else state[id] = id in SLIDERS ? value(id, target.value) : target.value;
    if (id === "depth" || id === "width") state.widths = null;
    for (const layer of Object.keys(state.layers)) if (layer > state.depth) delete state.layers[layer];
    if (id === "layer") drawLayers();
    changed({ keepsWeights: ["layer", "rate", "momentum"].includes(id) });
  });
  at("presets").addEventListener("click", ({ target }) => {
    if (!target.dataset.preset) return;
    question = target.dataset.preset;
    const [, , , settings] = WORDS.en.presetList.find(([name]) => name === question);
    state = { ...usual(), lang: state.lang, ...structuredClone(settings) };
    say("");
    changed();
  });
  at("layers").addEventListener("click", ({ target }) => {
    const button = target.closest("button");
    if (!button) return;
    chosen = Number(button.dataset.layer);
    showControls();
    drawLayers();
  });
  at("lang").addEventListener("click", () => {
    state.lang = state.lang === "en" ? "zh" : "en";
    speak();
    changed({ keepsWeights: true });
  });
  at("train").addEventListener("click", () => {
    if (!isTraining) return start();
    stop();
    refresh();
  });
  at("step").addEventListener("click", () => {
    stop();
    if (!network.state) refresh(); // a change waits to be drawn
    advance(1);
    draw();
  });
  at("reset").addEventListener("click", () => {
    stop();
    changed();
  });
  at("copy").addEventListener("click", () => copy(python(state)));
  at("link").addEventListener("click", () => copy(location.href.replace(/#.*/, "") + link()));
  window.addEventListener("hashchange", () => {
    readState(location.hash);
    speak();
    changed();
  });
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    at("copied").textContent = words.copied;
  } catch {
    at("copied").textContent = words.notCopied;
  }
  setTimeout(() => (at("copied").textContent = ""), 4000);
}

/** The state as a link; English is said where the browser's language would choose Chinese. */
const link = () => writeLink(state) + (state.lang === "en" && navigator.language.startsWith("zh") ? "&lang=en" : "");

const say = (text) => (at("notice").textContent = text);

function readState(hash) {
  const { state: read, unread } = readLink(hash);
  if (!/\blang=/.test(hash) && navigator.language.startsWith("zh")) read.lang = "zh";
  state = read;
  words = WORDS[state.lang];
  question = null;
  const short = (text) => (text.length > 40 ? `${text.slice(0, 40)}...` : text);
  say(
    unread
      .slice(0, 5)
      .map(([key, text]) => words.unread(short(key), short(text), allowed(key)))
      .join(" "),
  );
}

function allowed(key) {
  if (key === "layers" || key === "widths") return words[`${key}Allowed`];
  if (Object.hasOwn(NUMBERS, key))
    return words.numbersAllowed(NUMBERS[key][0], NUMBERS[key][1], ["depth", "width", "seed"].includes(key));
  const names = { data: DATA, activation: ACTIVATIONS, init: INITIALIZERS, norm: { 0: 0, 1: 1 }, lang: WORDS };
  return Object.hasOwn(names, key) ? words.namesAllowed(Object.keys(names[key])) : words.keysAllowed;
}

/** Puts all words into the page, in the state's language. */
function speak() {
  words = WORDS[state.lang];
  document.documentElement.lang = state.lang === "zh" ? "zh-CN" : "en";
  document.title = `minidl: ${words.title}`;
  for (const element of document.querySelectorAll("[data-word]")) element.textContent = words[element.dataset.word];
  at("lang").textContent = words.other;
  at("lang").lang = state.lang === "zh" ? "en" : "zh-CN";
  at("link").hidden = location.protocol === "about:"; // a page inside a notebook has no address
  at("presets").setAttribute("aria-label", words.presets);
  at("presets").innerHTML = words.presetList
    .map(([name, text]) => `<button type="button" data-preset="${name}">${escape(text)}</button>`)
    .join("");
  writeControls();
}

// Computing

function changed({ keepsWeights = false } = {}) {
  showControls();
  try {
    history.replaceState(null, "", link());
  } catch {
    /* a page inside a notebook has no address */
  }
  if (!keepsWeights)
    network.state = null; // to be built anew
  else if (network.state) Object.assign(network.state, { rate: state.rate, momentum: state.momentum });
  if (!isWaiting)
    requestAnimationFrame(() => {
      isWaiting = false;
      refresh();
    });
  isWaiting = true;
}

function refresh() {
  if (!network.state) {
    losses = [];
    accuracies = [];
    while (!network.build(state)) {
      if (state.depth * state.width < 100) throw new Error(words.noMemory);
      say(words.noMemory);
      Object.assign(state, { depth: Math.ceil(state.depth / 2), width: Math.ceil(state.width / 2), widths: null, layers: {} });
      showControls();
    }
  }
  draw();
}

function start() {
  isTraining = true;
  showControls();
  requestAnimationFrame(frame);
}

function stop() {
  isTraining = false;
  showControls();
}

function frame(now) {
  if (!isTraining || !network.state) {
    if (isTraining) requestAnimationFrame(frame);
    return;
  }
  const end = performance.now() + 24;
  for (let steps = 0; steps < 60 && performance.now() < end && !network.lost; steps++) advance(1);
  if (network.lost) stop();
  if (network.lost || now - lastDrawn > 3 * drawingTakes) {
    lastDrawn = now;
    draw();
    drawingTakes = performance.now() - now - 24;
  }
  if (isTraining) requestAnimationFrame(frame);
}

/** A curve of at most so many points: every other one is left out when it gets longer. Points are [step, value]. */
const thinned = (points) => (points.length > 1000 ? points.filter((_, i) => i % 2 === 0) : points);

function advance(steps) {
  const first = network.steps;
  losses = thinned([...losses, ...network.train(steps).map((loss, i) => [first + i, loss])]);
}

/** Measures the network as it is and shows everything. */
function draw() {
  measured = network.measure();
  const { accuracy } = measured,
    reach = 1.5,
    size = 48;
  const surface = state.data === "digits" ? null : network.surface(size, reach);
  accuracies = thinned([...accuracies, [network.steps, accuracy]]);
  drawVerdict();
  drawFlow();
  drawCounts();
  drawCurve(accuracy);
  drawLayers();
  at("units-panel").hidden = Boolean(surface);
  at("surface-panel").hidden = !surface;
  if (surface) drawSurface(surface, size, reach, accuracy);
  else drawUnits();
  at("python").textContent = python(state);
}

// Drawings

function drawVerdict() {
  const [what, why] = words.verdicts[measured.verdict.symptom](measured.verdict),
    html = `<strong>${escape(what)}</strong> ${escape(why)}`;
  at("verdict").classList.toggle("bad", measured.verdict.symptom !== "none");
  at("verdict").dataset.symptom = measured.verdict.symptom;
  if (at("verdict").innerHTML !== html) at("verdict").innerHTML = html;
}

const W = 340,
  H = 170,
  LEFT = 38,
  RIGHT = 332,
  TOP = 8,
  BOTTOM = 146;

/** A frame with lines: [class, values by layer or null, word]. `ticks`: of the y axis, as [value, text]. */
function chart(lines, x, y, xTicks, yTicks, said, legend) {
  const path = (values) =>
    values
      .map((v, i) => (v === null || !Number.isFinite(y(v)) ? null : [x(i), y(v)]))
      .map((p, i, all) =>
        p ? `${all[i - 1] ? "L" : "M"}${p[0].toFixed(1)} ${p[1].toFixed(1)}${all[i - 1] || all[i + 1] ? "" : "h0.1"}` : "",
      )
      .join("");
  return `<svg viewBox="0 0 ${W} ${H}" role="img" aria-label="${escape(said)}">
    <path class="axis" d="M${LEFT} ${TOP}V${BOTTOM}H${RIGHT}${yTicks.map(([v]) => `M${LEFT - 3} ${y(v).toFixed(1)}h3`).join("")}${xTicks.map(([v]) => `M${x(v).toFixed(1)} ${BOTTOM}v3`).join("")}"/>
    ${yTicks.map(([v, text]) => `<text x="${LEFT - 5}" y="${(y(v) + 3).toFixed(1)}" text-anchor="end">${text}</text>`).join("")}
    ${xTicks.map(([v, text]) => `<text x="${x(v).toFixed(1)}" y="${BOTTOM + 13}" text-anchor="middle">${text}</text>`).join("")}
    ${lines.map(([name, values]) => `<path class="${name}" d="${path(values)}" stroke-linecap="round"/>`).join("")}</svg>
    <p class="quiet">${legend.map(([name, text]) => `<i class="${name}"></i> ${escape(text)}`).join(" &nbsp; ")}</p>`;
}

const layerTicks = (count) => {
  const every = count <= 10 ? 1 : count <= 20 ? 2 : 5;
  return Array.from({ length: count }, (_, i) => i + 1)
    .filter((i) => every === 1 || i === 1 || i % every === 0)
    .map((i) => [i - 1, i]);
};
const across = (count) => (i) => (count > 1 ? LEFT + 8 + (i / (count - 1)) * (RIGHT - LEFT - 16) : (LEFT + RIGHT) / 2);

function drawFlow() {
  const { records } = measured,
    positive = (v) => (v > 0 && Number.isFinite(v) ? v : null);
  const lines = [
    ["o", records.map((r) => positive(r.out.std))],
    ["o theory", records.map((r) => positive(r.predicted.std))],
    ["g", records.map((r) => positive(r.ratio))],
    ["g theory", records.map((r) => positive(r.predicted.ratio))],
  ];
  const known = lines
    .flatMap(([, values]) => values)
    .filter((v) => v !== null)
    .map(Math.log10);
  const low = Math.floor(Math.min(-1, ...known)),
    high = Math.ceil(Math.max(1, ...known)),
    every = Math.ceil((high - low) / 5);
  const y = (v) => BOTTOM - ((Math.log10(v) - low) / (high - low)) * (BOTTOM - TOP);
  const ticks = Array.from({ length: high - low + 1 }, (_, i) => low + i)
    .filter((p) => p % every === 0)
    .map((p) => [10 ** p, Math.abs(p) < 3 ? 10 ** p : `1e${p}`]);
  const ends = (key) => `${shown.n(key(records[0]))} ... ${shown.n(key(records.at(-1)))}`;
  at("flow").innerHTML = chart(
    lines,
    across(records.length),
    y,
    layerTicks(records.length),
    ticks,
    `${words.flowTitle}. ${words.out}: ${ends((r) => r.out.std)}. ${words.grad}: ${ends((r) => r.ratio)}`,
    [
      ["o", words.out],
      ["g", words.grad],
      ["c theory", words.theory],
    ],
  );
}

function drawCounts() {
  const { records } = measured,
    y = (f) => BOTTOM - f * (BOTTOM - TOP);
  const lines = [
    ["c", records.map((r) => r.distinct / r.units)],
    ["g", records.map((r) => (r.dead === undefined ? null : r.dead / r.units))],
    ["o", records.map((r) => r.saturated ?? null)],
  ];
  const total = (key) => shown.percent(lines[key][1].reduce((sum, v) => sum + (v ?? 0), 0) / lines[key][1].length);
  at("counts").innerHTML = chart(
    lines,
    across(records.length),
    y,
    layerTicks(records.length),
    [
      [0, "0"],
      [0.5, "50 %"],
      [1, "100 %"],
    ],
    `${words.countsTitle}. ${words.distinct}: ${total(0)}. ${words.dead}: ${total(1)}. ${words.saturated}: ${total(2)}`,
    [
      ["c", words.distinct],
      ["g", words.dead],
      ["o", words.saturated],
    ],
  );
}

function drawCurve(accuracy) {
  const steps = Math.max(network.steps, 1),
    finite = losses.map(([, loss]) => loss).filter(Number.isFinite);
  const most = Math.max(Math.log(DATA[state.data].classes), ...finite),
    height = (fraction) => BOTTOM - fraction * (BOTTOM - TOP);
  const line = (points, scale) =>
    points
      .filter(([, v]) => Number.isFinite(v))
      .map(([k, v], i) => `${i ? "L" : "M"}${(LEFT + (k / steps) * (RIGHT - LEFT)).toFixed(1)} ${height(v / scale).toFixed(1)}`)
      .join("");
  const svg = chart(
    [],
    (i) => LEFT + i * (RIGHT - LEFT),
    height,
    [
      [0, "0"],
      [1, steps.toLocaleString("en")],
    ],
    [
      [0, "0"],
      [0.5, shown.n(most / 2)],
      [1, shown.n(most)],
    ],
    words.steps(network.steps, measured.loss, accuracy),
    [
      ["g", words.loss],
      ["c", `${words.accuracy} (0 - 100 %)`],
    ],
  );
  const lines = `<path class="g" d="${line(losses, most)}"/><path class="c" d="${line(accuracies, 1)}"/></svg>`;
  at("curve").innerHTML =
    `<p class="quiet" id="progress">${escape(words.steps(network.steps, measured.loss, accuracy))}</p>${svg.replace("</svg>", lines)}`;
}

const bars = ({ counts }, name) => {
  const most = Math.max(1, ...counts),
    d = counts.map((c, i) => (c ? `M${i * 3} 26V${(26 - (24 * c) / most).toFixed(1)}h3V26z` : "")).join("");
  return `<svg viewBox="0 0 96 27" aria-hidden="true"><path class="fill-${name}" d="${d}"/><path class="axis" d="M0 26.5H96"/></svg>`;
};

function drawLayers() {
  const focused = document.activeElement?.closest("#layers button")?.dataset.layer; // it is made anew
  at("layers").innerHTML = measured.records
    .map((r, i) => {
      const tags = [
        r.distinct < r.units ? words.tags.distinct(r.distinct, r.units) : "",
        r.dead ? words.tags.dead(r.dead) : "",
        r.saturated > 0.5 && !r.dead ? words.tags.saturated(r.saturated) : "",
      ].filter(Boolean);
      const own = state.layers[i + 1] ? ` ${words.inits[state.layers[i + 1][0]]}` : "",
        said = (text) => `<span class="said">${escape(text)} </span>`;
      return `<button type="button" data-layer="${i + 1}" aria-pressed="${i + 1 === chosen}" title="${escape(words.record(r, i + 1))}"><span>${said(words.layer)}${i + 1}${escape(own)}</span>
      ${bars(r.out, "o")}<span>${said(words.out)}${shown.n(r.out.std)}</span>${bars(r.grad, "g")}<span>${said(words.gradStd)}${shown.n(r.grad.std)}</span>${tags.map((tag) => `<span class="bad">${escape(tag)}</span>`).join("")}</button>`;
    })
    .join("");
  if (focused) at("layers").querySelector(`[data-layer="${focused}"]`)?.focus();
}

const CLASSES = [
  [86, 156, 214],
  [230, 143, 60],
  [80, 176, 130],
]; // of points and planes

function drawUnits() {
  const weights = network.learned(0, "weight"),
    units = Math.min(network.layers[0].out, 64),
    columns = Math.min(units, 8),
    rows = Math.ceil(units / columns);
  const canvas = at("units"),
    image = new ImageData(columns * 9 - 1, rows * 9 - 1),
    most = weights.reduce((m, w) => Math.max(m, Math.abs(w)), 1e-30);
  for (let unit = 0; unit < units; unit++)
    for (let pixel = 0; pixel < 64; pixel++) {
      const w = weights[unit * 64 + pixel] / most,
        fade = Math.round(255 * (1 - Math.abs(w)));
      const x = (unit % columns) * 9 + (pixel % 8),
        y = Math.floor(unit / columns) * 9 + Math.floor(pixel / 8);
      image.data.set(w > 0 ? [255, 128 + fade / 2, fade, 255] : [fade, 128 + fade / 2, 255, 255], 4 * (y * image.width + x));
    }
  Object.assign(canvas, { width: image.width, height: image.height });
  canvas.getContext("2d").putImageData(image, 0, 0);
  canvas.setAttribute("aria-label", words.unitsSaid(units));
}

function drawSurface(surface, size, reach, accuracy) {
  const canvas = at("surface"),
    side = 6 * size,
    { x, classes } = network.points();
  Object.assign(canvas, { width: side, height: side });
  const context = canvas.getContext("2d");
  surface.forEach((c, k) => {
    context.fillStyle = `rgba(${CLASSES[c]}, 0.35)`;
    context.fillRect(6 * (k % size), 6 * Math.floor(k / size), 6, 6);
  });
  classes.forEach((c, i) => {
    context.fillStyle = `rgb(${CLASSES[c]})`;
    context.strokeStyle = "#222";
    context.beginPath();
    context.arc((side * (x[2 * i] / reach + 1)) / 2, (side * (1 - x[2 * i + 1] / reach)) / 2, 3.5, 0, 7);
    context.fill();
    context.stroke();
  });
  canvas.setAttribute("aria-label", words.surfaceSaid(accuracy));
}

// Beginning

async function unpacked(text) {
  const packed = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  return new Uint8Array(
    await new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer(),
  );
}

async function begin() {
  readState(location.hash || document.querySelector("meta[name=state]").content);
  speak();
  let engine, digits;
  try {
    [engine, digits] = [await unpacked(ENGINE), await unpacked(DIGITS)];
  } catch {
    return say(typeof DecompressionStream === "undefined" ? words.tooOld : words.damaged);
  }
  try {
    const { exports } = (await WebAssembly.instantiate(engine)).instance;
    exports._initialize?.();
    network = new Network(exports, digits);
  } catch {
    return say(words.tooOld);
  }
  listen();
  changed();
  window.explorer = {
    get state() {
      return state;
    },
    get network() {
      return network;
    },
    get measured() {
      return measured;
    },
    get isTraining() {
      return isTraining;
    },
  };
}

begin();
