// What grammars cost: per token of a text, with the vocabulary of a model file; and once, for the vocabulary and the grammar.
//
//   npm run build && npm run build:bench && node build/bench/grammar.js vocabulary.gguf [--json]
//
// "first" is a grammar's first text, with everything still to be found; "again" the same text with what was found then.

import { parseArgs } from "node:util";
import { openGguf } from "cria/gguf";
import { tokenizerFrom } from "cria/tokenizer";
import { Bench } from "tinybench";

// Compiled, this file lies in build/bench.
const grammars = (await import(
  new URL("../../dist/grammar/index.js", import.meta.url).href
)) as typeof import("../dist/grammar/index.js");
const { compileGrammar, grammarOfSchema, Vocabulary, VocabularyGrammar } = grammars;

const { values, positionals } = parseArgs({ options: { json: { type: "boolean" } }, allowPositionals: true });
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
const bench = new Bench({ time: 500 })
  .add("vocabulary", () => new Vocabulary(table))
  .add("schema to automaton", () => compileGrammar(grammarOfSchema(texts["free strings"].schema).grammar));
await bench.run();
if (values.json === true) {
  console.log(JSON.stringify({ tokens: vocabulary.size, rows, once: bench.table() }));
} else {
  console.log(`${vocabulary.size} tokens, Node ${process.version}`);
  console.table(rows);
  console.table(bench.table());
}
