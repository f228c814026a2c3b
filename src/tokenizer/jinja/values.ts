// The values of a template: Python's, because templates are written for Jinja2, which is Python.
//
//   None   NONE            int    number           list, tuple, range   Sequence      undefined   Undefined
//   bool   boolean         float  Float            dict                 Dict          a function  Callable
//   str    MarkedString                            dict.items() ...     DictView
//                                                  a generator          Lazy

import { TemplateError } from "../../errors.js";
import { MarkedString } from "./marked-string.js";

/** Elements of the longest list that a template may make. */
const LONGEST_SEQUENCE = 10 ** 6;

/** None is an object of its own, so that `??` tells what is None from what is not there. */
export class None {
  readonly type = "None";
}

export const NONE = new None();

export class Float {
  constructor(readonly value: number) {}
}

export class Sequence {
  constructor(
    readonly kind: "list" | "tuple" | "range",
    readonly items: readonly Value[],
  ) {
    checkElements(items.length);
  }
}

/** Refuses a list that is too long to make. */
export function checkElements(count: number): void {
  if (count <= LONGEST_SEQUENCE) return;
  throw new TemplateError(
    "TEMPLATE_OUTPUT",
    `the chat template makes a list of ${count} elements; at most ${LONGEST_SEQUENCE} are allowed`,
  );
}

export class Dict {
  readonly #entries = new Map<string, readonly [key: Value, value: Value]>();

  constructor(entries: Iterable<readonly [key: Value, value: Value]> = []) {
    for (const [key, value] of entries) this.set(key, value);
  }

  get size(): number {
    return this.#entries.size;
  }

  /** As in Python, an entry that is set again keeps its first key. */
  set(key: Value, value: Value): void {
    const hash = hashOf(key);
    this.#entries.set(hash, [this.#entries.get(hash)?.[0] ?? key, value]);
  }

  get(key: Value): Value | undefined {
    return this.#entries.get(hashOf(key))?.[1];
  }

  has(key: Value): boolean {
    return this.#entries.has(hashOf(key));
  }

  entries(): readonly (readonly [key: Value, value: Value])[] {
    return [...this.#entries.values()];
  }
}

/** What the methods of a dict give: not lists, so they have no element 0. */
export class DictView {
  constructor(
    readonly kind: "dict_items" | "dict_keys" | "dict_values",
    readonly items: readonly Value[],
  ) {}
}

/** A generator: computed when it is iterated over, and iterated over once. */
export class Lazy {
  constructor(readonly iterator: IterableIterator<Value>) {}
}

/** What the filter groupby makes: a tuple of a key and the items that have it, which also have names. */
export class Group extends Sequence {
  constructor(
    readonly grouper: Value,
    readonly list: Sequence,
  ) {
    super("tuple", [grouper, list]);
  }
}

export class Namespace {
  readonly attributes = new Map<string, Value>();
}

/** The variable `loop`: where a loop is in its items, which it takes one by one. */
export class Loop {
  index0 = -1;
  #current: Value | undefined;
  #before: Value | undefined;
  /** Items that were taken from the iterator ahead of time. */
  readonly #ahead: Value[] = [];
  #length: number | undefined;
  /** What `loop.changed(...)` was called with last. */
  lastValues: Sequence | undefined;

  /**
   * @param length How many items there are, where that can be told without taking them all
   * @param render Renders the loop's body for other items, in a loop that is `recursive`
   */
  constructor(
    readonly items: Iterator<Value>,
    length: number | undefined,
    readonly render: ((items: Value, depth: number) => Value) | undefined,
    readonly depth0: number,
  ) {
    this.#length = length;
  }

  /** The next item, which then is the current one. */
  next(): Value | undefined {
    const item = this.#peek();
    this.#ahead.shift();
    if (item === undefined) return undefined;
    this.index0++;
    this.#before = this.#current;
    this.#current = item;
    return item;
  }

  #take(): boolean {
    const { done, value } = this.items.next();
    if (done !== true) this.#ahead.push(value);
    return done !== true;
  }

  #peek(): Value | undefined {
    if (this.#ahead.length === 0) this.#take();
    return this.#ahead[0];
  }

