// The table of weight formats, by ggml's type numbers: the one place where a number becomes a class. A kernel that works on any format
// is a class with a generic `run`, and `withFormat` compiles it once for each row.
//
// What a format's class has; `isDefined` tells a kernel what a class lacks. test/support/dequantize.ts has a plain version of every format,
// written from the same drawings.
//
// Cost of the search: one jump through a table for a call of a kernel.
//
//   blockWeights, blockBytes     all                        the size of a block
//   activation                   all                        the encoding of activations that it multiplies (activations/)
//   put, get                     all                        one block into its group of 8 packed rows, and back
//   dequantize                   all                        one block to f32: the scalar meaning
//   panel                        all but F32                a packed group to a panel (panel.ts)
//   isPanel                      F32                        a packed group is a panel
//   zero, hasMinimum             activation (CENTRED_)Q8_32 the level that means 0; whether a minimum is added
//   zero, subBlock, minimumBlock activation Q8_256          the same; columns that share a scale, and a minimum (0: none)
//   stream                       those with a fast decode   one token times a packed group, without a panel
//   streamPair                   some of those              the same of two groups at once
//   streamTile, streamTokens     some of those              the same for a tile of 4 tokens or its first 2; up to how many tokens it is faster
//   quantize, largest            those with an encoder      f32 to one block; the largest magnitude that it takes

import { BF16 } from "./bf16";
import { F16 } from "./f16";
import { F32 } from "./f32";
import { IQ4_NL } from "./iq4_nl";
import { IQ4_XS } from "./iq4_xs";
import { MXFP4 } from "./mxfp4";
import { Q2_K } from "./q2_k";
import { Q3_K } from "./q3_k";
import { Q4_0 } from "./q4_0";
import { Q4_1 } from "./q4_1";
import { Q4_K } from "./q4_k";
import { Q5_0 } from "./q5_0";
import { Q5_1 } from "./q5_1";
import { Q5_K } from "./q5_k";
import { Q6_K } from "./q6_k";
import { Q8_0 } from "./q8_0";

/** Runs kernel K for the format of this ggml type; `job` is the kernel's own record. Returns -1 for a type without a row. */
@inline
export function withFormat<K>(type: i32, job: usize): i32 {
  switch (type) {
    case 0: return changetype<K>(job).run<F32>();
    case 1: return changetype<K>(job).run<F16>();
    case 2: return changetype<K>(job).run<Q4_0>();
    case 3: return changetype<K>(job).run<Q4_1>();
    case 6: return changetype<K>(job).run<Q5_0>();
    case 7: return changetype<K>(job).run<Q5_1>();
    case 8: return changetype<K>(job).run<Q8_0>();
    case 10: return changetype<K>(job).run<Q2_K>();
    case 11: return changetype<K>(job).run<Q3_K>();
    case 12: return changetype<K>(job).run<Q4_K>();
    case 13: return changetype<K>(job).run<Q5_K>();
    case 14: return changetype<K>(job).run<Q6_K>();
    case 20: return changetype<K>(job).run<IQ4_NL>();
    case 23: return changetype<K>(job).run<IQ4_XS>();
    case 30: return changetype<K>(job).run<BF16>();
    case 39: return changetype<K>(job).run<MXFP4>();
    default: return -1;
  }
}
