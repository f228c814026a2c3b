// The page of `cria serve` as its user has it: a Chromium opens it, and what is typed and clicked there is answered by models of this
// process. Where no Chromium is installed, what the server sends is still tested.

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { demoModel } from "cria";
import { type RunningServer, startServer } from "cria/server";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { architectureModel } from "../support/architecture-model.js";
import { Browser, chromium, type OpenPage } from "../support/chromium.js";
import { fixtureModel } from "../support/fixture-model.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { fileWithTemplate, toolTemplates } from "../support/tool-models.js";

const folder = temporaryFolder();
let server: RunningServer;
beforeAll(async () => {
  const options = { threads: 1, sequences: 2 };
  const tools = await fileWithTemplate(toolTemplates.hermes);
  server = await startServer({
    models: [
      { name: "demo", source: demoModel, options },
      { name: "tools", source: tools, options: { ...options, contextSize: 2048 } },
    ],
    port: 0,
  });
});
afterAll(() => server.close({ drainSeconds: 0 }));

describe("the server", () => {
  it("sends the page with a policy that lets nothing in but its own files", async () => {
    const answer = await fetch(`${server.url}/`, { headers: { accept: "text/html" } });
    const policy = answer.headers.get("content-security-policy")!;
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("require-trusted-types-for 'script'");
    expect(policy).not.toMatch(/unsafe|https?:|\*|data:/);
    const html = await answer.text();
    for (const [, path] of html.matchAll(/(?:src|href)="([^"#]+)"/g)) {
      const file = await fetch(`${server.url}/${path}`);
      expect([path, file.status]).toEqual([path, 200]);
      expect(file.headers.get("x-content-type-options")).toBe("nosniff");
      const again = await fetch(`${server.url}/${path}`, { headers: { "if-none-match": file.headers.get("etag")! } });
      expect(again.status).toBe(304);
    }
    expect(html).not.toMatch(/<script(?! type="module" src=)|<style|style=| on[a-z]+=/);
  });

  it("opens it without a key, and nothing else", async () => {
    const guarded = await startServer({
      models: [{ name: "demo", source: demoModel, options: { threads: 1 } }],
      port: 0,
      apiKeys: ["secret"],
    });
    const status = async (path: string, headers = {}) => (await fetch(guarded.url + path, { headers })).status;
    expect(await Promise.all(["/", "/page/main.js", "/live"].map((path) => status(path)))).toEqual([200, 200, 401]);
    expect(await status("/live", { authorization: "Bearer secret" })).toBe(200);
    await guarded.close();
  });

  it("tells how the models run, and no text", async () => {
    const body = { model: "demo", messages: [{ role: "user", content: "What is 3 + 4?" }], max_tokens: 20 };
    await fetch(`${server.url}/v1/chat/completions`, { method: "POST", body: JSON.stringify(body) });
    const { models } = (await (await fetch(`${server.url}/live`)).json()) as { models: Record<string, unknown>[] };
    expect(models.map(({ name }) => name)).toEqual(["demo", "tools"]);
    expect(models[0]).toMatchObject({
      ...{ state: "ready", running: 0, waiting: 0 },
      info: { architecture: "llama", generates: true, dimensions: 256, contextSize: 512, threads: 1 },
      load: { cache: { pages: expect.any(Number), used: 0 }, total: { steps: expect.any(Number) } },
    });
    expect(models[1]).toMatchObject({ state: "unloaded" });
  });
});

const axe = readFileSync(fileURLToPath(new URL("../../node_modules/axe-core/axe.min.js", import.meta.url)), "utf8");

describe.skipIf(chromium === undefined)("in a browser", () => {
  let browser: Browser;
  let page: OpenPage;
  beforeAll(async () => {
    browser = new Browser(folder.path("profile"));
    page = await browser.open(`${server.url}/`, { width: 1280, height: 800 });
    await until("document.getElementById('model').options.length === 2");
  });
  afterAll(() => browser.close());

  const run = <Value = unknown>(script: string) => page.evaluate<Value>(`(async () => { ${script} })()`);
  const click = (selector: string) => run(`document.querySelector(${JSON.stringify(selector)}).click()`);
  /** Clicks the last button with this text. */
  const press = (text: string) =>
    run(
      `[...document.querySelectorAll("button")].filter((one) => one.textContent === ${JSON.stringify(text)}).at(-1).click()`,
    );
  const type = (selector: string, text: string) =>
    run(`const field = document.querySelector(${JSON.stringify(selector)});
      field.value = ${JSON.stringify(text)};
      field.dispatchEvent(new Event("input"));
      field.dispatchEvent(new Event("change"));`);
  const texts = (selector: string) =>
    page.evaluate<string[]>(
      `[...document.querySelectorAll(${JSON.stringify(selector)})].map((one) => one.textContent)`,
    );
  /** Waits until a condition holds in a page. */
  async function until(condition: string, of: OpenPage = page): Promise<void> {
    const met = await of.evaluate<boolean>(`new Promise((resolve) => {
      const begin = performance.now();
      const look = () => {
        if (${condition}) resolve(true);
        else if (performance.now() - begin > 20000) resolve(false);
        else setTimeout(look, 20);
      };
      look();
    })`);
    if (!met)
      throw new Error(`${condition} is still not so; the page says ${await of.evaluate("document.body.innerText")}`);
  }
  const answered = () => until("document.getElementById('stop').hidden");
  async function send(text: string): Promise<void> {
    await type("#prompt", text);
    await run(
      `document.getElementById("prompt").dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true, cancelable: true }))`,
    );
  }
  const answers = async () => (await texts(".assistant .text")).map((text) => text.trim());
  /** Brings a chat in as a file that is chosen. */
  async function bring(content: object): Promise<void> {
    await run(`const chosen = new DataTransfer();
      chosen.items.add(new File([${JSON.stringify(JSON.stringify(content))}], "chat.json", { type: "application/json" }));
      const input = document.getElementById("import-file");
      input.files = chosen.files;
      input.dispatchEvent(new Event("change"));`);
    await until(`document.getElementById("status").textContent.startsWith("Imported")`);
    await run(`document.getElementById("status").textContent = ""`);
  }

  it("a message is answered as it streams, with its figures, and spoken to those who listen", async () => {
    await click("#show-settings");
    await type("#sampling-temperature", "0");
    await send("What is 3 + 4?");
    await until("document.querySelector('.assistant .text')?.textContent.trim() === '3 + 4 = 7.'");
    await answered();
    expect((await texts(".assistant .facts"))[0]).toMatch(/^8 tokens at [\d.]+\/s · prompt \d+/);
    expect(await texts("#status")).toEqual(["3 + 4 = 7."]);
    expect(await texts("#chats .open")).toEqual(["What is 3 + 4?"]);
  });

  it("an answer is stopped, regenerated, and asked for anew with another question", async () => {
    await click("#new-chat");
    await type("#sampling-max_tokens", "400");
    // The page itself stops it, at the first words: the demo model has told its story before a test can look.
    await run(`const stop = new MutationObserver(() => {
        if (!document.querySelector(".assistant .text")?.textContent) return;
        stop.disconnect();
        document.getElementById("stop").click();
      });
      stop.observe(document.querySelector("main"), { childList: true, subtree: true, characterData: true });`);
    await send("Tell me a long story.");
    await answered();
    const [stopped] = await answers();
    expect(await texts(".assistant .note")).toEqual(["Stopped."]);
    await press("Regenerate");
    await answered();
    const [whole] = await answers();
    expect(whole!.startsWith(stopped!)).toBe(true);
    expect(whole!.length).toBeGreaterThan(stopped!.length);
    await press("Edit"); // the last one is the answer's
    await type(".edit textarea", "A **better** story.");
    await press("Save");
    expect(await answers()).toEqual(["A better story."]);
    await click(".user .acts button");
    await type(".edit textarea", "What is 2 + 2?");
    await press("Send");
    await until("document.querySelector('.assistant .text')?.textContent.includes('=')");
    await answered();
    expect([await texts(".user .typed"), await answers()]).toEqual([["What is 2 + 2?"], ["2 + 2 = 4."]]);
  });

  it("what a prompt's evaluation has reached is shown", async () => {
    await click("#new-chat");
    await run(`globalThis.seen = [];
      new MutationObserver(() => seen.push(document.getElementById("progress-text").textContent))
        .observe(document.getElementById("progress-text"), { childList: true });`);
    await send("Tell me about a penguin. ".repeat(40));
    await answered();
    expect((await page.evaluate<string[]>("seen")).join("\n")).toMatch(/^Reading the prompt: \d+ of \d+ tokens$/m);
  });

  it("a schema makes answers JSON, and one that is not JSON is refused where it stands", async () => {
    await click("#new-chat");
    await click("#schemaOn");
    await type("#schema", "{ not JSON");
    await send("What is 3 + 4?");
    expect((await texts("#schema-error"))[0]).toContain("must be JSON");
    expect(await page.evaluate("document.getElementById('schema').getAttribute('aria-invalid')")).toBe("true");
    await type(
      "#schema",
      `{"type":"object","properties":{"sum":{"type":"integer","minimum":0,"maximum":99}},"required":["sum"]}`,
    );
    await press("Try again");
    await until("document.querySelector('.assistant pre') !== null");
    await answered();
    expect(JSON.parse((await texts(".assistant pre")).at(-1)!)).toEqual({ sum: expect.any(Number) });
    await click("#schemaOn");
  });

  it("a tool's call is shown, its result is typed, and the model goes on", async () => {
    await click("#new-chat");
    await type("#model", "tools");
    await type(
      "#tools",
      JSON.stringify([
        {
          name: "add",
          parameters: {
            type: "object",
            properties: { a: { type: "integer", minimum: 0, maximum: 9 } },
            required: ["a"],
          },
        },
      ]),
    );
    await click("#toolsOn");
    await type("#tool-choice", "required");
    await send("Add.");
    await until("document.querySelector('.results textarea') !== null");
    expect(await texts(".call code")).toEqual(["add"]);
    expect(JSON.parse((await texts(".call pre"))[0]!)).toEqual({ a: expect.any(Number) });
    await type("#tool-choice", "none");
    await type("#sampling-max_tokens", "5");
    await type(".results textarea", '{"sum": 3}');
    await click(".results button");
    await until("document.querySelectorAll('.assistant').length === 2");
    await answered();
    expect(await texts(".tool .result")).toEqual(['{"sum": 3}']);
    await type("#model", "demo");
    await click("#show-settings");
  });

  it("a chat that is exported comes back as it was, and other files are refused", async () => {
    await run(`globalThis.saved = undefined;
      const make = URL.createObjectURL;
      URL.createObjectURL = (blob) => { saved = blob.text(); URL.createObjectURL = make; return "#"; };
      document.querySelectorAll("#chats .open")[1].click();`);
    await until("document.querySelectorAll('.assistant').length === 1");
    const before = await texts(".message");
    await click("#export");
    const content = JSON.parse(await page.evaluate<string>("saved"));
    expect(content).toMatchObject({
      format: "cria-chat",
      version: 1,
      messages: [{ role: "user" }, { role: "assistant" }],
    });
    await bring(content);
    expect(await texts(".message")).toEqual(before);
    await run(`const chosen = new DataTransfer();
      chosen.items.add(new File(["[{\\"role\\":\\"wizard\\"}]"], "bad.json"));
      const input = document.getElementById("import-file");
      input.files = chosen.files;
      input.dispatchEvent(new Event("change"));`);
    await until("document.querySelector('.notice') !== null");
    expect((await texts(".notice span"))[0]).toBe('bad.json: message 1 has the role "wizard"');
  });

  it("what a model writes is text and links, whatever it writes; thoughts are folded", async () => {
    const content = [
      '<img src="x" onerror="globalThis.hit = 1"> <script>globalThis.hit = 2</script>',
      "[a](javascript:globalThis.hit=3) [b](data:text/html,x) ![p](https://example.org/p.png) [c](https://example.org/)",
      '<a href="javascript:globalThis.hit=4">d</a> <iframe src="https://example.org"></iframe>',
      '<form action="https://example.org"><input onfocus="globalThis.hit=5" autofocus></form>',
      "# Title",
      "| a | b |\n|---|---|\n| 1 | 2<br>3 |",
      "- [x] done",
      '```js"><img src=x>\nlet a = "<b>";\n```',
    ].join("\n\n");
    await bring([
      { role: "user", content: "<b>bold</b>" },
      { role: "assistant", content, reasoning_content: "Hmm, *well*." },
    ]);
    const inside = (selector: string) =>
      page.evaluate<number>(`document.querySelectorAll(".message :is(" + ${JSON.stringify(selector)} + ")").length`);
    expect(
      await inside("img, script, iframe, form, style, object, [onerror], [onfocus], input:not([type=checkbox])"),
    ).toBe(0);
    const links = await page.evaluate<string[]>(
      `[...document.querySelectorAll(".message a[href]")].map((one) => one.href + " " + one.rel)`,
    );
    expect(links).toEqual([
      "https://example.org/p.png noopener noreferrer nofollow",
      "https://example.org/ noopener noreferrer nofollow",
    ]);
    expect(await texts(".user .typed")).toEqual(["<b>bold</b>"]);
    expect([
      await inside("h1"),
      await inside("td br"),
      await inside("pre code"),
      await inside("input:checked"),
    ]).toEqual([1, 1, 1, 1]);
    expect(
      await page.evaluate(
        "[document.querySelector('.thoughts').open, document.querySelector('.thoughts em').textContent]",
      ),
    ).toEqual([false, "well"]);
    expect(await page.evaluate("globalThis.hit ?? 0")).toBe(0);
  });

  it("texts are compared: a matrix, neighbours, and the nearest to a search", async () => {
    await click("#embed-tab");
    await type("#texts", "The cat sleeps.\nThe cat sleeps.\nOne, two, three.");
    await type("#query", "The cat sleeps.");
    await click("#embed");
    await until("document.querySelector('.matrix') !== null");
    const cells = (await texts(".matrix td")).filter((text) => text !== "").map(Number);
    expect(cells.length).toBe(9);
    expect([cells[0], cells[1], cells[1]! > cells[2]!]).toEqual([1, 1, true]);
    expect((await texts(".ranked"))[0]).toMatch(/^1.00 The cat sleeps.1.00 The cat sleeps./);
    await click("#chat-tab");
  });

  it("an encoder is met on the tab of embeddings, and a reranker ranks there", async () => {
    const bert = { architecture: "bert", keys: { "attention.causal": false, pooling_type: 1 } };
    const values = Float32Array.from({ length: 128 }, (_, i) => Math.sin(i) / 50);
    const ranker = await fixtureModel({
      ...{ architecture: "qwen3", dim: 64, layers: 1, heads: 4, kvHeads: 2, ffn: 128, vocab: 512 },
      format: () => "Q8_0",
      keys: { pooling_type: 4 },
      metadata: { "tokenizer.chat_template.rerank": "{query} {document}" },
      tensors: { "cls.output.weight": { shape: [64, 2], values } },
    });
    const options = { threads: 1, contextSize: 128 };
    const other = await startServer({
      models: [
        { name: "encoder", source: await architectureModel(bert), options },
        { name: "ranker", source: ranker, options },
      ],
      ...{ port: 0, preload: true },
    });
    const one = await browser.open(`${other.url}/`, { width: 1280 });
    await until("!document.getElementById('embed-view').hidden", one);
    expect(await one.evaluate("document.getElementById('model').value")).toBe("encoder");
    const compare = `document.getElementById("texts").value = "a fox\\na bear\\na fox"; document.getElementById("embed").click();`;
    await one.evaluate(compare);
    await until("document.querySelectorAll('.matrix td').length === 10", one);
    await one.evaluate(`(() => { const model = document.getElementById("model");
      model.value = "ranker"; model.dispatchEvent(new Event("change")); document.getElementById("query").value = "who?"; })()`);
    await one.evaluate(compare);
    await until("document.querySelector('#embed-result h2').textContent === 'The best first'", one);
    const scores = await one.evaluate<string[]>(
      "[...document.querySelectorAll('.ranked .score')].map((score) => score.textContent)",
    );
    expect(scores).toEqual(scores.toSorted((a, b) => Number(b) - Number(a)));
    expect([scores.length, one.complaints]).toEqual([3, []]);
    await one.close();
    await other.close();
  });

  it("the engine's panel has speed, cache, workers and roofline", async () => {
    await click("#show-engine");
    await until("document.querySelectorAll('.workers li').length === 1");
    expect((await texts("#engine-model dd")).slice(0, 2)).toEqual(["ready", "llama"]);
    expect((await texts("#engine-cache .note"))[0]).toMatch(/^\d+ of \d+ pages in use, \d+ keep earlier texts/);
    expect(await page.evaluate("document.querySelector('.workers svg').getAttribute('aria-label')")).toMatch(
      /^Worker 0: computes/,
    );
    await click("#engine .close");
  });

  it("chats are there when the page is opened again, and one that is deleted comes back by Undo", async () => {
    const before = await texts("#chats .open");
    await click("#chats .plain");
    expect(await texts("#chats .open")).toEqual(before.slice(1));
    await press("Undo");
    const next = await browser.open(`${server.url}/`, { width: 1280 });
    expect(await next.evaluate("document.querySelectorAll('#chats .open').length")).toBe(before.length);
    await next.close();
  });

  it("a server that needs a key asks for it", async () => {
    const models = [{ name: "demo", source: demoModel, options: { threads: 1 } }];
    const guarded = await startServer({ models, port: 0, apiKeys: ["secret"] });
    const closed = await browser.open(`${guarded.url}/`, { width: 390 });
    const give = (key: string) =>
      closed.evaluate(
        `document.getElementById("key").value = "${key}"; document.getElementById("key-form").requestSubmit();`,
      );
    await until("document.querySelector('dialog[open]') !== null", closed);
    await give("wrong");
    await until(
      "document.getElementById('key-note').textContent.includes('does not know') && document.querySelector('dialog[open]')",
      closed,
    );
    await give("secret");
    await until("document.getElementById('model').options.length === 1", closed);
    expect(await closed.evaluate("[localStorage.length, sessionStorage.getItem('cria.key')]")).toEqual([
      expect.any(Number),
      "secret",
    ]);
    await closed.close();
    await guarded.close();
  });

  it.each([390, 1280])("at %d pixels the keyboard reaches everything, and nothing holds it", async (width) => {
    const one = await browser.open(`${server.url}/`, { width, height: 800 });
    const focused = () => one.evaluate<string>("document.activeElement.id || document.activeElement.className");
    const tabTo = async (id: string) => {
      const way: string[] = [];
      while (way.at(-1) !== id) {
        if (way.length > 60) throw new Error(`Tab does not lead to ${id}: ${way.join(", ")}`);
        await one.press("Tab");
        way.push(await focused());
      }
      return way;
    };
    expect((await tabTo("model")).includes("new-chat")).toBe(width > 820);
    expect((await tabTo("prompt")).slice(0, 3)).toEqual(["chat-tab", "show-settings", "show-engine"]);
    await tabTo("show-engine"); // past the end of the page, and all the way round
    await one.press("Enter");
    expect(await one.evaluate("document.getElementById('engine').hidden")).toBe(false);
    if (width > 820) await tabTo("plain close");
    else expect(await focused()).toBe("plain close");
    await one.press(width > 820 ? "Enter" : "Escape");
    expect([await focused(), await one.evaluate("document.getElementById('engine').hidden")]).toEqual([
      "show-engine",
      true,
    ]);
    await one.close();
  });

  it("asked nobody else for anything, and the browser had nothing to complain of", () => {
    expect(page.requests.filter((url) => !url.startsWith(server.url))).toEqual([]);
    expect(page.complaints).toEqual([]);
  });

  const cases = [390, 1280].flatMap((width) => (["light", "dark"] as const).map((scheme) => [width, scheme] as const));
  it.each(cases)("%d pixels, %s: nothing wider than the page, and no finding of axe", async (width, scheme) => {
    const one = await browser.open(`${server.url}/`, { width, height: 800, scheme });
    await until(
      "document.getElementById('model').options.length === 2 && document.querySelectorAll('.message').length > 0",
      one,
    );
    await one.evaluate(axe.replace(/;?\s*$/, "; 0"));
    const findings = async (what: string) => {
      await new Promise((resolve) => setTimeout(resolve, 50));
      expect([what, await one.evaluate("document.documentElement.scrollWidth")]).toEqual([what, width]);
      // What the scheme changes is colours.
      const only = scheme === "dark" ? '{ runOnly: ["color-contrast"] }' : "{}";
      const script = `axe.run(document, { resultTypes: ["violations"], ...${only} }).then(({ violations }) => violations
        .filter(({ impact }) => impact === "serious" || impact === "critical")
        .map(({ id, nodes }) => id + ": " + nodes.map(({ html }) => html).join(" ")))`;
      expect([what, await one.evaluate(script)]).toEqual([what, []]);
    };
    await findings("a conversation");
    await one.evaluate(
      "document.getElementById('show-settings').click(), document.querySelectorAll('#settings details').forEach((one) => (one.open = true))",
    );
    await findings("settings");
    await one.evaluate(
      "document.querySelector('#settings .close').click(), document.getElementById('show-engine').click()",
    );
    await until("document.querySelectorAll('.workers li').length > 0", one);
    await findings("the engine");
    await one.evaluate(`document.querySelector("#engine .close").click(), document.getElementById("embed-tab").click(),
      (document.getElementById("texts").value = "one\\ntwo"), document.getElementById("embed").click()`);
    await until("document.querySelector('.matrix') !== null", one);
    await findings("embeddings");
    await one.evaluate("document.getElementById('chat-tab').click(), document.getElementById('new-chat').click()");
    await findings("a new chat");
    expect(one.complaints).toEqual([]);
    await one.close();
  });
});
