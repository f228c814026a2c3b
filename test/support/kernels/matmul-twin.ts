// The plain version of encodeActivations and matmul: one multiplication at a time, with the roundings and the order of additions that the
// kernels promise. It knows nothing of panels, tiles and packed rows; blocks are read through their scalar meaning alone.
//
// Activations are encoded in blocks of 32 or 256 columns (n: 127, or 32767 for the 16-bit encoding):
//
//   scaleX = largest magnitude / n          x = round(activation * (n / largest magnitude)), half to even
//
// Centred, with middle = most / 2 + least / 2 and half = most / 2 - least / 2 of the block:
//
//   scaleX = half / 127                     x = round((activation - middle) * (127 / half)), half to even
//
// A result starts at 0, and each block of columns, in their order, adds to it (the sums are of integers, and exact):
//
//   Q8_32    y += sum(q x) * (d * scaleX),  then  y += m * (scaleX * sum(x))        where the format has a minimum
//            y += sum(q x) * (d * scaleX),  then  y += (d * sum(q)) * middle         where the activations are centred
//   Q16_32   y += sum(q x) * (d * scaleX)
//   Q8_256   y += sum(scale q x) * (d * scaleX),  then  y += sum(minimum x) * (dmin * scaleX)
//   F32      y += w * x, column by column
//
// `y += a * b` is two roundings, or one where the machine has a fused multiply-add and the build uses it.

import {
  ACTIVATION_CENTRED_Q8_32,
  ACTIVATION_F32,
  ACTIVATION_Q8_32,
  ACTIVATION_Q8_256,
  ACTIVATION_Q16_32,
} from "../../../dist/abi.js";
import { blockOf, dequantize } from "../dequantize.js";

const f = Math.fround;

/** a + b * c of f32. */
export type MultiplyAdd = (a: number, b: number, c: number) => number;

export const rounded: MultiplyAdd = (a, b, c) => f(a + f(b * c));

const double = new Float64Array(1);
const words = new Uint32Array(double.buffer); // low word, high word

/** Rounded once. The product is exact in f64; the sum is rounded to odd there, so that the rounding to f32 is the only one that counts. */
export const fused: MultiplyAdd = (a, b, c) => {
  const product = b * c;
  const sum = a + product;
  const share = sum - a;
  const error = a - (sum - share) + (product - share);
  double[0] = sum;
  if (error !== 0 && (words[0]! & 1) === 0) {
    if (error > 0 === sum > 0) words[0]! |= 1;
    else if (words[0]!-- === 0) words[1]!--;
  }
  return f(double[0]);
};

/** Columns that share a scale: w = d * integers + m * minima. */
interface Block {
  readonly integers: Float32Array;
  readonly d: number;
  readonly minima?: Float32Array;
  readonly m: number;
}

type Parts = (name: string, block: Uint8Array) => readonly Block[];

/** A block whose f16 factors d and m stand at these offsets: with the one 1 and the other 0, the scalar meaning gives the integers. */
function factors(d: number, m?: number, centre = 0): Parts {
  return (name, block) => {
    const only = (at: number) => {
      const copy = block.slice();
      for (const offset of m === undefined ? [d] : [d, m]) copy.set(offset === at ? [0x00, 0x3c] : [0, 0], offset);
      return dequantize(name, copy, blockOf(name).weights);
    };
    const value = (at: number) => dequantize("F16", block.subarray(at), 1)[0]!;
    const integers = only(d).map((q) => q - centre);
    if (m === undefined) return [{ integers, d: value(d), m: 0 }];
    return [{ integers, d: value(d), minima: only(m), m: f(value(m) + f(centre * value(d))) }];
  };
}

const formats: Readonly<Record<string, Parts>> = {
  Q4_0: factors(0),
  Q4_1: factors(0, 2),
  Q5_0: factors(0),
  Q5_1: factors(0, 2, 16), // w = d (q - 16) + (m + 16 d)
  Q8_0: factors(0),
  Q2_K: factors(80, 82),
  Q3_K: factors(108),
  Q4_K: factors(0, 2),
  Q5_K: factors(0, 2),
  Q6_K: factors(208),
  IQ4_NL: factors(0),
  // 8 sub-blocks with a scale of their own: d (scale - 32) is the weight of code 8, which means 1; the codes are the weights where d is 1
  // and every scale is 33.
  IQ4_XS: (name, block) => {
    const scales = dequantize(name, block.slice().fill(0x88, 8), 256);
    const units = [0x00, 0x3c, 0xaa, 0xaa, 0x11, 0x11, 0x11, 0x11, ...block.subarray(8)];
    const codes = dequantize(name, Uint8Array.from(units), 256);
    return Array.from({ length: 8 }, (_, s) => ({
      integers: codes.subarray(32 * s, 32 * s + 32),
      d: scales[32 * s]!,
      m: 0,
    }));
  },
  // The power 2^(e - 128) is the weight of index 2, which means 1, and the values are the weights where e is 128.
  MXFP4: (name, block) => [
    {
      integers: dequantize(name, Uint8Array.from([128, ...block.subarray(1)]), 32),
      d: dequantize(name, Uint8Array.from([block[0], ...new Array(16).fill(0x11)]), 32)[0]!,
      m: 0,
    },
  ],
};

