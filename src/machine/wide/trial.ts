// Wide kernels against the plain ones: the same bits, and less time.

import { ACTIVATION_NONE, GROUP_ROWS, TILE_TOKENS } from "#abi";
import { instantiateKernels, type Kernels } from "../kernels.js";
import { allocateMemory, SharedMemory, WASM_PAGE } from "../shared-memory.js";
import { randomWords } from "./random-words.js";
import { differenceOfAttention } from "./trial-attention.js";

/** What a trial finds: the first difference, or how many times as fast the wide kernels are. */
export type Trial =
  | { readonly same: false; readonly where: string }
  | { readonly same: true; readonly speedUp: number };

/** ggml's numbers of types are below this. */
const TYPES = 64;
// Several chunks of each kernel and a shorter one; whole tiles and every rest of one, and one to three groups of rows.
const COLUMNS = 2304;
const ROWS = 24;
const TOKENS = [1, 2, 3, 4, 5, 6, 7, 8, 16, 33];
// What is timed: formats that most models have, for as many tokens as a step of a prompt has.
const TIMED_TYPES = [2, 8, 12]; // Q4_0, Q8_0, Q4_K
const TIMED_TOKENS = 128;
const TIMED_GROUPS = 2;
const TIMED_TURNS = 40;

/** Compares matmuls of all formats, attention and GELU. `wide` is a module that is instantiated beside `plain`. */
export function tryWide(plain: WebAssembly.Module, wide: WebAssembly.Module): Trial {
  const bench = new Bench(plain, wide);
  const types = bench.formats();
  for (const type of types) {
    bench.setWeights(type);
    for (const tokens of TOKENS) {
      bench.setActivations(type, tokens);
      for (const groups of [1, 2, 3]) {
        for (const accumulate of [0, 1]) {
          if (!bench.sameBits(type, tokens, groups, accumulate)) {
            const where = `matmul of type ${type}, ${groups * GROUP_ROWS} rows, ${tokens} tokens`;
            return { same: false, where };
          }
        }
      }
    }
  }
  const where = differenceOfAttention(plain, wide);
  if (where !== undefined) return { same: false, where };
  return { same: true, speedUp: bench.speedUp(types.filter((type) => TIMED_TYPES.includes(type))) };
}

/** A memory with the operands of a matmul, which both kinds of kernels run on. */
class Bench {
  readonly #memory: SharedMemory;
  readonly #plain: Kernels;
  readonly #wide: Kernels;
  readonly #random = randomWords(1);
  // Addresses.
  readonly #source: number;
  readonly #weights: number;
  readonly #x: number;
  readonly #encoded: number;
  readonly #y: number;
  readonly #expected: number;
  readonly #scratch: number;

