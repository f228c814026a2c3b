// Streams a text to the terminal as it comes; Ctrl-C ends it. `node examples/stream.mjs [model.gguf] ["Once upon a time"]`

import { demoModel, loadModel } from "cria";

const [file = demoModel, prompt = "Once upon a time"] = process.argv.slice(2);
const interrupt = new AbortController();
process.once("SIGINT", () => interrupt.abort());

const model = await loadModel(file, { signal: interrupt.signal });
try {
  process.stdout.write(prompt);
  // A little of the default temperature (0.8): small models keep to the point, and two seeds still tell two stories.
  const options = { maxTokens: 240, temperature: 0.5, seed: 1, signal: interrupt.signal };
  for await (const part of model.generate(prompt, options)) {
    process.stdout.write(part.text);
    if (part.done) console.log(`\n(${part.done.finishReason} after ${part.done.usage.completionTokens} tokens)`);
  }
} catch (error) {
  if (!interrupt.signal.aborted) throw error;
  console.log("\n(interrupted)");
} finally {
  await model.dispose();
}
