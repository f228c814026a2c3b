// A conversation: each answer knows what was said before. `node examples/chat.mjs [model.gguf]`

import { demoModel, loadModel } from "cria";

const model = await loadModel(process.argv[2] ?? demoModel);
const chat = model.chat({ system: "You are brief." });

for (const question of ["What is 3 + 4?", "What is a baby llama called?"]) {
  console.log(`you: ${question}`);
  process.stdout.write("cria: ");
  for await (const part of chat.send(question, { temperature: 0, maxTokens: 60 })) process.stdout.write(part.text);
  console.log();
}

chat.dispose();
await model.dispose();
