// Prints what V8, where it joins pairs of operations, makes of two loads that widen neighbouring int16, the upper one first:
//
//   upper = i32x4.load16x4_s(from, offset 8); lower = i32x4.load16x4_s(from)
//   v128.store(to, lower); v128.store(to, upper, offset 16)
//
// The int16 are 0, 1, .. 7 and lie before others: 8, 9, ... A process of its own, because a flag of V8's is set.

import { compileWide } from "../../../dist/machine/wide/compile.js";

const section = (number, ...content) => [number, content.length, ...content];
const text = (letters) => [letters.length, ...Buffer.from(letters)];
const load = (offset) => [0x20, 0, 0xfd, 3, 1, offset]; // local.get 0, i32x4.load16x4_s
const store = (offset) => [0xfd, 11, 4, offset];
const [i32, v128, end] = [0x7f, 0x7b, 0x0b];
const code = [
  ...[1, 1, v128], // one local, number 2
  ...[...load(8), 0x21, 2],
  ...[0x20, 1, ...load(0), ...store(0)],
  ...[0x20, 1, 0x20, 2, ...store(16)],
  end,
];
const module = await compileWide(
  Uint8Array.from([
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, 1, 0x60, 2, i32, i32, 0),
    ...section(2, 1, ...text("env"), ...text("memory"), 2, 3, 1, 0x80, 0x80, 4),
    ...section(3, 1, 0),
    ...section(7, 1, ...text("widen"), 0, 0),
    ...section(10, 1, code.length, ...code),
  ]),
);
const memory = new WebAssembly.Memory({ initial: 1, maximum: 65536, shared: true });
new Int16Array(memory.buffer, 64, 16).set(Array.from({ length: 16 }, (_, i) => i));
new WebAssembly.Instance(module, { env: { memory } }).exports.widen(64, 128);
console.log(JSON.stringify([...new Int32Array(memory.buffer, 128, 8)]));
