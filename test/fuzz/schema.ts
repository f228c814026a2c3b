// JSON schemas and GBNF grammars at random and damaged: what is accepted allows only texts that are valid, and masks allow exactly the
// tokens that could be accepted one by one.

import { Ajv2020 } from "ajv/dist/2020.js";
import formatsPlugin from "ajv-formats";
import type { JsonSchema } from "cria";
import { Random } from "../../bench/synthetic/random.js";
import { compileGrammar, grammarOfSchema, parseGbnf, VocabularyGrammar } from "../../dist/grammar/index.js";
import { byteVocabulary, tokensOf } from "../support/grammar-vocabulary.js";
import { randomSchema } from "../support/random-schema.js";
import { codeOf, pick, target } from "./target.js";

type Grammar =
  | { readonly kind: "schema"; readonly schema: unknown; readonly seed: number }
  | { readonly kind: "gbnf"; readonly source: string; readonly seed: number };

const words = [
  '{"',
  '":',
  ',"',
  '"}',
  "the",
  "12",
  "true",
  "null",
  "[{",
  "}]",
  ' "',
  "\\u",
  "abc",
  "-",
  ".5",
  "é",
  "2026-",
];
const vocabulary = byteVocabulary(words);
const all = 256 + words.length;

// A bound on texts, so that one execution takes milliseconds.
const MOST_TOKENS = 400;

/** Values that stand where a keyword has another. */
const odd: readonly unknown[] = [
  ...[null, true, false, 0, -1, 1.5, 1e308, "", "a", "^a+$", "(", "date", [], {}, [{}], ["a", 1], { type: "string" }],
  ...["#/$defs/tree", "#", "#/nowhere", ["string", "null"], "integer", { $ref: "#" }, { not: {} }, 3, 100_000],
];
const keywords = [
  ...[
    "type",
    "enum",
    "const",
    "minLength",
    "maxLength",
    "pattern",
    "format",
    "minimum",
    "maximum",
    "multipleOf",
    "items",
  ],
  ...[
    "prefixItems",
    "minItems",
    "maxItems",
    "uniqueItems",
    "contains",
    "properties",
    "required",
    "additionalProperties",
  ],
  ...["anyOf", "oneOf", "allOf", "not", "$ref", "if", "then", "else", "dependentRequired", "patternProperties", "x"],
  ...[
    "minProperties",
    "maxProperties",
    "propertyNames",
    "exclusiveMinimum",
    "$anchor",
    "default",
    "title",
    "unevaluatedItems",
  ],
];

/** A copy of a schema with a keyword changed somewhere. */
function damaged(random: Random, value: unknown): unknown {
  if (random.below(6) === 0) return pick(random, odd);
  if (Array.isArray(value)) {
    const at = random.below(value.length + 1);
    return value.map((item, i) => (i === at ? damaged(random, item) : item));
  }
  if (typeof value !== "object" || value === null) return random.below(3) === 0 ? pick(random, odd) : value;
  const keys = Object.keys(value);
  const key = keys.length === 0 || random.below(3) === 0 ? pick(random, keywords) : pick(random, keys);
  return { ...value, [key]: damaged(random, (value as Record<string, unknown>)[key] ?? pick(random, odd)) };
}

const gbnfAtoms = [
  '"a"',
  '"bc"',
  '""',
  "[a-c]",
  "[^a]",
  ".",
  "[é-ë]",
  '"\\x00"',
  "x",
  "root",
  "{",
  "[z-a]",
  '"\\u00e9"',
  '"',
];

function gbnf(random: Random, depth: number): string {
  const inner = () => gbnf(random, depth - 1);
  if (depth <= 0) return pick(random, gbnfAtoms.slice(0, random.below(3) === 0 ? gbnfAtoms.length : 9));
  switch (random.below(6)) {
    case 0:
      return `${inner()} ${inner()}`;
    case 1:
      return `(${inner()} | ${inner()})`;
    case 2:
      return `(${inner()})${pick(random, ["?", "*", "+", "{2}", "{1,}", "{0,3}", "{3,1}", "{99}", "{9999}", "{,2}"])}`;
    case 3:
      return `${inner()} # ${random.below(9)}\n`;
    default:
      return inner();
  }
}

