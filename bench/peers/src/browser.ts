// cria and wllama in pages of one Chromium, isolated and not, in turns on the same file:
//
//   npm run bench:browser -- --model FILE [--threads N] [--prompt 64] [--tokens 32] [--rounds 5] [--browser BINARY]
//
// Prints a table of docs/browser.md: the best of the rounds, because what others do on a machine only slows, and in brackets the medians.

import { createReadStream, statSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { cpus } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { chromium, type Page } from "playwright-core";
import { median, pairRatios } from "./statistics.js";

const { values } = parseArgs({
  options: {
    model: { type: "string" },
    threads: { type: "string", default: String(cpus().length) },
    prompt: { type: "string", default: "64" },
    tokens: { type: "string", default: "32" },
    rounds: { type: "string", default: "5" },
    browser: { type: "string", default: "/usr/bin/chromium" },
  },
});
if (values.model === undefined) throw new Error("--model FILE");
const model = values.model;
const [threads, promptTokens, tokens, rounds] = [values.threads, values.prompt, values.tokens, values.rounds].map(
  Number,
) as [number, number, number, number];

const folders: Readonly<Record<string, URL>> = {
  wllama: new URL("../node_modules/@wllama/wllama/esm/", import.meta.url),
  cria: new URL("../../../dist/", import.meta.url),
};
const types: Readonly<Record<string, string>> = { js: "text/javascript", wasm: "application/wasm" };

/** An empty page, both packages, and the model. */
async function serve(isolated: boolean): Promise<string> {
  const isolation = { "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp" };
  const server = createServer((request, response) => {
    if (isolated) for (const [name, value] of Object.entries(isolation)) response.setHeader(name, value);
    const path = request.url!;
    if (path === "/") return void response.setHeader("Content-Type", "text/html").end("<!doctype html>");
    const [, name, inside] = /^\/(cria|wllama)\/(.*)$/.exec(path) ?? [];
    const file = path === "/model.gguf" ? model : name && fileURLToPath(new URL(inside!, folders[name]));
    const size = file === undefined ? undefined : statSync(file, { throwIfNoEntry: false })?.size;
    if (file === undefined || size === undefined) return void response.writeHead(404).end();
    response.setHeader("Content-Type", types[file.split(".").at(-1)!] ?? "application/octet-stream");
    response.setHeader("Content-Length", size);
    createReadStream(file).pipe(response);
  });
  await new Promise<void>((resolve) => server.listen(0, "localhost", resolve));
  server.unref();
  return `http://localhost:${(server.address() as AddressInfo).port}/`;
}

/** What each page has in its global scope: tokens a second of a prompt, and of a text. */
declare const engine: {
  prefill(count: number): Promise<number>;
  decode(count: number): Promise<number>;
};

/** Loads cria in a page. Returns the seconds from the Blob on, and what runs. */
const openCria = (page: Page, count: number | undefined) =>
  page.evaluate(async (threads) => {
    const { loadModel } = await import("/cria/browser/index.js" as string);
    const blob = await (await fetch("/model.gguf")).blob();
    const begin = performance.now();
    const model = await loadModel(blob, { ...(threads && { threads }), contextSize: 1024 });
    const seconds = (performance.now() - begin) / 1000;
    const random = (length: number) =>
      Int32Array.from({ length }, () => Math.floor((model.info.vocabularySize * (1 + Math.random())) / 2));
    const run = async (prompt: Int32Array, maxTokens: number) => {
      const { usage, timings } = await model.complete(prompt, { temperature: 0, maxTokens });
      if (usage.completionTokens < maxTokens * 0.9) throw new Error(`${usage.completionTokens} tokens`);
      return timings;
    };
    Object.assign(globalThis, {
      engine: {
        prefill: async (length: number) => (await run(random(length), 1)).prefillTokensPerSecond,
        decode: async (length: number) => (await run(random(1), length)).decodeTokensPerSecond,
      },
    });
    return { seconds, what: `${model.info.kernels}, ${model.info.threadsReason}` };
  }, count);

const openWllama = (page: Page, count: number) =>
  page.evaluate(async (threads) => {
    const { Wllama } = await import("/wllama/index.js" as string);
    const wllama = new Wllama({ default: "/wllama/wasm/wllama.wasm" }, { suppressNativeLog: true });
    const blob = await (await fetch("/model.gguf")).blob();
    const begin = performance.now();
    await wllama.loadModel([blob], { n_threads: threads, n_ctx: 1024, n_gpu_layers: 0, n_parallel: 1 });
    const seconds = (performance.now() - begin) / 1000;
    let runs = 0;
    const run = async (rest: string, max_tokens: number) => {
      // Another first character each time, or the cache would answer for the prompt.
      const prompt = String.fromCharCode(97 + (runs++ % 26)) + rest;
      const options = { prompt, max_tokens, temperature: 0, ignore_eos: true };
      return (await wllama.createCompletion(options)).timings;
    };
    // Characters that no merge joins: about as many tokens.
    const text = (length: number) => Array.from({ length }, (_, i) => "7%Q&4$Z#"[(i * 5 + (i >> 3)) % 8]).join("");
    Object.assign(globalThis, {
      engine: {
        prefill: async (length: number) => (await run(text(length - 1), 1)).prompt_per_second,
        decode: async (length: number) => (await run("", length)).predicted_per_second,
      },
    });
    return { seconds, what: `${wllama.getNumThreads()} threads` };
  }, count);

const browser = await chromium.launch({ executablePath: values.browser, args: ["--no-sandbox"] });
try {
  const [isolated, plain] = [await serve(true), await serve(false)];
  const pages: Page[] = [];
  for (const [url, name] of [
    [isolated, "cria"],
    [isolated, "wllama"],
    [plain, "cria"],
    [plain, "wllama"],
  ] as const) {
    const page = await browser.newPage();
    page.setDefaultTimeout(0);
    await page.goto(url);
    const count = url === isolated ? threads : 1;
    const { seconds, what } =
      name === "wllama" ? await openWllama(page, count) : await openCria(page, url === isolated ? count : undefined);
    console.log(`${name}: ${what}; loaded in ${seconds.toFixed(1)} s`);
    pages.push(page);
  }
  const tests = [
    [`prompt of ${promptTokens}`, (page: Page) => page.evaluate((count) => engine.prefill(count), promptTokens)],
    [`text of ${tokens}`, (page: Page) => page.evaluate((count) => engine.decode(count), tokens)],
  ] as const;
  console.log(`\nChromium ${browser.version()}, tokens/s, the best of ${rounds} rounds (medians)\n`);
  console.log(`| | cria, ${threads} threads | wllama | ratio | cria, not isolated | wllama | ratio |`);
  console.log("|---|---|---|---|---|---|---|");
  for (const [label, test] of tests) {
    for (const page of pages) await test(page); // V8 optimises
    const rates: number[][] = pages.map(() => []);
    for (let round = 0; round < rounds; round++) {
      for (const [i, page] of pages.entries()) rates[i]!.push(await test(page));
    }
    const [a, b, c, d] = rates as [number[], number[], number[], number[]];
    const pair = (ours: number[], theirs: number[]) => {
      const best = (rates: number[]) => `${Math.max(...rates).toPrecision(3)} (${median(rates).toPrecision(3)})`;
      const ratio = Math.max(...ours) / Math.max(...theirs);
      const middle = median(pairRatios(ours, theirs, "more"));
      return `${best(ours)} | ${best(theirs)} | ${ratio.toFixed(1)} (${middle.toFixed(1)})`;
    };
    console.log(`| ${label} | ${pair(a, b)} | ${pair(c, d)} |`);
  }
} finally {
  await browser.close();
}
