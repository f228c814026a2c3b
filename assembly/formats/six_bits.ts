// Numbers of six bits: three bytes hold four of them, a, b, c and d.
//
//         7 6          |  5 4 3 2 1 0
//         d, bits 5 4  |  a
//         d, bits 3 2  |  b
//         d, bits 1 0  |  c
//
// Cost of `fourth`: 8 instructions; a, b and c are an and each. Low and high bits in bytes of their own would take 17 for all four.

/** d of 16 times three bytes. `six`: bytes of 63. */
@inline
export function fourth(a: v128, b: v128, c: v128, six: v128): v128 {
  const bc = v128.or(v128.andnot(b, six), i16x8.shr_u(v128.andnot(c, six), 2));
  return i16x8.shr_u(v128.or(v128.andnot(a, six), i16x8.shr_u(bc, 2)), 2);
}

/** d of 4 times three bytes. */
@inline
export function fourthOf(a: u32, b: u32, c: u32): u32 {
  return ((a & 0xc0c0c0c0) >> 2) | ((b & 0xc0c0c0c0) >> 4) | ((c & 0xc0c0c0c0) >> 6);
}

/** The first of the three bytes, 4 times. */
@inline
export function withHigh(a: u32, d: u32): u32 {
  return a | ((d & 0x30303030) << 2);
}

/** The second. */
@inline
export function withMiddle(b: u32, d: u32): u32 {
  return b | ((d & 0x0c0c0c0c) << 4);
}

/** The third. */
@inline
export function withLow(c: u32, d: u32): u32 {
  return c | ((d & 0x03030303) << 6);
}
