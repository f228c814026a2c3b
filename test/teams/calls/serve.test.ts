// A server that listens on this machine, asked as its clients ask it.

import { once } from "node:events";
import { createServer, request as httpRequest } from "node:http";
import { type AddressInfo, connect } from "node:net";
import type { Worker } from "node:worker_threads";
import { demoModel, loadModel } from "cria";
import { createFetch } from "cria/openai";
import { type RunningServer, type ServerEvent, type ServerOptions, startServer, toNodeHandler } from "cria/server";
import OpenAI from "openai";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";

const demo = { name: "demo", source: demoModel, options: { threads: 1, sequences: 2 } };
const question = [{ role: "user" as const, content: "What is 3 + 4?" }];

/** A text that ends at its `max_tokens`: tokens that end a text are never chosen. */
const endless = {
  model: "demo",
  prompt: "Once upon a time",
  seed: 1,
  logit_bias: { 0: -100 } as Record<string, number>,
};
beforeAll(async () => {
  const model = await loadModel(demoModel, { threads: 1 });
  for (const word of ["<|eot_id|>", "<|end_of_text|>"]) endless.logit_bias[model.tokenizer.idOf(word)!] = -100;
  await model.dispose();
});

/** A server on a free port. */
const serving = (options: Partial<ServerOptions> = {}) => startServer({ models: [demo], port: 0, ...options });

interface Asked {
  readonly status: number;
  readonly headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: answers of many shapes
  readonly body: any;
}

async function ask(url: string, body?: unknown, headers: Record<string, string> = {}): Promise<Asked> {
  const init = body === undefined ? { headers } : { method: "POST", body: JSON.stringify(body), headers };
  const response = await fetch(url, init);
  const text = await response.text();
  const json = response.headers.get("content-type")?.includes("application/json") ?? false;
  return { status: response.status, headers: response.headers, body: json ? JSON.parse(text) : text };
}

/** Asks with a `Host` or other headers that `fetch` does not let through. */
function askRaw(url: string, headers: Record<string, string>): Promise<number> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(url, { headers }, (response) => {
      response.resume();
      resolve(response.statusCode!);
    });
    request.on("error", reject).end();
  });
}

