// softmax(q . k / sqrt(headDim)) . v over a paged KV cache: assembly/kernels/attention.ts.

import { PAGE, QUERY_ROWS } from "#abi";
import { CriaError } from "../../errors.js";
import type { Kernels } from "../../machine/kernels.js";
import { checkInteger } from "../../options.js";
import { checkKvCache, type KvCacheName, kvKinds } from "./kv-cache.js";
import type { PreparedKernel } from "./prepared.js";
import { checkLength, floats, openWorkspace, takeRows, type Workspace } from "./workspace.js";

/** The shape of an attention: `rows` queries at the last positions of a sequence. */
export interface AttentionShape {
  /** Element type of the KV cache. */
  readonly kvCache: KvCacheName;
  /** Query heads. */
  readonly heads: number;
  /** Heads of keys and values; each serves heads / kvHeads query heads. Default: heads. */
  readonly kvHeads?: number;
  /** A multiple of 4; of 32 with q8_0. */
  readonly headDim: number;
  /** Positions in the cache, the queries' own included. */
  readonly positions: number;
  /** Query rows, at the positions from `positions` - `rows` on: 1 is decode. Default 1. */
  readonly rows?: number;
  /** Positions that a row may look back, its own included; 0: all. Default 0. */
  readonly window?: number;
}

/** An attention with its buffers. From `KernelLab.attention`. */
export class AttentionKernel implements PreparedKernel {
  readonly shape: Required<AttentionShape>;
  /** The cache's bytes of the positions that are seen, read once. */
  readonly bytes: number;
  /** 4 * headDim for each row, head, and position that the row sees. */
  readonly operations: number;

  readonly #space: Workspace<"kv" | "pages" | "k" | "v" | "q" | "out" | "scratch">;
  readonly #kind: number;
  readonly #tileBytes: number;
  readonly #pages: number;

  /** Use `KernelLab.attention`. */
  constructor(module: WebAssembly.Module, sizes: Kernels, shape: AttentionShape) {
    const heads = checkInteger("heads", shape.heads, 1, 1024);
    const kvHeads = checkInteger("kvHeads", shape.kvHeads ?? heads, 1, heads);
    const headDim = checkInteger("headDim", shape.headDim, 4, 1024);
    const positions = checkInteger("positions", shape.positions, 1, 2 ** 20);
    const rows = checkInteger("rows", shape.rows ?? 1, 1, positions);
    const window = checkInteger("window", shape.window ?? 0, 0, 2 ** 20);
    const kvCache = checkKvCache(shape.kvCache, headDim);
    if (heads % kvHeads !== 0) {
      throw new CriaError("INVALID_SHAPE", `${heads} heads are no multiple of ${kvHeads} kvHeads`);
    }
    this.shape = { kvCache, heads, kvHeads, headDim, positions, rows, window };
    this.#kind = kvKinds[kvCache];
    this.#tileBytes = sizes.kvTileBytes(this.#kind, headDim);
    this.#pages = Math.ceil(positions / PAGE);

    const seen = (position: number) => (window > 0 ? Math.min(window, position + 1) : position + 1);
    let products = 0;
    for (let row = positions - rows; row < positions; row++) products += seen(row);
    const oldest = positions - rows + 1 - seen(positions - rows);
    this.bytes = ((positions - oldest) / PAGE) * 2 * kvHeads * this.#tileBytes;
    this.operations = 4 * headDim * heads * products;
    this.#space = openWorkspace(module, {
      kv: this.#pages * 2 * kvHeads * this.#tileBytes,
      pages: this.#pages * 4,
      k: headDim * 4,
      v: headDim * 4,
      q: rows * heads * headDim * 4,
      out: rows * heads * headDim * 4,
      scratch: sizes.attentionScratchBytes(headDim, QUERY_ROWS * (heads / kvHeads)),
    });
    new Int32Array(this.#space.memory.buffer, this.#space.at.pages, this.#pages).set(
      Array.from({ length: this.#pages }, (_, page) => page),
    );
  }

  /**
   * Fills the cache.
   *
   * @param k (positions, kvHeads * headDim) f32, rotated already
   * @param v the same shape
   * @throws CriaError INVALID_SHAPE when there are not as many
   */
  setCache(k: Float32Array, v: Float32Array): this {
    const { positions, kvHeads, headDim } = this.shape;
    const { at, kernels } = this.#space;
    checkLength("k", k, positions * kvHeads * headDim);
    checkLength("v", v, positions * kvHeads * headDim);
    for (let position = 0; position < positions; position++) {
      for (let head = 0; head < kvHeads; head++) {
        const from = (position * kvHeads + head) * headDim;
        floats(this.#space, at.k, headDim).set(k.subarray(from, from + headDim));
        floats(this.#space, at.v, headDim).set(v.subarray(from, from + headDim));
        const tile = this.#head(head) + Math.floor(position / PAGE) * this.#pageBytes;
        kernels.storeKv(this.#kind, at.k, at.v, headDim, tile, tile + this.#tileBytes, position % PAGE);
      }
    }
    return this;
  }

  /** @param q (rows, heads * headDim) f32, rotated already @throws CriaError INVALID_SHAPE when there are not as many */
  setQueries(q: Float32Array): this {
    const { rows, heads, headDim } = this.shape;
    checkLength("q", q, rows * heads * headDim);
    floats(this.#space, this.#space.at.q, q.length).set(q);
    return this;
  }

  run(): void {
    const { positions, rows, heads, kvHeads, headDim, window } = this.shape;
    const { at, kernels } = this.#space;
    const group = heads / kvHeads;
    const stride = heads * headDim * 4;
    const scale = 1 / Math.sqrt(headDim);
    for (let first = 0; first < rows; first += QUERY_ROWS) {
      const count = Math.min(QUERY_ROWS, rows - first);
      for (let head = 0; head < kvHeads; head++) {
        const offset = first * stride + head * group * headDim * 4;
        kernels.attention(
          this.#kind,
          at.q + offset,
          stride,
          count,
          positions - rows + first,
          group,
          headDim,
          scale,
          at.pages,
          this.#head(head),
          this.#pageBytes,
          window,
          0,
          positions,
          at.out + offset,
          stride,
          at.scratch,
        );
      }
    }
  }

  /** (rows, heads * headDim) f32. */
  get result(): Float32Array {
    const { rows, heads, headDim } = this.shape;
    return takeRows(this.#space, this.#space.at.out, rows, heads * headDim, heads * headDim * 4);
  }

  get #pageBytes(): number {
    return 2 * this.shape.kvHeads * this.#tileBytes;
  }

  /** Where the keys of a head begin, in page 0. */
  #head(head: number): number {
    return this.#space.at.kv + head * 2 * this.#tileBytes;
  }
}
