// Commands that a server answers, run as a user runs them.

import { execFile, spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { demoModel } from "cria";
import { type RunningServer, startServer } from "cria/server";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { serveProcess } from "../support/serve-process.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const entry = fileURLToPath(new URL("../../dist/bin/main.js", import.meta.url));
const key = "a-key";

let server: RunningServer;
beforeAll(async () => {
  const models = ["demo", "other"].map((name) => ({ name, source: demoModel, options: { threads: 1, sequences: 2 } }));
  server = await startServer({ models, port: 0, apiKeys: [key] });
});
afterAll(() => server.close());

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Runs a command to its end. */
function cria(args: readonly string[], input = "", environment: Record<string, string> = {}): Promise<Ended> {
  return new Promise((resolve) => {
    const env = { ...process.env, CRIA_API_KEY: key, ...environment };
    const child = execFile(process.execPath, [entry, ...args], { env }, (_, out, err) => {
      resolve({ code: child.exitCode, out, err });
    });
    child.stdin!.on("error", () => undefined);
    child.stdin!.end(input);
  });
}

/** The address of a server that answers like this. */
async function answering<Result>(listener: RequestListener, use: (url: string) => Promise<Result>): Promise<Result> {
  const other = createServer(listener);
  await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
  try {
    return await use(`http://127.0.0.1:${(other.address() as AddressInfo).port}`);
  } finally {
    other.closeAllConnections();
    other.close();
  }
}

describe("cria run and cria chat with --url", () => {
  it("print what a model of this process would", async () => {
    const options = ["One day", "-n", "20", "-s", "7", "--dry-multiplier", "1", "--xtc-probability", "0.3"];
    const [asked, own] = await Promise.all([
      cria(["run", "--url", server.url, ...options]),
      cria(["run", "-t", "1", ...options]),
    ]);
    expect([asked.code, asked.out]).toEqual([0, own.out]);
    expect(asked.err).toMatch(/^server +http:\/\/127.*, model demo\nprefill .* 3 tokens .*\ndecode .* 19 tokens/m);
    expect(asked.err).toMatch(/^seed +7$/m);
    const chat = ["chat", "--url", `${server.url}/v1/`, "-m", "other", "--temp", "0"];
    const talk = await cria(chat, "What is 3 + 4?\nWhat is a baby llama called?\n");
    expect([talk.code, talk.out]).toEqual([0, "3 + 4 = 7.\nA baby llama is called a cria.\n"]);
    expect(talk.err).toContain("model other");
  });

  it("a system prompt, and a schema, arrive", async () => {
    const bodies: unknown[] = [];
    const listener: RequestListener = (request, response) => {
      if (request.method === "GET") return response.end(JSON.stringify({ data: [{ id: "m" }] }));
      let text = "";
      request.on("data", (bytes) => {
        text += bytes;
      });
      request.on("end", () => {
        bodies.push(JSON.parse(text));
        // Comments, thoughts, text in pieces of its bytes, a chunk without choices, and no usage.
        const body = Buffer.from(
          `: wait\n\ndata: {"choices":[{"delta":{"reasoning_content":"hm"}}]}\r\n\r\ndata: {"choices":[]}\n\n` +
            `data: {"choices":[{"delta":{"content":"é"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n`,
        );
        const cut = body.indexOf("é") + 1;
        response.write(body.subarray(0, cut));
        setTimeout(() => response.end(body.subarray(cut)), 20);
      });
    };
    const { code, out } = await answering(listener, (url) =>
      cria(["chat", "--url", url, "-sys", "Be brief.", "-j", '{"type":"string"}', "--top-k", "3"], "hi\nand\n"),
    );
    expect([code, out]).toEqual([0, "é\né\n"]);
    const system = { role: "system", content: "Be brief." };
    const schema = { type: "json_schema", json_schema: { schema: { type: "string" } } };
    const hi = { role: "user", content: "hi" };
    const answer = { role: "assistant", content: "é", reasoning_content: "hm" };
    expect(bodies).toMatchObject([
      { model: "m", messages: [system, hi], response_format: schema, top_k: 3, stream: true },
      { messages: [system, hi, answer, { role: "user", content: "and" }] },
    ]);
  });

  it("times are the server's where it says them, and those of arrivals elsewhere", async () => {
    const says = (timings: string): RequestListener => {
      return (request, response) => {
        if (request.method === "GET") return response.end(JSON.stringify({ data: [{ id: "m" }] }));
        // All tokens come together.
        const usage = `"usage":{"prompt_tokens":30,"completion_tokens":101}`;
        response.end(`data: {"choices":[{"text":"a"}]}\n\ndata: {"choices":[],${usage}${timings}}\n\ndata: [DONE]\n\n`);
      };
    };
    const run = (url: string) => cria(["run", "a", "--url", url]);
    const told = await answering(says(`,"timings":{"prompt_ms":300,"predicted_ms":2000}`), run);
    expect(told.err).toMatch(
      /prefill +300\.0 ms \/ +30 tokens +100\.00 tokens\/s\ndecode +2000\.0 ms \/ +100 tokens +50\.00/,
    );
    const silent = await answering(says(""), run);
    expect([silent.code, silent.err]).toEqual([0, expect.not.stringContaining("2000.0 ms")]);
  });

  it("Ctrl-C ends the server's work", async () => {
    const args = ["run", "--url", server.url, "Once", "-n", "5000", "--temp", "2"];
    const child = spawn(process.execPath, [entry, ...args], { env: { ...process.env, CRIA_API_KEY: key } });
    child.stdout.once("data", () => child.kill("SIGINT"));
    expect(await new Promise((resolve) => child.on("exit", resolve))).toBe(130);
    const slots = async () => (await fetch(`${server.url}/slots`, { headers: { "x-api-key": key } })).json();
    for (let i = 0; i < 100 && ((await slots()) as unknown[]).length > 0; i++) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(await slots()).toEqual([]);
  });

  it("one line, and the exit code, where it cannot be", async () => {
    const reached = ["run", "a", "--url", server.url];
    const cases: readonly (readonly [readonly string[], number, RegExp, Record<string, string>?])[] = [
      [
        ["run", "a", "--url", "127.0.0.1:1024"],
        1,
        /http:\/\/127\.0\.0\.1:1024: nobody listens there; cria serve starts/,
      ],
      [
        reached,
        1,
        /answers 401: this server needs an API key; --api-key or CRIA_API_KEY gives one/,
        { CRIA_API_KEY: "" },
      ],
      [[...reached, "-m", "third"], 1, /has no model "third"; it has "demo", "other"/],
      [[...reached, "-t", "2"], 2, /--threads is set, but with --url the server has loaded the model/],
      [[...reached, "--mirostat", "2"], 2, /mirostat is set, but a request to a server cannot say it/],
      [[...reached, "--temp", "-1"], 1, /answers 400: temperature must be a number in 0 .. /],
      [["run", "a", "--url", "ftp://x"], 2, /--url must be an http: or https: URL, such as .*; it is "ftp:\/\/x"/],
      [["run", "a", "--api-key", "k"], 2, /--api-key is set, but it does nothing without --url/],
    ];
    const results = await Promise.all(cases.map(([args, , , environment]) => cria(args, "", environment)));
    for (const [i, [args, code, message]] of cases.entries()) {
      expect([args, results[i]!.code, results[i]!.out]).toEqual([args, code, ""]);
      expect(results[i]!.err.trimEnd().split("\n")).toHaveLength(1);
      expect(results[i]!.err).toMatch(message);
    }
  });

  it.each<[string, string, RegExp]>([
    ["text", "<html>", /does not answer as a server of models: <html>/],
    ["an end too soon", 'data: {"choices":[{"text":"a"}]}\n\n', /ended its answer before it was complete/],
    ["an event that is not JSON", "data: nonsense\n\n", /sends what is not an event of JSON: nonsense/],
    ["an event of an error", 'data: {"error":{"message":"out of \\u001b order"}}\n\n', /: out of \\u\{1b\} order$/m],
  ])("a server's %s is an error of one line", async (what, body, message) => {
    const listener: RequestListener = ({ method }, response) =>
      response.end(method === "GET" && what !== "text" ? JSON.stringify({ data: [{ id: "m" }] }) : body);
    const { code, err } = await answering(listener, (url) => cria(["run", "a", "--url", url]));
    expect([code, err.trimEnd().split("\n").length]).toEqual([1, 1]);
    expect(err).toMatch(message);
  });
});

describe("cria ps and cria stop", () => {
  it("list the models of a server, unload them, and end it", async () => {
    let ends = 0;
    const options = { threads: 1, sequences: 2 };
    const models = [
      { name: "demo", source: demoModel, options, instances: 1 },
      { name: "other", source: demoModel, options },
    ];
    const own = await startServer({ models, port: 0, preload: true, idleMinutes: 10, onShutdown: () => ends++ });
    try {
      const url = ["--url", own.url];
      const { code, out } = await cria(["ps", ...url]);
      expect(code).toBe(0);
      const [head, demo, other] = out.split("\n");
      expect(head).toMatch(/^NAME +STATE +MEMORY +INSTANCES +RUNNING +WAITING +UNLOADED$/);
      expect(demo).toMatch(/^demo +ready +\d+\.\d MiB +1 +0 +0 +in 10 min$/);
      expect(other).toMatch(/^other +ready/);
      const json = JSON.parse((await cria(["ps", "--json", ...url])).out);
      expect(json).toMatchObject([{ name: "demo", instances: [{ state: "ready" }] }, { name: "other" }]);
      expect((await cria(["stop", "other", ...url])).out).toMatch(/^other is unloaded: \d+\.\d MiB are free\n$/);
      const left = new AbortController();
      const body = JSON.stringify({ model: "demo", prompt: "a", n: 40, stream: true });
      const running = await fetch(`${own.url}/v1/completions`, { method: "POST", body, signal: left.signal });
      await running.body!.getReader().read();
      expect((await cria(["ps", ...url])).out).toMatch(/^demo +ready .* 1 +1 +0 *$/m);
      const stopped = await cria(["stop", "--all", ...url]);
      expect(stopped.out).toBe("demo is unloaded when the requests that use it have ended\n");
      left.abort();
      expect((await cria(["stop", "--server", ...url])).out).toBe(`${own.url} ends when its requests have\n`);
      for (let i = 0; i < 100 && ends === 0; i++) await new Promise((resolve) => setTimeout(resolve, 20));
      expect(ends).toBe(1);
    } finally {
      await own.close({ drainSeconds: 0 });
    }
  });

  it("one line, and the exit code, where it cannot be", async () => {
    const url = ["--url", server.url];
    const cases: readonly (readonly [readonly string[], number, RegExp])[] = [
      [["ps", "--url", "127.0.0.1:1024"], 1, /nobody listens there; cria serve starts a server/],
      [["stop", "third", ...url], 1, /answers 404: the model "third" does not exist; there are "demo", "other"/],
      [["stop", ...url], 2, /stop takes names of models \(cria ps prints them\), or --all, or --server/],
      [["stop", "--server", ...url], 1, /answers 403: this server may not be ended by requests/],
    ];
    const results = await Promise.all(cases.map(([args]) => cria(args)));
    for (const [i, [args, code, message]] of cases.entries()) {
      expect([args, results[i]!.code, results[i]!.out]).toEqual([args, code, ""]);
      expect(results[i]!.err.trimEnd().split("\n")).toHaveLength(1);
      expect(results[i]!.err).toMatch(message);
    }
    const foreign = await answering(
      (_, response) => response.end('{"models":"none"}'),
      (other) => cria(["ps", "--url", other]),
    );
    expect([foreign.code, foreign.err]).toEqual([1, expect.stringMatching(/is not a server of cria's/)]);
  });
});

describe("cria serve", () => {
  const folder = temporaryFolder();
  /** A file for --models. */
  const models = (text: string) => {
    const path = folder.path(`models-${Math.random()}.yaml`);
    writeFileSync(path, text);
    return path;
  };
  const path = fileURLToPath(demoModel);

  it("loads many models of a file, in instances, within what they may take; ps and stop reach it", async () => {
    const file = models(`both:\n  model: ${path}\n  instances: 1\n  threads: 1\nlater: ${path}\n`);
    const options = ["--models", file, "--memory", "1G", "--idle", "10m", "-t", "1", "-np", "2", "--lazy"];
    const own = await serveProcess(options);
    expect(own.said()).toMatch(/^both: \d+\.\d MiB \(weights .*, KV cache .* for 2 x 512 positions in f16\)$/m);
    expect(own.said()).toMatch(
      /^all together, with their workers: .* MiB of 1024\.0 MiB that they may take \(--memory\)$/m,
    );
    const list = async () => JSON.parse((await cria(["ps", "--json", "--url", own.url])).out);
    expect((await list()).map(({ state }: { state: string }) => state)).toEqual(["unloaded", "unloaded"]);
    const run = await cria(["run", "a", "-n", "1", "--url", own.url, "-m", "both"]);
    expect(run.code).toBe(0);
    expect(await list()).toMatchObject([{ name: "both", instances: [{ state: "ready" }] }, { state: "unloaded" }]);
    expect((await cria(["stop", "--server", "--url", own.url])).code).toBe(0);
    expect(await own.ended).toBe(0);
  });

  it("one line, and the exit code, where it cannot be", async () => {
    const cases: readonly (readonly [readonly string[], number, RegExp])[] = [
      [["--models", models("- a")], 2, /must be an object of names to models/],
      [["--models", models(`a: { model: ${path}, thread: 1 }`)], 2, /a has no option "thread"; it has threads, /],
      [["--instances", "many"], 2, /instances must be "l3", "node", "auto", or an integer in 1 \.\. \d+/],
      [["--instances", "1", "--pin", "0"], 2, /--pin is set, but each of a model's instances has processors/],
      [["--tuned"], 1, /tune is set, but there is no tuning of cria-demo/],
    ];
    const results = await Promise.all(
      cases.map(([args]) => cria(["serve", "--port", "0", ...args], "", { CRIA_CACHE: folder.path("empty") })),
    );
    for (const [i, [args, code, message]] of cases.entries()) {
      expect([args, results[i]!.code, results[i]!.out]).toEqual([args, code, ""]);
      expect(results[i]!.err).toMatch(message);
    }
    const small = await cria(["serve", "--port", "0", "--memory", "1M"]);
    expect([small.code, small.err]).toEqual([
      1,
      expect.stringMatching(/cria-demo" takes .*; all models may take 1\.0 MiB$/m),
    ]);
  });
});
