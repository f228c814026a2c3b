// Every option of every public function with every hostile value: a typed error or a result, within a second of CPU and 64 MB. What
// options there are is what the functions' own errors list, so that a new one is tried without a line here.

import { afterAll, beforeAll, expect, it } from "vitest";
import { hostileValues, own } from "../../support/hostile-values.js";
import { optionsOf, type PublicCalls, publicCalls } from "../../support/public-calls.js";
import { within } from "../../support/within.js";

let all: PublicCalls;
beforeAll(async () => {
  all = await publicCalls();
});
afterAll(() => all.close());

// What these functions are called with here has no list of options: they have no error for an unknown one, or take none.
const names = [
  ...[
    "loadModel",
    "loadPool",
    "generate",
    "complete",
    "completeJson",
    "streamResponse",
    "generateChat",
    "completeChat",
    "chat",
    "send",
    "evaluate",
  ],
  ...["embed", "rerank", "downloadModel", "quantizeModel", "openKernels", "createFetch", "openGguf"],
];

it("the table has every call", () => {
  expect([...all.calls.keys()]).toEqual(names);
});

it.each(names)("%s", { timeout: 120_000 }, async (name) => {
  const call = all.calls.get(name)!;
  const options = await optionsOf(call);
  expect(options.length).toBeGreaterThan(0);
  const wrong: string[] = [];
  for (const option of ["", ...options]) {
    for (const [described, make] of hostileValues) {
      const value = make();
      const outcome = await within(() => call(option === "" ? value : { [option]: value }), own);
      if (outcome.fault !== undefined) wrong.push(`${option} = ${described}: ${outcome.fault}`);
      // null is absent, wherever an option is; one that must be given is missed.
      if (value === null && outcome.code === "INVALID_OPTION" && !outcome.message.endsWith("undefined"))
        wrong.push(`${option} = null is refused: ${outcome.message}`);
    }
  }
  expect(wrong).toEqual([]);
});
