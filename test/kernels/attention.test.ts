// Attention and the KV cache, every kind of cache: against softmax in f64, and a row's result the same whatever is computed beside it.

import { afterEach, describe, expect, it } from "vitest";
import { KV_F16, KV_F32, KV_Q8_0, PAGE, QUERY_ROWS, SEGMENT_PAGES } from "../../dist/abi.js";
import fc from "../support/fast-check.js";
import { Arena, builds } from "../support/kernels/arena.js";
import { attend, stored } from "../support/kernels/attention-twin.js";
import { randomStream } from "../support/seed.js";

/** Positions of a segment. */
const SEGMENT = SEGMENT_PAGES * PAGE;

const kinds = { F32: KV_F32, F16: KV_F16, Q8_0: KV_Q8_0 } as const;
type Kind = keyof typeof kinds;
const kindNames = Object.keys(kinds) as Kind[];

/** Head sizes that a cache of this kind takes. */
const headDims = (kind: Kind) => (kind === "Q8_0" ? [32, 64, 96, 128, 256] : [4, 32, 64, 80, 96, 128, 256]);

/** Keys and values (positions, headDim) of one KV head. */
interface Past {
  readonly k: Float32Array[];
  readonly v: Float32Array[];
}

function randomVectors(count: number, length: number, seed: number, factor = 1): Float32Array[] {
  const random = randomStream(seed);
  return Array.from({ length: count }, () => Float32Array.from({ length }, () => factor * random.normal()));
}

function randomPast(positions: number, headDim: number, seed: number): Past {
  return { k: randomVectors(positions, headDim, seed), v: randomVectors(positions, headDim, seed + 1) };
}

