// An HTTP server that streams answers. `node examples/http.mjs [model.gguf]`, then:
// curl -N localhost:3000 -d '{ "question": "What is 3 + 4?" }'

import { createServer } from "node:http";
import { json } from "node:stream/consumers";
import { demoModel, loadModel } from "cria";

const model = await loadModel(process.argv[2] ?? demoModel, { sequences: 4 });

const server = createServer(async (request, response) => {
  const left = new AbortController();
  response.on("close", () => left.abort()); // who hangs up costs nothing more
  try {
    const { question } = await json(request);
    const messages = [{ role: "user", content: String(question) }];
    for await (const part of model.generateChat(messages, { maxTokens: 200, signal: left.signal })) {
      response.write(part.text);
    }
    response.end();
  } catch (error) {
    if (left.signal.aborted) return;
    if (!response.headersSent) response.statusCode = 400;
    response.end(`${error.message}\n`);
  }
});

server.listen(Number(process.env.PORT ?? 3000), () => console.log(`http://localhost:${server.address().port}`));
process.once("SIGTERM", async () => {
  server.close();
  await model.dispose();
});
