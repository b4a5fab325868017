// The explorer's network, without the page: a state becomes a network in the engine (explore.c), is measured, judged and
// trained, and becomes a link and a Python program. page.mjs shows it; tests/explorer.mjs runs it under Node. What is counted
// and judged follows minidl/flow/, what is predicted minidl/theory.py, and the tests hold the one to the other.

// What a link and the controls may say: [least, most, default]; or the names, of which the first is the default.
export const NUMBERS = {
  depth: [1, 50, 5],
  width: [2, 256, 64],
  gain: [0, 100, 1],
  bias: [-10, 10, 0],
  seed: [0, 4294967295, 0],
  rate: [0, 100, 0.1],
  momentum: [0, 0.99, 0.9],
};
const INTEGERS = ["depth", "width", "seed"];

export const DATA = {
  digits: { inputs: 64, classes: 10, measured: 128, batch: 32 },
  spirals: { inputs: 2, classes: 3, measured: 150, batch: 150 },
  circles: { inputs: 2, classes: 2, measured: 150, batch: 150 },
};

const sigmoid = (x) => 1 / (1 + Math.exp(-x));

// Phi(x), the normal distribution's; erf by Abramowitz and Stegun, equation 7.1.26: off by 1.5e-7 at most.
function phi(x) {
  const t = 1 / (1 + 0.3275911 * Math.abs(x) * Math.SQRT1_2);
  const tail =
    t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429)))) * Math.exp((-x * x) / 2);
  return x < 0 ? tail / 2 : 1 - tail / 2;
}

// code: elementwise_function in csrc/fused.h. f(x), and f'(x), for which y = f(x) is at hand.
export const ACTIVATIONS = {
  tanh: { code: 0, layer: "Tanh()", f: Math.tanh, slope: (x, y) => 1 - y * y },
  relu: { code: 4, layer: "ReLU()", f: (x) => Math.max(x, 0), slope: (x) => (x > 0 ? 1 : 0) },
  sigmoid: { code: 2, layer: "Sigmoid()", f: sigmoid, slope: (x, y) => y * (1 - y) },
  leaky_relu: { code: 6, layer: "LeakyReLU()", f: (x) => (x > 0 ? x : 0.01 * x), slope: (x) => (x > 0 ? 1 : 0.01) },
  elu: { code: 8, layer: "ELU()", f: (x) => (x > 0 ? x : Math.expm1(x)), slope: (x) => (x > 0 ? 1 : Math.exp(x)) },
  silu: { code: 10, layer: "SiLU()", f: (x) => x * sigmoid(x), slope: (x) => sigmoid(x) * (1 + x * (1 - sigmoid(x))) },
  gelu: {
    code: 12,
    layer: "GELU()",
    f: (x) => x * phi(x),
    slope: (x) => phi(x) + (x * Math.exp((-x * x) / 2)) / Math.sqrt(2 * Math.PI),
  },
  identity: { code: -1, layer: "", f: (x) => x, slope: () => 1 },
};

const scaled = (distribution, scale, mode) => ({
  kind: distribution === "normal" ? 3 : 4,
  first: scale,
  second: ["fan_in", "fan_out", "fan_avg"].indexOf(mode),
  std: (fanIn, fanOut) => Math.sqrt(scale / (mode === "fan_in" ? fanIn : (fanIn + fanOut) / 2)),
  python: `VarianceScaling(${scale}, "${mode}", "${distribution}")`,
});
const named = (gain, name, initializer) => (gain === 1 ? { ...initializer, python: `${name}()` } : initializer);

