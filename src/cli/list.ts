// cria list: the models in the cache.

import { recall, remember } from "../cache-folder.js";
import { openGguf, printable } from "../gguf/index.js";
import { allAliases } from "../hub/aliases.js";
import { type CachedModel, cachedModels, cachedModelsOf } from "../hub/cached-models.js";
import { cardOf } from "../server/model-cards.js";
import { command } from "./command.js";
import { UsageError } from "./failure.js";
import { sizeText } from "./mebibytes.js";
import { tableLines } from "./table.js";
import { timespan } from "./timespan.js";

/** What a header says that a list shows. */
interface Facts {
  readonly architecture: string;
  readonly format: string;
  readonly parameters: number;
}

export const list = command({
  usage: "[options]",
  about: `Lists the models in the cache: what brings them (or their alias), their size, the format of most of their weights, their
architecture, and when they were last read, as far as the file system notes that. Models of Hugging Face's own tools are
among them, because the cache is the same.`,
  options: {
    paths: { flags: ["--paths"], type: "boolean", help: "also print where each model is" },
    json: { flags: ["--json"], type: "boolean", help: "print an array of JSON" },
  },
  async run({ paths, json }, positionals) {
    if (positionals.length > 0) throw new UsageError("list takes no arguments; cria show NAME is about one model");
    const models = await cachedModels();
    const aliases = await aliasesOf(models);
    const rows = [];
    for (const model of models) {
      const { source, path, bytes, used } = model;
      rows.push({ source, aliases: aliases.of.get(model) ?? [], bytes, ...(await factsOf(model)), used, path });
    }
    if (json === true) {
      process.stdout.write(`${JSON.stringify(rows)}\n`);
      return;
    }
    if (rows.length === 0) process.stderr.write("the cache has no models; cria pull hf:user/repo brings one\n");
    const lines = tableLines(
      ["NAME", "SIZE", "FORMAT", "ARCHITECTURE", "READ"],
      rows.map(({ source, aliases: [alias], bytes, format, architecture, used }) => [
        printable(alias === undefined ? source : `${alias} = ${source}`, 200),
        sizeText(bytes),
        printable(format ?? "?", 16),
        printable(architecture ?? "?", 24),
        `${timespan(Date.now() - used.getTime())} ago`,
      ]),
    );
    if (rows.length > 0) process.stdout.write(`${lines.join("\n")}\n`);
    if (paths === true) for (const { path } of rows) process.stdout.write(`${printable(path, 4096)}\n`);
    for (const [name, source] of aliases.without) {
      process.stderr.write(`${name} = ${printable(source, 200)} is not in the cache; cria pull ${name} brings it\n`);
    }
  },
});

/** The aliases of each model, and those whose models are not there. */
async function aliasesOf(models: readonly CachedModel[]) {
  const of = new Map<CachedModel, string[]>();
  const without: (readonly [name: string, source: string])[] = [];
  for (const [name, source] of await allAliases()) {
    const [model] = await cachedModelsOf(source, models).catch(() => []);
    if (model === undefined) without.push([name, source]);
    else of.set(model, [...(of.get(model) ?? []), name]);
  }
  return { of, without };
}

/** From the header; of a file that has not changed since, from what was kept of it, so that a list does not read all models. */
async function factsOf({ path, bytes }: CachedModel): Promise<Partial<Facts>> {
  const question = JSON.stringify({ form: 1, path, bytes });
  const kept = (await recall("headers", question)) as Facts | undefined;
  if (typeof kept?.architecture === "string") return kept;
  try {
    const gguf = await openGguf(path);
    try {
      const { architecture, format, parameters } = cardOf(gguf);
      const answer: Facts = { architecture, format, parameters };
      await remember("headers", { question, answer });
      return answer;
    } finally {
      await gguf.close();
    }
  } catch {
    return {}; // a file that is not a model of any kind, which may be removed all the same
  }
}
