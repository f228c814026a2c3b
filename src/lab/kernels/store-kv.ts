// Keys and values into the pages of a KV cache: assembly/kernels/kv_page.ts.

import { PAGE } from "#abi";
import type { Kernels } from "../../machine/kernels.js";
import { checkInteger } from "../../options.js";
import { checkKvCache, type KvCacheName, kvKinds } from "./kv-cache.js";
import type { PreparedKernel } from "./prepared.js";
import { checkLength, floats, openWorkspace, type Workspace } from "./workspace.js";

/** The shape of what is put into the cache. */
export interface StoreKvShape {
  /** Element type of the KV cache. */
  readonly kvCache: KvCacheName;
  /** Heads of keys and values. */
  readonly kvHeads: number;
  /** A multiple of 4; of 32 with q8_0. */
  readonly headDim: number;
  /** Rows at consecutive positions. Default 1. */
  readonly rows?: number;
  /** Where in its page of 64 positions the first row goes. Default 0. */
  readonly slot?: number;
}

/** Puts keys and values into pages of a cache, row by row. From `KernelLab.storeKv`. */
export class StoreKvKernel implements PreparedKernel {
  readonly shape: Required<StoreKvShape>;
  /** Bytes of one head's keys (or values) in one page. */
  readonly tileBytes: number;
  /** k and v read, and written as the cache has them. */
  readonly bytes: number;
  readonly operations = 0;
  readonly #space: Workspace<"k" | "v" | "pages">;

  /** Use `KernelLab.storeKv`. */
  constructor(module: WebAssembly.Module, sizes: Kernels, shape: StoreKvShape) {
    const kvHeads = checkInteger("kvHeads", shape.kvHeads, 1, 1024);
    const headDim = checkInteger("headDim", shape.headDim, 4, 1024);
    const rows = checkInteger("rows", shape.rows ?? 1, 1, 2 ** 20);
    const slot = checkInteger("slot", shape.slot ?? 0, 0, PAGE - 1);
    const kvCache = checkKvCache(shape.kvCache, headDim);
    this.shape = { kvCache, kvHeads, headDim, rows, slot };
    this.tileBytes = sizes.kvTileBytes(kvKinds[kvCache], headDim);
    this.bytes = 2 * rows * kvHeads * (headDim * 4 + this.tileBytes / PAGE);
    const bytes = rows * kvHeads * headDim * 4;
    this.#space = openWorkspace(module, { k: bytes, v: bytes, pages: this.#pagesBytes });
  }

  /** @param k (rows, kvHeads * headDim) f32 @param v the same shape @throws CriaError INVALID_SHAPE */
  setInput(k: Float32Array, v: Float32Array): this {
    const { rows, kvHeads, headDim } = this.shape;
    checkLength("k", k, rows * kvHeads * headDim);
    checkLength("v", v, rows * kvHeads * headDim);
    floats(this.#space, this.#space.at.k, k.length).set(k);
    floats(this.#space, this.#space.at.v, v.length).set(v);
    return this;
  }

  run(): void {
    const { kvCache, kvHeads, headDim, rows, slot } = this.shape;
    const { at, kernels } = this.#space;
    const kind = kvKinds[kvCache];
    for (let row = 0, offset = 0; row < rows; row++) {
      const position = slot + row;
      let tile = at.pages + Math.floor(position / PAGE) * 2 * kvHeads * this.tileBytes;
      for (let head = 0; head < kvHeads; head++, offset += headDim * 4, tile += 2 * this.tileBytes) {
        kernels.storeKv(kind, at.k + offset, at.v + offset, headDim, tile, tile + this.tileBytes, position % PAGE);
      }
    }
  }

  /** (pages, kvHeads, 2, tileBytes): the tile of the keys, then that of the values, as assembly/kernels/kv_page.ts draws them. */
  get result(): Uint8Array {
    const { at, memory } = this.#space;
    return new Uint8Array(memory.buffer, at.pages, this.#pagesBytes).slice();
  }

  get #pagesBytes(): number {
    const { kvHeads, rows, slot } = this.shape;
    return Math.ceil((slot + rows) / PAGE) * 2 * kvHeads * this.tileBytes;
  }
}
