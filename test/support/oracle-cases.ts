// The cases of test/oracles/architectures, and their models.

import { readdirSync } from "node:fs";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import type { OracleCase, OracleCases } from "../oracles/architectures/case.js";
import { type ArchitectureShape, architectureModel } from "./architecture-model.js";

const casesFolder = new URL("../oracles/architectures/", import.meta.url);

/** Every architecture that has cases. */
export const oracleArchitectures: readonly { readonly name: string; readonly cases: OracleCases }[] = await Promise.all(
  readdirSync(casesFolder)
    .map((file) => basename(file, ".ts"))
    .filter((name) => name !== "case")
    .map(async (name) => {
      const module: { cases: OracleCases } = await import(fileURLToPath(new URL(`${name}.ts`, casesFolder)));
      return { name, cases: module.cases };
    }),
);

const common = {
  block_count: 4,
  context_length: 256,
  embedding_length: 64,
  feed_forward_length: 96,
  "attention.head_count": 4,
  "attention.head_count_kv": 2,
  "attention.key_length": 32,
  "attention.value_length": 32,
  "rope.dimension_count": 32,
};

let last: { readonly one: OracleCase; readonly files: Map<string, Promise<Uint8Array<ArrayBuffer>>> } | undefined;

/** The model of a case: in F32 unless it is rounded. Of the last case it is kept. */
export function oracleModel(
  architecture: string,
  one: OracleCase,
  rounding?: "Q8_0" | "Q8_0 in F32",
): Promise<Uint8Array<ArrayBuffer>> {
  if (last?.one !== one) last = { one, files: new Map() };
  const { files } = last;
  let file = files.get(rounding ?? "F32");
  if (file === undefined) {
    const { keys, metadata, vectors, has, told, seed = 1 } = one;
    const variant = { metadata, vectors, has, told, seed, rounding };
    const shape: ArchitectureShape = { architecture, keys: { ...common, ...keys }, ...variant };
    file = architectureModel(shape);
    files.set(rounding ?? "F32", file);
  }
  return file;
}
