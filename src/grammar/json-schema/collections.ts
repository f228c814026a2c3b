// Objects and arrays of a shape.

import {
  alternatives,
  both,
  type Expression,
  empty,
  except,
  literal,
  nothing,
  optional,
  repeat,
  rule,
  sequence,
} from "../syntax.js";
import { patternText } from "./pattern.js";
import { namesOf, otherNode, propertyNode } from "./properties.js";
import { unsupported } from "./schema.js";
import type { ArrayShape, Node, ObjectShape } from "./shape.js";
import { braces, canonicalText, colon, comma, keyExcept, space } from "./text.js";

/** Patterns of names: of so many, every set of them that a name may match has properties of its own; of more, a name matches one at most. */
const MOST_PATTERNS_AT_ONCE = 5;
const MOST_PATTERNS = 64;
/** Members that are counted. */
const MOST_COUNTED = 64;
/** Listed values that are counted, for an array of distinct items has each at most once. */
const MOST_LISTED = 1024;
/** Tokens of a distinct item that is not listed, beyond those of the shortest one. */
const DISTINCT_RESERVE = 4;

/** What the parts of a value are written with. */
export interface Writer {
  /** A node's text. */
  readonly textOf: (node: Node) => Expression;
  readonly meet: (one: Node, other: Node) => Node;
  /** Whether all comes that is valid: keys in any order, and more properties and items wherever nothing is said of them. */
  readonly isWide: boolean;
  /** The node of no schema. */
  readonly anyNode: Node;
  /** All values of a node; undefined: they are not listed, or are too many. */
  readonly valuesOf: (node: Node, most: number) => readonly unknown[] | undefined;
  /** The texts of a node's strings. */
  readonly stringsOf: (node: Node) => Expression;
  /** The name of a new rule, of this text. */
  readonly ruleOf: (text: Expression, pointer: string) => string;
  /** Gives a rule another text. */
  readonly setRule: (name: string, text: Expression) => void;
  /** The node of what is not valid by one. */
  readonly opposite: (node: Node, pointer: string) => Node;
}

interface Member {
  readonly name: string;
  readonly item: Expression;
  readonly required: boolean;
}

/** An object: its properties in the schema's order, then additional ones. */
export function objectText(shape: ObjectShape, writer: Writer, pointer: string): Expression {
  const { layers, required, least, most, names: nameNodes, outside } = shape;
  const names = namesOf(shape);
  const patterns = [...new Set(layers.flatMap((layer) => [...layer.patterns.keys()]))];
  // Where nothing is said of more properties they may come, but need not: a schema that names its properties means those.
  const saysMore = layers.some(({ more }) => more !== undefined);
  const isOpen = saysMore || writer.isWide || (names.length === 0 && patterns.length === 0);
  const nameText = nameNodes.map(writer.stringsOf);
  const allowed = (name: string) => nameNodes.every((node) => fitsName(name, node, writer));

  const listed = listedNames(nameNodes, writer);
  // Names of a list are properties like others, in the list's order.
  const inOrder =
    listed === undefined ? [...names] : [...(isOpen ? listed : listed.filter((one) => names.includes(one)))];
  if (listed !== undefined) inOrder.push(...[...required].filter((name) => !listed.includes(name)));
  const members: Member[] = [];
  for (const name of inOrder) {
    const node = propertyNode(shape, name, writer.meet) ?? writer.anyNode;
    const text = allowed(name) ? writer.textOf(node) : nothing;
    if (text === nothing && required.has(name)) return nothing;
    if (text !== nothing) {
      const item = sequence(literal(JSON.stringify(name)), colon, text);
      members.push({ name, item, required: required.has(name) });
    }
  }
  const rest =
    listed !== undefined ? nothing : otherProperties(shape, patterns, isOpen, names, nameText, writer, pointer);
  return alternatives(
    ...chosen(members, rest, outside, pointer).map(({ items, repeated, once }) => {
      const needed = Math.max(least, once ? 1 : 0);
      return membersText(items, repeated, once, needed, most, writer.isWide, pointer);
    }),
  );
}

