// The scalar meaning of every weight format, in plain TypeScript: what GGUF's blocks say, bit for bit. The layouts are drawn in
// assembly/formats; this is written from the same description, one weight at a time, to hold the kernels against.

import type { TensorTypeName } from "cria/gguf";

const f = Math.fround;

/** One block to its weights: `at` is the block's first byte. */
type Decode = (view: DataView, at: number, out: Float32Array, to: number) => void;

interface Format {
  readonly weights: number;
  readonly bytes: number;
  readonly decode: Decode;
}

/** binary16 to a number, exactly. */
function half(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const mantissa = bits & 1023;
  if (exponent === 0) return sign * mantissa * 2 ** -24;
  if (exponent === 31) return mantissa === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (1024 + mantissa) * 2 ** (exponent - 25);
}

const halfAt = (view: DataView, at: number) => half(view.getUint16(at, true));

/** Weight i of nibbles: the low nibbles first, then the high ones. */
const nibble = (view: DataView, at: number, i: number, half: number) => {
  const byte = view.getUint8(at + (i % half));
  return i < half ? byte & 15 : byte >> 4;
};

/** Q4_K's and Q5_K's packed scales and minima. */
function sixBits(view: DataView, at: number, s: number): readonly [number, number] {
  const byte = (i: number) => view.getUint8(at + i);
  if (s < 4) return [byte(s) & 63, byte(s + 4) & 63];
  return [(byte(s + 4) & 15) | ((byte(s - 4) >> 6) << 4), (byte(s + 4) >> 4) | ((byte(s) >> 6) << 4)];
}

const code = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113] as const;
const e2m1 = [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12] as const;

/** A format whose weights are given one by one. */
function each(weights: number, bytes: number, weight: (view: DataView, at: number, i: number) => number): Format {
  return {
    weights,
    bytes,
    decode: (view, at, out, to) => {
      for (let i = 0; i < weights; i++) out[to + i] = weight(view, at, i);
    },
  };
}

const bit = (view: DataView, at: number, i: number) => (view.getUint32(at, true) >>> i) & 1;

const formats = {
  F32: each(1, 4, (view, at) => view.getFloat32(at, true)),
  F16: each(1, 2, (view, at) => halfAt(view, at)),
  BF16: {
    weights: 1,
    bytes: 2,
    decode: (view, at, out, to) => {
      new Uint32Array(out.buffer)[to] = view.getUint16(at, true) << 16;
    },
  },
  Q4_0: each(32, 18, (view, at, i) => f((nibble(view, at + 2, i, 16) - 8) * halfAt(view, at))),
  Q4_1: each(32, 20, (view, at, i) => f(f(nibble(view, at + 4, i, 16) * halfAt(view, at)) + halfAt(view, at + 2))),
  Q5_0: each(32, 22, (view, at, i) => {
    const q = nibble(view, at + 6, i, 16) | (bit(view, at + 2, i) << 4);
    return f((q - 16) * halfAt(view, at));
  }),
  Q5_1: each(32, 24, (view, at, i) => {
    const q = nibble(view, at + 8, i, 16) | (bit(view, at + 4, i) << 4);
    return f(f(q * halfAt(view, at)) + halfAt(view, at + 2));
  }),
  Q8_0: each(32, 34, (view, at, i) => f(view.getInt8(at + 2 + i) * halfAt(view, at))),
  Q2_K: each(256, 84, (view, at, i) => {
    const both = view.getUint8(at + (i >> 4));
    const q = (view.getUint8(at + 16 + 32 * (i >> 7) + (i & 31)) >> (2 * ((i >> 5) & 3))) & 3;
    return f(f(f(halfAt(view, at + 80) * (both & 15)) * q) - f(halfAt(view, at + 82) * (both >> 4)));
  }),
  Q3_K: each(256, 110, (view, at, i) => {
    const s = i >> 4;
    const low = (view.getUint8(at + 96 + (s & 7)) >> (4 * (s >> 3))) & 15;
    const high = (view.getUint8(at + 104 + (s & 3)) >> (2 * (s >> 2))) & 3;
    const bits = (view.getUint8(at + 32 + 32 * (i >> 7) + (i & 31)) >> (2 * ((i >> 5) & 3))) & 3;
    const third = (view.getUint8(at + (i & 31)) >> (i >> 5)) & 1;
    return f(f(halfAt(view, at + 108) * ((low | (high << 4)) - 32)) * ((bits | (third << 2)) - 4));
  }),
  Q4_K: each(256, 144, (view, at, i) => {
    const [scale, minimum] = sixBits(view, at + 4, i >> 5);
    const q = nibble(view, at + 16 + 32 * (i >> 6), i & 63, 32);
    return f(f(f(halfAt(view, at) * scale) * q) - f(halfAt(view, at + 2) * minimum));
  }),
  Q5_K: each(256, 176, (view, at, i) => {
    const [scale, minimum] = sixBits(view, at + 4, i >> 5);
    const fifth = (view.getUint8(at + 16 + (i & 31)) >> (i >> 5)) & 1;
    const q = nibble(view, at + 48 + 32 * (i >> 6), i & 63, 32) | (fifth << 4);
    return f(f(f(halfAt(view, at) * scale) * q) - f(halfAt(view, at + 2) * minimum));
  }),
  Q6_K: each(256, 210, (view, at, i) => {
    const quarter = (i >> 5) & 3;
    const low = view.getUint8(at + 64 * (i >> 7) + 32 * (quarter & 1) + (i & 31));
    const high = (view.getUint8(at + 128 + 32 * (i >> 7) + (i & 31)) >> (2 * quarter)) & 3;
    const q = (quarter > 1 ? low >> 4 : low & 15) | (high << 4);
    return f(f(halfAt(view, at + 208) * view.getInt8(at + 192 + (i >> 4))) * (q - 32));
  }),
  IQ4_NL: each(32, 18, (view, at, i) => f(halfAt(view, at) * code[nibble(view, at + 2, i, 16)]!)),
  IQ4_XS: each(256, 136, (view, at, i) => {
    const s = i >> 5;
    const low = (view.getUint8(at + 4 + (s >> 1)) >> (4 * (s & 1))) & 15;
    const high = (view.getUint16(at + 2, true) >> (2 * s)) & 3;
    const scale = f(halfAt(view, at) * ((low | (high << 4)) - 32));
    return f(scale * code[nibble(view, at + 8 + 16 * s, i & 31, 16)]!);
  }),
  MXFP4: each(32, 17, (view, at, i) => f(e2m1[nibble(view, at + 1, i, 16)]! * 2 ** (view.getUint8(at) - 128))),
} satisfies Partial<Record<TensorTypeName, Format>>;

/** The names of the formats. */
export const formatNames = Object.keys(formats) as readonly (keyof typeof formats)[];

/** Weights and bytes of one block of a format. */
export function blockOf(typeName: string): { readonly weights: number; readonly bytes: number } {
  return formatOf(typeName);
}

/** `count` weights of a format to f32. */
export function dequantize(typeName: string, bytes: Uint8Array, count: number): Float32Array {
  const format = formatOf(typeName);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const out = new Float32Array(count);
  for (let to = 0, at = 0; to < count; to += format.weights, at += format.bytes) format.decode(view, at, out, to);
  return out;
}

function formatOf(typeName: string): Format {
  const format = (formats as Readonly<Record<string, Format>>)[typeName];
  if (format === undefined) throw new Error(`no format ${typeName}`);
  return format;
}
