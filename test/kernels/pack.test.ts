// Packing moves every byte of a weight matrix and loses none: the inverse finds them, whatever the rows, the columns and the pieces.

import { afterEach, describe, expect, it } from "vitest";
import { GROUP_ROWS } from "../../dist/abi.js";
import { tensorTypeByName } from "../../dist/gguf/index.js";
import { blockOf, dequantize, formatNames } from "../support/dequantize.js";
import fc from "../support/fast-check.js";
import { Arena, builds } from "../support/kernels/arena.js";

describe.each(builds)("packing (%s)", (build) => {
  const arena = new Arena(build, 2 ** 20);
  const { kernels } = arena;
  const job = () => arena.room(20);
  afterEach(() => arena.clear());

  it.each(formatNames)("%s: the kernels know its block", (name) => {
    const { id } = tensorTypeByName(name)!;
    expect(kernels.formatBlockWeights(id)).toBe(blockOf(name).weights);
    expect(kernels.formatBlockBytes(id)).toBe(blockOf(name).bytes);
    expect(kernels.formatActivation(id)).toBeGreaterThan(0);
  });

  it("a type without kernels has no activations", () => {
    const known = new Set(formatNames.map((name) => tensorTypeByName(name)!.id));
    for (let id = 0; id < 64; id++) if (!known.has(id)) expect(kernels.formatActivation(id)).toBe(0);
  });

  it.each(formatNames)("%s: unpackRow(packRows(w)) = w, in no more bytes than the rows have", (name) => {
    const { id } = tensorTypeByName(name)!;
    const block = blockOf(name);
    const matrix = fc.record({
      blocks: fc.integer({ min: 1, max: 5 }),
      rows: fc.integer({ min: 1, max: 20 }),
      cuts: fc.array(fc.integer({ min: 1, max: 19 }), { maxLength: 4 }), // where one piece ends and the next begins
      seed: fc.integer(),
    });
    fc.assert(
      fc.property(matrix, ({ blocks, rows, cuts, seed }) => {
        const rowBytes = blocks * block.bytes;
        const columns = blocks * block.weights;
        const weights = randomBytes(rows * rowBytes, seed);
        const source = arena.place(weights);
        // The room is exact: the arena sees a byte that is written behind it.
        const packed = arena.room(Math.ceil(rows / GROUP_ROWS) * GROUP_ROWS * rowBytes);
        const bounds = [...new Set([0, ...cuts.filter((cut) => cut < rows), rows])].sort((a, b) => a - b);
        const scratch = job();
        // The last piece first: workers pack theirs in any order.
        for (let i = bounds.length - 2; i >= 0; i--) {
          const [first, last] = [bounds[i], bounds[i + 1]];
          kernels.packRows(id, source + first! * rowBytes, first!, last! - first!, columns, packed, scratch);
        }
        const row = arena.room(rowBytes);
        for (let r = 0; r < rows; r++) {
          kernels.unpackRow(id, packed, r, columns, row, scratch);
          expect(arena.bytes.slice(row, row + rowBytes)).toEqual(weights.slice(r * rowBytes, (r + 1) * rowBytes));
        }
        expect(arena.bytes.slice(source, source + weights.length)).toEqual(weights);
        arena.clear();
      }),
      { numRuns: 15 },
    );
  });

  it.each(formatNames)("%s: a row that was unpacked is dequantised as the one in the file", (name) => {
    const { id } = tensorTypeByName(name)!;
    const block = blockOf(name);
    const blocks = Math.ceil(512 / block.weights);
    const weights = randomBytes(3 * blocks * block.bytes, 7);
    const columns = blocks * block.weights;
    const source = arena.place(weights);
    const packed = arena.room(GROUP_ROWS * blocks * block.bytes);
    const row = arena.room(blocks * block.bytes);
    const out = arena.room(4 * columns);
    const scratch = job();
    kernels.packRows(id, source, 0, 3, columns, packed, scratch);
    for (let r = 0; r < 3; r++) {
      kernels.unpackRow(id, packed, r, columns, row, scratch);
      kernels.dequantizeRow(id, row, columns, out, scratch);
      const expected = dequantize(name, weights.subarray(r * blocks * block.bytes), columns);
      expect(arena.floats(out, columns)).toEqual(expected);
    }
  });
});

function randomBytes(count: number, seed: number): Uint8Array {
  let state = seed >>> 0;
  return Uint8Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 24;
  });
}
