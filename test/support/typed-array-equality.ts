// Typed arrays of the same bytes are equal, and known to be so at once: vitest compares element by element, some microseconds each, which
// is seconds for logits. Of others vitest decides, and says where they differ.

import { expect } from "vitest";

expect.addEqualityTesters([
  (a: unknown, b: unknown) => {
    if (!ArrayBuffer.isView(a) || !ArrayBuffer.isView(b) || a.constructor !== b.constructor) return undefined;
    const [left, right] = [a, b].map((view) => new Uint8Array(view.buffer, view.byteOffset, view.byteLength));
    return Buffer.compare(left!, right!) === 0 ? true : undefined;
  },
]);
