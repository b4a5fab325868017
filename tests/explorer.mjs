// Runs the explorer's engine under Node: networks and their numbers come as JSON on standard input, what it computes goes
// to standard output. tests/test_explorer.py asks and compares.
import { readFileSync } from "node:fs";

const { module: file, networks } = JSON.parse(readFileSync(0, "utf8"));
const engine = new WebAssembly.Instance(new WebAssembly.Module(readFileSync(file))).exports; // it imports nothing
engine._initialize?.();

const bytes = (at, count) => Buffer.from(engine.memory.buffer, at, count).toString("hex");

function run({ rows, inputs, seed, data, layers, x, y, steps, rate, momentum }) {
  const ask = (done) => { if (!done) throw new Error("the engine has no memory"); };
  ask(engine.begin(rows, inputs, seed, 0));
  if (data?.name === "spirals") ask(engine.spirals(data.classes, data.noise, data.seed, 0));
  if (data?.name === "circles") ask(engine.circles(data.noise, data.factor, data.seed, 0));
  for (const l of layers) ask(engine.add(l.out, l.activation, l.norm, l.bias ?? NaN, l.kind, l.first, l.second));
  let fan = inputs;
  const weights = [], losses = [], gradients = [];
  for (const [i, l] of layers.entries()) {
    weights.push(bytes(engine.array(i, 6), 4 * fan * l.out));
    fan = l.out;
  }
  const points = data && bytes(engine.inputs(), 4 * rows * inputs), classes = data && bytes(engine.labels(), 4 * rows);
  if (x) {
    Buffer.from(engine.memory.buffer, engine.inputs(), 4 * rows * inputs).set(Buffer.from(x, "hex"));
    Buffer.from(engine.memory.buffer, engine.labels(), 4 * rows).set(Buffer.from(y, "hex"));
  }
  for (let i = 0; i < steps; i++) {
    losses.push(engine.forward());
    engine.backward();
    fan = inputs;
    if (!i) for (const [k, l] of layers.entries()) {
      gradients.push(bytes(engine.array(k, 10), 4 * fan * l.out));
      fan = l.out;
    }
    engine.step(rate, momentum);
  }
  const shown = { weights, losses, gradients, points, classes };
  if (!steps) return shown;
  const bins = 8, summary = engine.room(32), counts = engine.room(8 * 4 * (bins + 1)); // 4: HISTOGRAMS in csrc/summary.h
  engine.summarize(rows * layers[0].out, engine.array(0, 2), bins, summary, counts);
  const [mean, std, low, high] = new Float64Array(engine.memory.buffer, summary, 4);
  const histogram = [...new BigInt64Array(engine.memory.buffer, counts, bins)].map(Number);
  return { ...shown, accuracy: engine.accuracy(), summary: { mean, std, low, high }, histogram };
}

console.log(JSON.stringify(networks.map(run)));
