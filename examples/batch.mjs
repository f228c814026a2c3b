// Many prompts at once: calls that run at the same time share the steps of the model, so together they are faster than one by one.
// `node examples/batch.mjs [model.gguf]`

import { demoModel, loadModel } from "cria";

const animals = ["fox", "bear", "owl", "frog", "cat", "dog", "hen", "llama"];
const prompts = animals.map((animal) => `Once there was a ${animal} who`);
const model = await loadModel(process.argv[2] ?? demoModel, { sequences: prompts.length });

const options = { maxTokens: 40, seed: 3 };
const texts = await Promise.all(prompts.map((prompt) => model.complete(prompt, options)));
for (const [i, { text }] of texts.entries()) console.log(`${prompts[i]}${text}\n`);

await model.dispose();
