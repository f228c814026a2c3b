// Objects and arrays of a schema.

import { alternatives, type Expression, empty, literal, nothing, optional, repeat, rule, sequence } from "../syntax.js";
import {
  asSchema,
  asSchemas,
  countOf,
  type JsonSchema,
  propertiesOf,
  requiredOf,
  type SchemaObject,
  unsupported,
} from "./schema.js";
import { braces, colon, comma, keyExcept } from "./text.js";

type Compile = (schema: JsonSchema) => Expression;

/** An object: its properties in the schema's order, then additional ones. */
export function objectText(schema: SchemaObject, compile: Compile, pointer: string): Expression {
  const { additionalProperties } = schema;
  const properties = new Map(propertiesOf(schema, pointer));
  const required = requiredOf(schema, pointer);
  const named = properties.size > 0 || required.length > 0;
  // Where nothing is said of more properties they may come, but need not: a schema that names its properties means those.
  const more = asSchema(additionalProperties ?? !named, `${pointer}/additionalProperties`);
  for (const name of required) {
    if (!properties.has(name)) properties.set(name, additionalProperties === undefined ? true : more);
  }
  const items: { readonly item: Expression; readonly required: boolean }[] = [];
  for (const [name, value] of properties) {
    const text = compile(value);
    const isRequired = required.includes(name);
    if (text === nothing && isRequired) return nothing;
    if (text !== nothing)
      items.push({ item: sequence(literal(JSON.stringify(name)), colon, text), required: isRequired });
  }
  const moreText = compile(more);
  checkCounts(
    schema,
    items.filter((item) => item.required).length,
    moreText === nothing ? items.length : undefined,
    pointer,
  );
  if (items.length === 0 && moreText === nothing) return sequence(literal("{"), literal("}"));
  const repeated = moreText === nothing ? undefined : sequence(keyExcept([...properties.keys()]), colon, moreText);
  return braces("{", { kind: "members", items, repeated, separator: comma }, "}");
}

/** @param most properties at most; undefined: any number */
function checkCounts(schema: SchemaObject, least: number, most: number | undefined, pointer: string): void {
  if (countOf(schema, "minProperties", 0, pointer) > least) {
    throw unsupported(pointer, "minProperties", `it must be at most ${least}, the number of required properties`);
  }
  if (countOf(schema, "maxProperties", Number.POSITIVE_INFINITY, pointer) < (most ?? Number.POSITIVE_INFINITY)) {
    throw unsupported(
      pointer,
      "maxProperties",
      "it must be at least the number of named properties, and additionalProperties must be false",
    );
  }
}

/** An array: first the items that have a place of their own, then those that all have one schema. */
export function arrayText(schema: SchemaObject, compile: Compile, pointer: string): Expression {
  const prefix = asSchemas(schema["prefixItems"] ?? [], `${pointer}/prefixItems`);
  const least = countOf(schema, "minItems", 0, pointer);
  const given = countOf(schema, "maxItems", Number.POSITIVE_INFINITY, pointer);
  const rest = compile(asSchema(schema["items"] ?? true, `${pointer}/items`));
  // Where nothing is said of more items they may come, but need not.
  const most =
    prefix.length > 0 && schema["items"] === undefined ? Math.min(given, Math.max(prefix.length, least)) : given;
  if (schema["uniqueItems"] === true && most > 1)
    throw unsupported(pointer, "uniqueItems", "only arrays of at most one item are supported");
  if (least > most) return nothing;

  /** The items from number i on. */
  let text = repeat(
    sequence(comma, rest),
    Math.max(0, least - Math.max(1, prefix.length)),
    Math.max(0, most - Math.max(1, prefix.length)),
  );
  if (prefix.length === 0) text = most === 0 ? empty : sequence(rest, text);
  for (let i = prefix.length - 1; i >= 0; i--) {
    const item = i < most ? compile(prefix[i]!) : nothing;
    const goesOn = i + 1 < least ? text : optional(text);
    text = item === nothing ? nothing : sequence(i > 0 ? comma : empty, item, i + 1 < prefix.length ? goesOn : text);
  }
  return braces("[", least > 0 ? text : alternatives(empty, text), "]");
}

/** What is repeated is called by its name, so that its text is not written out again and again. */
export function named(text: Expression, name: string, rules: Map<string, Expression>): Expression {
  if (text.kind === "rule" || text.kind === "literal" || text === nothing) return text;
  rules.set(name, text);
  return rule(name);
}
