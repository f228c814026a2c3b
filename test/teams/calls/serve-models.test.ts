// The models of a server: several in what all may take, in several instances, loaded and unloaded, and what the metrics say of them while
// they compute.

import { spawn, spawnSync } from "node:child_process";
import type { Worker } from "node:worker_threads";
import { cpuTopology, demoModel, loadModel } from "cria";
import { openGguf } from "cria/gguf";
import { type RunningServer, type ServedModel, type ServerEvent, type ServerOptions, startServer } from "cria/server";
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import { rememberTuning } from "../../../dist/api/load/tunings.js";
import { Catalog } from "../../../dist/server/catalog.js";
import { planServed } from "../../../dist/server/planned.js";
import { temporaryFolder } from "../../support/temporary-folder.js";

const { allowed, source } = await cpuTopology();
const folder = temporaryFolder();
const options = { threads: 1, sequences: 2, contextSize: 512 };
const named = (...names: readonly string[]): ServedModel[] =>
  names.map((name) => ({ name, source: demoModel, options }));

/** Never chosen: the tokens that end a text. */
const bias: Record<string, number> = {};
beforeAll(async () => {
  await using model = await loadModel(demoModel, { threads: 1 });
  for (const word of ["<|eot_id|>", "<|end_of_text|>"]) bias[model.tokenizer.idOf(word)!] = -100;
});

let server: RunningServer;
const states: string[] = [];
afterEach(() => server.close({ drainSeconds: 0 }));

async function serve(given: Partial<ServerOptions>): Promise<void> {
  states.length = 0;
  const onEvent = (event: ServerEvent) => event.event === "model" && states.push(`${event.model} ${event.state}`);
  server = await startServer({ models: named("demo"), port: 0, onEvent, ...given });
}

interface Asked {
  readonly status: number;
  readonly headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: answers of many shapes
  readonly body: any;
}

async function ask(path: string, body?: unknown): Promise<Asked> {
  const response = await fetch(
    server.url + path,
    body === undefined ? {} : { method: "POST", body: JSON.stringify(body) },
  );
  const text = await response.text();
  const json = response.headers.get("content-type")?.includes("application/json") ?? false;
  return { status: response.status, headers: response.headers, body: json ? JSON.parse(text) : text };
}

const brief = (model: string) => ask("/v1/completions", { model, prompt: "a", max_tokens: 1 });

/** So many answers to one request that no machine is done with them soon. */
const ANSWERS = 40;

/** A stream that goes on until it is left. */
async function begin(model: string, prompt: unknown = "Once upon a time") {
  const left = new AbortController();
  const response = await fetch(`${server.url}/v1/completions`, {
    ...{ method: "POST", signal: left.signal },
    body: JSON.stringify({ model, prompt, stream: true, logit_bias: bias, n: ANSWERS }),
  });
  const reader = response.body!.getReader();
  await reader.read();
  return { leave: () => left.abort() };
}

