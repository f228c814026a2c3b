// Loads the demo model with wide kernels and prints what runs it, what is in the way of them, and three tokens:
// `node load-wide.mjs [ASSETS]`, the URL of another folder of workers and kernels.

import { loadModel } from "cria";

const assets = process.argv[2] === undefined ? undefined : new URL(process.argv[2]);
const model = await loadModel("models/cria-demo-Q4_K_S.gguf", { threads: 2, kernels: "wide", assets });
const { tokens } = await model.complete("Once", { maxTokens: 3, temperature: 0 });
const { kernels, kernelsProblem = "nothing" } = model.info;
console.log(JSON.stringify({ kernels, kernelsProblem, tokens: Array.from(tokens) }));
await model.dispose();
