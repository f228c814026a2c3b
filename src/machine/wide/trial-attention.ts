// Wide kernels of attention and of GELU against the plain ones: the same bits.

import { KV_F16, KV_F32, KV_Q8_0, PAGE } from "#abi";
import { instantiateKernels, type Kernels } from "../kernels.js";
import { allocateMemory, SharedMemory, WASM_PAGE } from "../shared-memory.js";
import { randomWords } from "./random-words.js";

const CACHES = { F32: KV_F32, F16: KV_F16, Q8_0: KV_Q8_0 };
/** Two widths of whole tiles, one that is not; q8_0 has blocks of 32. */
const HEAD_DIMS = [32, 64, 40];
/** Each number of queries that a block has, more than one block, and a prompt's. */
const QUERIES: readonly (readonly [rows: number, heads: number])[] = [
  [1, 1],
  [1, 2],
  [1, 3],
  [1, 4],
  [1, 5],
  [1, 6],
  [1, 8],
  [5, 2],
  [16, 3],
];
/** Past the first segment of 4 pages, which is merged; the last page is not full. */
const POSITIONS = 5 * PAGE + 21;
/** Less than a panel, not whole tiles of two panels, and more than a tile of 256. */
const TEXTS = [5, 37, 300];
const GELU_COUNTS = [4, 36, 64];

/** The first difference, as a phrase; undefined: there is none. */
export function differenceOfAttention(plain: WebAssembly.Module, wide: WebAssembly.Module): string | undefined {
  const bench = new Bench(plain, wide);
  for (const [name, kind] of Object.entries(CACHES)) {
    for (const headDim of HEAD_DIMS.filter((dims) => kind !== KV_Q8_0 || dims % 32 === 0)) {
      bench.store(kind, headDim);
      for (const [rows, heads] of QUERIES) {
        for (const [window, softcap] of [
          [0, 0],
          [70, 20],
        ] as const) {
          if (!bench.attentionIsSame(kind, headDim, rows, heads, window, softcap)) {
            return `attention of ${rows * heads} queries of ${headDim}, ${name}`;
          }
        }
      }
    }
  }
  for (const headDim of HEAD_DIMS) {
    for (const length of TEXTS) {
      for (const heads of [1, 3]) {
        if (!bench.textAttentionIsSame(headDim, length, heads)) return `attention within a text of ${length} tokens`;
      }
    }
  }
  for (const count of GELU_COUNTS) {
    for (const hasBias of [false, true]) if (!bench.geluIsSame(count, hasBias)) return `GELU of ${count}`;
  }
  return undefined;
}

const MOST_DIMS = Math.max(...HEAD_DIMS);
const MOST_HEADS = Math.max(...QUERIES.map(([, heads]) => heads));
const MOST_QUERIES = Math.max(...QUERIES.map(([rows, heads]) => rows * heads));
const MOST_ROWS = Math.max(...TEXTS);
const FLOAT_BYTES = 4;

/** A memory that both kinds of kernels run on. */
class Bench {
  readonly #memory: SharedMemory;
  readonly #plain: Kernels;
  readonly #wide: Kernels;
  readonly #random = randomWords(3);
  /** Addresses of vectors: queries, keys and values, and of what two results and the kernels need. */
  readonly #q: number;
  readonly #k: number;
  readonly #v: number;
  readonly #pages: number;
  readonly #kv: number;
  readonly #out: number;
  readonly #scratch: number;
  readonly #outBytes: number;

