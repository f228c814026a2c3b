// Writes a random-weight model of a real shape:
//
//   npx tsc -p bench/tsconfig.json
//   node build/bench/synthetic-model.js --shape llama-3.2-1b --format q4_0 -o file.gguf [--seed n] [--tokenizer other.gguf]
//
// With `--draft draft.gguf --draft-layers 2 --upper-scale 0.05`, a pair for speculation: the draft is the model's two lower layers,
// and what each layer above them adds to the residual stream is a twentieth of what they add. So the draft is often right, while every
// matrix of both has its real size. The smaller the scale, the more often it is right.

import { parseArgs } from "node:util";
import { openGguf } from "cria/gguf";
import { writeLowerLayers } from "./synthetic/draft.js";
import { writeSyntheticModel } from "./synthetic/model.js";
import { formats, type ShapeName, shapes } from "./synthetic/shapes.js";

const { values } = parseArgs({
  options: {
    shape: { type: "string" },
    format: { type: "string" },
    output: { type: "string", short: "o" },
    seed: { type: "string", default: "1" },
    tokenizer: { type: "string" },
    draft: { type: "string" },
    "draft-layers": { type: "string", default: "2" },
    "upper-scale": { type: "string", default: "0.05" },
  },
});
const shape = Object.keys(shapes).find((name): name is ShapeName => name === values.shape?.toLowerCase());
const format = formats.find((name) => name === values.format?.toUpperCase());
const seed = Number(values.seed);
const layers = Number(values["draft-layers"]);
const scale = Number(values["upper-scale"]);
const isPair = Number.isInteger(layers) && layers >= 1 && scale > 0 && scale <= 1;

if (shape === undefined || format === undefined || values.output === undefined || !Number.isInteger(seed) || !isPair) {
  console.error(`usage: synthetic-model --shape ${Object.keys(shapes).join("|")}
  --format ${formats.join("|").toLowerCase()}
  -o FILE [--seed INTEGER] [--tokenizer GGUF-FILE]
  [--draft FILE [--draft-layers INTEGER] [--upper-scale NUMBER]]`);
  process.exitCode = 2;
} else {
  const other = values.tokenizer === undefined ? undefined : await openGguf(values.tokenizer);
  const upper = values.draft === undefined ? undefined : { first: layers, scale };
  const size = await writeSyntheticModel({ shape, format, seed, tokenizer: other?.metadata, upper }, values.output);
  await other?.close();
  console.log(`${values.output}: ${shape} ${format}, ${size} bytes`);
  if (values.draft !== undefined) {
    const draftSize = await writeLowerLayers(values.output, layers, values.draft);
    console.log(`${values.draft}: its ${layers} lower layers, ${draftSize} bytes`);
  }
}
