// Texts under the grammar of a schema, for a vocabulary of all bytes and some words.

import type { JsonSchema } from "cria";
import type { Random } from "../../bench/synthetic/random.js";
import { compileGrammar, grammarOfSchema, type JsonForm, VocabularyGrammar } from "../../dist/grammar/index.js";
import { byteVocabulary, tokensOf } from "./grammar-vocabulary.js";

const words = [
  '{"',
  '":',
  ',"',
  '"}',
  '"]',
  '": "',
  '", "',
  "the",
  "llama",
  "12",
  "34",
  "00",
  "true",
  "null",
  "[{",
  "}]",
  "}}",
  ' "',
  '\\"',
  "\\u",
  "abc",
  "name",
  "-",
  ".5",
  "2026",
  "-0",
  "é",
  '","',
  '"a","a"',
  "1,1",
  "},{",
];
const vocabulary = byteVocabulary(words);
/** A schema's grammar for the vocabulary. */
export const grammarOf = (schema: JsonSchema, form?: JsonForm) =>
  new VocabularyGrammar(compileGrammar(grammarOfSchema(schema, form).grammar), vocabulary);

/** Whether the grammar has a text. */
export function matches(grammar: VocabularyGrammar, text: string): boolean {
  const constraint = grammar.begin();
  return new TextEncoder().encode(text).every((byte) => constraint.accept(byte)) && constraint.accepts;
}

/** A text of random tokens that the grammar allows, in a budget; `preferred` chooses among those that are allowed. */
export function randomText(
  grammar: VocabularyGrammar,
  budget: number,
  random: Random,
  preferred: (tokens: readonly number[]) => readonly number[] = (tokens) => tokens,
): string {
  const constraint = grammar.begin();
  const bytes: number[] = [];
  for (let left = budget; !constraint.isOver; left--) {
    if (constraint.accepts && (left === 0 || random.below(3) === 0)) break;
    const allowed = preferred(tokensOf(constraint.allowed(left)));
    const wordsAllowed = allowed.filter((token) => token > 255);
    const from = wordsAllowed.length > 0 && random.below(3) === 0 ? wordsAllowed : allowed;
    const token = from[random.below(from.length)]!;
    if (left === 0 || !constraint.accept(token)) throw new Error(`no end within ${budget} tokens`);
    bytes.push(...vocabulary.bytesOf(token));
  }
  return new TextDecoder("utf-8", { fatal: true }).decode(Uint8Array.from(bytes));
}
