// SHA-256 where the platform has none: held to that of Node.

import { createHash } from "node:crypto";
import { afterEach, expect, it, vi } from "vitest";
import { computedSha256, sha256 } from "../../dist/api/sequences/sha256.js";

const expected = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
const bytesOf = (length: number) => Uint8Array.from({ length }, (_, i) => (i * 167 + (i >> 8)) & 255);

afterEach(() => vi.unstubAllGlobals());

it("texts of every length around the ends of blocks", () => {
  for (let length = 0; length <= 200; length++) {
    const bytes = bytesOf(length);
    expect(hex(computedSha256(bytes)), `${length} bytes`).toBe(expected(bytes));
  }
});

it("a part of a longer array, and a megabyte", () => {
  const bytes = bytesOf(2 ** 20 + 77);
  expect(hex(computedSha256(bytes.subarray(3, 1000)))).toBe(expected(bytes.subarray(3, 1000)));
  expect(hex(computedSha256(bytes))).toBe(expected(bytes));
});

it("serves pages that came by plain http, which have no crypto.subtle", async () => {
  const bytes = bytesOf(1000);
  vi.stubGlobal("crypto", {});
  expect(hex(await sha256(bytes))).toBe(expected(bytes));
});
