// Random blocks of each tensor type whose weights have mean 0 and a standard deviation of about 0.02, as trained ones have.
// The quants are random bits; the scales are chosen for the deviation that such quants have. Layouts: ggml-common.h.
//
// A block whose quants are not symmetric (Q4_0: -8 .. 7) gets a scale of random sign, so that the weights have no common
// bias; types with a minimum are centred by it.

import { type TensorTypeName, tensorTypeByName } from "cria/gguf";
import type { Random } from "./random.js";

const DEVIATION = 0.02;

// Standard deviations of the quants: of n uniform levels, sqrt((n^2 - 1) / 12).
const uniform = (levels: number) => Math.sqrt((levels * levels - 1) / 12);
// Root mean square of a 6-bit scale less 32, and of an int8.
const SCALE6 = Math.sqrt((64 * 64 + 2) / 12);
const SCALE8 = Math.sqrt((256 * 256 + 2) / 12);
// Root mean square of the scales used for types with a minimum: uniform from 32 to 63, and from 8 to 15.
const UPPER6 = Math.hypot(47.5, uniform(32));
const UPPER4 = Math.hypot(11.5, uniform(8));
// Deviation of IQ4_NL's 16 values, and of MXFP4's doubled ones (0 1 2 3 4 6 8 12 with both signs).
const IQ4_DEVIATION = 70.2;
const MXFP4_DEVIATION = Math.sqrt(34.25);

type Fill = (view: DataView, at: number, random: Random) => void;

/** What makes a block of random bytes a valid one, of such a deviation: it writes the scales over them. */
const fills = (deviation: number): Partial<Record<TensorTypeName, Fill>> => ({
  F32: (view, at, random) => view.setFloat32(at, random.normal() * deviation, true),
  F16: (view, at, random) => view.setUint16(at, float16(random.normal() * deviation), true),
  BF16: (view, at, random) => view.setUint16(at, bfloat16(random.normal() * deviation), true),
  Q8_0: signed(0, deviation / uniform(256)),
  Q4_0: signed(0, deviation / uniform(16)),
  Q5_0: signed(0, deviation / uniform(32)),
  Q4_1: centred(deviation / uniform(16), -7.5),
  Q5_1: centred(deviation / uniform(32), -15.5),
  IQ4_NL: signed(0, deviation / IQ4_DEVIATION),
  IQ4_XS: signed(0, deviation / (SCALE6 * IQ4_DEVIATION)),
  Q3_K: signed(108, deviation / (SCALE6 * uniform(8))),
  Q6_K: signed(208, deviation / (SCALE8 * uniform(64))),
  Q2_K: (view, at, random) => {
    for (let index = 0; index < 16; index++) view.setUint8(at + index, (8 + random.below(8)) * 0x11);
    centred(deviation / (UPPER4 * uniform(4)), 1.5)(view, at + 80, random);
  },
  Q4_K: (view, at, random) => {
    centred(deviation / (UPPER6 * uniform(16)), 7.5)(view, at, random);
    packScales(view, at + 4, random);
  },
  Q5_K: (view, at, random) => {
    centred(deviation / (UPPER6 * uniform(32)), 15.5)(view, at, random);
    packScales(view, at + 4, random);
  },
  // An exponent: the doubled values times 2^(e - 128); two neighbours straddle the deviation.
  MXFP4: (view, at, random) => {
    const exponent = Math.floor(Math.log2(deviation / MXFP4_DEVIATION)) + 128;
    view.setUint8(at, exponent + random.below(2));
  },
});

// A float16 scale of random sign at `position`.
function signed(position: number, scale: number): Fill {
  return (view, at, random) => {
    const sign = random.below(2) * 2 - 1;
    view.setUint16(at + position, float16(sign * scale * (0.75 + random.below(512) / 1024)), true);
  };
}

// A float16 scale, and behind it the float16 minimum, `times` the scale.
function centred(scale: number, times: number): Fill {
  return (view, at, random) => {
    const d = scale * (0.75 + random.below(512) / 1024);
    view.setUint16(at, float16(d), true);
    view.setUint16(at + 2, float16(d * times), true);
  };
}

// The eight 6-bit scales and minima of Q4_K and Q5_K, each scale from 32 to 63 and its minimum equal to it:
//   bytes 0..3    scale 0..3 | two upper bits of scale 4..7
//   bytes 4..7    minimum 0..3 | two upper bits of minimum 4..7
//   bytes 8..11   four lower bits of scale 4..7 | of minimum 4..7
function packScales(view: DataView, at: number, random: Random): void {
  for (let index = 0; index < 4; index++) {
    const [low, high] = [32 + random.below(32), 32 + random.below(32)];
    const packed = low | ((high >> 4) << 6);
    view.setUint8(at + index, packed);
    view.setUint8(at + 4 + index, packed);
    view.setUint8(at + 8 + index, (high & 15) * 0x11);
  }
}

/** The bits of the float16 nearest to `value`, which is small enough not to overflow. */
export function float16(value: number): number {
  const sign = value < 0 ? 0x8000 : 0;
  const magnitude = Math.abs(value);
  // Subnormal numbers are multiples of 2^-24; the carry out of their ten bits is the first normal number.
  if (magnitude < 2 ** -14) return sign | Math.round(magnitude * 2 ** 24);
  const exponent = Math.floor(Math.log2(magnitude));
  return sign | (((exponent + 14) << 10) + Math.round((magnitude / 2 ** exponent) * 1024));
}

const single = new DataView(new ArrayBuffer(4));

// The upper half of the float32.
function bfloat16(value: number): number {
  single.setFloat32(0, value);
  return single.getUint16(0);
}

/** `count` random blocks of a type, whose weights are `scale` times as large as trained ones are. */
export function randomBlocks(type: TensorTypeName, count: number, random: Random, scale = 1): Uint8Array {
  const fill = fills(DEVIATION * scale)[type];
  if (fill === undefined) throw new RangeError(`no random blocks of ${type}`);
  const { blockBytes } = tensorTypeByName(type)!;
  const words = new Uint32Array(Math.ceil((count * blockBytes) / 4));
  for (let index = 0; index < words.length; index++) words[index] = random.bits();
  const view = new DataView(words.buffer);
  for (let index = 0; index < count; index++) fill(view, index * blockBytes, random);
  return new Uint8Array(words.buffer, 0, count * blockBytes);
}
