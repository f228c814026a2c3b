// Lists of alternatives. A partial one lacks alternatives that cannot be written: all its values are valid, but not all valid values are in it,
// so that nothing may be concluded from what is not in it.

import { onlyLists, type Shape } from "./shape.js";

const partial = new WeakSet<readonly Shape[]>();

export function isPartial(shapes: readonly Shape[]): boolean {
  return partial.has(shapes);
}

/** A new list made from others: partial if one of them is. */
export function madeFrom(shapes: readonly Shape[], ...sources: readonly (readonly Shape[])[]): readonly Shape[] {
  return sources.some(isPartial) ? asPartial(shapes) : shapes;
}

export function asPartial(shapes: readonly Shape[]): readonly Shape[] {
  partial.add(shapes);
  return shapes;
}

/** All alternatives; those that only list values are one. */
export function joined(alternatives: readonly (readonly Shape[])[]): readonly Shape[] {
  const shapes = alternatives.flat();
  const lists = shapes.filter(onlyLists);
  if (lists.length < 2) return madeFrom(shapes, ...alternatives);
  const values = new Map(lists.flatMap((shape) => [...shape.values!]));
  return madeFrom([{ ...lists[0]!, values }, ...shapes.filter((shape) => !onlyLists(shape))], ...alternatives);
}
