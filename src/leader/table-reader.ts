// Reads, before each step, the rows of its tokens of the embeddings that stay in the file (plan/tables.ts draws them in memory).

import { fileReader, type ModelSource, type Reader } from "../model/plan/loading.js";
import type { PlacedWeight } from "../model/plan/memory-plan.js";
import type { Shard } from "../model/plan/shard.js";
import { tableParts } from "../model/plan/tables.js";
import { SECOND_TYPE } from "../model/step.js";

interface Table {
  readonly weight: PlacedWeight;
  /** Its rows lie there. */
  readonly shard: Shard;
  readonly cache: number;
  /** The token of each row of the cache, or NONE. */
  readonly cached: Int32Array;
}

const NONE = -1;

export class TableReader {
  readonly #tables: readonly Table[];
  readonly #reader: Reader;
  readonly #counts: Float64Array;

  private constructor(tables: readonly Table[], reader: Reader, counts: Float64Array) {
    this.#tables = tables;
    this.#reader = reader;
    this.#counts = counts;
  }

  /** undefined: the model has no such embedding. The files stay open as long as this thread lives. @throws GgufError GGUF_CHANGED */
  static async open(shards: readonly Shard[], source: ModelSource): Promise<TableReader | undefined> {
    const { layout } = shards[0]!;
    const weights = layout.weights.filter(({ role }) => role === "table");
    if (weights.length === 0 || source.kind !== "files") return undefined;
    const tables = weights.map((weight): Table => {
      const { cache, cachedRows } = tableParts(weight, layout.rows);
      return {
        weight,
        shard: shards[weight.shard]!,
        cache: weight.address + cache,
        cached: new Int32Array(cachedRows).fill(NONE),
      };
    });
    return new TableReader(tables, await fileReader(source.files, "while its model was in use"), shards[0]!.tableReads);
  }

  /**
   * Brings the rows of tokens to memory, from row `first` of the step on.
   * @throws GgufError GGUF_CHANGED, GGUF_UNREADABLE
   */
  read(tokens: ArrayLike<number>, first: number): void {
    const begin = performance.now();
    let reads = 0;
    try {
      for (const table of this.#tables) {
        for (let i = 0; i < tokens.length; i++) reads += this.#readRow(table, tokens[i]! % SECOND_TYPE, first + i);
      }
      if (reads > 0) this.#reader.verifyUnchanged();
    } catch (error) {
      // What was read since the file was last known to be the same may be another file's.
      for (const { cached } of this.#tables) cached.fill(NONE);
      throw error;
    }
    const counts = this.#counts;
    counts[0]! += tokens.length * this.#tables.length;
    counts[1]! += reads;
    counts[2]! += performance.now() - begin;
  }

  /** Brings a token's row to row `row` of the step. Returns how many rows it read from the file. */
  #readRow({ weight, shard, cache, cached }: Table, token: number, row: number): number {
    const { address, part, offset, rowBytes } = weight;
    const slot = token % cached.length;
    const from = cache + slot * rowBytes;
    const isCached = cached[slot] === token;
    if (!isCached) {
      cached[slot] = NONE;
      this.#reader.read(part, offset + token * rowBytes, shard, from, rowBytes);
      cached[slot] = token;
    }
    shard.bytes.copyWithin(address + row * rowBytes, from, from + rowBytes);
    return isCached ? 0 : 1;
  }
}