  get length(): number {
    if (this.#length === undefined) {
      while (this.#take());
      this.#length = this.index0 + 1 + this.#ahead.length;
    }
    return this.#length;
  }

  /** An attribute; undefined when loops have no such attribute. */
  get(name: string): Value | undefined {
    switch (name) {
      case "index":
        return this.index0 + 1;
      case "index0":
        return this.index0;
      case "revindex":
        return this.length - this.index0;
      case "revindex0":
        return this.length - this.index0 - 1;
      case "first":
        return this.index0 === 0;
      case "last":
        return this.#peek() === undefined;
      case "length":
        return this.length;
      case "depth":
        return this.depth0 + 1;
      case "depth0":
        return this.depth0;
      case "previtem":
        return this.#before ?? new Undefined("there is no previous item");
      case "nextitem":
        return this.#peek() ?? new Undefined("there is no next item");
      case "cycle":
        return new Callable("cycle", ({ positional }) => {
          return positional[this.index0 % positional.length] ?? fail("no items for cycling given");
        });
      default:
        return undefined;
    }
  }
}

/** The arguments of a call. */
export interface Arguments {
  readonly positional: readonly Value[];
  readonly named: ReadonlyMap<string, Value>;
}

export class Callable {
  /** @param attributes Those of a macro: its name, its parameters and what else it takes */
  constructor(
    readonly name: string,
    readonly call: (args: Arguments) => Value,
    readonly attributes?: ReadonlyMap<string, Value>,
  ) {}
}

/** What is not there. It prints as nothing; whatever else is done with it fails with its message. */
export class Undefined {
  constructor(readonly message: string) {}
}

export type Value =
  | None
  | boolean
  | number
  | Float
  | MarkedString
  | Sequence
  | Dict
  | DictView
  | Lazy
  | Namespace
  | Loop
  | Callable
  | Undefined;

/** Ends the rendering. */
export function fail(message: string): never {
  throw new TemplateError("TEMPLATE_RENDER", `the chat template failed: ${message}`);
}

export function list(items: Iterable<Value>): Sequence {
  return new Sequence("list", [...items]);
}

export function tuple(...items: readonly Value[]): Sequence {
  return new Sequence("tuple", items);
}

export function string(text: string): MarkedString {
  return new MarkedString(text);
}

/** The name of a value's type in Python, for messages. */
export function typeName(value: Value): string {
  if (value instanceof None) return "NoneType";
  if (typeof value === "boolean") return "bool";
  if (typeof value === "number") return "int";
  if (value instanceof Float) return "float";
  if (value instanceof MarkedString) return "str";
  if (value instanceof Sequence || value instanceof DictView) return value.kind;
  if (value instanceof Dict) return "dict";
  if (value instanceof Lazy) return "generator";
  if (value instanceof Namespace) return "Namespace";
  if (value instanceof Loop) return "LoopContext";
  if (value instanceof Callable) return "function";
  return "Undefined";
}

export function isTrue(value: Value): boolean {
  if (value instanceof None || value instanceof Undefined) return false;
  if (typeof value === "boolean") return value;
  if (typeof value === "number") return value !== 0;
  if (value instanceof Float) return value.value !== 0;
  if (value instanceof MarkedString) return value.text !== "";
  if (value instanceof Sequence || value instanceof DictView) return value.items.length > 0;
  if (value instanceof Dict) return value.size > 0;
  return true;
}

/** What a for loop goes over. */
export function iterate(value: Value): Iterable<Value> {
  if (value instanceof Sequence || value instanceof DictView) return value.items;
  if (value instanceof MarkedString) return value.characters();
  if (value instanceof Dict) return value.entries().map(([key]) => key);
  if (value instanceof Lazy) return value.iterator;
  if (value instanceof Loop) return turns(value);
  if (value instanceof Undefined) return [];
  return fail(`'${typeName(value)}' object is not iterable`);
}

/** The turns that a loop has left, which then are over. */
function* turns(loop: Loop): Generator<Value> {
  for (let item = loop.next(); item !== undefined; item = loop.next()) yield tuple(item, loop);
}

export function lengthOf(value: Value): number {
  return knownLength(value) ?? fail(`object of type '${typeName(value)}' has no len()`);
}

/** len(value), for what has one */
export function knownLength(value: Value): number | undefined {
  if (value instanceof Sequence || value instanceof DictView) return value.items.length;
  if (value instanceof MarkedString || value instanceof Loop) return value.length;
  if (value instanceof Dict) return value.size;
  return value instanceof Undefined ? 0 : undefined;
}

/** The number that an int, float or bool is. */
export function numberOf(value: Value): number | undefined {
  if (typeof value === "number") return value;
  if (typeof value === "boolean") return Number(value);
  return value instanceof Float ? value.value : undefined;
}

// What is equal to nothing but itself.
const identities = new WeakMap<object, number>();
let identityCount = 0;

/** A string under which a dict finds a key: equal for equal keys. Fails for what cannot be a key. */
export function hashOf(key: Value): string {
  if (key instanceof MarkedString) return `s${key.text}`;
  const number = numberOf(key);
  if (number !== undefined) return `n${number}`;
  if (key instanceof None || key instanceof Undefined) return typeName(key);
  if (key instanceof Sequence && key.kind !== "list") return `${key.kind}${JSON.stringify(key.items.map(hashOf))}`;
  if (key instanceof Callable || key instanceof Namespace || key instanceof Lazy || key instanceof Loop) {
    if (!identities.has(key)) identities.set(key, identityCount++);
    return `i${identities.get(key)}`;
  }
  return fail(`unhashable type: '${typeName(key)}'`);
}
