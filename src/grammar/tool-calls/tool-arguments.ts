// The arguments of a call: a JSON object that the tool's schema finds valid, or, in notations that write them one by one, texts and JSON
// values between tags.

import { GrammarError, UnsupportedError } from "../../errors.js";
import { grammarOfSchema, type SchemaGrammar } from "../json-schema/compile-schema.js";
import type { JsonSchema } from "../json-schema/schema.js";
import { addTextUntil, type ControlIds, mark } from "../marks.js";
import { alternatives, type Expression, empty, literal, rule, sequence } from "../syntax.js";
import type { ArgumentTags, ToolSignature } from "./notation.js";

/** Where the rules go, and what was ignored. */
export interface Rules {
  readonly rules: Map<string, Expression>;
  readonly ignored: Map<string, string>;
  readonly controlIds: ControlIds;
}

/**
 * The arguments of a tool as an expression.
 *
 * @throws UnsupportedError UNSUPPORTED_SCHEMA, GrammarError SCHEMA_INVALID, with the tool's name
 */
export function argumentsOf(
  into: Rules,
  { name, parameters }: ToolSignature,
  tags: ArgumentTags | undefined,
): Expression {
  if (tags === undefined) return jsonOf(into, name, "", parameters);
  const { properties, required } = taggedProperties(name, parameters, tags);
  const items = properties.map(([key, schema]) => {
    const value = taggedValue(into, name, key, schema, tags);
    return { item: sequence(mark(tags.before, into.controlIds), literal(key), value), required: required.has(key) };
  });
  if (items.length === 0) return empty;
  return {
    kind: "members",
    items,
    repeated: undefined,
    separator: alternatives(...tags.separator.map(literal)),
    least: 0,
    most: Number.POSITIVE_INFINITY,
  };
}

/** A value with the texts around it. */
function taggedValue(
  into: Rules,
  tool: string,
  key: string,
  schema: JsonSchema,
  { text, json }: ArgumentTags,
): Expression {
  const texts = text && bareTexts(schema);
  const { between, after } = texts === undefined ? json : text!;
  const ended = mark(after, into.controlIds);
  const begun = alternatives(...between.map((one) => mark(one, into.controlIds)));
  if (texts === undefined) return sequence(begun, jsonOf(into, tool, `/properties/${key}`, schema), ended);
  if (texts !== "any") return sequence(begun, alternatives(...texts.map(literal)), ended);
  const name = `${tool} ${key}: text`;
  addTextUntil(into.rules, name, [{ mark: after, next: empty }], { mayEnd: false, controlIds: into.controlIds });
  return sequence(begun, rule(name));
}

/** Words of an object schema that say which arguments there are; the others say nothing about them. */
const propertyWords = ["type", "properties", "required", "additionalProperties"];
const silentWords = [
  "$schema",
  "$id",
  "$defs",
  "definitions",
  "title",
  "description",
  "examples",
  "default",
  "$comment",
];

/**
 * The arguments that are written one by one, by their names: those of a plain object.
 *
 * @throws UnsupportedError UNSUPPORTED_SCHEMA for parameters that say more, with the tool's name
 */
export function taggedProperties(
  tool: string,
  parameters: JsonSchema,
  { text, json }: ArgumentTags,
): { readonly properties: readonly (readonly [string, JsonSchema])[]; readonly required: ReadonlySet<string> } {
  const given = typeof parameters === "boolean" ? {} : parameters;
  const other = Object.keys(given).find((word) => !propertyWords.includes(word) && !silentWords.includes(word));
  const { properties = {}, required = [], $defs, definitions } = given as Record<string, never>;
  const missing = [...(required as string[])].find((key) => !Object.hasOwn(properties, key));
  const ends = ["<", ">", '"', "\n", ...[...(text?.between ?? []), ...json.between].map((one) => one[0]!)];
  const strange = Object.keys(properties).find((key) => key === "" || ends.some((end) => key.includes(end)));
  const why =
    other !== undefined
      ? `"${other}" is not supported there`
      : missing !== undefined
        ? `"${missing}" is required, but not among the properties`
        : strange !== undefined && `a property cannot be called ${JSON.stringify(strange)}`;
  if (why) {
    throw new UnsupportedError(
      "UNSUPPORTED_SCHEMA",
      `the parameters of the tool "${tool}": the chat template writes arguments one by one; ${why}`,
    );
  }
  const definitionsOf = { ...($defs !== undefined && { $defs }), ...(definitions !== undefined && { definitions }) };
  return {
    properties: Object.entries(properties).map(([key, schema]) => {
      const isObject = typeof schema === "object" && schema !== null;
      return [key, (isObject ? { ...definitionsOf, ...(schema as object) } : schema) as JsonSchema] as const;
    }),
    required: new Set(required as string[]),
  };
}

/** Words that a schema of bare text may have besides its type: they do not narrow it. */
const wordsOfTexts = [...silentWords, "type", "enum", "const", "nullable", "deprecated", "readOnly", "writeOnly"];

/**
 * The texts of a property that is written without quotes: any, or these. Undefined: its values are written as JSON, texts among them,
 * because not all are texts or because not every text will do.
 */
export function bareTexts(schema: JsonSchema): "any" | readonly string[] | undefined {
  if (typeof schema !== "object" || schema === null || Array.isArray(schema)) return undefined;
  const { type, enum: some, const: one, nullable } = schema as Readonly<Record<string, unknown>>;
  if (nullable === true || Object.keys(schema).some((word) => !wordsOfTexts.includes(word))) return undefined;
  const values = one === undefined ? some : [one];
  if (values === undefined) return type === "string" ? "any" : undefined;
  if (type !== undefined && type !== "string") return undefined;
  const isBare = (value: unknown) =>
    typeof value === "string" && value.trim() === value && value !== "" && !value.includes("<");
  return Array.isArray(values) && values.every(isBare) ? values : undefined;
}

/** The JSON of a schema, its rules under names of their own. */
function jsonOf({ rules, ignored }: Rules, tool: string, place: string, schema: JsonSchema): Expression {
  const { grammar, ignored: words } = schemaOf(tool, schema);
  for (const [word, pointer] of words) if (!ignored.has(word)) ignored.set(word, `${place}${pointer} of ${tool}`);
  const named = (name: string) => `${tool}${place}: ${name}`;
  const renamed = (expression: Expression): Expression => {
    switch (expression.kind) {
      case "rule":
        return rule(named(expression.name));
      case "distinct":
        return { ...expression, name: named(expression.name) };
      case "sequence":
      case "alternatives":
        return { ...expression, items: expression.items.map(renamed) };
      case "repeat":
        return { ...expression, item: renamed(expression.item) };
      case "both":
      case "except":
        return { ...expression, left: renamed(expression.left), right: renamed(expression.right) };
      case "members":
        return {
          ...expression,
          items: expression.items.map((member) => ({ ...member, item: renamed(member.item) })),
          repeated: expression.repeated && renamed(expression.repeated),
          separator: renamed(expression.separator),
        };
      default:
        return expression;
    }
  };
  for (const [name, expression] of grammar.rules) rules.set(named(name), renamed(expression));
  return rule(named(grammar.root));
}

function schemaOf(tool: string, parameters: JsonSchema): SchemaGrammar {
  try {
    return grammarOfSchema(parameters);
  } catch (error) {
    const Class =
      error instanceof UnsupportedError ? UnsupportedError : error instanceof GrammarError ? GrammarError : undefined;
    if (Class === undefined) throw error;
    throw new Class((error as GrammarError).code, `the parameters of the tool "${tool}": ${(error as Error).message}`);
  }
}
