// Attends, within texts and over a KV cache, and applies GELU, with a build of the kernels and with the wide module beside it, compiled by V8
// to code of 256 bits, and prints which results differ: `node wide-attention.mjs BUILD`. A process of its own: V8 can end it.

import { readFileSync } from "node:fs";
import { KV_F16, KV_F32, KV_Q8_0, PAGE } from "../../../dist/abi.js";
import { compileWide } from "../../../dist/machine/wide/compile.js";

const [build] = process.argv.slice(2);
const bytesOf = (name) => readFileSync(new URL(`../../../dist/assets/kernels.${name}.wasm`, import.meta.url));
const memory = new WebAssembly.Memory({ initial: 256, maximum: 256, shared: true });
const instance = (module) => new WebAssembly.Instance(module, { env: { memory } }).exports;
const plain = instance(await WebAssembly.compile(bytesOf(build)));
const wide = instance(await compileWide(bytesOf(`wide-${build}`)));
const bytes = new Uint8Array(memory.buffer);
const floats = new Float32Array(memory.buffer);
const words = new Int32Array(memory.buffer);

let seed = 1;
const noise = () => {
  seed = (seed * 48271) % 2147483647;
  return seed / 268435456 - 4;
};
let top = 64;
const room = (size) => {
  const address = top;
  top = Math.ceil((top + size) / 64) * 64;
  if (top > bytes.length) throw new Error("no room");
  return address;
};
const noisy = (count) => {
  const at = room(4 * count);
  for (let i = 0; i < count; i++) floats[at / 4 + i] = noise();
  return at;
};

let cases = 0;
const different = [];
function compare(name, out, size, run) {
  const [a, b] = [plain, wide].map((kernels) => {
    bytes.fill(0xff, out, out + size);
    run(kernels);
    return bytes.slice(out, out + size);
  });
  cases++;
  if (Buffer.compare(a, b) !== 0) different.push(name);
}

const caches = { F32: KV_F32, F16: KV_F16, Q8_0: KV_Q8_0 };
const queries = [1, 2, 3, 4, 5, 6, 7, 8, 9].map((heads) => [1, heads]);
for (const [name, kind] of Object.entries(caches)) {
  for (const headDim of [4, 8, 24, 32, 64, 72, 80, 96, 128, 256]) {
    if (kind === KV_Q8_0 && headDim % 32 !== 0) continue;
    for (const positions of [16, 67, 150, 300]) {
      for (const [rows, heads] of [...queries, [3, 2], [16, 3], [16, 8]]) {
        if (rows <= positions) attend(name, kind, headDim, positions, rows, heads);
      }
    }
  }
}
for (const headDim of [4, 12, 32, 40, 64, 128]) {
  for (const length of [1, 5, 8, 9, 37, 128, 255, 256, 300]) {
    for (const heads of [1, 2, 3]) attendWithin(headDim, length, heads);
  }
}
for (const count of [4, 8, 12, 36, 64, 1536]) {
  top = 64;
  const [x, bias, up, out, scratch] = [noisy(count), noisy(count), noisy(count), room(4 * count), room(16)];
  const gelu = (name, run) =>
    compare(`${name} ${count}`, out, 4 * count, (kernels) => {
      bytes.copyWithin(out, x, x + 4 * count);
      run(kernels);
    });
  gelu("gelu", (kernels) => kernels.gelu(out, count, scratch));
  gelu("geGlu", (kernels) => kernels.geGlu(out, up, count, scratch));
  gelu("geluRows", (kernels) => kernels.geluRows(out, 0, 1, bias, count, scratch));
}
console.log(JSON.stringify({ cases, different }));

function attend(name, kind, headDim, positions, rows, heads) {
  top = 64;
  const tile = plain.kvTileBytes(kind, headDim);
  const pageBytes = 2 * tile + 64;
  const count = Math.ceil(positions / PAGE);
  const kv = room(count * pageBytes);
  const pages = room(4 * count);
  bytes.fill(0xff, kv, pages);
  for (let page = 0; page < count; page++) words[pages / 4 + page] = page;
  const key = noisy(headDim);
  for (let p = 0; p < positions; p++) {
    for (let d = 0; d < headDim; d++) floats[key / 4 + d] = noise();
    const at = kv + Math.floor(p / PAGE) * pageBytes;
    plain.storeKv(kind, key, key, headDim, at, at + tile, p % PAGE);
  }
  const stride = 4 * headDim * heads;
  const q = noisy(rows * headDim * heads);
  const out = room(rows * stride);
  const sinks = noisy(heads);
  const scratch = room(plain.attentionScratchBytes(headDim, rows * heads));
  for (const [window, softcap, slopes] of [
    [0, 0, 0],
    [50, 0, sinks],
    [0, 20, 0],
  ]) {
    const place = [kind, q, stride, rows, positions - rows, heads, headDim, 0.125, softcap, pages, kv, pageBytes];
    const rest = [window, 0, positions, sinks, slopes, -1, out, stride, scratch];
    const what = `attention ${name}, ${rows} x ${heads} x ${headDim} at ${positions}, window ${window}, cap ${softcap}`;
    compare(what, out, rows * stride, ({ attention }) => attention(...place, ...rest));
  }
}

function attendWithin(headDim, length, heads) {
  top = 64;
  const stride = 4 * headDim * heads;
  const [q, k, v] = [noisy(length * headDim * heads), noisy(length * headDim), noisy(length * headDim)];
  const out = room(length * stride);
  const scratch = room(plain.textAttentionScratchBytes(headDim, length * heads));
  for (const [window, ahead, softcap] of [
    [0, length, 0],
    [9, 8, 0],
    [0, length, 20],
  ]) {
    const args = [q, k, v, out, stride, 4 * headDim, length, 0, length, heads, headDim, 0.2, softcap, window, ahead];
    const what = `textAttention ${length} x ${heads} x ${headDim}, window ${window}, cap ${softcap}`;
    compare(what, out, length * stride, ({ textAttention }) => textAttention(...args, 0, 0, scratch));
  }
}
