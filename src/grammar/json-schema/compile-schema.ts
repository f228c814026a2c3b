// A JSON schema as a grammar: every text of it is JSON that the schema finds valid. Not every valid JSON need be a text: white space,
// the order of properties and how numbers are written are the grammar's choice. What is not known to be kept is refused, by its name and
// place.

import { alternatives, both, type Expression, except, type Grammar, literal, nothing, rule } from "../syntax.js";
import { arrayText, named, objectText, quoted, type Writer } from "./collections.js";
import { formats, isFormat, JSON_CONTENT } from "./formats.js";
import { holds } from "./holds.js";
import { NormalForm } from "./normal-form.js";
import { numberText } from "./numbers.js";
import { patternRegExp, patternText } from "./pattern.js";
import { asSchema, type JsonSchema, type JsonType, unsupported } from "./schema.js";
import { anything, type Node, type Shape, typesMeant, valueMap } from "./shape.js";
import { canonicalText, commonRules, stringOfLength } from "./text.js";

/** Levels of schemas in schemas, those that were put together included. */
const DEEPEST = 200;
/** Rules of the largest grammar. */
const MOST_RULES = 2 ** 16;

/**
 * What comes of all that is valid. "schema": keys in the schema's order, no properties that a schema with properties does not speak of, and
 * without a type the types that its keywords speak of. "any": all.
 */
export const jsonForms = ["schema", "any"] as const;
export type JsonForm = (typeof jsonForms)[number];

/** Texts of formats that have been read, by their patterns. */
const formatTexts = new Map<string, Expression>();

/** A schema as a grammar. */
export interface SchemaGrammar {
  readonly grammar: Grammar;
  /** Words that no draft defines, which say nothing, and the place of the first of each. */
  readonly ignored: ReadonlyMap<string, string>;
}

/**
 * The grammar of a JSON schema.
 *
 * @throws UnsupportedError UNSUPPORTED_SCHEMA with the keyword and the JSON pointer of what is not supported; GrammarError
 *   SCHEMA_INVALID for what is not a schema
 */
export function grammarOfSchema(schema: JsonSchema, form: JsonForm = "schema"): SchemaGrammar {
  return new SchemaCompiler(asSchema(schema, "#"), form === "any").compile();
}

class SchemaCompiler {
  readonly #root: JsonSchema;
  readonly #form: NormalForm;
  readonly #rules = new Map<string, Expression>(commonRules);
  /** The rule of each node that has one. */
  readonly #names = new Map<Node, string>();
  /** How often each name was asked for. */
  readonly #usedNames = new Map<string, number>(Array.from(commonRules.keys(), (name) => [name, 1]));
  readonly #writer: Writer;
  #depth = 0;

  constructor(root: JsonSchema, isWide: boolean) {
    this.#root = root;
    this.#form = new NormalForm(root, isWide);
    this.#writer = {
      textOf: (node) => this.#textOf(node),
      meet: this.#form.meet,
      isWide,
      anyNode: this.#form.nodeOf(true),
      valuesOf: (node, most) => this.#valuesOf(node, most),
      stringsOf: (node) =>
        alternatives(
          ...this.#form
            .shapesOf(node)
            .filter((shape) => shape.types === undefined || shape.types.has("string"))
            .map((shape) => this.#write({ ...shape, types: new Set<JsonType>(["string"]) })),
        ),
      ruleOf: (text, pointer) => {
        const name = this.#newName(`${pointer} items`);
        this.#rules.set(name, text);
        return name;
      },
      setRule: (name, text) => {
        this.#rules.set(name, text);
      },
      opposite: ({ all, none }, pointer) => {
        const [schema, ...others] = [...all, ...none];
        if (schema === undefined) return this.#form.nodeOf(false);
        if (others.length > 0) throw unsupported(pointer, "maxContains", "beside schemas that are put together");
        return all.length > 0 ? this.#form.intern([], [schema]) : this.#form.intern([schema], []);
      },
    };
  }

