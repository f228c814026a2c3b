// Writes a random-weight model of a real shape:
//
//   npx tsc -p bench/tsconfig.json
//   node build/bench/synthetic-model.js --shape llama-3.2-1b --format q4_0 -o file.gguf [--seed n]

import { parseArgs } from "node:util";
import { writeSyntheticModel } from "./synthetic/model.js";
import { formats, type ShapeName, shapes } from "./synthetic/shapes.js";

const { values } = parseArgs({
  options: {
    shape: { type: "string" },
    format: { type: "string" },
    output: { type: "string", short: "o" },
    seed: { type: "string", default: "1" },
  },
});
const shape = Object.keys(shapes).find((name): name is ShapeName => name === values.shape?.toLowerCase());
const format = formats.find((name) => name === values.format?.toUpperCase());
const seed = Number(values.seed);

if (shape === undefined || format === undefined || values.output === undefined || !Number.isInteger(seed)) {
  console.error(`usage: synthetic-model --shape ${Object.keys(shapes).join("|")}
  --format ${formats.join("|").toLowerCase()}
  -o FILE [--seed INTEGER]`);
  process.exitCode = 2;
} else {
  const size = await writeSyntheticModel({ shape, format, seed }, values.output);
  console.log(`${values.output}: ${shape} ${format}, ${size} bytes`);
}
