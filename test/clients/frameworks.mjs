// cria/openai within frameworks, each in one line: `node frameworks.mjs NAME` asks a real model through it, and prints the answers: a text,
// a stream, a list, and an error.

import { once } from "node:events";
import { createFetch } from "../../dist/adapters/openai/index.js";
import { demoModel, loadModel } from "../../dist/index.js";
import { toNodeHandler } from "../../dist/server/index.js";

const model = await loadModel(demoModel, { threads: 1 });
const handle = createFetch(model, { name: "demo" });

const frameworks = {
  async express() {
    const { default: express } = await import("express");
    const app = express();
    app.use("/v1", toNodeHandler(handle));
    return listening(app.listen(0, "127.0.0.1"));
  },
  async "express with its parser"() {
    const { default: express } = await import("express");
    const app = express();
    app.use(express.json());
    app.use("/ai/v1", toNodeHandler(handle));
    return `${await listening(app.listen(0, "127.0.0.1"))}/ai`;
  },
  async fastify() {
    const { default: fastify } = await import("fastify");
    const app = fastify();
    app.all("/v1/*", toNodeHandler(handle));
    await app.listen({ port: 0 });
    return listening(app.server);
  },
  async "node:http"() {
    const { createServer } = await import("node:http");
    return listening(createServer(toNodeHandler(handle)).listen(0, "127.0.0.1"));
  },
};

async function listening(server) {
  if (!server.listening) await once(server, "listening");
  return `http://127.0.0.1:${server.address().port}`;
}

const url = await frameworks[process.argv[2]]();
const ask = (more) =>
  fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      model: "demo",
      temperature: 0,
      messages: [{ role: "user", content: "What is 3 + 4?" }],
      ...more,
    }),
  });
const text = (await (await ask({})).json()).choices[0].message.content;
const events = (await (await ask({ stream: true })).text())
  .split("\n\n")
  .filter((event) => event.startsWith("data: {"));
const stream = events.map((event) => JSON.parse(event.slice(6)).choices[0].delta.content ?? "").join("");
const list = (await (await fetch(`${url}/v1/models`)).json()).data.map(({ id }) => id);
const wrong = await ask({ messages: "none" });
console.log(JSON.stringify({ text, stream, list, status: wrong.status, code: (await wrong.json()).error.code }));
process.exit(0);
