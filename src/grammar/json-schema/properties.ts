// What an object's shape says of a property, by its name.

import { patternRegExp } from "./pattern.js";
import type { Layer, Node, ObjectShape } from "./shape.js";

type Meet = (one: Node, other: Node) => Node;

/** What all layers say of a property; undefined: nothing. */
export function propertyNode({ layers }: ObjectShape, name: string, meet: Meet): Node | undefined {
  let node: Node | undefined;
  for (const layer of layers) for (const one of saidOf(layer, name)) node = node === undefined ? one : meet(node, one);
  return node;
}

/** What all layers say of the properties that no layer names and that match exactly these patterns; undefined: nothing. */
export function otherNode({ layers }: ObjectShape, matched: ReadonlySet<string>, meet: Meet): Node | undefined {
  let node: Node | undefined;
  for (const { patterns, more } of layers) {
    const hits = [...patterns].filter(([pattern]) => matched.has(pattern)).map(([, one]) => one);
    for (const one of hits.length > 0 ? hits : more === undefined ? [] : [more]) {
      node = node === undefined ? one : meet(node, one);
    }
  }
  return node;
}

function saidOf({ properties, patterns, more }: Layer, name: string): readonly Node[] {
  const own = properties.get(name);
  if (patterns.size === 0) return own !== undefined ? [own] : more === undefined ? [] : [more];
  const matching = [...patterns].filter(([pattern]) => patternRegExp(pattern).test(name)).map(([, node]) => node);
  if (own !== undefined) return [own, ...matching];
  return matching.length > 0 || more === undefined ? matching : [more];
}

/** The names that layers name, in their order, and those that are required. */
export function namesOf({ layers, required }: ObjectShape): readonly string[] {
  return [...new Set([...layers.flatMap(({ properties }) => [...properties.keys()]), ...required])];
}
