// A program to be bundled with cria in it: `node program.mjs MODEL`, with the workers' entry and the kernels in assets/.

import { loadModel } from "cria";

const model = await loadModel(process.argv[2], { threads: 2, assets: new URL("./assets/", import.meta.url) });
const { tokens } = await model.complete("Once", { maxTokens: 3 });
console.log(model.info.kernels, tokens.length);
