// Writes a random-weight model of a real shape:
//
//   npx tsc -p bench/tsconfig.json
//   node build/bench/synthetic-model.js --shape llama-3.2-1b --format q4_0 -o file.gguf [--seed n] [--tokenizer other.gguf]

import { parseArgs } from "node:util";
import { openGguf } from "cria/gguf";
import { writeSyntheticModel } from "./synthetic/model.js";
import { formats, type ShapeName, shapes } from "./synthetic/shapes.js";

const { values } = parseArgs({
  options: {
    shape: { type: "string" },
    format: { type: "string" },
    output: { type: "string", short: "o" },
    seed: { type: "string", default: "1" },
    tokenizer: { type: "string" },
  },
});
const shape = Object.keys(shapes).find((name): name is ShapeName => name === values.shape?.toLowerCase());
const format = formats.find((name) => name === values.format?.toUpperCase());
const seed = Number(values.seed);

if (shape === undefined || format === undefined || values.output === undefined || !Number.isInteger(seed)) {
  console.error(`usage: synthetic-model --shape ${Object.keys(shapes).join("|")}
  --format ${formats.join("|").toLowerCase()}
  -o FILE [--seed INTEGER] [--tokenizer GGUF-FILE]`);
  process.exitCode = 2;
} else {
  const other = values.tokenizer === undefined ? undefined : await openGguf(values.tokenizer);
  const size = await writeSyntheticModel({ shape, format, seed, tokenizer: other?.metadata }, values.output);
  await other?.close();
  console.log(`${values.output}: ${shape} ${format}, ${size} bytes`);
}
