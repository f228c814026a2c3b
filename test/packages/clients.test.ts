// cria/openai on a real HTTP server, driven by the clients that people use, each in its default mode and a process of its own. They are a
// package of their own, test/clients, which test/run.mjs installs: `npm --prefix test/clients ci`.

import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Model } from "cria";
import { createFetch } from "cria/openai";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { serve } from "../clients/http-server.mjs";
import { modelWithTemplate, toolTemplates } from "../support/tool-models.js";

const folder = new URL("../clients/", import.meta.url);
const clients = [
  ...["openai chat", "openai responses", "@ai-sdk/openai", "@ai-sdk/openai-compatible"],
  ...["@langchain/openai", "@openai/agents", "@instructor-ai/instructor"],
];

describe.skipIf(!existsSync(new URL("node_modules", folder)))("over HTTP", () => {
  let model: Model;
  let server: Awaited<ReturnType<typeof serve>>;
  beforeAll(async () => {
    model = await modelWithTemplate(toolTemplates.hermes);
    server = await serve(createFetch(model, { name: "demo" }));
  });
  afterAll(async () => {
    await server.close();
    await model.dispose();
  });

  it.each(clients)("%s gets a text, a stream, a tool's result and an object", async (client) => {
    server.warnings.length = 0;
    const got = await drive(client, server.url);
    const instructions = client === "@openai/agents" ? [{ role: "system", content: "Be brief." }] : [];
    const messages = [...instructions, { role: "user", content: "What is 3 + 4?" }];
    const { text } = await model.completeChat(messages, { temperature: 0, maxTokens: 60 });
    expect(got).toMatchObject({ text, stream: text, tools: expect.any(String) });
    expect(["yes", "no"]).toContain((got["object"] as { answer?: unknown }).answer);
    expect(got["asked"]).not.toEqual([]);
    for (const city of got["asked"] as string[]) expect(["Lima", "Quito"]).toContain(city);
    // No client sends what cria ignores.
    expect(server.warnings).toEqual([]);
  });
});

async function drive(client: string, url: string): Promise<Record<string, unknown>> {
  const program = fileURLToPath(new URL("drive.mjs", folder));
  const child = spawn(process.execPath, [program, client, url], { stdio: ["ignore", "pipe", "inherit"] });
  let output = "";
  for await (const piece of child.stdout.setEncoding("utf8")) output += piece;
  return JSON.parse(output);
}
