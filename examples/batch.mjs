// Many questions at once: calls that run at the same time share the steps of the model, so together they are faster than one by one.
// `node examples/batch.mjs [model.gguf]`

import { demoModel, loadModel } from "cria";

const animals = ["bear", "cat", "cow", "dog", "fox", "frog", "hen", "llama"];
const model = await loadModel(process.argv[2] ?? demoModel, { sequences: animals.length });

const begin = performance.now();
const answers = await Promise.all(
  animals.map((animal) => {
    const messages = [{ role: "user", content: `What is a baby ${animal} called?` }];
    return model.completeChat(messages, { maxTokens: 40, temperature: 0 });
  }),
);
const milliseconds = performance.now() - begin;
for (const { text } of answers) console.log(text);
const tokens = answers.reduce((sum, { usage }) => sum + usage.completionTokens, 0);
console.log(`${answers.length} answers, ${tokens} tokens in ${milliseconds.toFixed(0)} ms`);

await model.dispose();