/** Properties that are not named: by the patterns that their names match. */
function otherProperties(
  shape: ObjectShape,
  patterns: readonly string[],
  isOpen: boolean,
  names: readonly string[],
  nameText: readonly Expression[],
  writer: Writer,
  pointer: string,
): Expression {
  if (patterns.length > MOST_PATTERNS) {
    throw unsupported(pointer, "patternProperties", `at most ${MOST_PATTERNS} patterns are supported`);
  }
  const narrowed = (key: Expression) => nameText.reduce(both, key);
  const member = (key: Expression, node: Node) => {
    const text = writer.textOf(node);
    return text === nothing ? nothing : sequence(narrowed(key), colon, text);
  };
  if (patterns.length === 0) {
    if (!isOpen) return nothing;
    return member(keyExcept(names), otherNode(shape, new Set(), writer.meet) ?? writer.anyNode);
  }
  const texts = patterns.map((pattern) => quoted(patternText(pattern, pointer)));
  const free = except(quoted(canonicalText), alternatives(...names.map((name) => literal(JSON.stringify(name)))));
  const all: Expression[] = [];
  if (patterns.length > MOST_PATTERNS_AT_ONCE) {
    for (const [i, pattern] of patterns.entries()) {
      const others = texts.filter((_, j) => j !== i);
      const node = otherNode(shape, new Set([pattern]), writer.meet) ?? writer.anyNode;
      all.push(member(except(both(free, texts[i]!), alternatives(...others)), node));
    }
    if (isOpen)
      all.push(
        member(except(free, alternatives(...texts)), otherNode(shape, new Set(), writer.meet) ?? writer.anyNode),
      );
    return alternatives(...all);
  }
  for (let chosen = isOpen ? 0 : 1; chosen < 2 ** patterns.length; chosen++) {
    const isChosen = (i: number) => ((chosen >> i) & 1) === 1;
    const node = otherNode(shape, new Set(patterns.filter((_, i) => isChosen(i))), writer.meet);
    let key = free;
    for (const [i, text] of texts.entries()) key = isChosen(i) ? both(key, text) : except(key, text);
    all.push(member(key, node ?? writer.anyNode));
  }
  return alternatives(...all);
}

/** Whether a name is one that a node allows. */
function fitsName(name: string, node: Node, { valuesOf, meet }: Writer): boolean {
  const only: Node = meet(node, { all: [{ const: name }], none: [] });
  return valuesOf(only, 1)?.length === 1;
}

/** The names that are allowed, if they are listed. */
function listedNames(nodes: readonly Node[], { valuesOf, meet }: Writer): readonly string[] | undefined {
  const [first, ...others] = nodes;
  if (first === undefined) return undefined;
  const values = valuesOf(others.reduce(meet, first), Number.POSITIVE_INFINITY);
  return values?.filter((value): value is string => typeof value === "string");
}

/** The ways to have a property outside of every list: one that is named, or one that is not. */
function chosen(
  members: readonly Member[],
  repeated: Expression,
  outside: ObjectShape["outside"],
  pointer: string,
): readonly { readonly items: readonly Member[]; readonly repeated: Expression; readonly once: boolean }[] {
  const [names, ...others] = outside;
  if (names === undefined) return [{ items: members, repeated, once: false }];
  const ways = members
    .filter(({ name }) => !names.has(name))
    .flatMap(({ name }) => {
      const items = members.map((member) => (member.name === name ? { ...member, required: true } : member));
      return chosen(items, repeated, others, pointer);
    });
  if (repeated === nothing) return ways;
  throw unsupported(
    pointer,
    "not",
    "what is not valid by additionalProperties cannot be written beside more properties",
  );
}

function membersText(
  items: readonly Member[],
  rest: Expression,
  once: boolean,
  least: number,
  most: number,
  inAnyOrder: boolean,
  pointer: string,
): Expression {
  const needed = items.filter(({ required }) => required).length;
  const possible = rest === nothing ? items.length : Number.POSITIVE_INFINITY;
  if (least > possible || needed > most || (once && rest === nothing)) return nothing;
  if (possible === 0) return sequence(literal("{"), literal("}"));
  // What the members see to by themselves needs no counting.
  const counted = { least: least <= needed ? 0 : least, most: most >= possible ? Number.POSITIVE_INFINITY : most };
  const highest = Math.max(counted.least, counted.most === Number.POSITIVE_INFINITY ? 0 : counted.most);
  if (counted.least > items.length + 1) {
    const why = `names of properties could come again; it must be at most ${items.length + 1}, one more than are named`;
    throw unsupported(pointer, "minProperties", why);
  }
  if (highest > MOST_COUNTED) {
    const keyword = counted.least > MOST_COUNTED ? "minProperties" : "maxProperties";
    throw unsupported(pointer, keyword, `at most ${MOST_COUNTED} properties are counted`);
  }
  const repeated = rest === nothing ? undefined : rest;
  return braces("{", { kind: "members", items, repeated, separator: comma, inAnyOrder, ...counted }, "}");
}