// By name and gain: the engine's code for it, see explore.c; mean and standard deviation of the weights; and what Python
// calls it. "Gain" is what all weights are multiplied by: of a constant, a normal or a uniform initializer it is the constant, the
// standard deviation, or the bound.
export const INITIALIZERS = {
  xavier_normal: (gain) => named(gain, "XavierNormal", scaled("normal", gain * gain, "fan_avg")),
  xavier_uniform: (gain) => named(gain, "XavierUniform", scaled("uniform", gain * gain, "fan_avg")),
  he_normal: (gain) => named(gain, "HeNormal", scaled("normal", 2 * gain * gain, "fan_in")),
  he_uniform: (gain) => named(gain, "HeUniform", scaled("uniform", 2 * gain * gain, "fan_in")),
  lecun_normal: (gain) => named(gain, "LecunNormal", scaled("normal", gain * gain, "fan_in")),
  lecun_uniform: (gain) => named(gain, "LecunUniform", scaled("uniform", gain * gain, "fan_in")),
  orthogonal: (gain) => ({
    kind: 6,
    first: gain,
    second: 0,
    std: (n, m) => gain / Math.sqrt(Math.max(n, m)),
    python: `Orthogonal(${gain})`,
  }),
  normal: (gain) => ({ kind: 2, first: 0, second: gain, std: () => gain, python: `Normal(std=${gain})` }),
  uniform: (gain) => ({
    kind: 1,
    first: -gain,
    second: gain,
    std: () => gain / Math.sqrt(3),
    python: `Uniform(${-gain}, ${gain})`,
  }),
  constant: (gain) => ({ kind: 0, first: gain, second: 0, mean: gain, std: () => 0, python: `Constant(${gain})` }),
  zeros: () => ({ kind: 0, first: 0, second: 0, std: () => 0, python: "Zeros()" }),
};

const NAMES = {
  data: Object.keys(DATA),
  activation: Object.keys(ACTIVATIONS),
  init: Object.keys(INITIALIZERS),
  norm: ["0", "1"],
  lang: ["en", "zh"],
};

export function usual() {
  const state = { layers: {}, widths: null };
  for (const [key, [, , value]] of Object.entries(NUMBERS)) state[key] = value;
  for (const [key, [value]] of Object.entries(NAMES)) state[key] = value;
  return state;
}

// A link

const isNumber = (key, text, value) => {
  const [least, most] = NUMBERS[key];
  return text.trim() !== "" && value >= least && value <= most && (!INTEGERS.includes(key) || Number.isInteger(value));
};