  compile(): SchemaGrammar {
    const root = "the schema";
    this.#rules.set(root, this.#textOf(this.#form.nodeOf(this.#root)));
    return { grammar: { root, rules: this.#rules }, ignored: this.#form.places.ignored };
  }

  /** A node's text, by a call of its rule. */
  #textOf(node: Node): Expression {
    if (node === this.#writer.anyNode) return rule("value");
    const known = this.#names.get(node);
    if (known !== undefined) return this.#rules.get(known) === nothing ? nothing : rule(known);
    const pointer = this.#form.places.of(node.all[0] ?? node.none[0]);
    const name = this.#newName(pointer);
    this.#names.set(node, name);
    if (this.#names.size > MOST_RULES) throw unsupported(pointer, "allOf", "schemas that are put together never end");
    if (++this.#depth > DEEPEST) throw unsupported(pointer, "$ref", `schemas are more than ${DEEPEST} levels deep`);
    const text = alternatives(...this.#form.shapesOf(node).map((shape) => this.#write(shape)));
    this.#depth--;
    this.#rules.set(name, text);
    return text === nothing ? nothing : rule(name);
  }

  #newName(pointer: string): string {
    const count = (this.#usedNames.get(pointer) ?? 0) + 1;
    this.#usedNames.set(pointer, count);
    return count === 1 ? pointer : this.#newName(`${pointer} (${count})`);
  }

  #write(shape: Shape): Expression {
    if (shape.values !== undefined) {
      const fitting = [...shape.values.values()].filter((value) => this.#holds(value, shape));
      return alternatives(...fitting.map((value) => literal(JSON.stringify(value))));
    }
    return alternatives(...typesMeant(shape).map((type) => this.#writeType(type, shape)));
  }

  #holds(value: unknown, shape: Shape): boolean {
    return holds(value, shape, this.#form.shapesOf, this.#form.meet);
  }

  #writeType(type: JsonType, shape: Shape): Expression {
    const { pointer, excluded } = shape;
    const texts = [...excluded.values()].filter((value) => typeof value === type);
    switch (type) {
      case "null":
        return excluded.has("null") ? nothing : rule("null");
      case "boolean":
        return texts.length === 0
          ? rule("boolean")
          : alternatives(...["true", "false"].filter((text) => !excluded.has(text)).map(literal));
      case "number":
        return numberText(shape.number, texts as number[], pointer);
      case "string":
        return this.#writeString(shape, texts as string[]);
      case "array":
      case "object":
        break;
    }
    // A listed value that no text of the type is equal to need not be left out.
    const rivals = [...excluded.values()].filter((value) => Array.isArray(value) === (type === "array"));
    const own = { ...shape, excluded: valueMap([]) };
    if (rivals.some((value) => typeof value === "object" && value !== null && this.#holds(value, own))) {
      throw unsupported(
        pointer,
        "not",
        `${type === "array" ? "an array" : "an object"} among the values cannot be left out`,
      );
    }
    if (type === "object")
      return shape.object === anything.object ? rule("object") : objectText(shape.object, this.#writer, pointer);
    if (isPlainArray(shape)) return rule("array");
    const item = (node: Node) => named(this.#textOf(node), this.#newName(`${pointer} item`), this.#rules);
    return arrayText(shape.array, item, this.#writer, pointer);
  }

  #writeString({ string, pointer }: Shape, excludedValues: readonly string[]): Expression {
    const { least, most, patterns, excluded, formats: named } = string;
    if (least > most) return nothing;
    if (named.includes(JSON_CONTENT)) {
      const isAlone =
        named.length === 1 && patterns.length === 0 && excluded.length === 0 && excludedValues.length === 0;
      if (isAlone && least === 0 && most === Number.POSITIVE_INFINITY) return rule("JSON in a string");
      throw unsupported(pointer, "contentMediaType", "JSON in a string cannot have another form at once");
    }
    const texts = patterns.map((pattern) => this.#patternRule(pattern, pointer));
    for (const format of named) {
      // Where a pattern stands beside a format that cria does not know, the pattern is what counts only if nobody else knows it.
      if (isFormat(format)) {
        const { pattern } = formats[format]!;
        if (pattern !== undefined) texts.push(this.#formatRule(pattern, pointer));
      }
    }
    if (least > 0 || most < Number.POSITIVE_INFINITY) texts.push(stringOfLength(least, most));
    if (excluded.length === 0 && excludedValues.length === 0) {
      return texts.length === 0 ? rule("string") : texts.reduce(both);
    }
    // What must not come could be spelled in another way, so all characters are spelled in one.
    let text = texts.reduce(both, quoted(canonicalText));
    for (const pattern of excluded) {
      if (!patternRegExp(pattern).unicode) throw unsupported(pointer, "not", `${pattern} is not a pattern of flag u`);
      text = except(text, this.#patternRule(pattern, pointer));
    }
    return except(text, alternatives(...excludedValues.map((value) => literal(JSON.stringify(value)))));
  }

  /** The strings that a pattern matches, once for all that have it. */
  #patternRule(pattern: string, pointer: string): Expression {
    const name = `the pattern ${pattern}`;
    if (!this.#rules.has(name)) this.#rules.set(name, quoted(patternText(pattern, pointer)));
    return rule(name);
  }

  /** The strings of a format, which are the same in all schemas. */
  #formatRule(inside: string, pointer: string): Expression {
    const pattern = `^(?:${inside})$`;
    const name = `the pattern ${pattern}`;
    if (!this.#rules.has(name)) {
      const text = formatTexts.get(pattern) ?? quoted(patternText(pattern, pointer));
      formatTexts.set(pattern, text);
      this.#rules.set(name, text);
    }
    return rule(name);
  }

  /** All values of a node; undefined: they are not listed, or more than `most`. */
  #valuesOf(node: Node, most: number): readonly unknown[] | undefined {
    const values = new Map<string, unknown>();
    for (const shape of this.#form.shapesOf(node)) {
      const listed = shape.values ?? valuesOfTypes(shape);
      if (listed === undefined) return undefined;
      for (const [text, value] of listed) if (this.#holds(value, shape)) values.set(text, value);
      if (values.size > most) return undefined;
    }
    return [...values.values()];
  }
}

/** The values of types that have few. */
function valuesOfTypes({ types }: Shape): ReadonlyMap<string, unknown> | undefined {
  const few = { null: [null], boolean: [true, false] };
  if (types === undefined || ![...types].every((type) => Object.hasOwn(few, type))) return undefined;
  return valueMap([...types].flatMap((type) => few[type as keyof typeof few]));
}

function isPlainArray({ array }: Shape): boolean {
  const { prefix, items, least, most, unique, contains } = array;
  if (contains.length > 0) return false;
  return prefix.length === 0 && items === undefined && least === 0 && most === Number.POSITIVE_INFINITY && !unique;
}
