// The families of src/model/families.ts: what it says runs is what the code has, and docs/models.md has its table.

import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { GgufWriter, openGguf } from "../../dist/gguf/index.js";
import { architectureNames, readModel } from "../../dist/model/architectures/table.js";
import { decoderFamilies, encoderFamilies, type Family, families } from "../../dist/model/families.js";
import { tokenizerFrom } from "../../dist/tokenizer/tokenizer.js";

/** Whether a name is none that is refused. */
function isKnown(use: () => unknown, name: string): boolean {
  try {
    use();
  } catch (error) {
    return !(error instanceof Error && error.message.includes(`${JSON.stringify(name)} is not supported`));
  }
  return true;
}

const isTokenizer = (kind: string) => isKnown(() => tokenizerFrom(new Map([["tokenizer.ggml.model", kind]])), kind);
const isPreTokenizer = (name: string) => {
  const metadata = new Map<string, unknown>([
    ["tokenizer.ggml.model", "gpt2"],
    ["tokenizer.ggml.tokens", ["a"]],
    ["tokenizer.ggml.pre", name],
  ]);
  return isKnown(() => tokenizerFrom(metadata), name);
};
const textOf = (page: string) => readFileSync(new URL(`../../${page}`, import.meta.url), "utf8");

/** What the code lacks for a family. */
const lacking = ({ architectures, tokenizers, preTokenizers = [] }: Family): readonly string[] => [
  ...architectures.filter((name) => !architectureNames.includes(name)),
  ...tokenizers.filter((kind) => !isTokenizer(kind)),
  ...preTokenizers.filter((name) => !isPreTokenizer(name)),
];

describe("families", () => {
  it("are those 46", () => {
    expect(new Set(families.map(({ name }) => name)).size).toBe(46);
  });

  it.each(families.map((family) => [family.name, family] as const))("%s", (_, family) => {
    if (family.missing === undefined) {
      expect(family.architectures.length).toBeGreaterThan(0);
      expect(lacking(family)).toEqual([]);
    } else if (family.architectures.length > 0) {
      expect(lacking(family)).not.toEqual([]);
    }
  });

  it("have every architecture that runs", () => {
    const named = new Set(families.flatMap(({ architectures }) => architectures));
    expect(architectureNames.filter((name) => !named.has(name))).toEqual(["qwen2moe"]); // older, and rare
  });

  it("name what a file is that is refused, and what is missing", async () => {
    for (const { name, missing, architectures } of families) {
      for (const architecture of missing === undefined ? [] : architectures) {
        const file = await new GgufWriter().set("general.architecture", "string", architecture).toBytes(new Map());
        const gguf = await openGguf(file);
        expect(() => readModel(gguf)).toThrow(`architecture "${architecture}" (${name}): ${missing}; supported: `);
      }
    }
  });
});

describe("docs/models.md", () => {
  const GB_OF_MEMORY = [1, 2, 4, 8, 16, 32, 64, 128];

  /** Decoders in Q4_K_M, with 2 GB for all else that runs; encoders in Q8_0, with half of one. */
  const memoryFor = (billions: number, encoder: boolean): number => {
    const needs = encoder ? billions * 1.06 + 0.5 : billions * 0.61 * 1.05 + 2;
    return GB_OF_MEMORY.find((size) => size >= needs)!;
  };

  const sizes = (family: Family, encoder: boolean): string => {
    const bySize = new Map<number, string[]>();
    for (const [name, billions] of Object.entries(family.sizes)) {
      const memory = memoryFor(billions, encoder);
      bySize.set(memory, [...(bySize.get(memory) ?? []), name]);
    }
    return [...bySize].map(([memory, names]) => `${memory}: ${names.join(", ")}`).join("; ");
  };

  const code = (words: readonly string[]) => words.map((word) => `\`${word}\``).join(", ");
  const rowOf = (family: Family, encoder: boolean): string => {
    const { name, architectures, tokenizers, preTokenizers = [], missing } = family;
    if (missing !== undefined) return `| ${name} | ${code(architectures)} | ${missing} |`;
    const kinds = tokenizers.map((kind) => (kind === "gpt2" ? code(preTokenizers) : code([kind]))).join(", ");
    return `| ${name} | ${sizes(family, encoder)} | ${code(architectures)} | ${kinds} |`;
  };

  it("has a row for each, and no other", () => {
    const rows = [
      ...encoderFamilies.map((one) => rowOf(one, true)),
      ...decoderFamilies.map((one) => rowOf(one, false)),
    ];
    const section = textOf("docs/models.md")
      .split(/^## /m)
      .find((one) => one.startsWith("What runs\n"))!;
    const shown = section.split("\n").filter((line) => /^\| (?!family|-)/.test(line.replace("|---", "| -")));
    expect(shown.filter((row) => !rows.includes(row))).toEqual([]);
    expect(rows.filter((row) => !shown.includes(row))).toEqual([]);
  });

  it("would miss a pre-tokenizer that no row has", () => {
    expect(isPreTokenizer("granite-embed-multi-311m")).toBe(true);
    expect(isPreTokenizer("afmoe")).toBe(false);
  });

  it("and the README count those that run", () => {
    const running = families.filter(({ missing }) => missing === undefined).length;
    for (const page of ["README.md", "docs/models.md"]) expect(textOf(page)).toContain(`${running} of the 46`);
  });
});