async function until(condition: () => Promise<boolean> | boolean): Promise<void> {
  for (let i = 0; i < 400; i++) {
    if (await condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error("it did not happen within ten seconds");
}

/** The value of a metric, such as `cria_instances{model="demo"}`. */
async function metric(name: string): Promise<number> {
  const { body } = await ask("/metrics");
  return Number(
    (body as string)
      .split("\n")
      .find((line) => line.startsWith(`${name} `))
      ?.split(" ")
      .at(-1),
  );
}

const propsOf = async (name: string) =>
  (await ask("/props")).body.models.find((model: { name: string }) => model.name === name);
const isFree = async () => (await ask("/slots")).body.length === 0;

describe("where memory is short", () => {
  /** What one model takes. */
  let each: number;
  beforeAll(async () => {
    each = (await planServed({ source: demoModel, options })).bytes;
  });

  it("the model that was used longest ago makes room", async () => {
    await serve({ models: named("a", "b", "c"), memoryBytes: 2.5 * each });
    for (const name of ["a", "b", "a", "c"]) expect((await brief(name)).status).toBe(200);
    expect(states).toEqual([
      ...["a loading", "a ready", "b loading", "b ready"],
      ...["c loading", "b unloaded", "c ready"],
    ]);
    expect((await brief("b")).status).toBe(200);
    expect(states.slice(-3)).toEqual(["b loading", "a unloaded", "b ready"]);
    expect((await ask("/props")).body.memory_limit).toBe(2.5 * each);
  });

  it("models in use stay, and the one that is asked for is refused until they are free", async () => {
    await serve({ models: named("a", "b", "c"), memoryBytes: 2.5 * each });
    const [first] = [await begin("a"), await begin("b")];
    const { status, headers, body } = await brief("c");
    expect([status, body.error.code, body.error.type]).toEqual([503, "MEMORY_EXCEEDED", "server_error"]);
    expect(Number(headers.get("retry-after"))).toBeGreaterThanOrEqual(1);
    expect(body.error.message).toMatch(/the model "c" takes .* MiB; all models may take .*, and models in use take .*/);
    expect(states).not.toContain("a unloaded");
    first.leave();
    await until(async () => (await brief("c")).status === 200);
    expect(states).toContain("a unloaded");
    expect(states).not.toContain("b unloaded");
  });

  it("one that is larger than all may be drives none away", async () => {
    const large = { name: "large", source: demoModel, options: { ...options, sequences: 512 } };
    await serve({ models: [...named("a"), large], memoryBytes: 1.5 * each });
    await brief("a");
    expect((await brief("large")).body.error.code).toBe("MEMORY_EXCEEDED");
    expect((await ask("/models/load", { model: "large" })).status).toBe(503);
    expect(states).not.toContain("a unloaded");
  });
});

describe("models come and go", () => {
  it("with preload they are there from the start; an idle one leaves, and says when", async () => {
    await serve({ models: named("a", "b"), preload: true, idleMinutes: 0.3 / 60 });
    expect(states.filter((state) => state.endsWith("ready"))).toEqual(["a ready", "b ready"]);
    const running = await begin("a");
    await until(() => states.includes("b unloaded"));
    expect(await propsOf("a")).toMatchObject({ state: "ready", requests_running: 1 });
    expect((await propsOf("a")).unloads_in_seconds).toBeUndefined(); // it is in use
    await brief("b");
    expect((await propsOf("b")).unloads_in_seconds ?? 0).toBeLessThanOrEqual(0.3);
    running.leave();
    await until(async () => (await propsOf("a")).state === "unloaded");
    expect((await ask("/ready")).status).toBe(200);
  });

  it("a request loads or unloads one: at once, or when the requests that use it have ended", async () => {
    await serve({ models: named("a", "b") });
    expect((await ask("/models/load", { model: "b" })).body).toEqual({ success: true, model: "b" });
    expect(states).toEqual(["b loading", "b ready"]);
    const running = await begin("a");
    expect((await ask("/models/unload", { model: "b" })).body).toMatchObject({ unloaded: true });
    expect((await ask("/models/unload", { model: "a" })).body).toMatchObject({ unloaded: false });
    expect(states.slice(-1)).toEqual(["b unloaded"]);
    running.leave();
    await until(() => states.includes("a unloaded"));
    expect((await ask("/models/unload", { model: "a" })).body).toMatchObject({ unloaded: true }); // it is
    expect((await ask("/models/unload", {})).body.error.code).toBe("missing_field");
    expect((await ask("/models/unload", { model: "x" })).status).toBe(404);
    expect((await brief("a")).status).toBe(200);
  });

  it("the memory of one that is unloaded is soon given back", async () => {
    await serve({});
    const catalog = new Catalog(named("a"));
    const use = async () => {
      const { model, release } = await catalog.lease("a");
      await model.complete("a", { maxTokens: 1 });
      release();
      return new WeakRef(model);
    };
    const model = await use();
    await catalog.unload("a");
    await until(() => model.deref() === undefined);
    await catalog.close();
  });

  it("nobody ends the server by a request, unless it is to be so", async () => {
    let ends = 0;
    await serve({});
    expect((await ask("/shutdown", {})).status).toBe(403);
    await server.close();
    await serve({ onShutdown: () => ends++, host: "0.0.0.0" });
    expect((await ask("/shutdown", {})).status).toBe(403); // others than this machine reach it, without a key
    await server.close();
    await serve({ onShutdown: () => ends++ });
    expect((await ask("/shutdown", {})).body).toEqual({ success: true });
    await until(() => ends === 1);
  });
});

it("a stream that waits for its first token gets comments, and then all of its events", async () => {
  await serve({ pingSeconds: 0.002 });
  const body = { model: "demo", prompt: Array.from({ length: 400 }, (_, i) => 10 + i), max_tokens: 3, stream: true };
  // The model is loaded first, and then the prompt is long.
  for (const _ of ["loading", "prefill"]) {
    const { headers, body: text } = await ask("/v1/completions", body);
    expect(headers.get("content-type")).toBe("text/event-stream");
    const lines = (text as string).split("\n\n");
    expect(lines.findIndex((line) => line.startsWith("data:"))).toBeGreaterThan(0);
    expect(lines.filter((line) => line.startsWith(": ")).length).toBeGreaterThan(1);
    expect(lines.at(-2)).toBe("data: [DONE]");
    body.prompt = body.prompt.map((id) => id + 1);
  }
  // What fails then is an event, because the answer has begun.
  const failed = await ask("/v1/completions", { ...body, prompt: Array.from({ length: 600 }, () => 1) });
  expect([failed.status, failed.body]).toEqual([400, expect.anything()]);
});

describe("Ollama's clients", () => {
  const messages = [{ role: "user", content: "What is 3 + 4?" }];
  const linesIn = ({ body }: Asked) =>
    (body as string)
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));

  it("get parts without text while they wait, because all of their lines are JSON", async () => {
    await serve({ pingSeconds: 0.002 });
    const chat = await ask("/api/chat", { model: "demo", messages, options: { temperature: 0 } });
    expect(chat.headers.get("content-type")).toBe("application/x-ndjson");
    const parts = linesIn(chat);
    expect(parts[0]).toMatchObject({ model: "demo", message: { role: "assistant", content: "" }, done: false });
    expect(parts.map(({ message }) => message.content).join("")).toBe("3 + 4 = 7.");
    expect(parts.at(-1)).toMatchObject({ done: true, done_reason: "stop" });
    await ask("/models/unload", { model: "demo" });
    const [first] = linesIn(await ask("/api/generate", { model: "demo", prompt: "a", options: { num_predict: 1 } }));
    expect(first).toMatchObject({ response: "", done: false });
    await ask("/models/unload", { model: "demo" });
    const failed = linesIn(
      await ask("/api/chat", { model: "demo", messages: [{ role: "user", content: "a ".repeat(600) }] }),
    );
    expect(failed.at(-1)).toEqual({ error: expect.stringMatching(/the prompt has \d+ tokens/) });
  });

  it("say how long a model stays: 0 unloads it; other times are not shorter than the server's", async () => {
    await serve({ models: named("a", "b"), idleMinutes: 10 });
    const generate = { model: "a", prompt: "a", stream: false, options: { num_predict: 1 } };
    await ask("/api/generate", { ...generate, keep_alive: "1h30m" });
    const left = async () => Math.round((await propsOf("a")).unloads_in_seconds / 60);
    expect(await left()).toBe(90);
    const { body } = await ask("/api/ps");
    expect(Math.round((Date.parse(body.models[0].expires_at) - Date.now()) / 60_000)).toBe(90);
    await ask("/api/generate", { ...generate, keep_alive: 1 });
    expect(await left()).toBe(10);
    await ask("/api/generate", { ...generate, keep_alive: -1 });
    expect((await propsOf("a")).unloads_in_seconds).toBeUndefined();
    await ask("/api/generate", { ...generate, keep_alive: 0 });
    await until(() => states.includes("a unloaded"));
    // Without a prompt or messages, nothing but that is asked for.
    expect((await ask("/api/generate", { model: "a" })).body).toMatchObject({ response: "", done_reason: "load" });
    expect((await propsOf("a")).state).toBe("ready");
    const unload = { model: "a", messages: [], keep_alive: "0s" };
    expect((await ask("/api/chat", unload)).body).toMatchObject({ message: { content: "" }, done_reason: "unload" });
    expect((await propsOf("a")).state).toBe("unloaded");
    await ask("/api/chat", { ...unload, model: "b" });
    expect(states).not.toContain("b loading"); // it is not loaded to be unloaded
    const wrong = await ask("/api/chat", { ...unload, keep_alive: "soon" });
    expect([wrong.status, wrong.body.error]).toEqual([400, expect.stringMatching(/keep_alive must be seconds, or/)]);
  });
});

