// When values are equal, which comes first, and what is in what: ==, <, in.

import { MarkedString } from "./marked-string.js";
import {
  Dict,
  DictView,
  fail,
  hashOf,
  iterate,
  numberOf,
  Sequence,
  typeName,
  Undefined,
  type Value,
} from "./values.js";

export function equal(a: Value, b: Value): boolean {
  const number = numberOf(a);
  if (number !== undefined) return number === numberOf(b);
  if (a instanceof MarkedString) return b instanceof MarkedString && a.text === b.text;
  if (a instanceof Sequence) {
    if (!(b instanceof Sequence) || a.kind !== b.kind || a.items.length !== b.items.length) return false;
    return a.items.every((item, i) => equal(item, b.items[i]!));
  }
  if (a instanceof Dict) {
    if (!(b instanceof Dict) || a.size !== b.size) return false;
    return a.entries().every(([key, value]) => {
      const other = b.get(key);
      return other !== undefined && equal(value, other);
    });
  }
  if (a instanceof Undefined) return b instanceof Undefined;
  return a === b;
}

/** Negative, zero or positive, as `a` comes before, with or after `b`. */
export function compare(a: Value, b: Value, operator = "<"): number {
  for (const value of [a, b]) if (value instanceof Undefined) fail(value.message);
  const [number, other] = [numberOf(a), numberOf(b)];
  if (number !== undefined && other !== undefined) return number < other ? -1 : number > other ? 1 : 0;
  if (a instanceof MarkedString && b instanceof MarkedString) return compareTexts(a.text, b.text);
  if (a instanceof Sequence && b instanceof Sequence && a.kind === b.kind && a.kind !== "range") {
    const place = a.items.findIndex((item, i) => i >= b.items.length || !equal(item, b.items[i]!));
    if (place >= 0 && place < b.items.length) return compare(a.items[place]!, b.items[place]!, operator);
    return a.items.length - b.items.length;
  }
  return fail(`'${operator}' not supported between instances of '${typeName(a)}' and '${typeName(b)}'`);
}

/** By code points, not by UTF-16 units. */
export function compareTexts(a: string, b: string): number {
  let i = 0;
  while (i < a.length && i < b.length && a.charCodeAt(i) === b.charCodeAt(i)) i++;
  if (i === a.length || i === b.length) return a.length - b.length;
  // Two halves of surrogate pairs differ as their characters do.
  return (a.codePointAt(i) ?? 0) - (b.codePointAt(i) ?? 0);
}

/** `item in container` */
export function contains(container: Value, item: Value): boolean {
  if (container instanceof MarkedString) {
    if (item instanceof MarkedString) return container.text.includes(item.text);
    if (item instanceof Undefined) return fail(item.message);
    return fail(`'in <string>' requires string as left operand, not ${typeName(item)}`);
  }
  if (container instanceof Dict) return container.has(item);
  if (container instanceof DictView && container.kind === "dict_keys") hashOf(item);
  if (container instanceof Sequence || container instanceof DictView || container instanceof Undefined) {
    return [...iterate(container)].some((element) => equal(element, item));
  }
  for (const element of iterate(container)) if (equal(element, item)) return true;
  return false;
}
