// Whether a shape leaves no value. It is asked to prove that alternatives exclude each other, so it may say no where the answer takes more
// than a look.

import { holds } from "./holds.js";
import { namesOf, otherNode, propertyNode } from "./properties.js";
import type { JsonType } from "./schema.js";
import { type Node, type Shape, typesMeant } from "./shape.js";

/** How deep parts of a value are looked into. */
export const DEEPEST_LOOK = 4;

type ShapesOf = (node: Node) => readonly Shape[];
type Meet = (one: Node, other: Node) => Node;

export function isEmpty(shape: Shape, shapesOf: ShapesOf, meet: Meet, depth = 0): boolean {
  if (shape.values !== undefined)
    return ![...shape.values.values()].some((value) => holds(value, shape, shapesOf, meet));
  const nodeIsEmpty = (node: Node | undefined) =>
    node !== undefined &&
    depth < DEEPEST_LOOK &&
    shapesOf(node).every((one) => isEmpty(one, shapesOf, meet, depth + 1));
  return typesMeant(shape).every((type) => typeIsEmpty(type, shape, nodeIsEmpty, meet));
}

function typeIsEmpty(type: JsonType, shape: Shape, nodeIsEmpty: (node: Node | undefined) => boolean, meet: Meet) {
  switch (type) {
    case "null":
      return shape.excluded.has("null");
    case "boolean":
      return shape.excluded.has("true") && shape.excluded.has("false");
    case "number": {
      const { low, high, kind } = shape.number;
      if (low === undefined || high === undefined) return false;
      if (low.value > high.value) return true;
      if (low.value === high.value)
        return low.exclusive || high.exclusive || (kind === "fraction") === Number.isInteger(low.value);
      if (kind !== "integer") return false;
      const first = Math.floor(low.value) === low.value && low.exclusive ? low.value + 1 : Math.ceil(low.value);
      return high.exclusive ? first >= high.value : first > high.value;
    }
    case "string":
      return shape.string.least > shape.string.most;
    case "array": {
      const { least, most, prefix, items } = shape.array;
      return least > most || prefix.slice(0, least).some(nodeIsEmpty) || (least > prefix.length && nodeIsEmpty(items));
    }
    case "object": {
      const { least, most, required, outside } = shape.object;
      if (least > most || required.size > most) return true;
      const open = !nodeIsEmpty(otherNode(shape.object, new Set(), meet)) || hasPatterns(shape);
      if ([...required].some((name) => nodeIsEmpty(propertyNode(shape.object, name, meet)))) return true;
      if (open) return false;
      const possible = namesOf(shape.object).filter((name) => !nodeIsEmpty(propertyNode(shape.object, name, meet)));
      return least > possible.length || outside.some((names) => possible.every((name) => names.has(name)));
    }
  }
}

function hasPatterns({ object }: Shape): boolean {
  return object.layers.some(({ patterns }) => patterns.size > 0);
}
