// The page of examples/browser, as a person uses it, in a Chromium: isolated with threads, and not isolated. Runs where a Chromium is
// installed (CHROMIUM names another).

import { type ChildProcess, spawn } from "node:child_process";
import { createReadStream, statSync, writeFileSync } from "node:fs";
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { demoModel, loadModel } from "cria";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Browser, chromium, type OpenPage } from "../support/chromium.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const demo = fileURLToPath(demoModel);
const { size } = statSync(demo);
const folder = temporaryFolder();

/** What the page's site and Node say: in the page a text of JavaScript, so that it is the same program. */
const PROGRAM = `
  const chat = await model.completeChat([{ role: "user", content: "What is 3 + 4?" }], { temperature: 0 });
  const story = await model.complete("Once upon a time", { temperature: 0, maxTokens: 30 });
  const [vector] = await model.embed(["A fox in the forest."]);
  const schema = { type: "object", properties: { age: { type: "integer" } }, required: ["age"] };
  const { object } = await model.completeJson("A fox: ", schema, { temperature: 0, maxTokens: 30 });
  return { chat: chat.text, story: story.text, vector: [...vector], object };
`;
const AsyncFunction = (async () => undefined).constructor as new (
  ...names: string[]
) => (model: unknown) => Promise<{ chat: string; vector: number[] }>;

/** Serves the page; returns its address. */
async function serve(...flags: string[]): Promise<{ readonly url: string; readonly process: ChildProcess }> {
  const program = fileURLToPath(new URL("../../examples/browser/serve.mjs", import.meta.url));
  const server = spawn(process.execPath, [program, "--port", "0", ...flags], { stdio: ["ignore", "pipe", "inherit"] });
  const url = await new Promise<string>((resolve) => createInterface(server.stdout).once("line", resolve));
  return { url, process: server };
}

/** An answer of the models' server that has come to the middle of the file, and stays there. */
let half: ServerResponse | undefined;

/** What that server was asked: the first byte that is wanted. */
const asked: { readonly path: string; readonly from: number }[] = [];