describe.each(builds)("attention (%s)", (build) => {
  const arena = new Arena(build, 2 ** 24);
  const { kernels } = arena;
  afterEach(() => arena.clear());

  interface Cache {
    readonly kind: number;
    readonly headDim: number;
    readonly pageBytes: number;
    readonly kv: number;
    readonly pages: number;
    readonly positions: number;
  }

  /** Stores the positions from `first` on, in pages that lie in no order; slots that nobody writes hold NaN. */
  function store(kindName: Kind, { k, v }: Past, first = 0): Cache {
    const kind = kinds[kindName];
    const headDim = k[0]!.length;
    const tile = kernels.kvTileBytes(kind, headDim);
    const pageBytes = 2 * tile + 64;
    const count = Math.ceil(k.length / PAGE);
    const kv = arena.room(count * pageBytes);
    // A page that holds no position is nowhere: reading it traps.
    const pageOf = (n: number) => ((n + 1) * PAGE <= first ? 0x7fffffff : ((n * 2 + 1) % (count | 1)) % count);
    const table = Int32Array.from({ length: count }, (_, n) => pageOf(n));
    const key = arena.room(4 * headDim);
    const value = arena.room(4 * headDim);
    for (let p = k.length - 1; p >= first; p--) {
      arena.bytes.set(new Uint8Array(k[p]!.slice().buffer), key);
      arena.bytes.set(new Uint8Array(v[p]!.slice().buffer), value);
      const page = kv + table[Math.floor(p / PAGE)]! * pageBytes;
      kernels.storeKv(kind, key, value, headDim, page, page + tile, p % PAGE);
    }
    return { kind, headDim, pageBytes, kv, pages: arena.place(table), positions: k.length };
  }

  /**
   * The results (rows, heads * headDim) of rows from `position` on; of a query with its heads side by side. `divided`: of each segment by
   * itself, the last one first, merged.
   */
  function run(
    cache: Cache,
    q: readonly Float32Array[],
    position: number,
    window = 0,
    ahead = 0,
    sinks?: Float32Array,
    slopes?: Float32Array,
    softcap = 0,
    divided = false,
  ): Float32Array[] {
    const { kind, headDim, pageBytes, kv, pages, positions } = cache;
    const heads = q[0]!.length / headDim;
    const stride = 4 * q[0]!.length + 32;
    const queries = arena.room(q.length * stride);
    for (const [row, query] of q.entries()) {
      arena.bytes.set(new Uint8Array(query.slice().buffer), queries + row * stride);
    }
    const out = arena.room(q.length * stride);
    const scratch = arena.room(kernels.attentionScratchBytes(headDim, q.length * heads));
    const scale = 1 / Math.sqrt(headDim);
    const sinksAt = sinks === undefined ? 0 : arena.place(sinks);
    const slopesAt = slopes === undefined ? 0 : arena.place(slopes);
    const attendTo = (segment: number, to: number) =>
      kernels.attention(
        kind,
        queries,
        stride,
        q.length,
        position,
        heads,
        headDim,
        scale,
        softcap,
        pages,
        kv,
        pageBytes,
        window,
        ahead,
        positions,
        sinksAt,
        slopesAt,
        segment,
        to,
        stride,
        scratch,
      );
    if (divided) {
      const first = Math.floor((window > 0 ? Math.max(0, position - window + 1) : 0) / SEGMENT);
      const end = Math.ceil((position + q.length) / SEGMENT);
      const partBytes = kernels.attentionPartBytes(headDim, q.length * heads);
      const parts = arena.room((end - first) * partBytes);
      for (let segment = end - 1; segment >= first; segment--) attendTo(segment, parts + (segment - first) * partBytes);
      kernels.mergeAttention(parts, end - first, q.length, heads, headDim, sinksAt, out, stride, scratch);
    } else {
      attendTo(-1, out);
    }
    for (let row = 0; row < q.length; row++) {
      const beyond = arena.bytes.subarray(out + row * stride + 4 * q[0]!.length, out + (row + 1) * stride);
      expect(beyond.every((byte) => byte === 0xff)).toBe(true);
    }
    return q.map((_, row) => arena.floats(out + row * stride, q[0]!.length));
  }

  const held = new WeakMap<Past, Past>();
  /** What the cache holds of it. A past is stored in one kind of cache only. */
  function heldOf(kind: number, past: Past): Past {
    let known = held.get(past);
    if (known === undefined) {
      const all = (vectors: readonly Float32Array[]) => vectors.map((vector) => stored(kind, vector));
      known = { k: all(past.k), v: all(past.v) };
      held.set(past, known);
    }
    return known;
  }

  /** Expects every result near the exact one, where what the cache holds is taken for exact. */
  function expectExact(
    kindName: Kind,
    past: Past,
    q: readonly Float32Array[],
    position: number,
    window: number,
    results: readonly Float32Array[],
    ahead = 0,
    sinks?: Float32Array,
    slopes?: Float32Array,
    softcap = 0,
  ): void {
    const kind = kinds[kindName];
    const headDim = past.k[0]!.length;
    const { k, v } = heldOf(kind, past);
    for (const [row, query] of q.entries()) {
      const last = Math.min(k.length, position + row + 1 + ahead);
      const first = window > 0 ? Math.max(0, position + row + 1 - window) : 0;
      for (let at = 0; at < query.length; at += headDim) {
        const head = query.subarray(at, at + headDim);
        const sink = sinks?.[at / headDim];
        const slope = slopes?.[at / headDim] ?? 0;
        const loss = (p: number) => slope * Math.abs(position + row - (first + p));
        const seen = [k, v].map((all) => all.slice(first, last));
        const exact = attend(head, seen[0]!, seen[1]!, 1 / Math.sqrt(headDim), sink, loss, softcap);
        const ours = results[row]!.subarray(at, at + headDim);
        const far = exact.reduce((most, value, d) => Math.max(most, Math.abs(value - ours[d]!)), 0);
        expect(far).toBeLessThan(1e-5);
        expect(ours.every(Number.isFinite)).toBe(true);
      }
    }
  }

  const shapes = kindNames.flatMap((kind) =>
    headDims(kind).flatMap((headDim) => [1, 2, 3, 4, 8].map((heads) => [kind, headDim, heads] as const)),
  );

  it.each(shapes)("%s, heads of %i, %i of them share k and v: softmax in f64", (kind, headDim, heads) => {
    const positions = 2 * PAGE + 13;
    const past = randomPast(positions, headDim, headDim + heads);
    const cache = store(kind, past);
    // The first row, a row beside one page's end, rows across it, and the last rows.
    for (const [position, rows] of [
      [0, 1],
      [PAGE - 1, 1],
      [PAGE - 3, 1 + heads],
      [positions - QUERY_ROWS, QUERY_ROWS],
    ]) {
      const q = randomVectors(rows!, heads * headDim, position!);
      expectExact(kind, past, q, position!, 0, run(cache, q, position!));
    }
  });

  it.each(kindNames)("%s: windows, with nothing in the cache before them", (kind) => {
    const headDim = 64;
    const positions = 4 * PAGE;
    const past = randomPast(positions, headDim, 5);
    for (const window of [1, 2, 63, 64, 65, 100, positions]) {
      for (const position of [10, PAGE - 1, PAGE, 2 * PAGE + 60, positions - 1]) {
        const rows = Math.min(5, positions - position);
        const q = randomVectors(rows, 2 * headDim, window + position);
        const cache = store(
          kind,
          { k: past.k.slice(0, position + rows), v: past.v.slice(0, position + rows) },
          Math.max(0, position - window + 1),
        );
        expectExact(kind, past, q, position, window, run(cache, q, position, window));
        arena.clear();
      }
    }
  });

  it.each(kindNames)("%s: rows that look ahead, to the end of the sequence or as far as a window", (kind) => {
    const headDim = 32;
    for (const positions of [1, 17, PAGE, PAGE + 1, 3 * PAGE - 5]) {
      const past = randomPast(positions, headDim, positions);
      const cache = store(kind, past);
      for (const ahead of [2 ** 30, 1, 7, PAGE, PAGE + 1]) {
        const window = ahead === 2 ** 30 ? 0 : ahead + 1; // as far back as ahead
        const together: Float32Array[] = [];
        for (let position = 0; position < positions; position += QUERY_ROWS) {
          const q = randomVectors(Math.min(QUERY_ROWS, positions - position), 2 * headDim, position);
          const results = run(cache, q, position, window, ahead);
          expectExact(kind, past, q, position, window, results, ahead);
          together.push(...results);
        }
        // Each row by itself has the same result, bit for bit.
        for (const at of [0, positions >> 1, positions - 1]) {
          const base = at - (at % QUERY_ROWS);
          const q = randomVectors(Math.min(QUERY_ROWS, positions - base), 2 * headDim, base)[at - base]!;
          expect(run(cache, [q], at, window, ahead)[0]).toEqual(together[at]);
        }
      }
      arena.clear();
    }
  });

  it.each(kindNames)("%s: a row and a head have the results that they have alone", (kind) => {
    const scene = fc.record({
      headDim: fc.constantFrom(...headDims(kind).filter((dims) => dims <= 128)),
      heads: fc.integer({ min: 1, max: 4 }),
      position: fc.integer({ min: 0, max: 3 * PAGE }),
      rows: fc.integer({ min: 1, max: QUERY_ROWS }),
      window: fc.constantFrom(0, 0, 1, 30, 64, 90),
      seed: fc.integer({ min: 0, max: 1000 }),
    });
    fc.assert(
      fc.property(scene, ({ headDim, heads, position, rows, window, seed }) => {
        const past = randomPast(position + rows, headDim, seed);
        const q = randomVectors(rows, heads * headDim, seed + 2);
        const cache = store(kind, past);
        const together = run(cache, q, position, window);
        for (const [row, query] of q.entries()) {
          // The cache as it was when this row was the last.
          const then = { k: past.k.slice(0, position + row + 1), v: past.v.slice(0, position + row + 1) };
          const alone = store(kind, then, window > 0 ? Math.max(0, position + row - window + 1) : 0);
          for (let at = 0; at < query.length; at += headDim) {
            const [result] = run(alone, [query.subarray(at, at + headDim)], position + row, window);
            expect(together[row]!.subarray(at, at + headDim)).toEqual(result);
          }
        }
        arena.clear();
      }),
      { numRuns: 30 },
    );
  });

  it.each(kindNames)("%s: what is stored is what is read", (kind) => {
    for (const headDim of headDims(kind)) {
      for (const factor of [1e-9, 1e-6, 1, 3e4]) {
        const past = { k: randomVectors(70, headDim, 1, factor), v: randomVectors(70, headDim, 2, factor) };
        past.v[68]!.fill(0);
        past.v[69] = past.v[69]!.map((_, d) => 2040 + d); // from 2048 on, every second one lies between two f16
        const cache = store(kind, past);
        // A window of one position has the weight 1.
        const q = randomVectors(1, headDim, 3, 1e-3);
        for (const [p, v] of past.v.entries()) {
          const [result] = run(cache, q, p, 1);
          expect(result).toEqual(stored(kinds[kind], v).map((value) => value + 0)); // -0 comes back as 0
        }
        arena.clear();
      }
    }
  });

  it.each(kindNames)("%s: a slot has bytes of its own", (kind) => {
    for (const headDim of headDims(kind).slice(0, 3)) {
      const tile = kernels.kvTileBytes(kinds[kind], headDim);
      const page = arena.room(2 * tile);
      const ones = arena.place(new Float32Array(headDim).fill(1));
      const owners = new Int32Array(2 * tile).fill(-1);
      for (let slot = 0; slot < PAGE; slot++) {
        arena.bytes.fill(0xff, page, page + 2 * tile);
        kernels.storeKv(kinds[kind], ones, ones, headDim, page, page + tile, slot);
        for (let i = 0; i < 2 * tile; i++) {
          if (arena.bytes[page + i] === 0xff) continue;
          if (owners[i] !== -1) throw new Error(`byte ${i} is of slot ${owners[i]} and of slot ${slot}`);
          owners[i] = slot;
        }
      }
      expect(owners).toContain(PAGE - 1);
      arena.clear();
    }
  });

  it.each(kindNames)("%s: segments by themselves, merged, have the bits of all at once", (kind) => {
    for (const headDim of [32, 96]) {
      const past = randomPast(3 * SEGMENT + 20, headDim, headDim);
      const cache = store(kind, past);
      for (const heads of [1, 2, 3, 4, 7, 8]) {
        const sinks = Float32Array.from({ length: heads }, (_, head) => 3 * head - 4);
        const slopes = Float32Array.from({ length: heads }, (_, head) => 2 ** -head);
        for (const [position, rows] of [
          [SEGMENT - 1, 1],
          [SEGMENT - 1, 2],
          [SEGMENT, 1],
          [3 * SEGMENT + 3, QUERY_ROWS],
        ] as const) {
          const q = randomVectors(rows, heads * headDim, position + heads, 3);
          for (const [window, softcap] of [
            [0, 0],
            [SEGMENT + 7, 4],
          ] as const) {
            const all = run(cache, q, position, window, 0, sinks, slopes, softcap);
            expect(run(cache, q, position, window, 0, sinks, slopes, softcap, true)).toEqual(all);
            expectExact(kind, past, q, position, window, all, 0, sinks, slopes, softcap);
          }
        }
      }
      arena.clear();
    }
  });

  it.each(kindNames)("%s: a long context", (kind) => {
    const past = randomPast(1500, 32, 8);
    const q = randomVectors(3, 64, 9);
    expectExact(kind, past, q, 1497, 0, run(store(kind, past), q, 1497));
  });

  /** Whether the largest score of a query has no other near it. */
  function isFarAhead(query: Float32Array, keys: readonly Float32Array[]): boolean {
    const scores = keys.map(
      (key) => key.reduce((sum, value, d) => sum + value * query[d]!, 0) / Math.sqrt(query.length),
    );
    const [first, second] = scores.sort((a, b) => b - a);
    return first! - second! > 30;
  }

  it.each(kindNames)("%s: equal scores give the mean, large ones the largest's v", (kind) => {
    const headDim = 32;
    const past = randomPast(100, headDim, 11);
    const zero = [new Float32Array(headDim)];
    expectExact(kind, past, zero, 99, 0, run(store(kind, past), zero, 99));
    // Scores of either sign up to some 10^5: their differences, not they, are within the range of exp.
    for (const factor of [-2e4, 1e3, 2e4]) {
      const past = { k: randomVectors(100, headDim, 12), v: randomVectors(100, headDim, 13) };
      // Of this size a score's last bit is worth a hundredth, so that the two largest must not be near each other.
      let q = randomVectors(2, headDim, 14, factor);
      for (let stream = 15; !q.every((query, row) => isFarAhead(query, past.k.slice(0, 99 + row))); stream++) {
        q = randomVectors(2, headDim, stream, factor);
      }
      expectExact(kind, past, q, 98, 0, run(store(kind, past), q, 98));
    }
  });

  it.each(kindNames)("%s: a head's sink takes its weight from the positions, in every page and window", (kind) => {
    const headDim = 32;
    const positions = 2 * PAGE + 9;
    const past = randomPast(positions, headDim, 18);
    const cache = store(kind, past);
    // Far below the scores, among them, above them, and so large that nothing is left for the positions.
    const sinks = Float32Array.of(-200, 0.5, 3, 12, 300);
    for (const window of [0, 1, 70]) {
      for (const [position, rows] of [
        [0, 3],
        [PAGE - 2, 5],
        [positions - 1, 1],
      ] as const) {
        const q = randomVectors(rows, sinks.length * headDim, position + window);
        const together = run(cache, q, position, window, 0, sinks);
        expectExact(kind, past, q, position, window, together, 0, sinks);
        expect(together[0]!.subarray(0, headDim)).toEqual(run(cache, q, position, window)[0]!.subarray(0, headDim));
        // A row and a head have the results that they have alone.
        for (const [row, query] of q.entries()) {
          for (const [head, sink] of sinks.entries()) {
            const at = head * headDim;
            const alone = [query.subarray(at, at + headDim)];
            const [result] = run(cache, alone, position + row, window, 0, Float32Array.of(sink));
            expect(together[row]!.subarray(at, at + headDim)).toEqual(result);
          }
        }
      }
    }
  });

  it.each(kindNames)("%s: scores fall by a head's slope with the distance, before a row and behind it", (kind) => {
    const headDim = 32;
    const positions = 2 * PAGE + 9;
    const past = randomPast(positions, headDim, 19);
    const cache = store(kind, past);
    // With three heads, the queries of a block are those of different rows, and the heads' order in it changes.
    for (const slopes of [
      Float32Array.of(0.25),
      Float32Array.of(0.5, 0, 2 ** -8),
      Float32Array.of(1, 0.1, 0.02, 3, 0.3),
    ]) {
      for (const [position, rows] of [
        [0, 3],
        [PAGE - 2, 5],
        [positions - 7, 7],
      ] as const) {
        for (const [window, ahead] of [
          [0, 0],
          [0, 2 ** 30],
          [31, 30],
        ] as const) {
          const q = randomVectors(rows, slopes.length * headDim, position + window);
          const together = run(cache, q, position, window, ahead, undefined, slopes);
          expectExact(kind, past, q, position, window, together, ahead, undefined, slopes);
          // A row and a head have the results that they have alone.
          for (const [row, query] of q.entries()) {
            for (const [head, slope] of slopes.entries()) {
              const at = head * headDim;
              const alone = [query.subarray(at, at + headDim)];
              const [result] = run(cache, alone, position + row, window, ahead, undefined, Float32Array.of(slope));
              expect(together[row]!.subarray(at, at + headDim)).toEqual(result);
            }
          }
        }
      }
    }
  });

  it.each(kindNames)("%s: scores with a soft limit, far below it and far above, hidden ones among them", (kind) => {
    const headDim = 32;
    const positions = 2 * PAGE + 9;
    const past = randomPast(positions, headDim, 21);
    // Slots of positions that no row sees hold NaN, which no limit makes a number.
    const cache = store(kind, past);
    const sinks = Float32Array.of(-2, 0.5, 3, 7, 12);
    for (const softcap of [0.5, 4, 50]) {
      for (const window of [0, 1, 70]) {
        for (const [position, rows] of [
          [0, 3],
          [PAGE - 2, 5],
          [positions - 1, 1],
        ] as const) {
          const q = randomVectors(rows, sinks.length * headDim, position + window, 4);
          const together = run(cache, q, position, window, 0, sinks, undefined, softcap);
          expectExact(kind, past, q, position, window, together, 0, sinks, undefined, softcap);
          // A row and a head have the results that they have alone.
          for (const [row, query] of q.entries()) {
            for (const [head, sink] of sinks.entries()) {
              const at = head * headDim;
              const alone = [query.subarray(at, at + headDim)];
              const [result] = run(cache, alone, position + row, window, 0, Float32Array.of(sink), undefined, softcap);
              expect(together[row]!.subarray(at, at + headDim)).toEqual(result);
            }
          }
        }
      }
    }
  });

  it("a score of -infinity has no weight", () => {
    const headDim = 4;
    const past = randomPast(80, headDim, 15);
    past.k[3]!.fill(Number.NEGATIVE_INFINITY);
    past.k[79]!.fill(Number.NEGATIVE_INFINITY);
    const q = [new Float32Array(headDim).fill(1)];
    const without = { k: past.k.filter((_, p) => p % 76 !== 3), v: past.v.filter((_, p) => p % 76 !== 3) };
    const [result] = run(store("F32", past), q, 79);
    expectExact("F32", without, q, 77, 0, [result!]);
  });

  it("a query that is not finite spoils its own head alone", () => {
    const headDim = 32;
    const past = randomPast(70, headDim, 16);
    const q = randomVectors(3, 2 * headDim, 17);
    const cache = store("F16", past);
    const clean = run(cache, q, 67);
    q[1]![headDim] = Number.NaN;
    const spoilt = run(cache, q, 67);
    expect(spoilt[1]!.subarray(headDim).every(Number.isNaN)).toBe(true);
    expect(spoilt[1]!.subarray(0, headDim)).toEqual(clean[1]!.subarray(0, headDim));
    expect([spoilt[0], spoilt[2]]).toEqual([clean[0], clean[2]]);
  });
});
