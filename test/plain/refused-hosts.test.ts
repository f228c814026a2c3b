// Hosts that are refused: processors of the other byte order, of which no machine of the tests has one, so that the check is given its
// memory; and old versions of Node.

import { expect, it } from "vitest";
import { checkByteOrder, checkNode } from "../../dist/api/load/host-memory.js";

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

it("a version of Node that is too old is refused, this one is not", () => {
  checkNode();
  checkNode("20.0.0");
  checkNode("100.1.2");
  expect(() => checkNode("18.20.8")).toThrow(
    expect.objectContaining({
      name: "UnsupportedError",
      code: "UNSUPPORTED_HOST",
      message: "cria needs Node 20 or later; this is Node 18.20.8",
    }),
  );
});
