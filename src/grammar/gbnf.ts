// GBNF, llama.cpp's notation for grammars (its grammars/README.md): text to rules.
//
//   root  ::= item ("," ws item)*        # the rule whose texts are generated
//   item  ::= [a-z]{1,8} | "\"" [^"\x00-\x1F]* "\""
//   ws    ::= [ \t\n]?
//   think ::= <think> !</think>* <[1001]>                                tokens as wholes: by their texts, by numbers, and all but one

import { GrammarError } from "../errors.js";
import {
  alternatives,
  type CodePointRange,
  complement,
  type Expression,
  type Grammar,
  literal,
  repeat,
  rule,
  sequence,
  set,
} from "./syntax.js";

/** Characters of the longest grammar that is read. */
const LONGEST_GRAMMAR = 2 ** 20;
/** How deep parentheses may lie in each other, and counts after one item. */
const DEEPEST_GROUP = 256;

const WORD = /[A-Za-z0-9_-]+/y;
const SPACE = /(?:[ \t]|#[^\r\n]*)*/y;
const SPACE_AND_LINES = /(?:[ \t\r\n]|#[^\r\n]*)*/y;
const COUNTS = /\{[ \t]*(\d+)[ \t]*(?:(,)[ \t]*(\d*)[ \t]*)?\}/y;
/** A token as a whole: by its number, or by its text, with the angle brackets in it. */
const TOKEN = /!?<(?:\[[ \t]*(\d+)[ \t]*\]|[^>\r\n]*)>/y;
/** Texts, sets and comments, in which nothing is a token; or a token by its text. */
const TOKEN_TEXTS = /"(?:\\[\s\S]|[^"\\])*"|\[(?:\\[\s\S]|[^\]\\])*\]|#[^\r\n]*|<\[|(<[^>\r\n]*>)/g;
/** The start of a rule, where a line could also go on with more of the last one. */
const RULE_START = /[A-Za-z0-9_-]+[ \t]*::=/y;

const escapes: Readonly<Record<string, string>> = {
  n: "\n",
  r: "\r",
  t: "\t",
  "\\": "\\",
  '"': '"',
  "[": "[",
  "]": "]",
};
const hexLengths: Readonly<Record<string, number>> = { x: 2, u: 4, U: 8 };

/** The tokens that a grammar may name. */
export interface NamedTokens {
  /** Ids are less. */
  readonly size: number;
  /** The id of the token with this text. */
  readonly idOf: (text: string) => number | undefined;
}

const noTokens: NamedTokens = { size: 0, idOf: () => undefined };

/** The texts of all tokens that a grammar names by their texts, with their angle brackets. */
export function tokenTexts(source: string): readonly string[] {
  return [...new Set(Array.from(source.matchAll(TOKEN_TEXTS), ([, text]) => text ?? "").filter((text) => text !== ""))];
}

/**
 * Reads a grammar.
 *
 * @throws GrammarError GRAMMAR_SYNTAX with line and column, GRAMMAR_NO_RULE for a rule that is not there, GRAMMAR_NO_TOKEN for a token that
 *   the vocabulary does not have
 */
export function parseGbnf(source: string, tokens: NamedTokens = noTokens): Grammar {
  return new Parser(source, tokens).grammar();
}

class Parser {
  readonly #source: string;
  readonly #tokens: NamedTokens;
  #at = 0;
  #depth = 0;
  /** Rules that are asked for, and where. */
  readonly #asked = new Map<string, number>();

  constructor(source: string, tokens: NamedTokens) {
    this.#tokens = tokens;
    if (source.length > LONGEST_GRAMMAR) {
      const message = `the grammar has ${source.length} characters; at most ${LONGEST_GRAMMAR} are read`;
      throw new GrammarError("GRAMMAR_TOO_LARGE", message);
    }
    this.#source = source;
  }

