// wllama: llama.cpp compiled to WebAssembly, in a headless Chromium. Its threads need a page that is isolated across origins.

import { createReadStream, readFileSync, statSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { type Browser, chromium, type Page } from "playwright-core";
import { type ModelSubject, type Peer, unsupported } from "../peer.js";

const packageFolder = new URL("../../node_modules/@wllama/wllama/", import.meta.url);
const manifest = JSON.parse(readFileSync(new URL("package.json", packageFolder), "utf8"));

/** What the page has in its global scope. */
declare const wllama: {
  createCompletion(options: object): Promise<{ timings: Record<string, number> }>;
};

export const peer: Peer<ModelSubject> = {
  name: "wllama",
  version: manifest.version,

  async prepare({ file, threads, contextSize, browser: executablePath }) {
    const server = await serve(file);
    const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
    const page = await open(browser, server, { threads, contextSize });
    let runs = 0;
    return {
      details: `Chromium ${browser.version()}`,
      async run(test) {
        if (test.kind !== "prefill" && test.kind !== "decode") return unsupported(test);
        const { kind, count } = test;
        // Another first character each time, or the cache would answer for the prompt.
        const prompt = String.fromCharCode(97 + (runs++ % 26)).concat(kind === "prefill" ? text(count - 1) : "");
        const options = { prompt, max_tokens: kind === "prefill" ? 1 : count, temperature: 0, ignore_eos: true };
        const timings = await page.evaluate(async (o) => (await wllama.createCompletion(o)).timings, options);
        const tokens = kind === "prefill" ? timings["prompt_n"]! : timings["predicted_n"]!;
        if (tokens < count * 0.9) throw new Error(`${tokens} tokens instead of ${count}`);
        return kind === "prefill" ? timings["prompt_per_second"]! : timings["predicted_per_second"]!;
      },
    };
  },
};

/** Characters that no merge joins: about as many tokens. */
function text(length: number): string {
  return Array.from({ length }, (_, i) => "7%Q&4$Z#"[(i * 5 + (i >> 3)) % 8]).join("");
}

async function open(
  browser: Browser,
  server: Server,
  options: { readonly threads: number; readonly contextSize: number },
): Promise<Page> {
  const page = await browser.newPage();
  page.setDefaultTimeout(0);
  await page.goto(`http://localhost:${(server.address() as AddressInfo).port}/`);
  await page.evaluate(async ({ threads, contextSize }) => {
    const { Wllama } = await import("/esm/index.js" as string);
    const engine = new Wllama({ default: "/esm/wasm/wllama.wasm" }, { suppressNativeLog: true });
    const model = await (await fetch("/model.gguf")).blob();
    await engine.loadModel([model], { n_threads: threads, n_ctx: contextSize, n_gpu_layers: 0, n_parallel: 1 });
    if (engine.getNumThreads() !== threads) throw new Error("the page has no threads");
    Object.assign(globalThis, { wllama: engine });
  }, options);
  return page;
}

/** An empty page, the package's files, and the model. */
async function serve(model: string): Promise<Server> {
  const mime: Record<string, string> = {
    js: "text/javascript",
    wasm: "application/wasm",
    gguf: "application/octet-stream",
  };
  const server = createServer((request, response) => {
    response.setHeader("Cross-Origin-Opener-Policy", "same-origin");
    response.setHeader("Cross-Origin-Embedder-Policy", "require-corp");
    const path = request.url!;
    if (path === "/") {
      response.setHeader("Content-Type", "text/html");
      response.end("<!doctype html><title>wllama</title>");
      return;
    }
    const file =
      path === "/model.gguf" ? model : path.startsWith("/esm/") ? new URL(`.${path}`, packageFolder) : undefined;
    const size = file === undefined ? undefined : statSync(file, { throwIfNoEntry: false })?.size;
    if (file === undefined || size === undefined) {
      response.writeHead(404).end();
      return;
    }
    response.setHeader("Content-Type", mime[path.split(".").at(-1)!] ?? "application/octet-stream");
    response.setHeader("Content-Length", size);
    createReadStream(file).pipe(response);
  });
  await new Promise<void>((resolve) => server.listen(0, "localhost", resolve));
  return server;
}