/** An array: first the items that have a place of their own, then those that all have one schema. */
export function arrayText(
  shape: ArrayShape,
  itemText: (node: Node) => Expression,
  writer: Writer,
  pointer: string,
): Expression {
  const { prefix, items, least, most: given, unique, contains } = shape;
  // Where nothing is said of more items they may come, but need not.
  const isClosed = prefix.length > 0 && items === undefined && !writer.isWide;
  let most = isClosed ? Math.min(given, Math.max(prefix.length, least)) : given;
  const listed = unique && prefix.length === 0 && items !== undefined ? writer.valuesOf(items, MOST_LISTED) : undefined;
  if (listed !== undefined) most = Math.min(most, listed.length);
  if (least > most) return nothing;
  if (contains.length > 0) {
    const text = containing(shape, most, itemText, writer, pointer);
    return unique && most > 1 ? distinct(text, reserveOf(least, listed), writer, pointer) : braces("[", text, "]");
  }
  const rest = itemText(items ?? writer.anyNode);

  /** The items from number i on. */
  let text = repeat(
    sequence(comma, rest),
    Math.max(0, least - Math.max(1, prefix.length)),
    Math.max(0, most - Math.max(1, prefix.length)),
  );
  if (prefix.length === 0) text = most === 0 ? empty : sequence(rest, text);
  for (let i = prefix.length - 1; i >= 0; i--) {
    const item = i < most ? writer.textOf(prefix[i]!) : nothing;
    const goesOn = i + 1 < least ? text : optional(text);
    text = item === nothing ? nothing : sequence(i > 0 ? comma : empty, item, i + 1 < prefix.length ? goesOn : text);
  }
  const inside = least > 0 ? text : alternatives(empty, text);
  if (!unique || most < 2) return braces("[", inside, "]");
  return distinct(inside, reserveOf(least, listed), writer, pointer);
}

/** An array whose items differ. */
function distinct(inside: Expression, reserve: number, writer: Writer, pointer: string): Expression {
  if (inside === nothing) return nothing;
  const name = writer.ruleOf(sequence(space, inside, space, literal("]")), pointer);
  return sequence(literal("["), { kind: "distinct", name, reserve });
}

/**
 * The items of an array that must have some of a kind. Where there may be any number of these, the others may be of the kind, too: only as many
 * as must come are found in the text. Where they are counted, the others must not be of it.
 */
function containing(
  { prefix, items, least, contains }: ArrayShape,
  most: number,
  itemText: (node: Node) => Expression,
  writer: Writer,
  pointer: string,
): Expression {
  const [{ node, least: fewest, most: highest } = contains[0]!, ...more] = contains;
  if (more.length > 0) throw unsupported(pointer, "contains", "two of them for one array are not supported");
  if (prefix.length > 0)
    throw unsupported(pointer, "contains", "it cannot stand beside items with a place of their own");
  const isCounted = highest < Number.POSITIVE_INFINITY;
  const any = items ?? writer.anyNode;
  const wanted = itemText(writer.meet(any, node));
  const other = itemText(isCounted ? writer.meet(any, writer.opposite(node, pointer)) : any);
  // Up to where items of both kinds are counted.
  const lastWanted = isCounted ? highest : fewest;
  const lastCount = most < Number.POSITIVE_INFINITY ? most : Math.max(1, least);
  if (lastWanted * lastCount > MOST_COUNTED * MOST_COUNTED) {
    throw unsupported(pointer, "contains", `at most ${MOST_COUNTED} items are counted beside it`);
  }
  /** What may come after `count` items, of which `found` are of the kind. */
  const rules = new Map<string, Expression>();
  const after = (count: number, found: number): Expression => {
    const key = `${count} ${found}`;
    const known = rules.get(key);
    if (known !== undefined) return known;
    const name = writer.ruleOf(nothing, pointer);
    rules.set(key, rule(name));
    const next = (text: Expression, isWanted: boolean) => {
      const foundNext = isWanted ? found + 1 : found;
      const isPast = isWanted && found === lastWanted;
      if (text === nothing || count === most || isPast) return nothing;
      return sequence(count > 0 ? comma : empty, text, after(Math.min(count + 1, lastCount), foundNext));
    };
    const ends = count >= least && found >= fewest ? empty : nothing;
    writer.setRule(name, alternatives(ends, next(wanted, true), next(other, false)));
    return rule(name);
  };
  return after(0, 0);
}

/** Tokens for the distinct items that must come. The grammar's count knows only the shortest item, even where it comes twice in one token. */
function reserveOf(least: number, listed: readonly unknown[] | undefined): number {
  if (least < 2) return 0;
  if (listed === undefined) return DISTINCT_RESERVE * least;
  const lengths = listed.map((value) => JSON.stringify(value).length + 1).sort((a, b) => a - b);
  return lengths.slice(0, least).reduce((sum, length) => sum + length, 0);
}

/** What is repeated is called by its name, so that its text is not written out again and again. */
export function named(text: Expression, name: string, rules: Map<string, Expression>): Expression {
  if (text.kind === "rule" || text.kind === "literal" || text === nothing) return text;
  rules.set(name, text);
  return rule(name);
}

export function quoted(text: Expression): Expression {
  return text === nothing ? nothing : sequence(literal('"'), text, literal('"'));
}
