// Whether a value that a schema lists (`enum`, `const`) is valid by what else the schema says.

import { canonical } from "../canonical-json.js";
import { formats, isFormat, JSON_CONTENT } from "./formats.js";
import { patternRegExp } from "./pattern.js";
import { propertyNode } from "./properties.js";
import { typeOf, unsupported } from "./schema.js";
import type { Node, Shape } from "./shape.js";

type ShapesOf = (node: Node) => readonly Shape[];
type Meet = (one: Node, other: Node) => Node;

export function holds(value: unknown, shape: Shape, shapesOf: ShapesOf, meet: Meet): boolean {
  const type = typeOf(value);
  const text = canonical(value);
  if (shape.types !== undefined && !shape.types.has(type)) return false;
  if (shape.excluded.has(text) || (shape.values !== undefined && !shape.values.has(text))) return false;
  const fits = (part: unknown, node: Node | undefined) =>
    node === undefined || shapesOf(node).some((one) => holds(part, one, shapesOf, meet));
  if (type === "number") return numberHolds(value as number, shape.number);
  if (type === "string") return stringHolds(value as string, shape);
  if (Array.isArray(value)) {
    const { least, most, unique, prefix, items, contains } = shape.array;
    const texts = new Set(value.map(canonical));
    if (value.length < least || value.length > most || (unique && texts.size < value.length)) return false;
    const hasAll = contains.every(({ node, least: fewest, most: highest }) => {
      const found = value.filter((item) => fits(item, node)).length;
      return found >= fewest && found <= highest;
    });
    return hasAll && value.every((item, i) => fits(item, prefix[i] ?? items));
  }
  if (type !== "object") return true;
  const { least, most, required, names, outside } = shape.object;
  const keys = Object.keys(value as object);
  if (keys.length < least || keys.length > most) return false;
  if ([...required].some((name) => !keys.includes(name))) return false;
  if (outside.some((listed) => keys.every((name) => listed.has(name)))) return false;
  return keys.every(
    (name) =>
      names.every((node) => fits(name, node)) &&
      fits((value as Record<string, unknown>)[name], propertyNode(shape.object, name, meet)),
  );
}

function numberHolds(value: number, { low, high, kind, multiples }: Shape["number"]): boolean {
  if (low !== undefined && (low.exclusive ? value <= low.value : value < low.value)) return false;
  if (high !== undefined && (high.exclusive ? value >= high.value : value > high.value)) return false;
  if (kind !== "any" && Number.isInteger(value) !== (kind === "integer")) return false;
  return multiples.every((one) => Number.isInteger(value / one));
}

function stringHolds(value: string, { string, pointer }: Shape): boolean {
  const { least, most, patterns, excluded, formats: named } = string;
  const length = [...value].length;
  if (length < least || length > most) return false;
  if (patterns.some((one) => !patternRegExp(one).test(value))) return false;
  if (excluded.some((one) => patternRegExp(one).test(value))) return false;
  return named.every((name) => {
    if (name === JSON_CONTENT) throw unsupported(pointer, "contentMediaType", "it cannot stand beside enum or const");
    if (!isFormat(name)) return true;
    const { pattern } = formats[name]!;
    if (pattern === undefined) throw unsupported(pointer, "format", `${name} cannot stand beside enum or const`);
    // A format's pattern is a part of what the format allows, so what does not match may be valid all the same: it is left out.
    return new RegExp(`^(?:${pattern})$`, "u").test(value);
  });
}
