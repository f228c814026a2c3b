// The clients that people use, in their default modes, each in a process of its own, asking a running `cria serve` with nothing but the
// address changed. test/clients has the clients; test/run.mjs installs them: `npm --prefix test/clients ci`.

import { spawn } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { loadModel, type Model } from "cria";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { architectureModel } from "../support/architecture-model.js";
import { runProgram } from "../support/run-program.js";
import { type ServeProcess, serveProcess } from "../support/serve-process.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { fileWithTemplate, toolTemplates } from "../support/tool-models.js";

const folder = new URL("../clients/", import.meta.url);
const encoder = { architecture: "bert", keys: { "attention.causal": false, pooling_type: 1 }, seed: 7 };
const reranker = {
  ...encoder,
  keys: { ...encoder.keys, pooling_type: 4 },
  vectors: { "cls.output.bias": [0.1] },
  told: { "cls.output.weight": [40, 1] as const },
};
/** A template that asks for thoughts, and says whether it was asked to. */
const thinking = toolTemplates.hermes.replace(/\{%- if add_generation_prompt.*$/s, (answer) => {
  return answer.replace(/\{%- endif %\}$/, "{%- if enable_thinking %}{{- '<think>' }}{%- endif %}{%- endif %}");
});

describe.skipIf(!existsSync(new URL("node_modules", folder)))("over HTTP", () => {
  const files = temporaryFolder();
  let server: ServeProcess;
  let model: Model;
  let expected: string;
  beforeAll(async () => {
    const demo = await fileWithTemplate(toolTemplates.hermes);
    writeFileSync(files.path("demo.gguf"), demo);
    writeFileSync(files.path("thinker.gguf"), await fileWithTemplate(thinking));
    writeFileSync(files.path("embedder.gguf"), await architectureModel(encoder));
    writeFileSync(files.path("reranker.gguf"), await architectureModel(reranker));
    const models = ["demo", "thinker", "embedder", "reranker"].flatMap((name) => ["-m", files.path(`${name}.gguf`)]);
    server = await serveProcess([...models, "-np", "2", "-t", "2", "--lazy"]);
    model = await loadModel(demo, { threads: 2 });
    expected = (await model.completeChat(question, { temperature: 0, maxTokens: 60 })).text;
  });
  afterAll(async () => {
    await server.stop();
    await model.dispose();
  });

  it.each([
    ...["openai chat", "openai responses", "@ai-sdk/openai", "@ai-sdk/openai-compatible"],
    ...["@langchain/openai", "@openai/agents", "@instructor-ai/instructor", "ollama"],
  ])("%s gets a text, a stream, a tool's result and an object", async (client) => {
    const got = await drive(client, server.url);
    const brief = [{ role: "system", content: "Be brief." }, ...question];
    const text =
      client === "@openai/agents"
        ? (await model.completeChat(brief, { temperature: 0, maxTokens: 60 })).text
        : expected;
    expect(got).toMatchObject({ text, stream: text, tools: expect.any(String) });
    expect(["yes", "no"]).toContain((got["object"] as { answer?: unknown }).answer);
    expect(got["asked"]).not.toEqual([]);
    for (const city of got["asked"] as string[]) expect(["Lima", "Quito"]).toContain(city);
    // No client sends what cria ignores.
    expect(got["warnings"]).toEqual([]);
    if ("list" in got) expect(JSON.stringify(got["list"])).toContain("embedder");
    if ("vectors" in got) expect(got["vectors"]).toEqual([vector, vector]);
    if (client === "ollama") expect(got).toMatchObject(ofOllama(text));
  });

  it("cohere-ai gets the order of documents", async () => {
    const got = await drive("cohere-ai", server.url);
    const ranker = await loadModel(files.path("reranker.gguf"), { threads: 2 });
    const ranked = await ranker.rerank("who?", ["a fox", "a bear in the woods", "nobody"], { topN: 2 });
    await ranker.dispose();
    const order = ranked.map(({ index, score }) => [index, score]);
    expect(got).toMatchObject({ order, firstVersion: { order, texts: [true, true] } });
  });
});

it
  .skipIf(!existsSync(new URL("node_modules", folder)))
  .each([...["node:http", "express", "express with its parser", "fastify"]])(
  "%s has cria/openai in one line",
  (framework) => {
    const { stdout } = runProgram(new URL("frameworks.mjs", folder), { args: [framework] });
    const text = "3 + 4 = 7.";
    expect(JSON.parse(stdout)).toEqual({ text, stream: text, list: ["demo"], status: 400, code: "unsupported_value" });
  },
);

const question = [{ role: "user", content: "What is 3 + 4?" }];
const vector = expect.objectContaining({ length: 40 });

const ofOllama = (text: string) => ({
  json: "object",
  generated: { response: text, text, done: true, done_reason: "stop", counted: true },
  loaded: ["load", "load"],
  thoughts: ["string", "string", "undefined", "string"],
  logprobs: { all: true, top: 2, token: "string" },
  vector: 40,
  list: ["demo", "thinker", "embedder", "reranker"].map((name) => [name, true, 64]),
  show: {
    capabilities: ["completion", "tools"],
    ...{ format: "gguf", family: "llama", hasTemplate: true, context: 8192, title: "string" },
    embedder: ["embedding"],
  },
  running: ["demo", "thinker", "embedder"].map((name) => [name, true]),
  version: 3,
  refused: {
    images: "400 messages[0].images is not supported",
    suffix: "400 suffix is not supported",
    context: "400 context is not supported",
    pull: expect.stringMatching(/^501 POST \/api\/pull is not supported: /),
    create: expect.stringMatching(/^501 POST \/api\/create is not supported: /),
    copy: expect.stringMatching(/^501 POST \/api\/copy is not supported: /),
    delete: expect.stringMatching(/^501 DELETE \/api\/delete is not supported: /),
    unknown: expect.stringMatching(/^404 the model "none" does not exist; there are "demo", /),
  },
});

async function drive(client: string, url: string): Promise<Record<string, unknown>> {
  const program = fileURLToPath(new URL("drive.mjs", folder));
  const child = spawn(process.execPath, [program, client, url], { stdio: ["ignore", "pipe", "inherit"] });
  let output = "";
  for await (const piece of child.stdout.setEncoding("utf8")) output += piece;
  return JSON.parse(output);
}
