// The obvious encoders: the scale that maps the extremes to the ends of the levels, no search. What they decode to, to compare with.

const f = Math.fround;

/** The binary16 nearest to x, ties to even, as a number; at most 65504. */
export function nearestHalf(x: number): number {
  const exponent = ((new Uint32Array(Float32Array.of(x).buffer)[0]! >>> 23) & 255) - 127;
  const step = 2 ** (Math.max(exponent, -14) - 10);
  const half = nearestEven(Math.abs(x) / step) * step;
  return Math.sign(x) * Math.min(half, 65504);
}

function nearestEven(x: number): number {
  const below = Math.floor(x);
  const rest = x - below;
  return rest > 0.5 || (rest === 0.5 && below % 2 === 1) ? below + 1 : below;
}

const level = (x: number, scale: number, low: number, high: number) =>
  scale === 0 ? 0 : Math.min(high, Math.max(low, nearestEven(x / scale)));

function eachBlock(weights: Float32Array, size: number, decode: (block: Float32Array) => Float32Array): Float32Array {
  const out = new Float32Array(weights.length);
  for (let at = 0; at < weights.length; at += size) out.set(decode(weights.subarray(at, at + size)), at);
  return out;
}

const extremeOf = (block: Float32Array) => block.reduce((a, w) => (Math.abs(w) > Math.abs(a) ? w : a), 0);

/** w = d * q */
const scaled = (low: number, high: number) => (weights: Float32Array) =>
  eachBlock(weights, 32, (block) => {
    const d = nearestHalf(extremeOf(block) / low);
    return block.map((w) => d * level(w, d, low, high));
  });

/** w = d * q + m */
const offset = (high: number) => (weights: Float32Array) =>
  eachBlock(weights, 32, (block) => {
    const m = nearestHalf(Math.min(...block));
    const d = nearestHalf((Math.max(...block) - Math.min(...block)) / high);
    return block.map((w) => f(f(d * level(w - m, d, 0, high)) + m));
  });

/** w = d * scale * q - dmin * minimum */
const offsets = (high: number) => (weights: Float32Array) =>
  eachBlock(weights, 256, (block) => {
    const parts = Array.from({ length: 8 }, (_, s) => block.subarray(32 * s, 32 * s + 32));
    const minima = parts.map((part) => -Math.min(0, ...part));
    const scales = parts.map((part, s) => (Math.max(0, ...part) + minima[s]!) / high);
    const d = nearestHalf(Math.max(...scales) / 63);
    const dmin = nearestHalf(Math.max(...minima) / 63);
    return block.map((w, i) => {
      const s = i >> 5;
      const scale = d * level(scales[s]!, d, 0, 63);
      const minimum = dmin * level(minima[s]!, dmin, 0, 63);
      return scale * level(w + minimum, scale, 0, high) - minimum;
    });
  });

/** w = d * scale * q */
const scales = (weights: Float32Array) =>
  eachBlock(weights, 256, (block) => {
    const wanted = Float32Array.from({ length: 16 }, (_, s) => extremeOf(block.subarray(16 * s, 16 * s + 16)) / -32);
    const d = nearestHalf(extremeOf(wanted) / -128);
    return block.map((w, i) => {
      const scale = d * level(wanted[i >> 4]!, d, -128, 127);
      return scale * level(w, scale, -32, 31);
    });
  });

/** By format: weights to what the obvious encoder makes of them. */
export const plainEncoders: Readonly<Record<string, (weights: Float32Array) => Float32Array>> = {
  Q8_0: scaled(-127, 127),
  Q4_0: scaled(-8, 7),
  Q4_1: offset(15),
  Q5_0: scaled(-16, 15),
  Q5_1: offset(31),
  Q4_K: offsets(15),
  Q5_K: offsets(31),
  Q6_K: scales,
};
