// What grammars cost: per token of a text, with the vocabulary of a model file; and once, for the vocabulary and the grammar.
//
//   npm run build && npm run build:bench && node build/bench/grammar.js vocabulary.gguf [--schemas FOLDER] [--gap MODEL] [--json]
//
// "first" is a grammar's first text, with everything still to be found; "again" the same text with what was found then.
// --schemas: all JSON schemas of a folder, and those of JSON-Schema-Test-Suite's files. "start" is from the schema to the first mask;
// masks are those of a random text under each. --gap: the longest gap of a stream of a model while 20 new schemas arrive.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { loadModel } from "cria";
import { openGguf } from "cria/gguf";
import { tokenizerFrom } from "cria/tokenizer";
import { Bench } from "tinybench";

// Compiled, this file lies in build/bench.
const grammars = (await import(
  new URL("../../dist/grammar/index.js", import.meta.url).href
)) as typeof import("../dist/grammar/index.js");
const { compileGrammar, grammarOfSchema, Vocabulary, VocabularyGrammar } = grammars;

const { values, positionals } = parseArgs({
  options: { json: { type: "boolean" }, schemas: { type: "string" }, gap: { type: "string" } },
  allowPositionals: true,
});
const [file] = positionals;
if (file === undefined) throw new Error("give a model file; only its vocabulary is read");
const gguf = await openGguf(file);
const tokenizer = tokenizerFrom(gguf.metadata);
await gguf.close();

const texts = {
  "free strings": {
    schema: {
      type: "object",
      properties: {
        name: { type: "string" },
        age: { type: "integer" },
        tags: { type: "array", items: { type: "string" } },
      },
      required: ["name", "age", "tags"],
    },
    text: '{"name": "A curious little llama who lives in the mountains", "age": 12, "tags": ["one", "two words", "a third"]}',
  },
  "strings of up to 200 characters": {
    schema: { type: "array", items: { type: "string", maxLength: 200 } },
    text: '["A curious little llama who lives in the mountains and eats grass", "and another one"]',
  },
  "formats and enums": {
    schema: {
      type: "array",
      items: {
        type: "object",
        properties: {
          id: { type: "string", format: "uuid" },
          when: { type: "string", format: "date-time" },
          kind: { enum: ["red", "green"] },
        },
        required: ["id", "when", "kind"],
      },
    },
    text: '[{"id": "0b9f2c1e-54aa-4c3e-9d62-7f1f0b6f2a11", "when": "2026-01-02T03:04:05Z", "kind": "green"}]',
  },
};

function tokenBytes() {
  const offsets = new Uint32Array(tokenizer.vocabularySize + 1);
  const pieces = Array.from({ length: tokenizer.vocabularySize }, (_, id) =>
    tokenizer.isSpecial(id) ? new Uint8Array(0) : tokenizer.tokenBytes(id),
  );
  for (const [id, { length }] of pieces.entries()) offsets[id + 1] = offsets[id]! + length;
  const bytes = new Uint8Array(offsets[pieces.length]!);
  for (const [id, piece] of pieces.entries()) bytes.set(piece, offsets[id]);
  return { bytes, offsets };
}
const table = tokenBytes();
const vocabulary = new Vocabulary(table);

/** Milliseconds of each mask of a text. */
function masksOf(grammar: InstanceType<typeof VocabularyGrammar>, ids: Int32Array): number[] {
  const constraint = grammar.begin();
  return Array.from(ids, (id) => {
    const begin = performance.now();
    constraint.allowed(1000);
    const milliseconds = performance.now() - begin;
    if (!constraint.accept(id)) throw new Error(`the grammar refuses ${JSON.stringify(tokenizer.decode([id]))}`);
    return milliseconds;
  });
}

const rows: Record<string, string | number>[] = [];
for (const [name, { schema, text }] of Object.entries(texts)) {
  const ids = tokenizer.encode(text, { bos: false });
  const automaton = compileGrammar(grammarOfSchema(schema).grammar);
  for (let i = 0; i < 5; i++) masksOf(new VocabularyGrammar(automaton, vocabulary), ids); // warm: it is the machine's code by then
  const grammar = new VocabularyGrammar(automaton, vocabulary);
  for (const round of ["first", "again"]) {
    const times = masksOf(grammar, ids).sort((a, b) => a - b);
    const mean = times.reduce((sum, time) => sum + time, 0) / times.length;
    rows.push({
      text: name,
      round,
      tokens: ids.length,
      "mean ms": mean,
      "median ms": times[times.length >> 1]!,
      "most ms": times.at(-1)!,
    });
  }
}
/** All schemas in a folder's files. */
function schemasIn(folder: string): unknown[] {
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".json"));
  return files.flatMap((name): unknown[] => {
    try {
      const read = JSON.parse(readFileSync(join(folder, name), "utf8")) as unknown;
      return Array.isArray(read) ? read.map((group: { readonly schema?: unknown }) => group.schema) : [read];
    } catch {
      return []; // some files have comments
    }
  });
}

