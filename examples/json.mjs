// Data out of a text, as a schema says. `node examples/json.mjs [model.gguf] ["Lily is seven and likes cake."]`

import { demoModel, loadModel } from "cria";

const [file = demoModel, text = "Lily is seven and likes cake."] = process.argv.slice(2);
const model = await loadModel(file);

const person = {
  type: "object",
  properties: {
    name: { type: "string", maxLength: 20 },
    age: { type: "integer", minimum: 0, maximum: 120 },
    likes: { type: "array", items: { type: "string", maxLength: 20 }, maxItems: 3 },
  },
  required: ["name", "age", "likes"],
};
const { object, usage } = await model.completeJson(`${text}\nAs JSON: `, person, { maxTokens: 80, temperature: 0 });
console.log(object);
console.log(`${usage.completionTokens} tokens`);

await model.dispose();
