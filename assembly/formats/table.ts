// The table of weight formats, by ggml's type numbers: the one place where a number becomes a class. A kernel that works on any format
// is a class with a generic `run`, and `withFormat` compiles it once for each row.

import { BF16 } from "./bf16";
import { F16 } from "./f16";
import { F32 } from "./f32";
import { Q4_0 } from "./q4_0";
import { Q4_1 } from "./q4_1";
import { Q4_K } from "./q4_k";
import { Q6_K } from "./q6_k";
import { Q8_0 } from "./q8_0";

/** Runs kernel K for the format of this ggml type; `job` is the kernel's own record. Answers -1 for a type without a row. */
// @ts-ignore: decorator
@inline
export function withFormat<K>(type: i32, job: usize): i32 {
  switch (type) {
    case 0: return changetype<K>(job).run<F32>();
    case 1: return changetype<K>(job).run<F16>();
    case 2: return changetype<K>(job).run<Q4_0>();
    case 3: return changetype<K>(job).run<Q4_1>();
    case 8: return changetype<K>(job).run<Q8_0>();
    case 12: return changetype<K>(job).run<Q4_K>();
    case 14: return changetype<K>(job).run<Q6_K>();
    case 30: return changetype<K>(job).run<BF16>();
    default: return -1;
  }
}
