// Streams a text to the terminal as it comes; Ctrl-C ends it. `node examples/stream.mjs [model.gguf] ["One day"]`

import { demoModel, loadModel } from "cria";

const [file = demoModel, prompt = "One day"] = process.argv.slice(2);
const interrupt = new AbortController();
process.once("SIGINT", () => interrupt.abort());

const model = await loadModel(file, { signal: interrupt.signal });
try {
  process.stdout.write(prompt);
  for await (const part of model.generate(prompt, { maxTokens: 120, seed: 2, signal: interrupt.signal })) {
    process.stdout.write(part.text);
    if (part.done) console.log(`\n(${part.done.finishReason} after ${part.done.usage.completionTokens} tokens)`);
  }
} catch (error) {
  if (!interrupt.signal.aborted) throw error;
  console.log("\n(interrupted)");
} finally {
  await model.dispose();
}