/** The state that "#depth=20&init=he_normal&layers=3:zeros:1" stands for, and what of it could not be read: [key, text]. */
export function readLink(hash) {
  const state = usual(),
    unread = [];
  for (const [key, text] of new URLSearchParams(hash.replace(/^#/, ""))) {
    if (Object.hasOwn(NUMBERS, key) && isNumber(key, text, Number(text))) state[key] = Number(text);
    else if (Object.hasOwn(NAMES, key) && NAMES[key].includes(text)) state[key] = text;
    else if (key === "layers") readLayers(state, text, unread);
    else if (
      key === "widths" &&
      /^\d+(,\d+)*$/.test(text) &&
      text.split(",").every((width) => isNumber("width", width, Number(width)))
    )
      state.widths = text.split(",").map(Number);
    else unread.push([key, text]);
  }
  if (state.widths && state.widths.length !== state.depth - 1) {
    unread.push(["widths", String(state.widths)]);
    state.widths = null;
  }
  for (const layer of Object.keys(state.layers))
    if (layer > state.depth) {
      unread.push(["layers", `${layer}:${state.layers[layer].join(":")}`]);
      delete state.layers[layer];
    }
  return { state, unread };
}

function readLayers(state, text, unread) {
  for (const part of text.split(",")) {
    const [layer, name, gain = "1", ...more] = part.split(":");
    const known =
      !more.length &&
      /^\d+$/.test(layer) &&
      isNumber("depth", layer, Number(layer)) &&
      NAMES.init.includes(name) &&
      isNumber("gain", gain, Number(gain));
    if (known) state.layers[Number(layer)] = [name, Number(gain)];
    else unread.push(["layers", part]);
  }
}

/** The link that readLink reads: it says what differs from the usual. */
export function writeLink(state) {
  const said = new URLSearchParams(),
    standard = usual();
  for (const key of [...Object.keys(NAMES), ...Object.keys(NUMBERS)])
    if (state[key] !== standard[key]) said.set(key, state[key]);
  const layers = Object.entries(state.layers).map(([layer, [name, gain]]) => `${layer}:${name}:${gain}`);
  if (layers.length) said.set("layers", layers.join(","));
  if (state.widths) said.set("widths", state.widths.join(","));
  return "#" + String(said).replace(/%3A/g, ":").replace(/%2C/g, ",");
}

/** The layers of a state's network: how many units come in and go out, and what the weights are initialized with. */
export function layersOf(state) {
  const { inputs, classes } = DATA[state.data];
  const sizes = [inputs, ...(state.widths ?? Array(state.depth - 1).fill(state.width)), classes];
  return sizes.slice(1).map((out, i) => {
    const [name, gain] = state.layers[i + 1] ?? [state.init, state.gain];
    return { fanIn: sizes[i], out, isLast: i === state.depth - 1, initializer: INITIALIZERS[name](gain) };
  });
}

/** A Python program that makes this very network, and measures it. */
export function python(state) {
  const { measured } = DATA[state.data],
    layers = layersOf(state),
    n = state.depth;
  const uniform = state.widths
    ? ""
    : `[${layers[0].fanIn}, ${n > 1 ? `*[${state.width}] * ${n - 1}, ` : ""}${layers[n - 1].out}]`;
  const data = {
    digits: `x, y, *_ = data.digits()\nx, y = x[:${measured}], y[:${measured}]`,
    spirals: "x, y = data.spirals(50, rng=0)",
    circles: "x, y = data.circles(75, rng=0)",
  }[state.data];
  const normed = state.norm === "1" ? "nn.BatchNorm1d(sizes[i + 1])" : "",
    act = state.activation === "identity" ? "" : `nn.${ACTIVATIONS[state.activation].layer}`;
  const between = [normed, act].filter(Boolean).join(", ");
  return [
    "from minidl import data, flow, init, nn",
    "from minidl.random import Generator",
    "",
    data,
    `sizes = ${uniform || `[${[layers[0].fanIn, ...layers.map((layer) => layer.out)].join(", ")}]`}`,
    `weights = [init.${INITIALIZERS[state.init](state.gain).python}] * ${n}`,
    ...Object.keys(state.layers).map((layer) => `weights[${layer - 1}] = init.${layers[layer - 1].initializer.python}`),
    "layers, rng = [], Generator(" + state.seed + ")",
    `for i in range(${n}):`,
    `    layers.append(nn.Linear(sizes[i], sizes[i + 1], weight_init=weights[i], bias_init=${Number.isInteger(state.bias) ? `${state.bias}.0` : state.bias}, rng=rng))`,
    ...(between && n > 1 ? [`    if i < ${n - 1}:`, `        layers += [${between}]`] : []),
    "model = nn.Sequential(*layers)",
    "print(flow.diagnose(model, x, y))",
    "print(flow.measure(model, x, y))",
    "",
  ].join("\n");
}

// Theory: the second moment forward and backward, as minidl/theory.py follows it

const STEP = 1 / 64,
  REACH = 8.5,
  NEAR = 0.05; // of the integrals over a normal variable

/** E[g(u)] for u ~ N(mean, std^2). The points lie around u = 0, where activations have their kinks, and never on it. */
function expectation(g, mean, std) {
  if (!std) return g(mean);
  if (std > 4) return wideExpectation(g, mean, std);
  const kink = -mean / std,
    first = Math.ceil((-REACH - kink) / STEP - 0.5),
    points = (2 * REACH) / STEP;
  let total = 0,
    weights = 0;
  for (let k = first; k <= first + points; k++) {
    const z = kink + (k + 0.5) * STEP,
      weight = Math.exp((-z * z) / 2);
    total += weight * g(mean + std * z);
    weights += weight;
  }
  return total / weights;
}

/** The same where an activation bends within a small part of std: u = NEAR sinh(t), so that points are dense around 0. */
function wideExpectation(g, mean, std) {
  const end = Math.asinh((Math.abs(mean) + REACH * std) / NEAR),
    points = 1000;
  let total = 0,
    weights = 0;
  for (let k = 0; k < points; k++) {
    const t = end * ((2 * (k + 0.5)) / points - 1),
      u = NEAR * Math.sinh(t),
      z = (u - mean) / std,
      weight = Math.exp((-z * z) / 2) * Math.cosh(t);
    total += weight * g(u);
    weights += weight;
  }
  return total / weights;
}

/** E[f(u_a) f(u_b)], for two such with correlation c. */
function pairExpectation(f, mean, std, c) {
  if (Math.abs(c) < 1e-12) return expectation(f, mean, std) ** 2;
  const coarse = (g) => {
    // the same with fewer points, which smooth functions and this use forgive
    let total = 0,
      weights = 0;
    for (let z = -6; z <= 6; z += 0.125) {
      const weight = Math.exp((-z * z) / 2);
      total += weight * g(z);
      weights += weight;
    }
    return total / weights;
  };
  const rest = Math.sqrt(Math.max(1 - c * c, 0));
  return coarse((a) => f(mean + std * a) * coarse((b) => f(mean + std * (c * a + rest * b))));
}

/** Of each layer's output: its standard deviation, and the gradient's root mean square over that at the last; null where theory
 * does not reach, after weights whose mean is not 0. `moments` are [mean, std] of each layer's weights and biases. */
export function predict(layers, moments, signal, activation, norms) {
  const { f, slope } = ACTIVATIONS[activation],
    slopeAt = (u) => slope(u, f(u));
  let { mean, square, pair } = signal;
  const stds = [],
    factors = []; // factors: what a layer multiplies the gradient's second moment by, on its way back
  for (const [i, { fanIn, out, isLast }] of layers.entries()) {
    const { weight, bias } = moments[i];
    if (fanIn * weight[0] ** 2 > 0.01 * weight[1] ** 2 && Math.abs(weight[0]) > (4 * weight[1]) / Math.sqrt(fanIn * out)) break;
    const gain = fanIn * weight[1] ** 2,
      added = bias[0] ** 2 + bias[1] ** 2;
    mean = bias[0];
    square = gain * square + added;
    pair = gain * pair + added;
    let factor = out * weight[1] ** 2;
    if (!isLast && norms) {
      const { scale, shift, shiftMean } = norms[i],
        variance = Math.max(square - pair, 0),
        by = variance + 1e-5 ? scale / (variance + 1e-5) : 0;
      mean = shiftMean;
      square = by * variance + shift;
      pair = shift;
      factor *= by;
    }
    if (!isLast && activation !== "identity") {
      const std = Math.sqrt(Math.max(square - mean * mean, 0)),
        c = std ? Math.max(Math.min((pair - mean * mean) / std ** 2, 1), -1) : 0;
      factor *= expectation((u) => slopeAt(u) ** 2, mean, std);
      pair = norms ? pairExpectation(f, mean, std, c) : pair; // nothing else asks for it
      [mean, square] = [expectation(f, mean, std), expectation((u) => f(u) ** 2, mean, std)];
    }
    if (!Number.isFinite(square)) break;
    stds.push(Math.sqrt(Math.max(square - mean * mean, 0)));
    factors.push(factor);
  }
  const ratios = Array(layers.length).fill(null),
    isKnown = stds.length === layers.length;
  ratios[layers.length - 1] = 1;
  for (let i = layers.length - 1; isKnown && i > 0; i--) ratios[i - 1] = ratios[i] * Math.sqrt(factors[i]);
  return layers.map((_, i) => ({ std: stds[i] ?? null, ratio: ratios[i] }));
}

// The verdict: minidl.flow.diagnose's limits, in its order

const DEPTH = 6,
  CHANCE = 1e-6; // e^6: what the gradient's square may change from end to end

/** P(Binomial(n, p) >= k). */
function tail(n, p, k) {
  let total = 0,
    logChoose = 0; // ln(n choose j)
  for (let j = 0; j <= n; j++) {
    if (j >= k)
      total +=
        p === 0
          ? Number(j === 0)
          : p === 1
            ? Number(j === n)
            : Math.exp(logChoose + j * Math.log(p) + (n - j) * Math.log1p(-p));
    logChoose += Math.log((n - j) / (j + 1));
  }
  return total;
}

/** A function of an activation's name that is worked out once for each: it is asked for in every frame. */
const once = (worksOut) => {
  const known = {};
  return (activation) => (known[activation] ??= worksOut(activation));
};

/** A slope under this, 1 % of the activation's largest, counts as flat; less a rounding, for a slope of 1 % exactly. */
const flatLimit = once((activation) => {
  const { f, slope } = ACTIVATIONS[activation];
  let largest = 0;
  for (let x = -10; x <= 10; x += 0.05) largest = Math.max(largest, Math.abs(slope(x, f(x))));
  return 0.01 * (1 - 1e-6) * largest;
});

/** How often, for inputs from N(0, 1), the slope is 0; and how often it is under 1 % of the largest. */
const flatness = once((activation) => {
  const { f, slope } = ACTIVATIONS[activation],
    limit = flatLimit(activation);
  let never = 0,
    flat = 0,
    weights = 0;
  for (let z = -REACH; z <= REACH; z += 1 / 1024) {
    const weight = Math.exp((-z * z) / 2),
      s = Math.abs(slope(z, f(z)));
    never += weight * Number(s === 0);
    flat += weight * Number(s < limit);
    weights += weight;
  }
  return [never / weights, flat / weights];
});

/** What is wrong with a measured network: {symptom, layers, ...numbers}; "none" if nothing is. Layers count from 1. */
export function verdict({ records, loss }, state) {
  const hidden = records.slice(0, -1),
    places = (of) => hidden.flatMap((record, i) => (of(record, i) ? [i + 1] : []));
  const broken = records.findIndex(({ weight }) => !Number.isFinite(weight.mean + weight.std));
  if (broken >= 0) return { symptom: "overflow", layers: [broken + 1] };
  const clones = places((record) => record.distinct < record.units && (record.stayClones || record.distinct === 1));
  if (clones.length)
    return {
      symptom: "clones",
      layers: clones,
      distinct: hidden[clones[0] - 1].distinct,
      units: hidden[clones[0] - 1].units,
      stay: clones.every((i) => hidden[i - 1].stayClones),
    };
  const overflow = records.findIndex(
    (record) => ![record.out, record.grad, record.sum, record.sumGrad].every(({ mean, std }) => Number.isFinite(mean + std)),
  );
  if (overflow >= 0) return { symptom: "overflow", layers: [overflow + 1] };
  const [never, flat] = state.activation === "identity" ? [0, 0] : flatness(state.activation);
  const first = hidden.findIndex(({ dead, units }) => dead === units),
    before = first < 0 ? hidden.length : first + 1; // what follows gets constants
  const dead = places(({ dead, units }) => never && dead && (dead === units || tail(units, never, dead) <= CHANCE)).filter(
    (i) => i <= before,
  );
  if (dead.length) return { symptom: "dead", layers: dead, dead: hidden[dead[0] - 1].dead, units: hidden[dead[0] - 1].units };
  const saturated = places(
    ({ saturated, units }) => saturated > (1 + flat) / 2 && tail(units, flat, Math.round(saturated * units)) <= CHANCE,
  );
  if (saturated.length)
    return { symptom: "saturated", layers: saturated, fraction: Math.max(...saturated.map((i) => hidden[i - 1].saturated)) };
  const squares = hidden.map(({ units, sumGrad }) => units * (sumGrad.mean ** 2 + sumGrad.std ** 2));
  if (squares.length > 1 && squares.at(-1) > 0) {
    const change = Math.log(squares[0] / squares.at(-1)); // -Infinity where nothing is left
    if (change < -DEPTH) return { symptom: "vanishing", layers: places(() => true), times: Math.exp(change / 2) };
    if (change > DEPTH && state.norm === "0")
      return { symptom: "exploding", layers: places(() => true), times: Math.exp(change / 2) };
  }
  const classes = DATA[state.data].classes;
  if (loss > Math.log(classes) + DEPTH / 2)
    return { symptom: "loss", layers: [records.length], loss, expected: Math.log(classes) };
  return { symptom: "none", layers: [] };
}

// The network itself

export const SIGNALS = { z: 0, normed: 1, y: 2, dz: 3, dnormed: 4, dy: 5 },
  LEARNED = { weight: 6, bias: 7, scale: 8, shift: 9, weightGrad: 10 };
const BINS = 32,
  DIRECTION = Float64Array.from({ length: 256 }, (_, k) => Math.sin(k + 1));

export class Network {
  /** `engine`: the exports of explore.wasm, initialized. `digits`: 1,438 images of 64 bytes from 0 to 16, and their 1,438 classes behind. */
  constructor(engine, digits) {
    this.engine = engine;
    this.digits = digits;
  }

  /** Begins the network of a state, with its data. False if there is no memory for it. */
  build(state) {
    const { engine } = this,
      { inputs, measured, batch } = DATA[state.data];
    this.state = { ...state };
    this.layers = layersOf(state);
    this.rows = state.data === "digits" ? this.digits.length / 65 : measured;
    this.steps = 0;
    this.lost = false;
    if (!engine.begin(this.rows, inputs, Math.max(measured, batch), state.seed, 0)) return false;
    const filled = {
      digits: () => this.#fillDigits(),
      spirals: () => engine.spirals(3, 0.2, 0, 0),
      circles: () => engine.circles(0.1, 0.5, 0, 0),
    };
    if (!filled[state.data]()) return false;
    const activation = ACTIVATIONS[state.activation].code,
      norm = Number(state.norm);
    for (const {
      out,
      isLast,
      initializer: { kind, first, second },
    } of this.layers)
      if (!engine.add(out, isLast ? -1 : activation, isLast ? 0 : norm, state.bias, kind, first, second)) return false;
    this.room = {
      summary: engine.room(32),
      counts: engine.room(8 * 4 * (BINS + 1)),
      points: engine.room(4 * 2 * 64 * 64),
      classes: engine.room(64 * 64),
    };
    return Object.values(this.room).every(Boolean);
  }

  #fillDigits() {
    const n = this.rows,
      x = this.#floats(this.engine.inputs(), 64 * n);
    for (let i = 0; i < x.length; i++) x[i] = this.digits[i] / 16;
    new Int32Array(this.engine.memory.buffer, this.engine.labels(), n).set(this.digits.subarray(64 * n));
    return true;
  }

  // A view of the engine's memory, good until the engine takes more.
  #floats(at, n) {
    return new Float32Array(this.engine.memory.buffer, at, n);
  }

  signal(i, which) {
    return this.#floats(this.engine.array(i, SIGNALS[which]), DATA[this.state.data].measured * this.layers[i].out);
  }

  learned(i, which) {
    const { fanIn, out } = this.layers[i];
    return this.#floats(this.engine.array(i, LEARNED[which]), which.startsWith("weight") ? fanIn * out : out);
  }

  points() {
    const { inputs, measured } = DATA[this.state.data];
    return {
      x: this.#floats(this.engine.inputs(), measured * inputs).slice(),
      classes: new Int32Array(this.engine.memory.buffer, this.engine.labels(), measured).slice(),
    };
  }

  /** Mean, std, least and largest of an array in the engine, with or without a histogram. */
  #summary(at, n, bins = 0) {
    this.engine.summarize(n, at, bins, this.room.summary, this.room.counts);
    const [mean, std, low, high] = new Float64Array(this.engine.memory.buffer, this.room.summary, 4);
    const counts = bins ? Array.from(new BigInt64Array(this.engine.memory.buffer, this.room.counts, bins), Number) : [];
    return { mean, std, low, high, counts };
  }

  /** One pass forward and backward on the first rows: what flow.measure records, by layer. */
  measure() {
    const { engine } = this,
      { measured } = DATA[this.state.data];
    engine.take_rows(0, measured);
    const loss = engine.forward(),
      done = engine.backward();
    if (!done) throw new Error("memory");
    const records = this.layers.map((layer, i) => this.#record(layer, i, measured));
    const scale = Math.hypot(records.at(-1).grad.mean, records.at(-1).grad.std);
    const predicted = this.#predict(measured, records);
    records.forEach((record, i) =>
      Object.assign(record, { ratio: Math.hypot(record.grad.mean, record.grad.std) / scale, predicted: predicted[i] }),
    );
    const found = { records, loss, accuracy: this.#accuracy(measured) };
    return { ...found, verdict: { ...verdict(found, this.state), steps: this.steps } };
  }

  #record({ out, isLast }, i, rows) {
    const { engine } = this,
      at = (which) => engine.array(i, SIGNALS[which]),
      n = rows * out;
    const record = {
      units: out,
      out: this.#summary(at("y"), n, BINS),
      grad: this.#summary(at("dy"), n, BINS),
      sum: this.#summary(at("normed"), n),
      sumGrad: this.#summary(at("dnormed"), n),
    };
    record.weight = this.#summary(engine.array(i, LEARNED.weight), this.layers[i].fanIn * out);
    Object.assign(record, this.#clones(i), isLast || this.state.activation === "identity" ? {} : this.#slopes(i, rows, out));
    return record;
  }

  /** Which units of an activation are flat: `saturated`, a fraction of the outputs, and `dead`, a number of units. */
  #slopes(i, rows, units) {
    const { slope } = ACTIVATIONS[this.state.activation],
      limit = flatLimit(this.state.activation);
    const x = this.signal(i, "normed"),
      y = this.signal(i, "y"),
      alive = new Uint8Array(units);
    let flat = 0;
    for (let k = 0; k < rows * units; k++) {
      const s = Math.abs(Math.fround(slope(x[k], y[k])));
      flat += Number(s < limit);
      alive[k % units] |= Number(s !== 0);
    }
    return { saturated: flat / (rows * units), dead: alive.filter((is) => !is).length };
  }

  /** How many units differ in their weights or bias; and whether equal ones have equal gradients, and so stay equal. */
  #clones(i) {
    const { fanIn, out } = this.layers[i],
      weights = this.learned(i, "weight"),
      biases = this.learned(i, "bias"),
      gradients = this.learned(i, "weightGrad");
    const groups = new Map(); // by the product with one direction: equal rows have equal ones, and others practically never
    for (let unit = 0; unit < out; unit++) {
      let shadow = biases[unit];
      for (let k = 0; k < fanIn; k++) shadow += weights[unit * fanIn + k] * DIRECTION[k];
      groups.set(shadow, [...(groups.get(shadow) ?? []), unit]);
    }
    const room = 1e-5 * gradients.reduce((most, g) => Math.max(most, Math.abs(g)), 0);
    const isSame = (a, b) => {
      for (let k = 0; k < fanIn; k++) if (Math.abs(gradients[a * fanIn + k] - gradients[b * fanIn + k]) > room) return false;
      return true;
    };
    return {
      distinct: groups.size,
      stayClones: [...groups.values()].some((units) => units.length > 1 && units.every((unit) => isSame(unit, units[0]))),
    };
  }

  #predict(measured, records) {
    const { inputs } = DATA[this.state.data],
      x = this.#floats(this.engine.inputs(), measured * inputs),
      columns = new Float64Array(inputs);
    let sum = 0,
      squares = 0;
    for (let k = 0; k < x.length; k++) {
      columns[k % inputs] += x[k];
      sum += x[k];
      squares += x[k] * x[k];
    }
    const pairs =
      (columns.reduce((total, column) => total + column * column, 0) - squares) / (measured * (measured - 1)) / inputs;
    const signal = { mean: sum / x.length, square: squares / x.length, pair: pairs };
    return predict(
      this.layers,
      this.layers.map((_, i) => this.#moments(i, records[i].weight)),
      signal,
      this.state.activation,
      this.state.norm === "1" ? this.#norms() : null,
    );
  }

  /** [mean, std] of a layer's weights and biases: as their initializer says or, where they have changed, as they are. */
  #moments(i, { mean, std }) {
    const { fanIn, out, initializer } = this.layers[i],
      stated = [initializer.mean ?? 0, initializer.std(fanIn, out)];
    const error = (6 * stated[1]) / Math.sqrt(fanIn * out) + 1e-6 * Math.abs(stated[0]);
    const changed = Math.max(Math.abs(mean - stated[0]), Math.SQRT2 * Math.abs(std - stated[1])) > error;
    const bias = this.#summary(this.engine.array(i, LEARNED.bias), out);
    return { weight: changed ? [mean, std] : stated, bias: [bias.mean, bias.std] };
  }

  #norms() {
    const meanOf = (values, g) => values.reduce((total, value) => total + g(value), 0) / values.length;
    return this.layers.slice(0, -1).map((_, i) => {
      const shift = this.learned(i, "shift");
      return {
        scale: meanOf(this.learned(i, "scale"), (v) => v * v),
        shift: meanOf(shift, (v) => v * v),
        shiftMean: meanOf(shift, (v) => v),
      };
    });
  }

  /** So many steps of SGD, over the data in their order; returns the losses. After one that is not finite it makes no more. */
  train(steps) {
    const { engine, state } = this,
      { batch } = DATA[state.data],
      batches = Math.floor(this.rows / batch),
      losses = [];
    for (let i = 0; i < steps && !this.lost; i++) {
      engine.take_rows(batch * (this.steps % batches), batch);
      losses.push(engine.forward());
      this.lost = !Number.isFinite(losses.at(-1));
      if (this.lost) break;
      engine.backward();
      engine.step(state.rate, state.momentum);
      this.steps++;
    }
    return losses;
  }

  /** The fraction of the measured rows whose largest output is that of their class. */
  #accuracy(measured) {
    const scores = this.signal(this.layers.length - 1, "y"),
      { classes } = DATA[this.state.data];
    const labels = new Int32Array(this.engine.memory.buffer, this.engine.labels(), measured);
    let right = 0;
    for (let i = 0; i < measured; i++) {
      const row = scores.subarray(i * classes, (i + 1) * classes);
      right += Number(row.indexOf(Math.max(...row)) === labels[i]);
    }
    return right / measured;
  }

  /** The classes that a grid of size x size points of [-reach, reach]^2 gets, from the upper left, row by row. After
   * `measure`, for batch norm goes by the statistics that it left; and what `signal` gives is another afterwards. */
  surface(size, reach) {
    const { engine, room } = this,
      points = this.#floats(room.points, 2 * size * size);
    for (let k = 0; k < size * size; k++) {
      points[2 * k] = reach * ((2 * (k % size)) / (size - 1) - 1);
      points[2 * k + 1] = reach * (1 - (2 * Math.floor(k / size)) / (size - 1));
    }
    engine.classify(size * size, room.points, room.classes);
    return new Uint8Array(engine.memory.buffer, room.classes, size * size).slice();
  }
}