describe("instances", () => {
  const models = [{ ...named("demo")[0]!, instances: Math.min(2, allowed.length) }];
  const count = models[0]!.instances;

  it("share the requests, and one that is lost is started again", async () => {
    const workers: Worker[] = [];
    const remember = (worker: Worker) => void workers.push(worker);
    process.on("worker", remember);
    await serve({ models, preload: true });
    process.off("worker", remember);
    const running = await Promise.all([begin("demo"), begin("demo")]);
    // A request's answers are one instance's; some of them may have ended already.
    const most = (2 * ANSWERS) / count;
    const shares: number[] = (await propsOf("demo")).instances.map(({ calls }: { calls: number }) => calls);
    expect(shares.length).toBe(count);
    expect(shares.every((calls) => calls > 0 && calls <= most)).toBe(true);
    expect(await metric('cria_instances{model="demo"}')).toBe(count);
    const told = (await metric('cria_instance_calls{model="demo",instance="0"}'))!;
    expect([told > 0, told <= shares[0]!]).toEqual([true, true]);
    const slots: { readonly instances: readonly number[] }[] = (await ask("/slots")).body;
    expect(slots.every(({ instances }) => instances.length > 0)).toBe(true);
    const working = new Set(slots.flatMap(({ instances }) => instances));
    expect([...working].toSorted()).toEqual(Array.from({ length: count }, (_, i) => i));
    expect((await ask("/props")).body.total_slots).toBe(2 * count);
    expect((await propsOf("demo")).bytes).toBe(count * (await propsOf("demo")).memory.total);
    for (const { leave } of running) leave();
    await until(isFree);
    await workers[0]!.terminate();
    await until(async () => (await metric('cria_instance_deaths{model="demo",instance="0"}')) === 1);
    expect((await brief("demo")).status).toBe(200);
    await until(async () => (await metric('cria_instance_ready{model="demo",instance="0"}')) === 1);
    expect(states).toEqual(["demo loading", "demo ready"]); // the model was there all the time
  });

  it("are as many as the tuning says, with auto; alone, a model has the tuning's threads", async () => {
    const before = process.env["CRIA_CACHE"];
    process.env["CRIA_CACHE"] = folder.path("cache");
    try {
      const gguf = await openGguf(demoModel);
      const settings = { threads: 1, prefillChunk: 64 };
      await rememberTuning(gguf, undefined, { settings, instances: count, threadsOfInstance: 1, time: Date.now() });
      await gguf.close();
      const tuned = { name: "tuned", source: demoModel, options: { tune: true } };
      await serve({ models: [tuned, { ...tuned, name: "pool", instances: "auto" }], preload: true });
      expect(await propsOf("tuned")).toMatchObject({ threads: 1, tuned: settings });
      expect((await propsOf("tuned")).instances).toBeUndefined();
      expect((await propsOf("pool")).instances).toHaveLength(count);
      expect((await planServed({ ...tuned, instances: "auto" })).plans).toHaveLength(count);
    } finally {
      if (before === undefined) delete process.env["CRIA_CACHE"];
      else process.env["CRIA_CACHE"] = before;
    }
  });

  it("what cannot be is refused at the start", async () => {
    await serve({});
    const refused: [object, RegExp][] = [
      [{ instances: 0 }, /models\[0\]\.instances must be "l3", "node", "auto", or an integer from 1 on; it is 0/],
      [{ instances: "many" }, /it is "many"/],
      [{ instances: 1, options: { pin: "0" } }, /models\[0\]\.options\.pin is set, but each of its instances has/],
      [{ instance: 1 }, /models\[0\] has no option "instance"; it has name, source, options, instances/],
    ];
    for (const [given, message] of refused) {
      const wrong = { port: 0, models: [{ ...named("demo")[0]!, ...given }] };
      await expect(startServer(wrong as ServerOptions)).rejects.toThrow(message);
    }
  });
});

