// Uses the explorer as a person does, in Chromium by playwright-core. What is asked comes as JSON on standard input, what was seen
// goes to standard output; tests/test_explorer_page.py asks and compares.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
const { chromium } = require("playwright-core");
const { page: address, browser: executablePath, links, pictures } = JSON.parse(readFileSync(0, "utf8"));
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
const errors = [];

async function opened(hash = "", options = {}, before = null) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options }),
    page = await context.newPage();
  page.on("pageerror", (error) => errors.push(String(error)));
  page.on("request", (request) => {
    if (!/^(file|data|blob):/.test(request.url())) errors.push(`asked for ${request.url()}`);
  });
  if (before) await page.addInitScript(before);
  await page.goto(address + hash);
  if (!before) await page.waitForFunction(() => window.explorer?.measured);
  return page;
}

const drawn = (page) => page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
const state = (page) => page.evaluate(() => structuredClone(window.explorer.state));

/** What the page holds and says for each link. */
async function numbers() {
  const page = await opened(),
    found = [];
  for (const link of links) {
    await page.evaluate((hash) => {
      location.hash = hash;
    }, link || "#");
    await page.waitForTimeout(50);
    await drawn(page);
    found.push(
      await page.evaluate(() => ({
        python: document.getElementById("python").textContent,
        verdict: document.getElementById("verdict").dataset.symptom,
        said: document.getElementById("verdict").textContent,
        layers: document.querySelectorAll("#layers button").length,
        records: window.explorer.measured.records,
        loss: window.explorer.measured.loss,
      })),
    );
  }
  return found;
}

/** Every control is moved, by keys where it is a slider; what of the state has changed, and how long it took until it was drawn. */
async function controls() {
  const page = await opened("#depth=20&width=64"),
    found = {};
  const ids = await page.$$eval("#controls input, #controls select", (all) => all.map((element) => element.id));
  await page.selectOption("#layer", "2"); // its own initializer is chosen on the way
  for (const id of ids.filter((id) => id !== "layer")) {
    const before = await state(page),
      control = page.locator(`#${id}`),
      kind = await control.evaluate((e) => e.type);
    await control.scrollIntoViewIfNeeded();
    const began = await page.evaluate(() => performance.now());
    if (kind === "range") await control.press("ArrowRight");
    else if (kind === "checkbox") await control.press("Space");
    else if (kind === "number") await control.fill("7");
    else await control.selectOption({ index: 2 });
    await drawn(page);
    const took = await page.evaluate((began) => performance.now() - began, began),
      after = await state(page);
    found[id] = {
      changed: Object.keys(after).filter((key) => JSON.stringify(after[key]) !== JSON.stringify(before[key])),
      took,
    };
    if (!["depth", "layer-init", "layer-gain"].includes(id))
      await page.evaluate(() => {
        location.hash = "#depth=20&width=64";
      });
    await drawn(page);
    await page.selectOption("#layer", "2");
  }
  await page.locator("#seed").fill("-3");
  found.seedBelow0 = { invalid: await page.locator("#seed").getAttribute("aria-invalid"), seed: (await state(page)).seed };
  return found;
}

/** How long the page itself takes for a new depth of 20 x 64, and for a frame of training; medians, in milliseconds. */
async function times() {
  const page = await opened("#depth=20&width=64"),
    redraws = [],
    began = Date.now();
  for (let i = 0; i < 15; i++)
    redraws.push(
      await page.evaluate(async (seed) => {
        const slider = document.getElementById("seed"),
          start = performance.now();
        slider.value = seed;
        slider.dispatchEvent(new Event("input", { bubbles: true }));
        await new Promise((done) => requestAnimationFrame(() => setTimeout(done))); // after the frame is painted
        return performance.now() - start;
      }, i + 1),
    );
  await page.evaluate(() => {
    location.hash = "#depth=3&width=64&rate=0.01";
  });
  await drawn(page);
  await page.click("#train");
  const [steps, frames] = await page.evaluate(
    () =>
      new Promise((done) => {
        const { network } = window.explorer,
          first = network.steps,
          start = performance.now();
        let frames = 0;
        const count = () =>
          performance.now() - start > 3000
            ? done([(network.steps - first) / 3, frames / 3])
            : (frames++, requestAnimationFrame(count));
        count();
      }),
  );
  redraws.sort((a, b) => a - b);
  return { redraw: redraws[7], steps, frames, all: Date.now() - began };
}