  grammar(): Grammar {
    const rules = new Map<string, Expression>();
    this.#skip(SPACE_AND_LINES);
    while (this.#at < this.#source.length) {
      const start = this.#at;
      const name = this.#take(WORD) ?? this.#fail("a rule's name");
      this.#skip(SPACE);
      if (!this.#source.startsWith("::=", this.#at)) this.#fail(`"::=" after the rule's name`);
      this.#at += 3;
      if (rules.has(name)) this.#fail(`one rule "${name}"; this is the second`, start);
      this.#skip(SPACE_AND_LINES);
      rules.set(name, this.#alternatives(false));
      const end = this.#at;
      this.#skip(SPACE_AND_LINES);
      const lineEnds = /[\r\n]/.test(this.#source.slice(end, this.#at));
      if (this.#at < this.#source.length && !lineEnds) this.#fail("the end of the rule", end);
    }
    for (const [name, place] of [["root", 0] as const, ...this.#asked]) {
      if (!rules.has(name)) {
        throw new GrammarError("GRAMMAR_NO_RULE", `the grammar has no rule "${name}" (${this.#place(place)})`);
      }
    }
    return { root: "root", rules };
  }

  #alternatives(nested: boolean): Expression {
    const items = [this.#sequence(nested)];
    for (;;) {
      const before = this.#at;
      this.#skip(SPACE_AND_LINES); // a line that begins with | goes on with the rule
      if (this.#source[this.#at] !== "|") {
        this.#at = nested ? this.#at : before;
        return items.length === 1 ? items[0]! : alternatives(...items);
      }
      this.#at++;
      this.#skip(SPACE_AND_LINES);
      items.push(this.#sequence(nested));
    }
  }

  #sequence(nested: boolean): Expression {
    const items: Expression[] = [];
    for (;;) {
      const item = this.#item(nested);
      if (item === undefined) return sequence(...items);
      items.push(this.#repeated(item));
      this.#skip(nested ? SPACE_AND_LINES : SPACE);
    }
  }

  #item(nested: boolean): Expression | undefined {
    const character = this.#source[this.#at];
    if (character === '"') return this.#literal();
    if (character === "[") return this.#set();
    if (character === "(") return this.#group();
    if (character === ".") {
      this.#at++;
      return set(complement([]));
    }
    if (character === "<" || character === "!") return this.#token();
    if (nested && this.#matches(RULE_START)) this.#fail(`")"`);
    const start = this.#at;
    const name = this.#take(WORD);
    if (name === undefined) return undefined;
    if (!this.#asked.has(name)) this.#asked.set(name, start);
    return rule(name);
  }

  #token(): Expression {
    TOKEN.lastIndex = this.#at;
    const found =
      TOKEN.exec(this.#source) ?? this.#fail("a token, <text> or <[number]>, or any other, !<text> or !<[number]>");
    const negated = found[0].startsWith("!");
    const text = found[0].slice(negated ? 1 : 0);
    const id = found[1] === undefined ? this.#tokens.idOf(text) : Number(found[1]);
    if (id === undefined || id >= this.#tokens.size) {
      const what = id === undefined ? `one token with the text ${JSON.stringify(text)}` : `a token ${id}`;
      const message = `the model's vocabulary does not have ${what} (${this.#place(this.#at)})`;
      throw new GrammarError("GRAMMAR_NO_TOKEN", message);
    }
    this.#at += found[0].length;
    return { kind: "token", ids: [id], negated };
  }

  #group(): Expression {
    if (++this.#depth > DEEPEST_GROUP) throw this.#tooDeep("parentheses");
    this.#at++;
    this.#skip(SPACE_AND_LINES);
    const inside = this.#alternatives(true);
    if (this.#source[this.#at] !== ")") this.#fail(`")"`);
    this.#at++;
    this.#depth--;
    return inside;
  }

  /** The item with the `?`, `*`, `+` or `{m,n}` after it. */
  #repeated(item: Expression): Expression {
    let repeated = item;
    for (let counts = 0; ; counts++) {
      if (counts > DEEPEST_GROUP) throw this.#tooDeep("counts");
      const character = this.#source[this.#at];
      if (character === "?" || character === "*" || character === "+") {
        this.#at++;
        repeated = repeat(repeated, character === "+" ? 1 : 0, character === "?" ? 1 : undefined);
      } else if (character === "{") {
        COUNTS.lastIndex = this.#at;
        const range = COUNTS.exec(this.#source) ?? this.#fail("{m}, {m,} or {m,n}");
        const least = Number(range[1]);
        const most = range[2] === undefined ? least : range[3] === "" ? Number.POSITIVE_INFINITY : Number(range[3]);
        if (most < least) this.#fail(`a range of counts, not ${range[0]}`);
        this.#at = COUNTS.lastIndex;
        repeated = repeat(repeated, least, most);
      } else {
        return repeated;
      }
    }
  }

  #literal(): Expression {
    const start = this.#at++;
    let text = "";
    while (this.#source[this.#at] !== '"') {
      if (this.#at >= this.#source.length) this.#fail("the end of the text that begins here", start);
      text += String.fromCodePoint(this.#character());
    }
    this.#at++;
    return literal(text);
  }

  #set(): Expression {
    const start = this.#at++;
    const inverted = this.#source[this.#at] === "^";
    if (inverted) this.#at++;
    const ranges: CodePointRange[] = [];
    while (this.#source[this.#at] !== "]") {
      if (this.#at >= this.#source.length) this.#fail("the end of the set that begins here", start);
      const first = this.#character();
      let last = first;
      if (this.#source[this.#at] === "-" && this.#source[this.#at + 1] !== "]") {
        this.#at++;
        last = this.#character();
        if (last < first) this.#fail("a range from a lower to a higher character", start);
      }
      ranges.push([first, last]);
    }
    this.#at++;
    return set(inverted ? complement(ranges) : ranges);
  }

  /** One character of a text or a set, which may be written as an escape. */
  #character(): number {
    if (this.#source[this.#at] !== "\\") {
      const codePoint = this.#source.codePointAt(this.#at) ?? this.#fail("a character");
      if (codePoint >= 0xd800 && codePoint <= 0xdfff) this.#fail("a whole character, not half of a surrogate pair");
      this.#at += codePoint > 0xffff ? 2 : 1;
      return codePoint;
    }
    const letter = this.#source[this.#at + 1] ?? "";
    const length = hexLengths[letter];
    if (length !== undefined) {
      const digits = this.#source.slice(this.#at + 2, this.#at + 2 + length);
      const codePoint = /^[0-9a-fA-F]+$/.test(digits) && digits.length === length ? Number.parseInt(digits, 16) : -1;
      const isCharacter = codePoint >= 0 && codePoint <= 0x10ffff && (codePoint < 0xd800 || codePoint > 0xdfff);
      if (!isCharacter) this.#fail(`\\${letter} with ${length} hexadecimal digits of a character`);
      this.#at += 2 + length;
      return codePoint;
    }
    const escaped = escapes[letter] ?? this.#fail(`one of \\n \\r \\t \\\\ \\" \\[ \\] \\x \\u \\U`);
    this.#at += 2;
    return escaped.codePointAt(0)!;
  }

  #skip(pattern: RegExp): void {
    this.#take(pattern);
  }

  #take(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#source)?.[0];
    if (found !== undefined) this.#at += found.length;
    return found;
  }

  #matches(pattern: RegExp): boolean {
    pattern.lastIndex = this.#at;
    return pattern.test(this.#source);
  }

  #tooDeep(what: string): GrammarError {
    const message = `${what} are more than ${DEEPEST_GROUP} deep (${this.#place(this.#at)})`;
    return new GrammarError("GRAMMAR_TOO_DEEP", message);
  }

  #place(at: number): string {
    const lines = this.#source.slice(0, at).split(/\r\n|[\r\n]/);
    return `line ${lines.length}, column ${lines.at(-1)!.length + 1}`;
  }

  #fail(expected: string, at = this.#at): never {
    throw new GrammarError("GRAMMAR_SYNTAX", `the grammar does not parse: expected ${expected} (${this.#place(at)})`);
  }
}
