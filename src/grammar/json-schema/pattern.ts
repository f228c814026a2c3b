// Regular expressions of schemas (the keyword `pattern`) as expressions over the characters of a JSON string. Of JavaScript's syntax,
// flag u, all that is regular: what looks ahead, behind or back is refused.

import {
  alternatives,
  both,
  type CodePointRange,
  complement,
  type Expression,
  empty,
  except,
  normalized,
  repeat,
  rule,
  sequence,
} from "../syntax.js";
import { invalid, unsupported } from "./schema.js";
import { canonicalText, characterOf } from "./text.js";

const DEEPEST_GROUP = 64;
/** Patterns that take the place of one whose groups look ahead. */
const MOST_LIFTED = 64;
const LAST_CODE_POINT = 0x10ffff;
const anything = repeat(rule("character"), 0);

const digits: readonly CodePointRange[] = [[0x30, 0x39]];
const wordCharacters: readonly CodePointRange[] = [...digits, [0x41, 0x5a], [0x5f, 0x5f], [0x61, 0x7a]];
const lineEnds: readonly CodePointRange[] = [
  [0x0a, 0x0a],
  [0x0d, 0x0d],
  [0x2028, 0x2029],
];
const spaces: readonly CodePointRange[] = [
  ...lineEnds,
  ...[0x09, 0x0b, 0x0c, 0x20, 0xa0, 0x1680, 0x202f, 0x205f, 0x3000, 0xfeff].map((one) => [one, one] as const),
  [0x2000, 0x200a],
];
const classes: Readonly<Record<string, readonly CodePointRange[]>> = {
  d: digits,
  D: complement(digits),
  w: wordCharacters,
  W: complement(wordCharacters),
  s: spaces,
  S: complement(spaces),
};
/** b: in a class only; elsewhere it is the border of a word. */
const controls: Readonly<Record<string, number>> = { b: 8, t: 9, n: 10, v: 11, f: 12, r: 13, 0: 0 };

const properties = new Map<string, readonly CodePointRange[]>();

/** The code points that an escape of a Unicode property stands for: JavaScript is asked for each. */
function rangesOf(property: string): readonly CodePointRange[] {
  const known = properties.get(property);
  if (known !== undefined) return known;
  const expression = new RegExp(property, "u");
  const ranges: CodePointRange[] = [];
  let first: number | undefined;
  for (let codePoint = 0; codePoint <= LAST_CODE_POINT + 1; codePoint++) {
    const isIn = codePoint <= LAST_CODE_POINT && expression.test(String.fromCodePoint(codePoint));
    if (isIn) first ??= codePoint;
    else if (first !== undefined) {
      ranges.push([first, codePoint - 1]);
      first = undefined;
    }
  }
  properties.set(property, ranges);
  return ranges;
}

/** @throws GrammarError SCHEMA_INVALID for what is not a pattern */
export function checkPattern(pattern: string, pointer: string): void {
  try {
    patternRegExp(pattern);
  } catch (cause) {
    throw invalid(pointer, `pattern: ${(cause as Error).message}`);
  }
}

/** A pattern as JavaScript reads it: with the flag u or, where it is not well-formed so, without. */
export function patternRegExp(pattern: string): RegExp {
  try {
    return new RegExp(pattern, "u");
  } catch {
    return new RegExp(pattern);
  }
}

/**
 * The inside of a JSON string that a pattern matches somewhere.
 *
 * @throws UnsupportedError UNSUPPORTED_SCHEMA for what is not regular
 */
export function patternText(pattern: string, pointer: string): Expression {
  const { unicode } = patternRegExp(pattern);
  const lifted = lookaheadsLifted(Array.from(pattern), MOST_LIFTED);
  const parts = (lifted ?? [Array.from(pattern)]).map((part) =>
    new PatternParser(part.join(""), pointer, unicode).pattern(),
  );
  return alternatives(...parts);
}

