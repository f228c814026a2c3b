// Placement: rows have owners, who pack them when the model is loaded and multiply them first.

import { loadModel } from "cria";
import { beforeAll, describe, expect, it } from "vitest";
import { endOfPiece, firstOfPiece, piecesIn } from "../../../dist/model/ranges.js";
import fc from "../../support/fast-check.js";
import { endless, fixtureModel } from "../../support/fixture-model.js";

it("the pieces of all ranges are all groups, once, in order", () => {
  const number = (min: number, max: number) => fc.integer({ min, max });
  fc.assert(
    fc.property(number(1, 5000), number(1, 70), number(1, 300), (groups, owners, size) => {
      let next = 0;
      for (let range = 0; range < owners; range++) {
        for (let piece = 0; piece < piecesIn(groups, range, owners, size); piece++) {
          const first = firstOfPiece(groups, range, owners, piece, size);
          expect(first).toBe(next);
          next = endOfPiece(groups, range, owners, first, size);
          expect(next - first).toBeGreaterThan(0);
          expect(next - first).toBeLessThanOrEqual(size);
        }
      }
      expect(next).toBe(groups);
    }),
  );
});

describe("the share that owners compute", () => {
  let file: Uint8Array<ArrayBuffer>;
  beforeAll(async () => {
    const shape = { dim: 256, layers: 2, heads: 4, kvHeads: 2, ffn: 512, vocab: 2048, format: () => "Q8_0" as const };
    file = await fixtureModel(shape);
  });

  it.each([1, 2, 3])("%i threads", async (threads) => {
    const model = await loadModel(file, { threads });
    try {
      expect(model.ownedShare).toBeNaN();
      await model.complete([1, 2, 3], { ...endless(model), maxTokens: 60 });
      // How much others take depends on how busy the machine is, except where there are none.
      expect(model.ownedShare).toBeGreaterThan(threads === 1 ? 0.999 : 0.3);
      expect(model.ownedShare).toBeLessThanOrEqual(1);
    } finally {
      await model.dispose();
    }
  });
});