const TEXT_TOKENS = 60;
const BUDGET = 2000;
let state = 1;
const below = (count: number) => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return Math.floor((state / 2 ** 32) * count);
};

/** A token of a mask, at random. */
function tokenOf(mask: Uint32Array): number {
  for (let tries = 0; tries < 1000; tries++) {
    const id = below(vocabulary.size);
    if (((mask[id >> 5]! >>> (id & 31)) & 1) === 1) return id;
  }
  const first = below(mask.length);
  for (let i = 0; i < mask.length; i++) {
    const word = (first + i) % mask.length;
    if (mask[word] !== 0) return 32 * word + 31 - Math.clz32(mask[word]! & -mask[word]!);
  }
  throw new Error("no token is allowed");
}

/** Milliseconds from a schema to its first mask, and of each mask of a text; undefined: it is refused. */
function costOf(schema: unknown): { readonly start: number; readonly masks: readonly number[] } | undefined {
  try {
    const begin = performance.now();
    const grammar = new VocabularyGrammar(compileGrammar(grammarOfSchema(schema as boolean).grammar), vocabulary);
    const constraint = grammar.begin();
    constraint.allowed(grammar.shortest + BUDGET);
    const start = performance.now() - begin;
    const masks: number[] = [];
    for (let i = 0; i < TEXT_TOKENS && !constraint.isOver; i++) {
      const before = performance.now();
      const mask = constraint.allowed(grammar.shortest + BUDGET - i);
      masks.push(performance.now() - before);
      constraint.accept(tokenOf(mask));
    }
    return { start, masks };
  } catch {
    return undefined;
  }
}

const at = (sorted: readonly number[], share: number) =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!;
const many: Record<string, string | number>[] = [];
if (values.schemas !== undefined) {
  const schemas = schemasIn(values.schemas);
  for (const schema of schemas.slice(0, 50)) costOf(schema); // warm
  const costs = schemas.map(costOf).filter((cost) => cost !== undefined);
  const starts = costs.map(({ start }) => start).sort((a, b) => a - b);
  const masks = costs.flatMap((cost) => cost.masks).sort((a, b) => a - b);
  many.push({
    schemas: schemas.length,
    accepted: costs.length,
    "start p50 ms": at(starts, 0.5),
    "start p99 ms": at(starts, 0.99),
    masks: masks.length,
    "mask mean ms": masks.reduce((sum, one) => sum + one, 0) / masks.length,
    "mask p99.9 ms": at(masks, 0.999),
  });
}

/** The longest gap between tokens of a stream while `work` goes on, ms. */
async function longestGap(model: Awaited<ReturnType<typeof loadModel>>, work: () => Promise<unknown>): Promise<number> {
  const stream = model.generate("One day", { maxTokens: 100_000, contextShift: { keep: 1 } });
  for (let i = 0; i < 10; i++) await stream.next();
  let longest = 0;
  let last = performance.now();
  let isDone = false;
  const under = work().finally(() => {
    isDone = true;
  });
  while (!isDone) {
    await stream.next();
    longest = Math.max(longest, performance.now() - last);
    last = performance.now();
  }
  await stream.return();
  await under;
  return longest;
}

const gaps: Record<string, string | number>[] = [];
if (values.gap !== undefined) {
  const model = await loadModel(values.gap);
  let count = 0;
  const newSchemas = () =>
    Promise.all(
      Array.from({ length: 20 }, () => {
        const pattern = `^[a-z]{2,${10 + count++}}-[0-9]+$`;
        return model.complete("One day", { jsonSchema: { type: "string", pattern, maxLength: 200 }, maxTokens: 12 });
      }),
    );
  await newSchemas();
  for (let round = 1; round <= 5; round++) {
    const alone = await longestGap(model, () => new Promise((resolve) => setTimeout(resolve, 1000)));
    gaps.push({ round, "alone ms": alone, "while 20 schemas arrive ms": await longestGap(model, newSchemas) });
  }
  await model.dispose();
}
const bench = new Bench({ time: 500 })
  .add("vocabulary", () => new Vocabulary(table))
  .add("schema to automaton", () => compileGrammar(grammarOfSchema(texts["free strings"].schema).grammar));
await bench.run();
if (values.json === true) {
  console.log(JSON.stringify({ tokens: vocabulary.size, rows, many, gaps, once: bench.table() }));
} else {
  console.log(`${vocabulary.size} tokens, Node ${process.version}`);
  console.table(rows);
  if (many.length > 0) console.table(many);
  if (gaps.length > 0) console.table(gaps);
  console.table(bench.table());
}
