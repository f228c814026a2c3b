// RoPE (Su et al. 2021), on neighbouring pairs, as GGUF files of the llama architecture have them:
//
//   y[2i]     = x[2i] * cos(p f_i) - x[2i + 1] * sin(p f_i)
//   y[2i + 1] = x[2i] * sin(p f_i) + x[2i + 1] * cos(p f_i)
//
// or, in other architectures, on the two halves of the rotated dimensions: i and i + n in place of 2i and 2i + 1, n the number of pairs.
//
// The table of a position is made once for a step and serves all layers and heads:
//   cosines  headDim f32:  c0  c0  c1  c1 ...          (1 beyond the rotated dimensions)
//   sines    headDim f32: -s0  s0 -s1  s1 ...          (0 beyond)
//
// sin and cos are computed here (float64; + - * only), because those of the host differ between its versions. Their error is below 1e-9 for
// angles up to 10^6; rounded to f32 they are nearly always exact to the last bit.
// Cost for 4 elements of a head: 48 bytes read, 16 written, 1 shuffle, 3 arithmetic instructions. 3 vectors
// in registers. A position's table: some 8 ns for a pair. Halves read the same table, with 1 shuffle more for 4 elements.
// Plain version: test/kernels/rope.test.ts.

/** Reduces an angle to [-pi/4, pi/4] and a quadrant (Cody and Waite, with pi/2 in three parts), then Taylor. */
function sineCosine(angle: f64, out: usize): void {
  const quarter = nearest<f64>(angle * 0.6366197723675814);
  let r = angle - quarter * 1.5707963267341256;
  r -= quarter * 6.077100506303966e-11;
  r -= quarter * 2.0222662487959506e-21;
  const z = r * r;
  const sine =
    r +
    r * z *
      (-1.6666666666666666e-1 +
        z * (8.333333333333333e-3 +
            z * (-1.984126984126984e-4 +
                z * (2.7557319223985893e-6 +
                    z * (-2.505210838544172e-8 + z * (1.6059043836821613e-10 - z * 7.647163731819816e-13))))));
  const cosine =
    1.0 -
    0.5 * z +
    z * z *
      (4.1666666666666664e-2 +
        z * (-1.388888888888889e-3 +
            z * (2.48015873015873e-5 +
                z * (-2.755731922398589e-7 +
                    z * (2.08767569878681e-9 + z * (-1.1470745597729725e-11 + z * 4.779477332387385e-14))))));
  const turn = <i64>quarter & 3;
  const swap = (turn & 1) != 0;
  const s = swap ? cosine : sine;
  const c = swap ? sine : cosine;
  store<f64>(out, turn >= 2 ? -s : s);
  store<f64>(out, turn == 1 || turn == 2 ? -c : c, 8);
}

/**
 * The table of one position. `frequencies`: (pairs) f64, radians per position; `magnitude` scales cosines and sines (yarn's attention
 * factor); `table`: 2 headDim f32; `scratch`: 16 bytes.
 */
export function ropeTable(
  frequencies: usize,
  pairs: i32,
  headDim: i32,
  position: i32,
  magnitude: f64,
  table: usize,
  scratch: usize,
): void {
  const sines = table + (<usize>headDim << 2);
  for (let i = 0; i < headDim; i += 2) {
    const at = <usize>i << 2;
    let s: f32 = 0;
    let c: f32 = 1;
    if (i < pairs << 1) {
      sineCosine(load<f64>(frequencies + at) * <f64>position, scratch);
      s = <f32>(load<f64>(scratch) * magnitude);
      c = <f32>(load<f64>(scratch, 8) * magnitude);
    }
    store<f32>(table + at, c);
    store<f32>(table + at, c, 4);
    store<f32>(sines + at, -s);
    store<f32>(sines + at, s, 4);
  }
}

/** Rotates neighbours in `heads` heads of headDim f32 (a multiple of 4) in place, `x` at the first. */
export function rope(x: usize, heads: i32, headDim: i32, table: usize): void {
  const bytes = <usize>headDim << 2;
  const sines = table + bytes;
  for (; heads > 0; heads--, x += bytes) {
    for (let i: usize = 0; i < bytes; i += 16) {
      const v = v128.load(x + i);
      const swapped = v128.shuffle<i32>(v, v, 1, 0, 3, 2);
      v128.store(x + i, f32x4.add(f32x4.mul(v, v128.load(table + i)), f32x4.mul(swapped, v128.load(sines + i))));
    }
  }
}

/** Rotates element i and element i + `pairs` of `heads` heads of headDim f32 in place, `x` at the first; the rest stays as it is. */
export function ropeHalves(x: usize, heads: i32, headDim: i32, pairs: i32, table: usize): void {
  const bytes = <usize>headDim << 2;
  const half = <usize>pairs << 2;
  const whole = half & ~15;
  const sines = table + bytes;
  for (; heads > 0; heads--, x += bytes) {
    const y = x + half;
    let i: usize = 0;
    for (; i < whole; i += 16) {
      const at = i << 1;
      const cosine = v128.shuffle<i32>(v128.load(table + at), v128.load(table + at, 16), 0, 2, 4, 6);
      const sine = v128.shuffle<i32>(v128.load(sines + at), v128.load(sines + at, 16), 1, 3, 5, 7);
      const a = v128.load(x + i);
      const b = v128.load(y + i);
      v128.store(x + i, f32x4.sub(f32x4.mul(a, cosine), f32x4.mul(b, sine)));
      v128.store(y + i, f32x4.add(f32x4.mul(a, sine), f32x4.mul(b, cosine)));
    }
    for (; i < half; i += 4) {
      const cosine = load<f32>(table + (i << 1));
      const sine = load<f32>(sines + (i << 1), 4);
      const a = load<f32>(x + i);
      const b = load<f32>(y + i);
      store<f32>(x + i, a * cosine - b * sine);
      store<f32>(y + i, a * sine + b * cosine);
    }
  }
}
