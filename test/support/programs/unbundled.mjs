// The same program with cria left where it is installed: `node program.mjs MODEL`.

import { loadModel } from "cria";

const model = await loadModel(process.argv[2], { threads: 1 });
const { text } = await model.complete("Once upon a time", { temperature: 0, maxTokens: 4 });
const answer = await model.completeChat([{ role: "user", content: "What is 3 + 4?" }], { temperature: 0 });
console.log(JSON.stringify([text, answer.text]));
await model.dispose();
