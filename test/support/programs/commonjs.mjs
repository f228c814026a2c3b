// A program for a bundler that makes CommonJS of it: `node program.cjs MODEL`, with a copy of the package's dist/assets/ beside it.
// A second argument leaves the copy unmentioned; `demo model` loads that. Neither can work, and what it says is printed.

import { pathToFileURL } from "node:url";
import { demoModel, loadModel } from "cria";

const [model, without] = process.argv.slice(2);
const assets = without === undefined ? pathToFileURL(`${__dirname}/assets/`) : undefined;
main().catch(({ code, message }) => {
  if (without === undefined && model !== "demo model") throw new Error(`${code}: ${message}`);
  console.log(code, message);
});

async function main() {
  const loaded = await loadModel(model === "demo model" ? demoModel : model, { threads: 1, assets });
  const { text } = await loaded.complete("Once upon a time", { temperature: 0, maxTokens: 4 });
  const answer = await loaded.completeChat([{ role: "user", content: "What is 3 + 4?" }], { temperature: 0 });
  console.log(JSON.stringify([text, answer.text]));
  await loaded.dispose();
}
