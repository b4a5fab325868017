// Runs the explorer under Node, the engine alone or with the page's network.mjs: what is asked comes as JSON on standard
// input, what it computes goes to standard output. tests/test_explorer.py asks and compares.
import { readFileSync, writeFileSync } from "node:fs";
import { Network, python, readLink, writeLink } from "../docs/explore/network.mjs";

const { module: file, networks, links, digits } = JSON.parse(readFileSync(0, "utf8"));
const engine = new WebAssembly.Instance(new WebAssembly.Module(readFileSync(file))).exports; // it imports nothing
engine._initialize?.();

const bytes = (at, count) => Buffer.from(engine.memory.buffer, at, count).toString("hex");
const ask = (done) => {
  if (!done) throw new Error("the engine has no memory");
};

function run({ rows, inputs, seed, data, layers, x, y, steps, rate, momentum }) {
  ask(engine.begin(rows, inputs, rows, seed, 0));
  if (data?.name === "spirals") ask(engine.spirals(data.classes, data.noise, data.seed, 0));
  if (data?.name === "circles") ask(engine.circles(data.noise, data.factor, data.seed, 0));
  for (const l of layers) ask(engine.add(l.out, l.activation, l.norm, l.bias ?? NaN, l.kind, l.first, l.second));
  let fan = inputs;
  const weights = [],
    losses = [],
    gradients = [];
  for (const [i, l] of layers.entries()) {
    weights.push(bytes(engine.array(i, 6), 4 * fan * l.out));
    fan = l.out;
  }
  const points = data && bytes(engine.inputs(), 4 * rows * inputs),
    classes = data && bytes(engine.labels(), 4 * rows);
  if (x) {
    Buffer.from(engine.memory.buffer, engine.inputs(), 4 * rows * inputs).set(Buffer.from(x, "hex"));
    Buffer.from(engine.memory.buffer, engine.labels(), 4 * rows).set(Buffer.from(y, "hex"));
  }
  for (let i = 0; i < steps; i++) {
    losses.push(engine.forward());
    engine.backward();
    fan = inputs;
    if (!i)
      for (const [k, l] of layers.entries()) {
        gradients.push(bytes(engine.array(k, 10), 4 * fan * l.out));
        fan = l.out;
      }
    engine.step(rate, momentum);
  }
  return { weights, losses, gradients, points, classes };
}

function shown({ link, steps }) {
  const { state, unread } = readLink(link),
    network = new Network(engine, Buffer.from(digits, "hex"));
  ask(network.build(state));
  const weights = network.layers.map(({ fanIn, out }, i) => bytes(engine.array(i, 6), 4 * fanIn * out));
  const { records, loss, accuracy, verdict } = network.measure();
  const losses = network.train(steps),
    { records: _, ...after } = network.measure();
  return {
    unread,
    state,
    link: writeLink(state),
    python: python(state),
    weights,
    accuracy,
    records,
    loss,
    verdict,
    losses,
    after,
  };
}

writeFileSync(1, JSON.stringify(networks ? networks.map(run) : links.map(shown)));
process.exit(); // at once: Node 20, left to end by itself, now and then waits for a compiler thread for ever
