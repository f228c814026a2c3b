// Data out of a text, as a schema says. `node examples/json.mjs [model.gguf] ["Tom is a bear. He lives in a cave."]`
//
// The schema holds for any model: what comes is an object of this form. Whether it is right depends on the model. The demo model
// understands the first sentence of a story. One that reads any text is downloaded once, 2 GB:
//
//   node examples/json.mjs hf:bartowski/Llama-3.2-3B-Instruct-GGUF:Q4_K_M "Ada, who writes programs, moved to a castle last year."

import { demoModel, loadModel } from "cria";

const story = "Once upon a time, there was a fox named Mia who lived in a forest.";
const [file = demoModel, text = story] = process.argv.slice(2);
const model = await loadModel(file, {
  onDownload: ({ file, receivedBytes, totalBytes }) => {
    const done = receivedBytes === totalBytes;
    process.stderr.write(`\r${file}: ${Math.floor((100 * receivedBytes) / totalBytes)} %${done ? "\n" : ""}`);
  },
});

const person = {
  type: "object",
  properties: {
    name: { type: "string", pattern: "^[A-Z][a-z]{1,19}$" },
    home: { enum: ["castle", "cave", "forest", "valley", "village"] },
  },
  required: ["name", "home"],
};
const { object, usage } = await model.completeJson(`${text}\nJSON: `, person, { maxTokens: 80, temperature: 0 });
console.log(object);
console.log(`${usage.completionTokens} tokens`);

await model.dispose();
