// Regular expressions of schemas (the keyword `pattern`) as expressions over the characters of a JSON string. Of JavaScript's syntax,
// flag u, all that is regular: what looks ahead, behind or back is refused.

import {
  alternatives,
  type CodePointRange,
  complement,
  type Expression,
  empty,
  normalized,
  repeat,
  rule,
  sequence,
} from "../syntax.js";
import { invalid, unsupported } from "./schema.js";
import { characterOf } from "./text.js";

const DEEPEST_GROUP = 64;

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

/**
 * The inside of a JSON string that a pattern matches somewhere.
 *
 * @throws UnsupportedError UNSUPPORTED_SCHEMA for what is not regular, GrammarError SCHEMA_INVALID for what is not a pattern
 */
export function patternText(pattern: string, pointer: string): Expression {
  try {
    new RegExp(pattern, "u");
  } catch (cause) {
    throw invalid(pointer, `pattern: ${(cause as Error).message}`);
  }
  return new PatternParser(pattern, pointer).pattern();
}

/** Reads a pattern that JavaScript has found to be well-formed. */
class PatternParser {
  readonly #symbols: readonly string[];
  readonly #pointer: string;
  #at = 0;
  #depth = 0;

  constructor(pattern: string, pointer: string) {
    this.#symbols = Array.from(pattern);
    this.#pointer = pointer;
  }

  pattern(): Expression {
    const anything = repeat(rule("character"), 0);
    const branches: Expression[] = [];
    do {
      const fromStart = this.#skip("^");
      const { text, toEnd } = this.#branch();
      branches.push(sequence(fromStart ? empty : anything, text, toEnd ? empty : anything));
    } while (this.#skip("|"));
    return alternatives(...branches);
  }

  /** One alternative; a `$` at its end is taken if it is one of the whole pattern. */
  #branch(): { readonly text: Expression; readonly toEnd: boolean } {
    const terms: Expression[] = [];
    for (;;) {
      const symbol = this.#symbols[this.#at];
      if (symbol === undefined || symbol === "|" || symbol === ")") return { text: sequence(...terms), toEnd: false };
      if (symbol === "$" && this.#depth === 0) {
        this.#at++;
        const next = this.#symbols[this.#at];
        if (next === undefined || next === "|") return { text: sequence(...terms), toEnd: true };
        throw this.#refuse("$ anywhere except at the end");
      }
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
    } else if (symbol === "{") {
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

  #atom(): Expression {
    const symbol = this.#symbols[this.#at]!;
    if (symbol === "(") return this.#group();
    if (symbol === "[") return characterOf(this.#class());
    if (symbol === "^" || symbol === "$") throw this.#refuse(`${symbol} anywhere except at the ends`);
    if (symbol === ".") {
      this.#at++;
      return characterOf(complement(lineEnds));
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
    do branches.push(this.#branch().text);
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
    return inverted ? complement(ranges) : normalized(ranges);
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
    if (letter === "p" || letter === "P") throw this.#refuse(`\\${letter}`);
    if (letter === "c") return one(this.#symbols[this.#at++]!.codePointAt(0)! & 31);
    if (letter === "x") return one(this.#hexadecimal(2));
    if (letter !== "u") return one(letter.codePointAt(0)!); // a character of the syntax itself
    if (this.#symbols[this.#at] === "{") {
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
