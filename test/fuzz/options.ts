// Options of every public function with values that they cannot have, one or several at a time.

import type { Random } from "../../bench/synthetic/random.js";
import { hostileValues, own } from "../support/hostile-values.js";
import { optionsOf, publicCalls } from "../support/public-calls.js";
import { codeOf, pick, target } from "./target.js";

interface Call {
  readonly call: string;
  /** Options, and the names of their values. "": the value is in the place of all options. */
  readonly options: Readonly<Record<string, string>>;
}

const names = [...hostileValues.keys()];

export const options = target({
  name: "options",
  executes: "a public function called with one to three hostile options",
  perBuild: false,
  perProcess: 3000,
  milliseconds: 1500,
  open: async () => {
    const { calls, close } = await publicCalls();
    const known = new Map<string, readonly string[]>();
    for (const [name, call] of calls) known.set(name, await optionsOf(call));
    return {
      make: (random: Random): Call => {
        const call = pick(random, [...calls.keys()]);
        const options = ["", ...known.get(call)!];
        const count = pick(random, [1, 1, 2, 3]);
        const given = Array.from({ length: count }, () => [pick(random, options), pick(random, names)] as const);
        return { call, options: Object.fromEntries(given) };
      },
      run: async ({ call, options }: Call) => {
        const values = Object.entries(options).map(([key, name]) => [key, hostileValues.get(name)!()] as const);
        const all = options[""] === undefined ? Object.fromEntries(values) : hostileValues.get(options[""])!();
        try {
          await calls.get(call)!(all);
          return "ok";
        } catch (error) {
          if (error === own) return "own";
          return codeOf(error);
        }
      },
      close,
    };
  },
});