  constructor(plain: WebAssembly.Module, wide: WebAssembly.Module) {
    const sizes = instantiateKernels(plain, allocateMemory(1, "the kernels' sizes"));
    let end = 64; // address 0 stays unused
    const place = (bytes: number) => {
      const at = end;
      end += Math.ceil(bytes / 64) * 64;
      return at;
    };
    const vectors = MOST_ROWS * MOST_HEADS * MOST_DIMS * FLOAT_BYTES;
    const pageBytes = 2 * sizes.kvTileBytes(KV_F32, MOST_DIMS);
    this.#outBytes = vectors;
    this.#q = place(vectors);
    this.#k = place(vectors);
    this.#v = place(vectors);
    this.#out = place(vectors);
    this.#pages = place(FLOAT_BYTES * (Math.floor(POSITIONS / PAGE) + 1));
    this.#kv = place(pageBytes * (Math.floor(POSITIONS / PAGE) + 1));
    const queries = Math.max(MOST_QUERIES, MOST_ROWS * MOST_HEADS);
    this.#scratch = place(
      Math.max(sizes.attentionScratchBytes(MOST_DIMS, queries), sizes.textAttentionScratchBytes(MOST_DIMS, queries)),
    );
    const memory = allocateMemory(Math.ceil(end / WASM_PAGE), "a trial of wide kernels");
    this.#memory = new SharedMemory(memory);
    this.#plain = instantiateKernels(plain, memory);
    this.#wide = instantiateKernels(plain, memory, wide);
    for (const at of [this.#q, this.#k, this.#v]) {
      const values = this.#memory.floats(at, vectors / FLOAT_BYTES);
      for (let i = 0; i < values.length; i++) values[i] = (this.#random() >>> 8) / 2 ** 22 - 2;
    }
  }

  /** Writes keys and values of `POSITIONS` positions to a cache. */
  store(kind: number, headDim: number): void {
    const tile = this.#plain.kvTileBytes(kind, headDim);
    const vector = headDim * FLOAT_BYTES;
    const pages = this.#memory.wordsAt(this.#pages, Math.floor(POSITIONS / PAGE) + 1);
    for (let page = 0; page < pages.length; page++) pages[page] = page;
    for (let position = 0; position < POSITIONS; position++) {
      const page = this.#kv + Math.floor(position / PAGE) * 2 * tile;
      const [k, v] = [this.#k + position * vector, this.#v + position * vector];
      this.#plain.storeKv(kind, k, v, headDim, page, page + tile, position % PAGE);
    }
  }

  attentionIsSame(
    kind: number,
    headDim: number,
    rows: number,
    heads: number,
    window: number,
    softcap: number,
  ): boolean {
    const stride = heads * headDim * FLOAT_BYTES;
    const pageBytes = 2 * this.#plain.kvTileBytes(kind, headDim);
    return this.#isSame((kernels) =>
      kernels.attention(
        ...([kind, this.#q, stride, rows, POSITIONS - rows, heads, headDim, 0.2, softcap] as const),
        ...([this.#pages, this.#kv, pageBytes, window, 0, POSITIONS, 0, 0, -1] as const),
        ...([this.#out, stride, this.#scratch] as const),
      ),
    );
  }

  textAttentionIsSame(headDim: number, length: number, heads: number): boolean {
    const stride = heads * headDim * FLOAT_BYTES;
    return this.#isSame((kernels) =>
      kernels.textAttention(
        ...([this.#q, this.#k, this.#v, this.#out, stride, headDim * FLOAT_BYTES, length, 0, length] as const),
        ...([heads, headDim, 0.2, 0, 0, length, 0, 0, this.#scratch] as const),
      ),
    );
  }

  geluIsSame(count: number, hasBias: boolean): boolean {
    const rows = 3;
    const stride = count * FLOAT_BYTES;
    const out = this.#memory.floats(this.#out, rows * count);
    const x = this.#memory.floats(this.#q, rows * count);
    return this.#isSame((kernels) => {
      out.set(x);
      kernels.geluRows(this.#out, stride, rows, hasBias ? this.#k : 0, count, this.#scratch);
      kernels.geGlu(this.#out, this.#v, count, this.#scratch);
    });
  }

  /** Whether both write the same to `#out`. */
  #isSame(run: (kernels: Kernels) => void): boolean {
    const results = [this.#plain, this.#wide].map((kernels) => {
      const out = this.#memory.bytes.subarray(this.#out, this.#out + this.#outBytes).fill(0);
      run(kernels);
      return new Uint32Array(out.slice().buffer);
    });
    return results[0]!.every((word, i) => word === results[1]![i]);
  }
}