  constructor(plain: WebAssembly.Module, wide: WebAssembly.Module) {
    const sizes = instantiateKernels(plain, allocateMemory(1, "the kernels' sizes"));
    let end = 64; // address 0 stays unused
    const place = (bytes: number) => {
      const at = end;
      end += Math.ceil(bytes / 64) * 64;
      return at;
    };
    const f32 = 4;
    this.#source = place(ROWS * COLUMNS * f32);
    this.#weights = place(ROWS * COLUMNS * f32);
    this.#x = place(TIMED_TOKENS * COLUMNS * f32);
    this.#encoded = place(TIMED_TOKENS * COLUMNS * 2 * f32);
    this.#y = place(TIMED_TOKENS * ROWS * f32);
    this.#expected = place(TIMED_TOKENS * ROWS * f32);
    this.#scratch = place(sizes.matmulScratchBytes(TIMED_TOKENS));
    const memory = allocateMemory(Math.ceil(end / WASM_PAGE), "a trial of wide kernels");
    this.#memory = new SharedMemory(memory);
    this.#plain = instantiateKernels(plain, memory);
    this.#wide = instantiateKernels(plain, memory, wide);
    const x = this.#memory.floats(this.#x, TIMED_TOKENS * COLUMNS);
    for (let i = 0; i < x.length; i++) x[i] = (this.#random() >>> 8) / 2 ** 23 - 1;
  }

  /** The types that have kernels. */
  formats(): readonly number[] {
    const all = Array.from({ length: TYPES }, (_, type) => type);
    return all.filter((type) => this.#plain.formatActivation(type) !== ACTIVATION_NONE);
  }

  /** Random bytes, of which the blocks are kept that mean weights of a sensible size; packed. */
  setWeights(type: number): void {
    const blockWeights = this.#plain.formatBlockWeights(type);
    const blockBytes = this.#plain.formatBlockBytes(type);
    const block = this.#memory.bytes.subarray(this.#source, this.#source + blockBytes);
    const meaning = this.#memory.floats(this.#y, blockWeights);
    const blocks: Uint8Array[] = [];
    while (blocks.length < 61) {
      for (let i = 0; i < blockBytes; i++) block[i] = this.#random() >>> 24;
      this.#plain.dequantizeRow(type, this.#source, blockWeights, this.#y, this.#scratch);
      if (meaning.every((weight) => Math.abs(weight) < 64)) blocks.push(block.slice()); // NaN is not
    }
    const source = this.#memory.bytes.subarray(this.#source);
    for (let i = 0; i < (ROWS * COLUMNS) / blockWeights; i++) source.set(blocks[i % blocks.length]!, i * blockBytes);
    this.#plain.packRows(type, this.#source, 0, ROWS, COLUMNS, this.#weights, this.#scratch);
  }

  setActivations(type: number, tokens: number): void {
    const kind = this.#plain.formatActivation(type);
    const tokenBytes = this.#plain.activationBytes(kind, COLUMNS);
    for (let token = 0; token < tokens; token += TILE_TOKENS) {
      const count = Math.min(TILE_TOKENS, tokens - token);
      const row = this.#x + token * COLUMNS * 4;
      this.#plain.encodeActivations(kind, row, COLUMNS * 4, count, COLUMNS, this.#encoded + token * tokenBytes);
    }
  }

  /** Whether both write the same: over what was there, or added to it. */
  sameBits(type: number, tokens: number, groups: number, accumulate: number): boolean {
    const words = TIMED_TOKENS * ROWS;
    const expected = this.#memory.wordsAt(this.#expected, words);
    const y = this.#memory.wordsAt(this.#y, words);
    this.#memory.floats(this.#expected, words).fill(0.5);
    y.set(expected);
    this.#multiply(this.#plain, type, groups, tokens, this.#expected, accumulate);
    this.#multiply(this.#wide, type, groups, tokens, this.#y, accumulate);
    return y.every((word, i) => word === expected[i]);
  }

  /** The mean over the types of how many times as fast the wide kernels are, each at its best of many short turns. */
  speedUp(types: readonly number[]): number {
    let product = 1;
    for (const type of types) {
      this.setWeights(type);
      this.setActivations(type, TIMED_TOKENS);
      const best = [this.#plain, this.#wide].map(() => Number.POSITIVE_INFINITY);
      for (let turn = 0; turn < TIMED_TURNS; turn++) {
        for (const [i, kernels] of [this.#plain, this.#wide].entries()) {
          const begin = performance.now();
          this.#multiply(kernels, type, TIMED_GROUPS, TIMED_TOKENS, this.#y, 0);
          best[i] = Math.min(best[i]!, performance.now() - begin);
        }
      }
      product *= best[0]! / best[1]!;
    }
    return product ** (1 / types.length);
  }

  #multiply(kernels: Kernels, type: number, groups: number, tokens: number, y: number, accumulate: number): void {
    const stride = ROWS * 4;
    kernels.matmul(
      ...([type, this.#weights, 0, groups, COLUMNS] as const),
      ...([this.#encoded, tokens, y, stride, accumulate, this.#scratch] as const),
    );
  }
}
