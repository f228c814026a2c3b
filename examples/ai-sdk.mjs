// The Vercel AI SDK on a model in this process. `npm install ai`, then `node examples/ai-sdk.mjs [model.gguf]`

import { embed, streamText } from "ai";
import { demoModel, loadModel } from "cria";
import { criaEmbeddingModel, criaLanguageModel } from "cria/ai-sdk";

const model = await loadModel(process.argv[2] ?? demoModel);

const { textStream, usage } = streamText({
  model: criaLanguageModel(model),
  prompt: "What is 3 + 4?",
  maxOutputTokens: 60,
  temperature: 0,
});
for await (const text of textStream) process.stdout.write(text);
console.log(`\n${(await usage).outputTokens} tokens`);

const { embedding } = await embed({ model: criaEmbeddingModel(model), value: "a fox" });
console.log(`a vector of ${embedding.length} elements`);

await model.dispose();
