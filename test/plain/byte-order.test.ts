// Processors of the other byte order are refused: no machine of the tests has one, so the check is given its memory.

import { expect, it } from "vitest";
import { checkByteOrder } from "../../dist/api/load/host-memory.js";

it("a big endian host is refused, this one is not", () => {
  checkByteOrder();
  const big = new Uint8Array(4);
  new DataView(big.buffer).setUint32(0, 1, false);
  expect(() => checkByteOrder(big)).toThrow(
    expect.objectContaining({
      name: "UnsupportedError",
      code: "BIG_ENDIAN",
      message: expect.stringContaining("little endian"),
    }),
  );
});