const until = async (condition: () => Promise<boolean> | boolean) => {
  for (let i = 0; i < 400; i++) {
    if (await condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error("it did not happen within ten seconds");
};

describe("the routes", () => {
  let server: RunningServer;
  let url: string;
  beforeAll(async () => {
    server = await serving({ preload: true });
    url = server.url;
  });
  afterAll(() => server.close());

  it("OpenAI's client chats, streams and embeds, with nothing but the address changed", async () => {
    const client = new OpenAI({ apiKey: "none", baseURL: `${url}/v1` });
    const chat = await client.chat.completions.create({ model: "demo", messages: question, temperature: 0 });
    expect(chat.choices[0]?.message.content).toBe("3 + 4 = 7.");
    let text = "";
    const stream = await client.chat.completions.create({
      ...{ model: "demo", messages: question, temperature: 0, stream: true },
      stream_options: { include_usage: true },
    });
    let tokens = 0;
    for await (const { choices, usage } of stream) {
      text += choices[0]?.delta.content ?? "";
      tokens = usage?.completion_tokens ?? tokens;
    }
    expect([text, tokens]).toEqual(["3 + 4 = 7.", chat.usage?.completion_tokens]);
    const { data } = await client.embeddings.create({ model: "demo", input: ["a", "b"] });
    const model = await loadModel(demoModel, { threads: 1 });
    const [expected] = await model.embed(["a"]);
    await model.dispose();
    expect(data[0]!.embedding).toEqual(Array.from(expected!));
    expect((await client.models.list()).data.map(({ id }) => id)).toEqual(["demo"]);
  });

  it("says which models there are where it has not the one that is asked for", async () => {
    const { status, body } = await ask(`${url}/v1/chat/completions`, { model: "other", messages: question });
    expect([status, body.error.code, body.error.param]).toEqual([404, "model_not_found", "model"]);
    expect(body.error.message).toContain('"demo"');
    expect((await ask(`${url}/v1/completions`, { prompt: "a", max_tokens: 1 })).body.model).toBe("demo");
  });

  it("texts become tokens, tokens become text, and messages a prompt", async () => {
    const { body: tokens } = await ask(`${url}/tokenize`, { content: "Hello there" });
    expect((await ask(`${url}/detokenize`, tokens)).body).toEqual({ content: "Hello there" });
    const { body: pieces } = await ask(`${url}/tokenize`, { content: "Hello there", with_pieces: true });
    expect(pieces.tokens.map(({ id }: { id: number }) => id)).toEqual(tokens.tokens);
    const { body: prompt } = await ask(`${url}/apply-template`, { messages: [{ role: "user", content: "Hi" }] });
    expect(prompt.prompt).toContain("<|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>");
    const { status, body } = await ask(`${url}/detokenize`, { tokens: [1, -1] });
    expect([status, body.error.param]).toEqual([400, "tokens[1]"]);
  });

  it("a model that does not rank says so", async () => {
    const { status, body } = await ask(`${url}/v1/rerank`, { query: "a", documents: ["b"] });
    expect([status, body.error.code]).toEqual([400, "NOT_A_RERANKER"]);
  });

  it("Ollama's chat, generation, vectors and lists", async () => {
    const options = { temperature: 0 };
    const { body: lines } = await ask(`${url}/api/chat`, { model: "demo:latest", messages: question, options });
    const parts = (lines as string)
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(parts.map(({ message }) => message.content).join("")).toBe("3 + 4 = 7.");
    expect(parts.at(-1)).toMatchObject({ done: true, done_reason: "stop", eval_count: 8 });
    const given = { model: "demo", prompt: question[0]!.content, stream: false, options };
    expect((await ask(`${url}/api/generate`, given)).body).toMatchObject({ response: "3 + 4 = 7.", done: true });
    const { body: vectors } = await ask(`${url}/api/embed`, { model: "demo", input: ["a", "b"] });
    expect(vectors.embeddings.map((vector: number[]) => vector.length)).toEqual([256, 256]);
    const schema = { type: "object", properties: { sum: { type: "integer" } }, required: ["sum"] };
    const format = {
      model: "demo",
      messages: question,
      stream: false,
      format: schema,
      options: { num_predict: 60, ...options },
    };
    expect(JSON.parse((await ask(`${url}/api/chat`, format)).body.message.content)).toEqual({
      sum: expect.any(Number),
    });
    expect((await ask(`${url}/api/tags`)).body.models[0].name).toBe("demo");
    expect((await ask(`${url}/api/chat`, { model: "none", messages: question })).body).toEqual({
      error: expect.stringContaining('there are "demo"'),
    });
  });

  it("llama.cpp's completion: its fields, its answers, its stream", async () => {
    const { body: made } = await ask(`${url}/apply-template`, { messages: question });
    const given = { prompt: made.prompt, temperature: 0, cache_prompt: true, id_slot: 0, n_predict: 60 };
    const { body } = await ask(`${url}/completion`, given);
    expect(body).toMatchObject({ content: "3 + 4 = 7.", stop: true, stop_type: "eos", model: "demo", tokens: [] });
    expect(body.timings.predicted_n).toBe(body.tokens_predicted);
    expect(body.tokens_evaluated).toBe(body.timings.prompt_n + body.timings.cache_n);
    const stopped = await ask(`${url}/completion`, { ...given, stop: [" =", "!"], return_tokens: true });
    expect(stopped.body).toMatchObject({ content: "3 + 4", stop_type: "word", stopping_word: " =" });
    expect(stopped.body.tokens.length).toBe(stopped.body.tokens_predicted);
    const limit = { ...given, n_predict: 12, ignore_eos: true, n_probs: 2, response_fields: [] };
    const { body: endless } = await ask(`${url}/completion`, limit);
    expect([endless.stop_type, endless.tokens_predicted]).toEqual(["limit", 12]);
    expect(endless.completion_probabilities).toHaveLength(12);
    expect(endless.completion_probabilities[0].top_logprobs[0].id).toBe(endless.completion_probabilities[0].id);
    const chosen = { ...given, response_fields: ["content", "timings/predicted_n", "none"] };
    expect((await ask(`${url}/completion`, chosen)).body).toEqual({ content: "3 + 4 = 7.", predicted_n: 8 });
    const { body: events } = await ask(`${url}/completion`, { ...given, stream: true });
    const parts = [...(events as string).matchAll(/^data: (\{.*\})$/gm)].map(([, json]) => JSON.parse(json!));
    expect(parts.map(({ content }) => content).join("")).toBe("3 + 4 = 7.");
    expect(parts.at(-1)).toMatchObject({ stop: true, stop_type: "eos" });
  });

  it("llama.cpp's prompts: tokens, tokens and texts in turn, several at once", async () => {
    const text = "Once upon a time";
    const { body: whole } = await ask(`${url}/tokenize`, { content: text, add_special: true });
    const more = { temperature: 0, n_predict: 6 };
    const { content } = (await ask(`${url}/completion`, { prompt: text, ...more })).body;
    const mixed = [
      ...whole.tokens.slice(0, -1),
      (await ask(`${url}/detokenize`, { tokens: whole.tokens.slice(-1) })).body.content,
    ];
    for (const prompt of [whole.tokens, mixed, { prompt_string: text }]) {
      expect((await ask(`${url}/completion`, { prompt, ...more })).body.content).toBe(content);
    }
    const { body } = await ask(`${url}/completion`, { prompt: [text, whole.tokens], ...more });
    expect(body.map((each: { content: string }) => each.content)).toEqual([content, content]);
    for (const prompt of [[], [{}], { prompt_string: text, multimodal_data: ["AA=="] }]) {
      const { status, body: refused } = await ask(`${url}/completion`, { prompt, ...more });
      expect([status, refused.error.param]).toEqual([400, "prompt"]);
    }
  });

  it("what is not supported is refused by its name", async () => {
    for (const path of ["/infill", "/slots/0?action=save", "/lora-adapters", "/v1/messages"]) {
      const { status, body } = await ask(`${url}${path}`, {});
      expect([status, body.error.code]).toEqual([501, "unsupported"]);
      expect(body.error.message).toMatch(/^POST \/\S+ is not supported: /);
    }
    expect((await ask(`${url}/api/pull`, { model: "llama3" })).body.error).toMatch(
      /^POST \/api\/pull is not supported: /,
    );
    expect((await ask(`${url}/api/nowhere`)).body.error).toContain("there is no GET /api/nowhere");
  });

  it("what tools look at before they chat", async () => {
    const running = await fetch(url);
    expect([running.status, await running.text()]).toEqual([200, "Ollama is running"]);
    expect((await fetch(url, { method: "HEAD" })).status).toBe(200);
    const { body: version } = await ask(`${url}/api/version`);
    const [major, minor] = version.version.split(".").map(Number);
    expect(major > 0 || minor >= 6).toBe(true); // older ones are refused
    expect((await ask(`${url}/v1/health`)).body).toEqual({ status: "ok" });
    expect((await ask(`${url}/models`)).body).toMatchObject({
      object: "list",
      data: [{ id: "demo", object: "model" }],
    });
    const { body: props } = await ask(`${url}/props?model=demo`);
    expect(props).toMatchObject({ model_alias: "demo", modalities: { vision: false } });
    expect(props.default_generation_settings.n_ctx).toBeGreaterThan(0);
    expect(props.chat_template).toContain("start_header_id");
    expect((await ask(`${url}/lora-adapters`)).body).toEqual([]);
    const { body: vectors } = await ask(`${url}/embedding`, { content: ["a", "b"] });
    expect(vectors.map(({ index, embedding }: never) => [index, (embedding as number[][])[0]!.length])).toEqual([
      [0, 256],
      [1, 256],
    ]);
  });

  it("metrics, slots and properties", async () => {
    const { body, headers } = await ask(`${url}/metrics`);
    expect(headers.get("content-type")).toMatch(/^text\/plain/);
    const value = (name: string) => Number(new RegExp(`^${name} (\\S+)$`, "m").exec(body)?.[1]);
    expect(value('cria_generated_tokens_total{model="demo"}')).toBeGreaterThan(20);
    expect(value("llamacpp:tokens_predicted_total")).toBe(value('cria_generated_tokens_total{model="demo"}'));
    expect(value("vllm:num_requests_waiting")).toBe(0);
    expect(value('cria_model_loaded{model="demo"}')).toBe(1);
    expect((await ask(`${url}/props`)).body).toMatchObject({ total_slots: 2 });
    expect((await ask(`${url}/slots`)).body).toEqual([]);
    expect((await ask(`${url}/health`)).body).toEqual({ status: "ok" });
    const { status, body: unknown } = await ask(`${url}/nowhere`);
    expect([status, unknown.error.code]).toEqual([404, "unknown_url"]);
    expect((await ask(`${url}/metrics`)).body).not.toContain("nowhere");
  });

  it("a client that goes frees its place within a step", async () => {
    const left = new AbortController();
    const long = { ...endless, stream: true, max_tokens: 400 };
    const response = await fetch(`${url}/v1/completions`, {
      method: "POST",
      body: JSON.stringify(long),
      signal: left.signal,
    });
    await response.body!.getReader().read();
    expect((await ask(`${url}/slots`)).body).toHaveLength(1);
    left.abort();
    await until(async () => (await ask(`${url}/slots`)).body.length === 0);
  });
});

describe("who may ask", () => {
  let server: RunningServer;
  afterEach(() => server.close({ drainSeconds: 0 }));

  it("without a key: only whether it lives", async () => {
    server = await serving({ apiKeys: ["first", "second"] });
    const models = `${server.url}/v1/models`;
    expect((await ask(models)).body.error.code).toBe("invalid_api_key");
    expect((await ask(models, undefined, { authorization: "Bearer firs" })).status).toBe(401);
    expect((await ask(models, undefined, { authorization: "Bearer second" })).status).toBe(200);
    expect((await ask(models, undefined, { "x-api-key": "first" })).status).toBe(200);
    expect((await ask(`${server.url}/metrics`)).status).toBe(401);
    expect((await ask(`${server.url}/api/tags`)).body).toEqual({ error: "this server needs an API key" });
    expect((await ask(`${server.url}/health`)).status).toBe(200);
  });

  it("a name that was made to point here is refused, and pages of other origins are", async () => {
    server = await serving({ allowedHosts: ["models.example"] });
    const { port } = new URL(server.url);
    const url = `${server.url}/v1/models`;
    expect(await askRaw(url, { host: `evil.example:${port}` })).toBe(421);
    expect(await askRaw(url, { host: "models.example" })).toBe(200);
    expect(await askRaw(url, { host: `localhost:${port}` })).toBe(200);
    expect(await askRaw(url, { origin: "http://evil.example" })).toBe(403);
    expect(await askRaw(url, { origin: `http://127.0.0.1:${port}`, host: `127.0.0.1:${port}` })).toBe(200);
  });

  it("--cors lets pages of an origin in, and answers what they ask before", async () => {
    server = await serving({ cors: ["http://app.example"], apiKeys: ["key"] });
    const preflight = await fetch(`${server.url}/v1/chat/completions`, {
      method: "OPTIONS",
      headers: { origin: "http://app.example", "access-control-request-method": "POST" },
    });
    expect(preflight.status).toBe(204);
    expect(preflight.headers.get("access-control-allow-origin")).toBe("http://app.example");
    expect(preflight.headers.get("access-control-allow-headers")).toContain("authorization");
    expect((await ask(`${server.url}/health`, undefined, { origin: "http://other.example" })).status).toBe(403);
  });

  it("bodies that are too large or no JSON are refused, and others are not harmed", async () => {
    server = await serving({ maxBodyBytes: 1000 });
    const url = `${server.url}/v1/completions`;
    expect((await ask(url, { prompt: "a".repeat(2000) })).body.error.code).toBe("body_too_large");
    const stream = new ReadableStream({
      pull(controller) {
        controller.enqueue(new TextEncoder().encode("a".repeat(100)));
      },
    });
    const endless = await fetch(url, { method: "POST", body: stream, duplex: "half" } as RequestInit).catch(
      () => undefined,
    );
    expect(endless === undefined || endless.status === 413).toBe(true);
    const broken = await fetch(url, { method: "POST", body: "{" });
    expect([broken.status, ((await broken.json()) as { error: { code: string } }).error.code]).toEqual([
      400,
      "invalid_json",
    ]);
    expect((await ask(url, [])).body.error.code).toBe("invalid_type");
    expect((await ask(url, { prompt: "a", max_tokens: 1 })).status).toBe(200);
  });

  it("large bodies are read piece by piece, whatever stands at the ends of pieces, and several in turn", async () => {
    server = await serving({});
    const content = '[{"\\é😀]}'.repeat(30_000); // 390 kB; brackets in a string do not count
    const bodies = Array.from({ length: 3 }, () => ask(`${server.url}/tokenize`, { content }));
    const tokens = (await Promise.all(bodies)).map(({ body }) => body.tokens as number[]);
    expect(tokens[1]).toEqual(tokens[0]);
    const { body } = await ask(`${server.url}/detokenize`, { tokens: tokens[0] });
    expect(body.content === content).toBe(true);
    const post = async (text: string) => (await fetch(`${server.url}/tokenize`, { method: "POST", body: text })).text();
    const deep = `{"content":"${"a".repeat(2 ** 17)}","x":${"[".repeat(501)}${"]".repeat(501)}}`;
    expect(await post(deep)).toContain("nested at most 500 levels deep");
    expect(await post(`{"content":"${"a".repeat(2 ** 17)}"`)).toContain("the body must be JSON");
  });
});

it("toNodeHandler makes a listener of a fetch, also where a framework has cut the path", async () => {
  const model = await loadModel(demoModel, { threads: 1 });
  const listener = toNodeHandler(createFetch(model, { name: "demo" }));
  const server = createServer((request, response) => {
    // As Express does for app.use("/v1", ...).
    Object.assign(request, { originalUrl: request.url, url: request.url!.slice("/v1".length) });
    void listener(request, response);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/chat/completions`;
  const { body } = await ask(url, { model: "demo", messages: question, temperature: 0 });
  expect(body.choices[0].message.content).toBe("3 + 4 = 7.");
  server.close();
  await model.dispose();
});

describe("how much it takes", () => {
  it("beyond the queue: 429, with the time to come again", async () => {
    const server = await serving({
      models: [{ ...demo, options: { threads: 1, sequences: 1 } }],
      queue: 1,
      preload: true,
    });
    const body = { ...endless, max_tokens: 300 };
    const answers = await Promise.all(Array.from({ length: 6 }, () => ask(`${server.url}/v1/completions`, body)));
    const refused = answers.filter(({ status }) => status === 429);
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(2);
    expect(refused).toHaveLength(4);
    for (const { headers, body: told } of refused) {
      expect(Number(headers.get("retry-after"))).toBeGreaterThanOrEqual(1);
      expect(told.error.code).toBe("queue_full");
    }
    await server.close();
  });

  it("a reader that takes nothing is cut off, and its place is free", async () => {
    const server = await serving({ slowSeconds: 0.3, preload: true });
    const { port } = new URL(server.url);
    const socket = connect(Number(port), "127.0.0.1").pause();
    const body = JSON.stringify({ ...endless, stream: true, logprobs: 5, max_tokens: 480 });
    socket.write(`POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
    await until(async () => (await ask(`${server.url}/slots`)).body.length === 1);
    await until(async () => (await ask(`${server.url}/slots`)).body.length === 0);
    socket.destroy();
    await server.close();
  });
});

describe("models come and go", () => {
  it("are loaded on first use, unloaded when nobody asks, and loaded again", async () => {
    const events: string[] = [];
    const onEvent = (event: ServerEvent) => event.event === "model" && events.push(`${event.model} ${event.state}`);
    const models = [demo, { ...demo, name: "second" }];
    const server = await serving({ models, idleMinutes: 0.2 / 60, onEvent });
    const body = { model: "second", prompt: "a", max_tokens: 1 };
    expect((await ask(`${server.url}/v1/models`)).body.data.map(({ status }: { status: string }) => status)).toEqual([
      "unloaded",
      "unloaded",
    ]);
    expect((await ask(`${server.url}/v1/completions`, body)).status).toBe(200);
    await until(() => events.includes("second unloaded"));
    expect((await ask(`${server.url}/v1/completions`, body)).status).toBe(200);
    expect(events.slice(0, 5)).toEqual([
      ...["second loading", "second ready", "second unloaded"],
      ...["second loading", "second ready"],
    ]);
    await server.close();
  });

  it("one that cannot be loaded is an error of its own requests only", async () => {
    const models = [demo, { name: "gone", source: "/nowhere/model.gguf" }];
    const server = await serving({ models });
    const { status, body } = await ask(`${server.url}/v1/completions`, { model: "gone", prompt: "a" });
    expect([status, body.error.code]).toEqual([400, "GGUF_NOT_FOUND"]);
    expect((await ask(`${server.url}/v1/completions`, { model: "demo", prompt: "a", max_tokens: 1 })).status).toBe(200);
    await server.close();
    await expect(serving({ models, preload: true })).rejects.toMatchObject({ code: "GGUF_NOT_FOUND" });
  });

  it("one whose workers die fails the requests it has, and is loaded again for the next", async () => {
    const workers: Worker[] = [];
    const remember = (worker: Worker) => void workers.push(worker);
    process.on("worker", remember);
    const server = await serving({ preload: true });
    process.off("worker", remember);
    const running = ask(`${server.url}/v1/completions`, { ...endless, max_tokens: 400 });
    await until(async () => (await ask(`${server.url}/slots`)).body.length === 1);
    for (const worker of workers) await worker.terminate();
    const { status, body } = await running;
    expect([status, body.error.type, body.error.code]).toEqual([500, "server_error", "WORKER_DIED"]);
    const next = await ask(`${server.url}/v1/completions`, { model: "demo", prompt: "a", max_tokens: 1 });
    expect(next.status).toBe(200);
    await server.close();
  });

  it("at the end, what runs comes to its end, and nothing new is taken", async () => {
    const server = await serving({ preload: true });
    const body = { ...endless, max_tokens: 400 };
    const running = ask(`${server.url}/v1/completions`, body);
    await until(async () => (await ask(`${server.url}/slots`)).body.length === 1);
    const closed = server.close();
    await expect(ask(`${server.url}/v1/completions`, body)).rejects.toThrow();
    expect((await running).status).toBe(200);
    await closed;
  });

  it("options that are wrong are refused", async () => {
    const refused: [Partial<ServerOptions>, RegExp][] = [
      [{ models: [] }, /models/],
      [{ models: [demo, demo] }, /two models have the name "demo"/],
      [{ port: 70_000 }, /port/],
      [{ queue: -1 }, /queue/],
      [{ hots: "a" } as Partial<ServerOptions>, /hots/],
    ];
    for (const [options, message] of refused) {
      await expect(serving(options)).rejects.toMatchObject({
        code: "INVALID_OPTION",
        message: expect.stringMatching(message),
      });
    }
  });
});
