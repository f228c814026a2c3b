// The engine in a browser: a page that Vite has built loads a model from a Blob, and says what the same model says in Node. Runs where a
// Chromium is installed (CHROMIUM names another); it is started without a window and ended afterwards.

import { spawn, spawnSync } from "node:child_process";
import { createReadStream, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { loadModel } from "cria";
import { build } from "vite";
import { expect, it } from "vitest";
import { temporaryFolder } from "../support/temporary-folder.js";

const root = fileURLToPath(new URL("../..", import.meta.url));
const demo = join(root, "models/cria-demo-Q4_K_S.gguf");
const folder = temporaryFolder();

const names = [process.env["CHROMIUM"] ?? "", "chromium", "chromium-browser", "google-chrome"];
const chromium = names.find((name) => name !== "" && spawnSync(name, ["--version"]).status === 0);

const PAGE = `
import { loadModel } from "cria";

async function answer() {
  const model = await loadModel(await (await fetch("/model.gguf")).blob(), {
    ...(crossOriginIsolated && { threads: 2 }),
    assets: new URL("/assets/", location.href),
  });
  const { text } = await model.complete("Once upon a time", { temperature: 0, maxTokens: 8 });
  const chat = await model.completeChat([{ role: "user", content: "What is 3 + 4?" }], { temperature: 0 });
  await model.dispose();
  const { threads, threadsReason } = model.info;
  return { text, chat: chat.text, isolated: crossOriginIsolated, threads, threadsReason };
}
const result = await answer().catch(({ code, message }) => ({ code, message }));
await fetch("/result", { method: "POST", body: JSON.stringify(result) });
if (crossOriginIsolated) location.search = "?plain";
`;

const types: Readonly<Record<string, string>> = {
  html: "text/html",
  js: "text/javascript",
  wasm: "application/wasm",
};

const isolation = { "cross-origin-opener-policy": "same-origin", "cross-origin-embedder-policy": "require-corp" };

const alone = "1 thread: this page is not cross-origin isolated, so its threads share no memory";

async function bodyOf(request: IncomingMessage): Promise<string> {
  let body = "";
  for await (const chunk of request) body += chunk;
  return body;
}

it.skipIf(chromium === undefined)(
  "a page loads a Blob, completes and chats as Node does, isolated or not",
  async () => {
    const [page, site] = [folder.path("page"), folder.path("site")];
    mkdirSync(page);
    writeFileSync(join(page, "main.js"), PAGE);
    writeFileSync(join(page, "index.html"), '<!doctype html><script type="module" src="./main.js"></script>');
    await build({
      ...{
        root: page,
        configFile: false,
        logLevel: "silent",
        resolve: { alias: { cria: join(root, "dist/index.js") } },
      },
      build: { outDir: site, emptyOutDir: true, target: "esnext", assetsDir: "code" },
    });

    const results: unknown[] = [];
    let resolve: () => void = () => undefined;
    const both = new Promise<void>((settle) => {
      resolve = settle;
    });
    const server = createServer(async (request, response) => {
      const { pathname, search } = new URL(request.url!, "http://localhost");
      const path = normalize(pathname);
      if (path === "/result") {
        results.push(JSON.parse(await bodyOf(request)));
        if (results.length === 2) resolve();
        response.end();
        return;
      }
      const places = { "/model.gguf": demo, "/": join(site, "index.html") } as Readonly<Record<string, string>>;
      const inAssets = path.startsWith("/assets/") ? join(root, "dist", path) : join(site, path);
      const file = places[path] ?? inAssets;
      if (!existsSync(file)) return void response.writeHead(404).end();
      response.writeHead(200, {
        "content-type": types[file.slice(file.lastIndexOf(".") + 1)] ?? "application/octet-stream",
        ...(search !== "?plain" && isolation),
      });
      createReadStream(file).pipe(response);
    });
    await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    const flags = [
      "--headless",
      "--no-sandbox",
      "--disable-gpu",
      "--no-first-run",
      `--user-data-dir=${folder.path("profile")}`,
    ];
    const browser = spawn(chromium!, [...flags, url], { stdio: "ignore", detached: true });
    try {
      const model = await loadModel(demo, { threads: 1 });
      const { text } = await model.complete("Once upon a time", { temperature: 0, maxTokens: 8 });
      await model.dispose();
      await both;
      expect(results).toEqual([
        { text, chat: "3 + 4 = 7.", isolated: true, threads: 2, threadsReason: "2 threads: as asked" },
        { text, chat: "3 + 4 = 7.", isolated: false, threads: 1, threadsReason: alone },
      ]);
    } finally {
      process.kill(-browser.pid!, "SIGKILL");
      await new Promise((ended) => browser.once("exit", ended));
      server.closeAllConnections();
      server.close();
    }
  },
);
