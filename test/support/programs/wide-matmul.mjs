// Multiplies with a build of the kernels and with the wide module beside it, compiled by V8 to code of 256 bits, and prints which products
// differ: `node wide-matmul.mjs BUILD COUNTS...`, counts of tokens. A process of its own: V8 can end it.

import { readFileSync } from "node:fs";
import { openKernels } from "cria/kernels";
import { TILE_TOKENS } from "../../../dist/abi.js";
import { compileWide } from "../../../dist/machine/wide/compile.js";

const [build, ...counts] = process.argv.slice(2);
const bytesOf = (name) => readFileSync(new URL(`../../../dist/assets/kernels.${name}.wasm`, import.meta.url));
const plain = await WebAssembly.compile(bytesOf(build));
const wide = await compileWide(bytesOf(`wide-${build}`));
const lab = await openKernels({ build });

const memory = new WebAssembly.Memory({ initial: 256, maximum: 256, shared: true });
const kernels = new WebAssembly.Instance(plain, { env: { memory } }).exports;
const { matmul } = new WebAssembly.Instance(wide, { env: { memory } }).exports;
const bytes = new Uint8Array(memory.buffer);

let seed = 1;
const noise = () => {
  seed = (seed * 48271) % 2147483647;
  return (seed / 1073741824 - 1) * (seed % 50 === 0 ? 20 : 1);
};

let cases = 0;
const different = [];
const most = Math.max(...counts);
// One group, and an odd and an even number of them; one block, some, and more than any chunk.
for (const format of lab.formats) {
  const columnsOf = format.blockWeights === 1 ? [7, 172, 1100] : [format.blockWeights, 768, 2304];
  for (const [i, rows] of [8, 40, 32].entries()) compare(format, rows, columnsOf[i]);
}
console.log(JSON.stringify({ cases, different }));

function compare({ name, type, blockWeights, blockBytes }, rows, columns) {
  let top = 64;
  const room = (size) => {
    const address = top;
    top = Math.ceil((top + size) / 64) * 64;
    return address;
  };
  const weightBytes = ((rows * columns) / blockWeights) * blockBytes;
  const [source, packed, x] = [room(weightBytes), room(weightBytes), room(4 * columns * most)];
  const kind = kernels.formatActivation(type);
  const tokenBytes = kernels.activationBytes(kind, columns);
  const encoded = room((most + TILE_TOKENS) * tokenBytes);
  const stride = 4 * rows + 64;
  const [y, z] = [room(most * stride), room(most * stride)];
  const scratch = room(kernels.matmulScratchBytes(most));
  bytes.set(lab.randomWeights(name, rows, columns), source);
  kernels.packRows(type, source, 0, rows, columns, packed, scratch);
  bytes.set(new Uint8Array(Float32Array.from({ length: columns * most }, noise).buffer), x);
  const groups = rows / 8;
  // In two pieces, the first of one group, where there are several.
  const cut = Math.min(1, groups - 1);
  for (const tokens of counts.map(Number)) {
    for (let t = 0; t < tokens; t += TILE_TOKENS) {
      const count = Math.min(TILE_TOKENS, tokens - t);
      kernels.encodeActivations(kind, x + 4 * t * columns, 4 * columns, count, columns, encoded + t * tokenBytes);
    }
    bytes.fill(0, y, scratch);
    for (const accumulate of [0, 1]) {
      for (const [multiply, to] of [
        [kernels.matmul, y],
        [matmul, z],
      ]) {
        multiply(type, packed, 0, cut, columns, encoded, tokens, to, stride, accumulate, scratch);
        multiply(type, packed, cut, groups, columns, encoded, tokens, to, stride, accumulate, scratch);
      }
      cases++;
      const same = Buffer.compare(bytes.slice(y, y + tokens * stride), bytes.slice(z, z + tokens * stride)) === 0;
      if (!same) different.push(`${name}, ${rows} x ${columns}, ${tokens} tokens, accumulate ${accumulate}`);
    }
  }
}
