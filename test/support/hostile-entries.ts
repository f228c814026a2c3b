// Values that no key of a file should have, and the keys that are read at all: every key of every architecture is tried with every value.

import type { GgufMetadata } from "cria/gguf";
import { GgufMetadata as Metadata } from "../../dist/gguf/metadata.js";
import type { Entry } from "./micro-model.js";

const numbers = (type: Entry["type"], ...values: readonly (number | bigint)[]): [string, Entry][] =>
  values.map((value) => [`${type} ${Object.is(value, -0) ? "-0" : value}`, { type, value }]);
const strings = (...values: readonly (readonly [string, string])[]): [string, Entry][] =>
  values.map(([name, value]) => [`string: ${name}`, { type: "string", value }]);

const NESTED: Entry["value"] = [
  { type: "array[]", value: [{ type: "uint32[]", value: Uint32Array.of(1, 2) }] },
  { type: "string[]", value: ["a"] as never },
];

/** Hostile values by a name for each. */
export const hostileEntries: readonly (readonly [string, Entry])[] = [
  ...numbers("uint32", 0, 1, 3, 2 ** 31, 2 ** 32 - 1),
  ...numbers("int32", -1, -(2 ** 31)),
  ...numbers("uint64", 2n ** 53n, 2n ** 64n - 1n),
  ...numbers("int64", -(2n ** 63n)),
  ...numbers("float32", -0, 0.5, 1e-38, 1e38, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY),
  ...numbers("float64", 1e308, 5e-324),
  ["bool true", { type: "bool", value: true }],
  ["bool false", { type: "bool", value: false }],
  ...strings(
    ["empty", ""],
    ["white space", " \n\t"],
    ["a word", "yarn"],
    ["NUL", "a\0b"],
    ["controls", "\u001b[31m\u202e"],
  ),
  ...strings(
    ["of 100,000", "x".repeat(100_000)],
    ["a prototype's", "__proto__"],
    ["{{", "{{ x"],
    ["a loop", "{% for i in range(1000000000) %}{% endfor %}"],
  ),
  ["no elements", { type: "uint32[]", value: new Uint32Array(0) }],
  ["no strings", { type: "string[]", value: [] }],
  ["one number", { type: "int32[]", value: Int32Array.of(-1) }],
  ["unequal numbers", { type: "uint32[]", value: Uint32Array.of(1, 2, 3) }],
  ["NaNs", { type: "float32[]", value: new Float32Array(3).fill(Number.NaN) }],
  ["100,000 numbers", { type: "uint32[]", value: new Uint32Array(100_000).fill(7) }],
  ["5,000 strings", { type: "string[]", value: new Array<string>(5000).fill("a") }],
  ["arrays in arrays", { type: "array[]", value: NESTED }],
];

const reads = ["has", "get", "typeOf", "getNumber", "getString", "getBoolean", "getStrings", "getNumbers"] as const;

/** Calls `during`, and answers which keys of the metadata were asked for meanwhile, in this thread. */
export async function keysRead(during: () => Promise<unknown>): Promise<ReadonlySet<string>> {
  const keys = new Set<string>();
  const prototype = Metadata.prototype as unknown as Record<string, (this: GgufMetadata, key: string) => unknown>;
  const originals = reads.map((name) => [name, prototype[name]!] as const);
  for (const [name, original] of originals) {
    prototype[name] = function (key) {
      keys.add(key);
      return original.call(this, key);
    };
  }
  try {
    await during();
  } finally {
    for (const [name, original] of originals) prototype[name] = original;
  }
  return keys;
}
