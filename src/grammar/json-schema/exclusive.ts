// oneOf: exactly one alternative holds. That no text fits two of them is proved, or the schema is refused: by their types, their values,
// or a property that tells them apart.

import {
  isEqual,
  isOfTypes,
  type JsonSchema,
  namedTypes,
  namedValues,
  propertiesOf,
  requiredOf,
  restOf,
  type SchemaObject,
} from "./schema.js";

/** How deep properties are looked into. */
const DEEPEST = 4;

/** Whether no value fits both; false where it is not certain. `resolved`: a schema with its $ref followed. */
export function areExclusive(
  left: JsonSchema,
  right: JsonSchema,
  resolved: (schema: JsonSchema) => JsonSchema,
  depth = 0,
): boolean {
  const a = resolved(left);
  const b = resolved(right);
  if (a === false || b === false) return true;
  if (a === true || b === true || depth > DEEPEST) return false;
  const again = (one: JsonSchema, other: JsonSchema) => areExclusive(one, other, resolved, depth + 1);
  for (const [one, other] of [
    [a, b],
    [b, a],
  ] as const) {
    for (const keyword of ["anyOf", "oneOf"] as const) {
      const parts = one[keyword] as readonly JsonSchema[] | undefined;
      if (Array.isArray(parts) && parts.every((part) => again(part, other))) return true;
    }
  }
  return valuesDiffer(a, b) || typesDiffer(a, b) || propertiesDiffer(a, b, again);
}

function valuesDiffer(a: SchemaObject, b: SchemaObject): boolean {
  const one = namedValues(a, "#");
  const other = namedValues(b, "#");
  if (one !== undefined && other !== undefined) return !one.some((value) => other.some((item) => isEqual(value, item)));
  const [values, types] = one === undefined ? [other, namedTypes(a, "#")] : [one, namedTypes(b, "#")];
  return values !== undefined && types !== undefined && !values.some((value) => isOfTypes(value, types));
}

function typesDiffer(a: SchemaObject, b: SchemaObject): boolean {
  const one = namedTypes(a, "#");
  const other = namedTypes(b, "#");
  if (one === undefined || other === undefined) return false;
  const numeric = (types: readonly string[]) => types.map((type) => (type === "integer" ? "number" : type));
  return !numeric(one).some((type) => numeric(other).includes(type));
}

/** Objects that both must have a property whose values differ, or of which one must have what the other must not. */
function propertiesDiffer(
  a: SchemaObject,
  b: SchemaObject,
  again: (one: JsonSchema, other: JsonSchema) => boolean,
): boolean {
  const isObject = (schema: SchemaObject) => namedTypes(schema, "#")?.join() === "object";
  if (!isObject(a) || !isObject(b)) return false;
  const [inA, inB] = [requiredOf(a, "#"), requiredOf(b, "#")];
  const [ofA, ofB] = [propertiesOf(a, "#"), propertiesOf(b, "#")];
  const propertyOfA = (name: string) => ofA.get(name) ?? restOf(a, "#");
  const propertyOfB = (name: string) => ofB.get(name) ?? restOf(b, "#");
  return (
    inA.some((name) => propertyOfB(name) === false) ||
    inB.some((name) => propertyOfA(name) === false) ||
    inA.some((name) => inB.includes(name) && again(propertyOfA(name), propertyOfB(name)))
  );
}