/** A server of models at another site, which allows others. */
async function serveModels(): Promise<Server> {
  const server = createServer((request, response) => {
    const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0);
    const headers = { "Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": "ETag, Content-Range" };
    const path = request.url!;
    if (path === "/page.gguf") return void response.writeHead(200, headers).end("<!doctype html>");
    if (path === "/slow.gguf") {
      response.writeHead(200, { ...headers, ETag: '"two"', "Content-Length": size });
      createReadStream(demo, { end: size / 2 }).pipe(response, { end: false });
      return;
    }
    if (path !== "/story.gguf") return void response.writeHead(404, headers).end();
    asked.push({ path, from });
    response.writeHead(from > 0 ? 206 : 200, {
      ...headers,
      ETag: '"one"',
      "Content-Length": size - from,
      ...(from > 0 && { "Content-Range": `bytes ${from}-${size - 1}/${size}` }),
    });
    if (from > 0) createReadStream(demo, { start: from }).pipe(response);
    else {
      half = response;
      createReadStream(demo, { end: size / 2 }).pipe(response, { end: false });
    }
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  return server;
}

/** Waits until an expression is true in the page. */
async function until(page: OpenPage, expression: string): Promise<void> {
  const problem = `document.getElementById("problem").textContent`;
  const begin = performance.now();
  while (!(await page.evaluate(expression))) {
    if (performance.now() - begin > 20_000) throw new Error(`never: ${expression}; ${await page.evaluate(problem)}`);
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
}

const text = (page: OpenPage, id: string) => page.evaluate<string>(`document.getElementById("${id}").textContent`);
const isIdle = `document.getElementById("work").hidden`;
const hasHalf = `document.getElementById("work-text").textContent.includes(": 0.9 MB of 1.8 MB")`;
const isLoaded = `${isIdle} && document.getElementById("facts").textContent.includes("loaded in")`;
const press = (page: OpenPage, label: string) =>
  page.evaluate(`document.querySelector('[aria-label="${label}"]').click()`);

/** What the program says of the file that the page has stored. */
const says = (page: OpenPage, name: string, options: string) =>
  page.evaluate(`(async () => {
    const { loadModel } = await import("cria");
    const { openModel } = await import("./store.js");
    const model = await loadModel(await openModel(${JSON.stringify(name)}), ${options});
    try { return await (async () => {${PROGRAM}})(); } finally { await model.dispose(); }
  })()`);

describe.skipIf(chromium === undefined)("examples/browser", () => {
  let browser: Browser;
  let isolated: Awaited<ReturnType<typeof serve>>;
  let plain: Awaited<ReturnType<typeof serve>>;
  let models: Server;
  let inNode: object;

  beforeAll(async () => {
    browser = new Browser(folder.path("profile"));
    [isolated, plain, models] = await Promise.all([serve(), serve("--plain"), serveModels()]);
    const model = await loadModel(demoModel, { threads: 1 });
    inNode = await new AsyncFunction("model", PROGRAM)(model);
    await model.dispose();
  });

  afterAll(async () => {
    await browser.close();
    for (const { process } of [isolated, plain]) process.kill("SIGKILL");
    models.closeAllConnections();
    models.close();
  });

  it("isolated: a broken download is resumed, a reload brings nothing, and the model talks and ranks", async () => {
    const page = await browser.open(isolated.url, { width: 390 });
    expect(await text(page, "host")).toBe("isolated: many threads");
    const url = `http://127.0.0.1:${(models.address() as AddressInfo).port}/story.gguf`;
    await page.evaluate(`document.getElementById("url").value = "${url}"`);
    await page.evaluate(`document.getElementById("threads").value = 2`);
    await page.evaluate(`document.getElementById("download").requestSubmit()`);
    await until(page, hasHalf);
    half!.destroy();
    await until(page, `${isIdle} && document.getElementById("stored").textContent.includes("Resume")`);
    expect(await text(page, "problem")).toMatch(/broke off|ended after/);
    await press(page, "Resume story.gguf");
    await until(page, isLoaded);
    expect(asked).toHaveLength(2);
    expect(asked[1]!.from).toBeGreaterThan(size / 4);
    expect(await text(page, "facts")).toContain("2 threads: as asked");
    expect(await says(page, "story.gguf", "{ threads: 2 }")).toEqual(inNode);

    await page.reload();
    await until(page, isLoaded);
    expect(asked).toHaveLength(2);
    await page.evaluate(`document.getElementById("question").value = "What is 3 + 4?"`);
    await page.evaluate(`document.getElementById("ask").requestSubmit()`);
    await until(page, `document.getElementById("speed").textContent.includes("tokens/s")`);
    expect(await text(page, "log")).toMatch(/^What is 3 \+ 4\?.+/s);
    await page.evaluate(`document.getElementById("search").requestSubmit()`);
    await until(page, `document.querySelectorAll("#results li").length === 5`);
    expect(await page.evaluate("document.documentElement.scrollWidth")).toBe(390);

    await page.evaluate("confirm = () => true");
    await press(page, "Delete story.gguf");
    await until(page, `document.querySelectorAll("#stored li").length === 0`);
    expect(page.complaints).toEqual([]);
    await page.close();
  });

  it("not isolated: a file is copied, one thread says the same; what cannot be is explained", async () => {
    const page = await browser.open(plain.url, { width: 1280 });
    expect(await text(page, "host")).toBe("not isolated: one thread");
    const bad = folder.path("bad.gguf");
    writeFileSync(bad, "not a model");
    await page.choose("#file", [bad]);
    await until(page, `document.getElementById("problem").textContent === "bad.gguf is not a GGUF file."`);
    await page.evaluate(`document.getElementById("url").value = "${plain.url}nothing.gguf"`);
    await page.evaluate(`document.getElementById("download").requestSubmit()`);
    await until(page, `document.getElementById("problem").textContent.includes("answered 404")`);
    await page.evaluate(
      `document.getElementById("url").value = "http://127.0.0.1:${(models.address() as AddressInfo).port}/page.gguf"`,
    );
    await page.evaluate(`document.getElementById("download").requestSubmit()`);
    await until(page, `document.getElementById("problem").textContent.includes("page.gguf is not a GGUF file")`);
    await page.evaluate(
      `document.getElementById("url").value = "http://127.0.0.1:${(models.address() as AddressInfo).port}/slow.gguf"`,
    );
    await page.evaluate(`document.getElementById("download").requestSubmit()`);
    await until(page, hasHalf);
    await page.evaluate(`document.getElementById("cancel").click()`);
    await until(page, `${isIdle} && document.getElementById("stored").textContent.includes("0.9 MB of 1.8 MB")`);
    expect(await text(page, "problem")).toBe("");
    await page.evaluate("confirm = () => true");
    await press(page, "Delete slow.gguf");
    await until(page, `document.querySelectorAll("#stored li").length === 0`);
    await page.limitStorage(1_000_000);
    await page.choose("#file", [demo]);
    await until(page, `document.getElementById("problem").textContent.startsWith("There is no room for it")`);
    expect(await page.evaluate(`document.querySelectorAll("#stored li").length`)).toBe(0);

    await page.limitStorage(undefined);
    await page.evaluate(`document.getElementById("keep").checked = false`);
    await page.evaluate(`document.getElementById("demo").click()`);
    await until(page, isLoaded);
    expect(await page.evaluate(`document.querySelectorAll("#stored li").length`)).toBe(0);
    await page.evaluate(`document.getElementById("keep").checked = true`);
    await page.choose("#file", [demo]);
    await until(page, `${isLoaded} && document.querySelectorAll("#stored li").length === 1`);
    expect(await text(page, "facts")).toContain("1 thread: this page is not cross-origin isolated");
    expect(await says(page, "cria-demo-Q4_K_S.gguf", "{}")).toEqual(inNode);
    await page.evaluate(`(async () => {
      const dataTransfer = new DataTransfer();
      dataTransfer.items.add(new File([await (await fetch("demo.gguf")).blob()], "dropped.gguf"));
      dispatchEvent(new DragEvent("drop", { dataTransfer }));
    })()`);
    await until(page, `${isLoaded} && location.hash === "#dropped.gguf"`);
    await until(page, `document.querySelectorAll("#stored li").length === 2`);
    expect(page.complaints.filter((complaint) => !complaint.includes("404"))).toEqual([]);
    await page.close();
  });
});
