// OpenAI's client on a model in this process: no server, no network. `npm install openai`, then `node examples/openai.mjs [model.gguf]`

import { demoModel, loadModel } from "cria";
import { createFetch } from "cria/openai";
import OpenAI from "openai";

const model = await loadModel(process.argv[2] ?? demoModel);
const client = new OpenAI({ apiKey: "none", baseURL: "http://cria/v1", fetch: createFetch(model, { name: "local" }) });

const stream = await client.chat.completions.create({
  model: "local",
  messages: [{ role: "user", content: "What is 3 + 4?" }],
  max_completion_tokens: 60,
  temperature: 0,
  stream: true,
});
for await (const { choices } of stream) process.stdout.write(choices[0]?.delta.content ?? "");
console.log();

const { output_text } = await client.responses.create({ model: "local", input: "What is 2 + 2?", temperature: 0 });
console.log(output_text);

const { data } = await client.embeddings.create({ model: "local", input: "a fox" });
console.log(`a vector of ${data[0].embedding.length} elements`);

await model.dispose();
