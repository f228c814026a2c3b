// Any call can be ended from outside, at any moment: a button, a closed connection, `AbortSignal.timeout(500)`.
// `node examples/abort.mjs [model.gguf]`

import { demoModel, loadModel } from "cria";

const model = await loadModel(process.argv[2] ?? demoModel);

const stop = new AbortController();
let text = "";
try {
  for await (const part of model.generate("Once upon a time", { seed: 1, signal: stop.signal })) {
    text += part.text;
    if (text.length >= 50) stop.abort(); // whoever does it
  }
} catch (error) {
  console.log(`${error.name} after: ${text}`);
}

// Leaving the loop ends a generation, too.
for await (const part of model.generate("Once upon a time")) if (part.text.includes(".")) break;

await model.dispose();