export const schema = target({
  name: "schema",
  executes: "a random schema or GBNF grammar compiled; texts of it checked by ajv, masks against each token by itself",
  perBuild: false,
  perProcess: 3000,
  milliseconds: 2000,
  open: async () => {
    return {
      make: (random: Random): Grammar => {
        const seed = random.bits();
        if (random.below(4) === 0) {
          const rules = `root ::= ${gbnf(random, 4)}\nx ::= ${gbnf(random, 2)}\n`;
          const cut = random.below(rules.length);
          return {
            kind: "gbnf",
            source: random.below(4) === 0 ? rules.slice(0, cut) + rules.slice(cut + 1) : rules,
            seed,
          };
        }
        let given: unknown = randomSchema(random);
        for (let left = random.below(3); left > 0; left--) given = damaged(random, given);
        return { kind: "schema", schema: given, seed };
      },
      run: (input: Grammar) => {
        let grammar: VocabularyGrammar;
        try {
          const parsed =
            input.kind === "gbnf" ? parseGbnf(input.source) : grammarOfSchema(input.schema as JsonSchema).grammar;
          grammar = new VocabularyGrammar(compileGrammar(parsed), vocabulary);
          const random = new Random(input.seed);
          for (const more of [0, 6]) {
            if (grammar.shortest > MOST_TOKENS) break;
            const text = randomText(grammar, grammar.shortest + more, random);
            if (input.kind === "schema" && !validates(input.schema as JsonSchema, JSON.parse(text))) {
              throw new Error(`not valid: ${text}`);
            }
          }
        } catch (error) {
          return codeOf(error);
        }
        return "ok";
      },
    };
  },
});

/** Whether a value is valid. A schema that ajv refuses has no opinion. */
function validates(schema: JsonSchema, value: unknown): boolean {
  const ajv = new Ajv2020({ strict: false, logger: false, validateSchema: false });
  formatsPlugin.default(ajv);
  let isValid: (value: unknown) => unknown;
  try {
    isValid = ajv.compile(schema as never);
  } catch {
    return true;
  }
  return isValid(value) === true;
}

/** A text of random tokens that the grammar allows, within a budget; some masks are compared with each token by itself. */
function randomText(grammar: VocabularyGrammar, budget: number, random: Random): string {
  const constraint = grammar.begin();
  const bytes: number[] = [];
  for (let left = budget; !constraint.isOver; left--) {
    if (constraint.accepts && (left === 0 || random.below(3) === 0)) break;
    if (left === 0) throw new Error(`no end within ${budget} tokens`);
    const allowed = tokensOf(constraint.allowed(left)).filter((token) => token < all);
    if (allowed.length === 0 && constraint.accepts) break; // nothing longer ends within the budget
    if (allowed.length === 0) throw new Error("no token is allowed, and the text is not over");
    if (random.below(8) === 0) compareMask(grammar, bytes, tokensOf(constraint.allowed(Number.POSITIVE_INFINITY)));
    const token = pick(random, allowed);
    if (!constraint.accept(token)) throw new Error(`the mask allows ${token}, and it is not accepted`);
    bytes.push(...vocabulary.bytesOf(token));
  }
  return new TextDecoder("utf-8", { fatal: true }).decode(Uint8Array.from(bytes));
}

/** Brute force: after the same bytes, each token by itself. */
function compareMask(grammar: VocabularyGrammar, before: readonly number[], allowed: readonly number[]): void {
  const set = new Set(allowed);
  for (let token = 0; token < all; token++) {
    const constraint = grammar.begin();
    for (const byte of before) constraint.accept(byte);
    const accepted = constraint.accept(token);
    if (accepted !== set.has(token)) throw new Error(`token ${token}: mask ${set.has(token)}, accept ${accepted}`);
  }
}