/** The buttons: questions, training, its pause, one layer, copying, the other language. */
async function use() {
  const page = await opened(),
    found = { trained: {}, questions: {} };
  for (const name of await page.$$eval("#presets button", (all) => all.map((button) => button.dataset.preset))) {
    await page.click(`[data-preset=${name}]`);
    await drawn(page);
    found.questions[name] = {
      verdict: await page.locator("#verdict").getAttribute("data-symptom"),
      said: await page.locator("#question").textContent(),
      isPressed: await page.locator(`[data-preset=${name}]`).getAttribute("aria-pressed"),
    };
    if (!["zeros", "xavier"].includes(name)) continue;
    await page.click("#train");
    await page.waitForFunction(() => window.explorer.network.steps >= 1000, null, { timeout: 120000 });
    await page.click("#train");
    await drawn(page);
    found.trained[name] = {
      verdict: await page.locator("#verdict").getAttribute("data-symptom"),
      progress: await page.locator("#progress").textContent(),
      isTraining: await page.evaluate(() => window.explorer.isTraining),
    };
  }
  await page.evaluate(() => {
    location.hash = "#depth=6";
  });
  await drawn(page);
  await page.click("#layers button[data-layer='3']");
  found.chosen = await page.locator("#layer").inputValue();
  await page.selectOption("#layer-init", "zeros");
  await drawn(page);
  found.oneLayer = {
    verdict: await page.locator("#verdict").getAttribute("data-symptom"),
    hash: await page.evaluate(() => location.hash),
  };
  await page.reload();
  await page.waitForFunction(() => window.explorer?.measured);
  found.reloaded = await page.evaluate(() => location.hash);
  await page.click("#step");
  found.steps = await page.evaluate(() => window.explorer.network.steps);
  await page.click("#lang");
  await drawn(page);
  found.chinese = {
    lang: await page.locator("html").getAttribute("lang"),
    title: await page.locator("h1").textContent(),
    english: (await page.locator("body").innerText()).match(/\b(the|layer|weights|gradient)\b/gi),
  };
  return found;
}

/** Accessibility by axe-core, whether anything is wider than the page, and pictures where a folder is given for them. */
async function looks() {
  const violations = [],
    wide = [];
  for (const [lang, colorScheme, width] of [
    ["en", "light", 1280],
    ["en", "dark", 1280],
    ["zh", "light", 1280],
    ["en", "light", 390],
    ["zh", "dark", 390],
  ])
    for (const [name, hash] of [
      ["digits", "#depth=12&init=he_normal&activation=relu"],
      ["spirals", "#data=spirals&depth=6&width=32&layers=3:zeros:1"],
    ]) {
      const page = await opened(`${hash}&lang=${lang}`, { viewport: { width, height: 900 }, colorScheme });
      await page.click("#step");
      await drawn(page);
      await page.evaluate(axe);
      const { violations: found } = await page.evaluate(() => window.axe.run());
      violations.push(
        ...found.map(
          (v) => `${lang} ${colorScheme} ${width} ${name}: ${v.id}: ${v.nodes.map((node) => node.html.slice(0, 120))}`,
        ),
      );
      if (await page.evaluate(() => document.documentElement.scrollWidth > innerWidth)) wide.push(`${lang} ${width} ${name}`);
      if (pictures) await page.screenshot({ path: `${pictures}/${name}-${lang}-${colorScheme}-${width}.png`, fullPage: true });
      await page.context().close();
    }
  if (pictures)
    for (const [lang, name] of [
      ["en", "explorer.png"],
      ["zh", "explorer.zh-CN.png"],
    ]) {
      // those of the READMEs
      const page = await opened(`#lang=${lang}`, { viewport: { width: 1200, height: 880 } });
      await page.click("[data-preset='xavier-relu']");
      await drawn(page);
      await page.screenshot({ path: `${pictures}/${name}` });
    }
  return { violations, wide };
}

/** What the page says where it cannot do what it should. */
async function sentences() {
  const notice = async (page) => {
    await page.waitForTimeout(500);
    return page.locator("#notice").textContent();
  };
  const link = await opened("#depth=500&init=he&layers=x"),
    before = errors.length;
  const noSimd = await opened("", {}, () => {
    WebAssembly.instantiate = () => Promise.reject(new WebAssembly.CompileError("no SIMD"));
  });
  const noWasm = await opened("", {}, () => {
    delete window.WebAssembly;
  });
  const noStreams = await opened("", {}, () => {
    delete window.DecompressionStream;
  });
  const found = {
    link: await notice(link),
    noSimd: await notice(noSimd),
    noWasm: await notice(noWasm),
    noStreams: await notice(noStreams),
  };
  errors.length = before;
  return found;
}

const found = {
  numbers: await numbers(),
  controls: await controls(),
  times: await times(),
  use: await use(),
  looks: await looks(),
  sentences: await sentences(),
  errors,
};
await browser.close();
console.log(JSON.stringify(found));