/**
 * A pattern with groups that look ahead as patterns without such groups: each alternative of the group in its place. undefined: they would be
 * more than `most`, or a group is repeated.
 *
 *   ^a(?:b(?=c)|d)?.$     ^ab(?=c).$   ^ad.$   ^a.$
 */
function lookaheadsLifted(symbols: readonly string[], most: number): readonly (readonly string[])[] | undefined {
  const group = groupThatLooksAhead(symbols);
  if (group === undefined) return [symbols];
  const { begin, inside, branches, end, quantifier } = group;
  if (branches.length + 1 > most || /[*+{]/.test(quantifier)) return undefined;
  const inner = branches.map((at, i) => symbols.slice(i === 0 ? inside : branches[i - 1]! + 1, at));
  const found: (readonly string[])[] = [];
  for (const branch of quantifier === "?" ? [...inner, []] : inner) {
    const rest = symbols.slice(end + 1 + quantifier.length);
    const more = lookaheadsLifted([...symbols.slice(0, begin), ...branch, ...rest], most - found.length);
    if (more === undefined) return undefined;
    found.push(...more);
  }
  return found.length > most ? undefined : found;
}

/** The first group that is not all of an alternative and has a lookahead in it. Branches are where each ends. */
function groupThatLooksAhead(symbols: readonly string[]) {
  const open: { begin: number; inside: number; branches: number[]; looks: boolean; isLook: boolean }[] = [];
  for (let at = 0, inClass = false; at < symbols.length; at++) {
    const symbol = symbols[at]!;
    if (symbol === "\\") at++;
    else if (inClass) inClass = symbol !== "]";
    else if (symbol === "[") inClass = true;
    else if (symbol === "|") open.at(-1)?.branches.push(at);
    else if (symbol === "(") {
      const opening = symbols.slice(at, at + 4).join("");
      const isLook = /^\(\?(?:[=!]|<[=!])/.test(opening);
      const isNamed = opening.startsWith("(?<") && !isLook;
      const inside = isNamed ? symbols.indexOf(">", at) + 1 : opening.startsWith("(?:") ? at + 3 : at + 1;
      if (isLook) for (const one of open) one.looks = true;
      open.push({ begin: at, inside, branches: [], looks: false, isLook });
    } else if (symbol === ")") {
      const group = open.pop()!;
      if (!group.looks || group.isLook || open.some(({ isLook }) => isLook)) continue;
      if (open.some(({ looks }) => looks)) continue; // the outermost one first
      const quantifier = /^(?:[*+?]|\{\d)/.test(symbols.slice(at + 1, at + 3).join("")) ? symbols[at + 1]! : "";
      return { ...group, branches: [...group.branches, at], end: at, quantifier };
    }
  }
  return undefined;
}

/** Reads a pattern that JavaScript has found to be well-formed. */
class PatternParser {
  readonly #symbols: readonly string[];
  readonly #pointer: string;
  /** Whether the flag u is set. Without it, what is escaped for no reason stands for itself. */
  readonly #unicode: boolean;
  #at = 0;
  #depth = 0;

  constructor(pattern: string, pointer: string, unicode: boolean) {
    this.#symbols = Array.from(pattern);
    this.#pointer = pointer;
    this.#unicode = unicode;
  }

  pattern(): Expression {
    const branches: Expression[] = [];
    do {
      const whole = this.#wholeGroup();
      if (whole !== undefined) branches.push(whole);
      else branches.push(sequence(this.#skip("^") ? empty : anything, this.#rest()));
    } while (this.#skip("|"));
    return alternatives(...branches);
  }

  /** A group that is all of an alternative is as its inside is: `(^a$|^b$)`. */
  #wholeGroup(): Expression | undefined {
    const begin = this.#at;
    const opening = this.#symbols.slice(begin, begin + 3).join("");
    if (!opening.startsWith("(") || (opening.startsWith("(?") && opening !== "(?:")) return undefined;
    let depth = 0;
    let end = begin;
    for (let inClass = false; end < this.#symbols.length; end++) {
      const symbol = this.#symbols[end];
      if (symbol === "\\") end++;
      else if (inClass) inClass = symbol !== "]";
      else if (symbol === "[") inClass = true;
      else if (symbol === "(") depth++;
      else if (symbol === ")" && --depth === 0) break;
    }
    const next = this.#symbols[end + 1];
    if (next !== undefined && next !== "|") return undefined;
    const inside = this.#symbols.slice(begin + (opening === "(?:" ? 3 : 1), end).join("");
    this.#at = end + 1;
    return new PatternParser(inside, this.#pointer, this.#unicode).pattern();
  }

  /** The rest of an alternative of the whole pattern, up to the end of the text. */
  #rest(): Expression {
    const terms: Expression[] = [];
    for (;;) {
      const symbol = this.#symbols[this.#at];
      if (symbol === undefined || symbol === "|" || symbol === ")") return sequence(...terms, anything);
      if (symbol === "$") {
        this.#at++;
        const next = this.#symbols[this.#at];
        if (next === undefined || next === "|" || next === ")") return sequence(...terms);
        throw this.#refuse("$ anywhere except at the end");
      }
      const look = this.#symbols.slice(this.#at, this.#at + 3).join("");
      if (look === "(?=" || look === "(?!") {
        this.#at += 3;
        const ahead: Expression[] = [];
        do ahead.push(this.#rest());
        while (this.#skip("|"));
        this.#at++; // )
        // What must not come could be spelled in another way, so all characters are spelled in one.
        const rest = both(this.#rest(), canonicalText);
        return sequence(...terms, (look === "(?=" ? both : except)(rest, alternatives(...ahead)));
      }
      terms.push(this.#term());
    }
  }

  /** One alternative of a group. */
  #branch(): Expression {
    const terms: Expression[] = [];
    for (;;) {
      const symbol = this.#symbols[this.#at];
      if (symbol === undefined || symbol === "|" || symbol === ")") return sequence(...terms);
      terms.push(this.#term());
    }
  }

  #term(): Expression {
    const atom = this.#atom();
    const symbol = this.#symbols[this.#at];
    let counts: readonly [number, number] | undefined;
    if (symbol === "?" || symbol === "*" || symbol === "+") {
      this.#at++;
      counts = [symbol === "+" ? 1 : 0, symbol === "?" ? 1 : Number.POSITIVE_INFINITY];
    } else if (symbol === "{" && this.#countFollows()) {
      const end = this.#symbols.indexOf("}", this.#at);
      const [least, most] = this.#symbols
        .slice(this.#at + 1, end)
        .join("")
        .split(",");
      counts = [
        Number(least),
        most === undefined ? Number(least) : most === "" ? Number.POSITIVE_INFINITY : Number(most),
      ];
      this.#at = end + 1;
    }
    if (counts === undefined) return atom;
    this.#skip("?"); // as few as possible or as many: the texts are the same
    return repeat(atom, ...counts);
  }

  /** Without the flag u, a brace that begins no count stands for itself. */
  #countFollows(): boolean {
    return this.#unicode || /^\{\d+(?:,\d*)?\}/.test(this.#symbols.slice(this.#at, this.#at + 24).join(""));
  }

  #atom(): Expression {
    const symbol = this.#symbols[this.#at]!;
    if (symbol === "(") return this.#group();
    if (symbol === "[") return characterOf(this.#class());
    if (symbol === "^" || symbol === "$") throw this.#refuse(`${symbol} anywhere except at the ends`);
    if (symbol === ".") {
      this.#at++;
      return characterOf(this.#characters(complement(lineEnds)));
    }
    if (symbol === "\\" && /[bBk1-9]/.test(this.#symbols[this.#at + 1]!)) {
      throw this.#refuse(`\\${this.#symbols[this.#at + 1]}`);
    }
    return characterOf(this.#ranges());
  }

  #group(): Expression {
    if (++this.#depth > DEEPEST_GROUP) throw this.#refuse(`more than ${DEEPEST_GROUP} groups in each other`);
    this.#at++;
    if (this.#skip("?")) {
      const kind = this.#symbols[this.#at]!;
      const name = kind === "<" && !/[=!]/.test(this.#symbols[this.#at + 1]!);
      if (kind !== ":" && !name) throw this.#refuse(`(?${kind}`);
      this.#at = name ? this.#symbols.indexOf(">", this.#at) + 1 : this.#at + 1;
    }
    const branches: Expression[] = [];
    do branches.push(this.#branch());
    while (this.#skip("|"));
    this.#at++; // )
    this.#depth--;
    return alternatives(...branches);
  }

  #class(): CodePointRange[] {
    this.#at++;
    const inverted = this.#skip("^");
    const ranges: CodePointRange[] = [];
    while (!this.#skip("]")) {
      const first = this.#ranges();
      if (this.#symbols[this.#at] === "-" && this.#symbols[this.#at + 1] !== "]") {
        this.#at++;
        ranges.push([first[0]![0], this.#ranges()[0]![0]]);
      } else {
        ranges.push(...first);
      }
    }
    return this.#characters(inverted ? complement(ranges) : normalized(ranges));
  }

  /** Without the flag u, what is beyond U+FFFF is two characters. */
  #characters(ranges: readonly CodePointRange[]): CodePointRange[] {
    if (this.#unicode) return [...ranges];
    return ranges.filter(([first]) => first <= 0xffff).map(([first, last]) => [first, Math.min(last, 0xffff)] as const);
  }

  /** One character, or what an escape stands for. */
  #ranges(): readonly CodePointRange[] {
    const one = (codePoint: number): readonly CodePointRange[] => [[codePoint, codePoint]];
    const symbol = this.#symbols[this.#at++]!;
    if (symbol !== "\\") return one(symbol.codePointAt(0)!);
    const letter = this.#symbols[this.#at++]!;
    const named = classes[letter];
    if (named !== undefined) return named;
    const control = controls[letter];
    if (control !== undefined) return one(control);
    const next = this.#symbols.slice(this.#at, this.#at + 4).join("");
    if ((letter === "p" || letter === "P") && this.#unicode) {
      const end = this.#symbols.indexOf("}", this.#at) + 1;
      const property = `\\${letter}${this.#symbols.slice(this.#at, end).join("")}`;
      this.#at = end;
      return rangesOf(property);
    }
    if (letter === "c" && (this.#unicode || /^[A-Za-z]/.test(next))) {
      return one(this.#symbols[this.#at++]!.codePointAt(0)! & 31);
    }
    if (letter === "x" && (this.#unicode || /^[0-9a-f]{2}/i.test(next))) return one(this.#hexadecimal(2));
    if (letter === "c" && !this.#unicode) throw this.#refuse("\\c"); // a backslash and a c
    if (letter !== "u" || !(this.#unicode || /^[0-9a-f]{4}/i.test(next))) return one(letter.codePointAt(0)!);
    if (this.#symbols[this.#at] === "{" && this.#unicode) {
      const end = this.#symbols.indexOf("}", this.#at);
      const digitsOf = this.#symbols.slice(this.#at + 1, end).join("");
      this.#at = end + 1;
      return one(Number.parseInt(digitsOf, 16));
    }
    const unit = this.#hexadecimal(4);
    const second = /^\\u(d[c-f][0-9a-f]{2})$/i.exec(this.#symbols.slice(this.#at, this.#at + 6).join(""))?.[1];
    if (unit < 0xd800 || unit > 0xdbff || second === undefined) return one(unit);
    this.#at += 6;
    return one(0x10000 + ((unit - 0xd800) << 10) + (Number.parseInt(second, 16) - 0xdc00));
  }

  #hexadecimal(length: number): number {
    const text = this.#symbols.slice(this.#at, this.#at + length).join("");
    this.#at += length;
    return Number.parseInt(text, 16);
  }

  #skip(symbol: string): boolean {
    if (this.#symbols[this.#at] !== symbol) return false;
    this.#at++;
    return true;
  }

  #refuse(what: string) {
    return unsupported(this.#pointer, "pattern", `${what} in ${JSON.stringify(this.#symbols.join(""))}`);
  }
}