describe("metrics, while something runs", () => {
  it("the KV cache, tokens as they come, and the speed", async () => {
    await serve({ models: named("demo", "other"), preload: true });
    const positions = await metric('cria_kv_cache_positions{model="demo"}');
    expect(positions).toBeGreaterThanOrEqual(1024);
    expect(await metric("vllm:kv_cache_usage_perc")).toBe(0);
    const prompt = Array.from({ length: 300 }, (_, i) => 10 + i);
    const running = await begin("demo", prompt);
    const used = await metric('cria_kv_cache_used_positions{model="demo"}');
    expect(used).toBeGreaterThanOrEqual(320);
    const ratio = await metric('cria_kv_cache_usage_ratio{model="demo"}');
    expect(ratio).toBeGreaterThanOrEqual(320 / positions);
    expect(await metric('cria_kv_cache_used_positions{model="other"}')).toBe(0);
    // Of both models together.
    expect(await metric("llamacpp:kv_cache_usage_ratio")).toBeGreaterThanOrEqual(320 / (2 * positions));
    expect(await metric("vllm:kv_cache_usage_perc")).toBeLessThan(ratio + 0.1);
    expect(await metric("llamacpp:kv_cache_tokens")).toBeGreaterThanOrEqual(320);
    expect((await ask("/metrics")).body).toContain(
      `vllm:cache_config_info{block_size="64",num_gpu_blocks="${(2 * positions) / 64}"} 1`,
    );
    expect(await metric('cria_generated_tokens_total{model="demo"}')).toBeGreaterThan(0); // before the end
    running.leave();
    await until(isFree);
    await until(async () => (await metric('cria_kv_cache_used_positions{model="demo"}')) === 0);
    expect(await metric('cria_kv_cache_cached_positions{model="demo"}')).toBeGreaterThanOrEqual(256);
    const { body } = await ask("/v1/completions", { model: "other", prompt: "Once", max_tokens: 40, logit_bias: bias });
    expect(await metric('cria_generated_tokens_total{model="other"}')).toBe(body.usage.completion_tokens);
    expect(await metric("llamacpp:predicted_tokens_seconds")).toBeGreaterThan(0);
  });

  it("tokens a second", async () => {
    await serve({ preload: true });
    const running = await begin("demo");
    await until(async () => (await metric('cria_tokens_per_second{model="demo"}')) > 10);
    running.leave();
    await until(isFree);
    expect(await metric('cria_tokens_per_second{model="demo"}')).toBe(0);
  });

  const pins = source === "sysfs" && spawnSync("taskset", ["--version"]).status === 0;
  it.skipIf(!pins)("disturbances: a program on the worker's processor", { retry: 1 }, async () => {
    const cpu = String(allowed[0]);
    const models = [{ name: "demo", source: demoModel, options: { ...options, pin: cpu } }];
    await serve({ models, preload: true });
    const neighbour = spawn("taskset", ["-c", cpu, process.execPath, "-e", "for (;;);"], { stdio: "ignore" });
    try {
      const sum = async () => {
        const lines = ((await ask("/metrics")).body as string).match(/^cria_disturbances_total\{.*/gm) ?? [];
        return lines.reduce((total, line) => total + Number(line.split(" ").at(-1)), 0);
      };
      await until(async () => {
        await ask("/v1/completions", { model: "demo", prompt: "Once", max_tokens: 200, logit_bias: bias });
        return (await sum()) > 0;
      });
      expect((await ask("/metrics")).body).toMatch(/^cria_lost_seconds_total\{model="demo",kind="\w+"\} 0?\.\d+/m);
    } finally {
      neighbour.kill("SIGKILL");
    }
  });
});