/** One token's activations; of the encoding F32, as they are. */
export interface Encoded {
  readonly x: Float32Array;
  readonly scales: Float32Array; // one for each block
  readonly middles: Float32Array; // likewise; 0 where the encoding has none
}

/** Columns that share a scale. */
const blockColumns: Readonly<Record<number, number>> = {
  [ACTIVATION_F32]: 1,
  [ACTIVATION_Q8_32]: 32,
  [ACTIVATION_CENTRED_Q8_32]: 32,
  [ACTIVATION_Q8_256]: 256,
  [ACTIVATION_Q16_32]: 32,
};

/** Encodes the activations of one token. */
export function encode(kind: number, x: Float32Array): Encoded {
  if (kind === ACTIVATION_F32) return { x, scales: new Float32Array(x.length), middles: new Float32Array(x.length) };
  const columns = blockColumns[kind]!;
  const most = kind === ACTIVATION_Q16_32 ? 32767 : 127;
  const integers = new Float32Array(x.length);
  const scales = new Float32Array(x.length / columns);
  const middles = new Float32Array(x.length / columns);
  for (let at = 0; at < x.length; at += columns) {
    const block = x.subarray(at, at + columns);
    const [low, high] = [f(Math.min(...block) / 2), f(Math.max(...block) / 2)];
    const centred = kind === ACTIVATION_CENTRED_Q8_32;
    const middle = centred ? f(high + low) : 0;
    const top = centred ? f(high - low) : block.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0);
    const inverse = top === 0 ? 0 : f(most / top);
    integers.set(
      block.map((value) => halfToEven(f(f(value - middle) * inverse))),
      at,
    );
    scales[at / columns] = f(top / most);
    middles[at / columns] = middle;
  }
  return { x: integers, scales, middles };
}

/** The nearest integer; of two as near, the even one. */
export function halfToEven(value: number): number {
  const up = Math.round(value);
  return up - value === 0.5 && up % 2 !== 0 ? up - 1 : up;
}

/** What matmul gives for one row of weights, in GGUF's layout, and each of some tokens. */
export function rowTwin(
  name: string,
  kind: number,
  row: Uint8Array,
  tokens: readonly Encoded[],
  madd: MultiplyAdd,
): number[] {
  const size = blockOf(name);
  if (kind === ACTIVATION_F32) {
    const weights = dequantize(name, row, row.length / size.bytes);
    return tokens.map(({ x }) => weights.reduce((y, w, k) => madd(y, w, x[k]!), 0));
  }
  const blocks: Block[] = [];
  for (let at = 0; at < row.length; at += size.bytes) {
    blocks.push(...formats[name]!(name, row.subarray(at, at + size.bytes)));
  }
  return tokens.map(({ x, scales, middles }) =>
    blocks.reduce((y, block, b) => addBlock(kind, y, block, x, b, scales[b]!, middles[b]!, madd), 0),
  );
}

/** y plus what block `b` of a row and of a token's activations adds. */
function addBlock(
  kind: number,
  y: number,
  { integers, d, minima, m }: Block,
  x: Float32Array,
  b: number,
  scaleX: number,
  middle: number,
  madd: MultiplyAdd,
): number {
  const from = b * blockColumns[kind]!;
  const dot = (values: Float32Array) => values.reduce((sum, value, k) => sum + value * x[from + k]!, 0);
  const sum = madd(y, f(dot(integers)), f(d * scaleX));
  if (kind === ACTIVATION_CENTRED_Q8_32) {
    return madd(sum, f(d * integers.reduce((total, q) => total + q, 0)), middle);
  }
  if (minima === undefined) return sum;
  if (kind === ACTIVATION_Q8_256) return madd(sum, f(dot(minima)), f(m * scaleX));
  return madd(sum, m, f(scaleX * dot(minima)));
}
