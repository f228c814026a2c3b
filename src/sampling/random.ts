// The random numbers of sampling: xoshiro128** by David Blackman and Sebastiano Vigna ("Scrambled linear pseudorandom number
// generators", ACM TOMS 47, 2021; prng.di.unimi.it). 32-bit integer operations only, so a seed means the same everywhere.

/** A stream of random numbers that is a function of its seed alone. */
export class Random {
  readonly #state: Uint32Array;

  /** The four words of state; not all of them zero. */
  constructor(state: readonly [number, number, number, number]) {
    this.#state = Uint32Array.from(state);
  }

  /**
   * The stream of a seed in 0 .. 2^32 - 1. Neighbouring seeds must give unrelated streams, so the state is the seed spread
   * by the mixer of MurmurHash3 over four steps of a Weyl sequence (step: 2^32 / golden ratio). The mixer is a bijection and
   * the four inputs differ, so at most one word is zero.
   */
  static seeded(seed: number): Random {
    const word = (step: number): number => {
      let h = (seed + Math.imul(step, 0x9e3779b9)) | 0;
      h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
      h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
      return (h ^ (h >>> 16)) >>> 0;
    };
    return new Random([word(1), word(2), word(3), word(4)]);
  }

  /** The next integer of 0 .. 2^32 - 1. */
  nextInteger(): number {
    const s = this.#state;
    const product = Math.imul(s[1]!, 5);
    const result = Math.imul((product << 7) | (product >>> 25), 9) >>> 0;
    const shifted = s[1]! << 9;
    s[2]! ^= s[0]!;
    s[3]! ^= s[1]!;
    s[1]! ^= s[2]!;
    s[0]! ^= s[3]!;
    s[2]! ^= shifted;
    s[3] = (s[3]! << 11) | (s[3]! >>> 21);
    return result;
  }

  /** The next number of [0, 1), a multiple of 2^-53: two integers, the first one's bits on top. */
  nextFraction(): number {
    const high = this.nextInteger() >>> 5; // 27 bits
    const low = this.nextInteger() >>> 6; // 26 bits
    return (high * 2 ** 26 + low) * 2 ** -53;
  }
}
