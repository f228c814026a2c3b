// Continues a text. `node examples/generate.mjs [model.gguf] ["Once upon a time"]`

import { demoModel, loadModel } from "cria";

const [file = demoModel, prompt = "Once upon a time"] = process.argv.slice(2);
const model = await loadModel(file);

const { text, usage, timings } = await model.complete(prompt, { maxTokens: 240, temperature: 0 });
console.log(prompt + text);
console.log(`${usage.completionTokens} tokens, ${timings.decodeTokensPerSecond.toFixed(0)} per second`);

await model.dispose();
