// LangChain.js on a model in this process. `npm install @langchain/core`, then `node examples/langchain.mjs [model.gguf]`

import { StringOutputParser } from "@langchain/core/output_parsers";
import { ChatPromptTemplate } from "@langchain/core/prompts";
import { demoModel, loadModel } from "cria";
import { ChatCria, CriaEmbeddings } from "cria/langchain";

const model = await loadModel(process.argv[2] ?? demoModel);

const chain = ChatPromptTemplate.fromTemplate("What is {a} + {b}?")
  .pipe(new ChatCria({ model, options: { temperature: 0, maxTokens: 60 } }))
  .pipe(new StringOutputParser());
for await (const text of await chain.stream({ a: 3, b: 4 })) process.stdout.write(text);
console.log();

const vector = await new CriaEmbeddings({ model }).embedQuery("a fox");
console.log(`a vector of ${vector.length} elements`);

await model.dispose();
