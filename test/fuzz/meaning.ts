// Files of sound structure whose keys say what no model means: one or two keys of a micro model have hostile values.

import type { Random } from "../../bench/synthetic/random.js";
import { GgufError } from "../../dist/errors.js";
import { hostileEntries, keysRead } from "../support/hostile-entries.js";
import { type Entry, type MicroModel, microArchitectures, microBytes, microModel } from "../support/micro-model.js";
import { loadAndAsk } from "./load.js";
import { pick, target } from "./target.js";

interface Changed {
  readonly architecture: string;
  readonly rope: string;
  /** Keys, and the names of their values. */
  readonly changes: Readonly<Record<string, string>>;
}

const ropes = ["none", "linear", "yarn"] as const;
const values = new Map<string, Entry>(hostileEntries);
const names = [...values.keys()];

export const meaning = target({
  name: "meaning",
  executes: "a micro model with one to three hostile keys loaded, asked for tokens or a vector, and disposed of",
  perBuild: true,
  perProcess: 2000,
  milliseconds: 1000,
  open: async () => {
    const models = new Map<string, MicroModel>();
    const keys = new Map<string, ReadonlySet<string>>();
    for (const architecture of microArchitectures) {
      for (const rope of ropes) models.set(`${architecture} ${rope}`, await microModel(architecture, rope));
      const scaled = await microBytes(models.get(`${architecture} yarn`)!);
      keys.set(architecture, await keysRead(() => loadAndAsk(scaled)));
    }
    return {
      make: (random: Random): Changed => {
        const architecture = pick(random, microArchitectures);
        const known = [...keys.get(architecture)!];
        const count = pick(random, [1, 2, 2, 3]);
        const changes = Array.from({ length: count }, () => [pick(random, known), pick(random, names)] as const);
        return { architecture, rope: pick(random, ropes), changes: Object.fromEntries(changes) };
      },
      run: async ({ architecture, rope, changes }: Changed) => {
        const entries = Object.entries(changes).map(([key, name]) => [key, values.get(name)!] as const);
        let bytes: Uint8Array;
        try {
          bytes = await microBytes(models.get(`${architecture} ${rope}`)!, Object.fromEntries(entries));
        } catch (error) {
          if (error instanceof GgufError) return "cannot be written";
          throw error;
        }
        return loadAndAsk(bytes);
      },
    };
  },
});
