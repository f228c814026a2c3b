// Multiplies a matrix of 32 x 2048 by tokens, between the two calls of umask that ../instruction-count.c waits for:
// `node matmul-count.mjs BUILD TYPE TOKENS`, BUILD a build of the kernels, TYPE the number of a weight format. Other threads disturb some
// counts, so it multiplies four times.

import { readFileSync } from "node:fs";
import { setFlagsFromString } from "node:v8";

const [build, ...numbers] = process.argv.slice(2);
const [type, tokens] = numbers.map(Number);
const ROWS = 32;
const COLUMNS = 2048;

const bytes = readFileSync(new URL(`../../../dist/assets/kernels.${build}.wasm`, import.meta.url));
if (!WebAssembly.validate(bytes)) setFlagsFromString("--experimental-wasm-relaxed-simd");
const memory = new WebAssembly.Memory({ initial: 256, maximum: 65536, shared: true });
const kernels = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory } }).exports;

let end = 65536;
const room = (size) => {
  const at = end;
  end = Math.ceil((at + size) / 64) * 64;
  return at;
};
// Zeros do: no instruction of a matmul depends on a value.
const weights = room(ROWS * (COLUMNS / kernels.formatBlockWeights(type)) * kernels.formatBlockBytes(type));
const x = room((tokens + 3) * kernels.activationBytes(kernels.formatActivation(type), COLUMNS));
const y = room(tokens * ROWS * 4);
const scratch = room(kernels.matmulScratchBytes(tokens));
const multiply = () => kernels.matmul(type, weights, 0, ROWS / 8, COLUMNS, x, tokens, y, ROWS * 4, 0, scratch);

multiply();
for (let i = 0; i < 4; i++) {
  process.umask(0o21);
  multiply();
  process.umask(0o22);
}
