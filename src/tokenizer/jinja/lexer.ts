// From a template's source to its tokens, by the rules of Jinja2's lexer as Hugging Face configures it: trim_blocks (the line end after
// a block goes) and lstrip_blocks (so do the spaces before a block that begins its line).
//
//   "a\n  {% if x -%}\n {{ y }}"   ->   data "a\n" | block_begin, name "if", name "x", block_end | variable_begin, name "y", variable_end

import { TemplateError } from "../../errors.js";
import { MarkedString } from "./marked-string.js";
import { SPACE, strip } from "./string-methods.js";

export type Token =
  | { readonly type: "data" | "name" | "string" | "operator"; readonly value: string; readonly line: number }
  | { readonly type: "integer" | "float"; readonly value: number; readonly line: number }
  | { readonly type: Mark; readonly value: ""; readonly line: number };

type Mark = "variable_begin" | "variable_end" | "block_begin" | "block_end" | "end";

/** Refuses a template that does not parse. */
export function refuseSyntax(reason: string, line: number): never {
  throw new TemplateError("TEMPLATE_SYNTAX", `the chat template does not parse: line ${line}: ${reason}`);
}

const TAG = new RegExp(
  `\\{%(?<raw>[-+]?)[${SPACE}]*raw[${SPACE}]*(?:-%\\}[${SPACE}]*|%\\})|(?<open>\\{[{#%])(?<sign>[-+]?)`,
  "g",
);
const COMMENT_END = new RegExp(`-#\\}[${SPACE}]*|\\+#\\}|#\\}\\n?`, "g");
const RAW_END = new RegExp(`\\{%(?<sign>[-+]?)[${SPACE}]*endraw[${SPACE}]*(?:\\+%\\}|-%\\}[${SPACE}]*|%\\}\\n?)`, "g");
const BLOCK_END = new RegExp(`\\+%\\}|-%\\}[${SPACE}]*|%\\}\\n?`, "y");
const VARIABLE_END = new RegExp(`-\\}\\}[${SPACE}]*|\\}\\}`, "y");
const SPACES = new RegExp(`[${SPACE}]+`, "y");
const ONLY_SPACES = new RegExp(`^[${SPACE}]+$`);
const FLOAT = /(?<!\.)(?:\d+_)*\d+(?:(?:\.(?:\d+_)*\d+)?e[+-]?(?:\d+_)*\d+|\.(?:\d+_)*\d+)/iy;
const INTEGER = /0b(?:_?[01])+|0o(?:_?[0-7])+|0x(?:_?[\da-f])+|[1-9](?:_?\d)*|0(?:_?0)*/iy;
const NAME = /[\p{ID_Start}_][\p{ID_Continue}]*/uy;
const STRING = /'[^'\\]*(?:\\.[^'\\]*)*'|"[^"\\]*(?:\\.[^"\\]*)*"/sy;
const OPERATOR = /\/\/|\*\*|==|!=|>=|<=|[-+/*%~[\](){}><=.:|,;]/y;

const TOKENS = [
  ["float", FLOAT],
  ["integer", INTEGER],
  ["name", NAME],
  ["string", STRING],
  ["operator", OPERATOR],
] as const;

const CLOSING = new Map([
  ["{", "}"],
  ["(", ")"],
  ["[", "]"],
]);

/** The tokens of a template. @throws TemplateError TEMPLATE_SYNTAX */
export function tokenize(template: string): readonly Token[] {
  return new Lexer(template.replace(/\r\n?/g, "\n").replace(/\n$/, "")).tokens;
}

class Lexer {
  readonly tokens: Token[] = [];
  readonly #source: string;
  #at = 0;
  #line = 1;
  /** Whether what was read last ended a line. */
  #lineStarts = true;

  constructor(source: string) {
    this.#source = source;
    while (this.#at < source.length) this.#readTextAndTag();
    this.#push("end");
  }

  #readTextAndTag(): void {
    const tag = this.#find(TAG);
    if (tag === null) {
      this.#pushData(this.#source.slice(this.#at));
      this.#at = this.#source.length;
      return;
    }
    const { raw, open, sign = raw ?? "" } = tag.groups ?? {};
    this.#pushData(this.#stripped(this.#source.slice(this.#at, tag.index), sign, open !== "{{"));
    this.#moveTo(tag.index + tag[0].length);
    if (open === undefined) this.#readRaw();
    else if (open === "{#") this.#readComment();
    else this.#readTag(open === "{{" ? "variable" : "block", open === "{{" ? VARIABLE_END : BLOCK_END);
  }

  /** The text before a tag, without the white space that the tag takes away. */
  #stripped(text: string, sign: string, isBlock: boolean): string {
    if (sign === "-") return strip(new MarkedString(text), undefined, false, true).text;
    if (sign === "+" || !isBlock) return text;
    const lineStart = text.lastIndexOf("\n") + 1;
    const blank = (lineStart > 0 || this.#lineStarts) && ONLY_SPACES.test(text.slice(lineStart));
    return blank ? text.slice(0, lineStart) : text;
  }

  #readComment(): void {
    // As in Jinja2, what begins where the template ends is nothing.
    if (this.#at === this.#source.length) return;
    this.#moveBehind(this.#find(COMMENT_END) ?? this.#refuse("a comment does not end"));
  }

  #readRaw(): void {
    if (this.#at === this.#source.length) return;
    const end = this.#find(RAW_END) ?? this.#refuse("a raw block does not end");
    this.#pushData(this.#stripped(this.#source.slice(this.#at, end.index), end.groups?.sign ?? "", true));
    this.#moveBehind(end);
  }

  #readTag(kind: "variable" | "block", end: RegExp): void {
    this.#push(`${kind}_begin`);
    const open: string[] = [];
    while (this.#at < this.#source.length) {
      if (open.length === 0 && this.#take(end) !== undefined) {
        this.#push(`${kind}_end`);
        return;
      }
      this.#readToken(open);
    }
    this.#push("end");
  }

  #readToken(open: string[]): void {
    if (this.#take(SPACES) !== undefined) return;
    const line = this.#line;
    for (const [type, pattern] of TOKENS) {
      const text = this.#take(pattern);
      if (text === undefined) continue;
      if (type === "operator") this.#balance(text, open);
      if (type === "integer" || type === "float") {
        this.tokens.push({ type, value: Number(text.replaceAll("_", "")), line });
      } else {
        this.tokens.push({ type, value: type === "string" ? unescaped(text.slice(1, -1), line) : text, line });
      }
      return;
    }
    this.#refuse(`unexpected ${JSON.stringify(String.fromCodePoint(this.#source.codePointAt(this.#at) ?? 0))}`);
  }

  /** Counts brackets: within them a tag does not end. */
  #balance(operator: string, open: string[]): void {
    const closing = CLOSING.get(operator);
    if (closing !== undefined) open.push(closing);
    else if ("})]".includes(operator)) this.#close(operator, open.pop());
  }

  #close(bracket: string, expected: string | undefined): void {
    if (bracket !== expected) {
      this.#refuse(`unexpected '${bracket}'${expected === undefined ? "" : `, expected '${expected}'`}`);
    }
  }

  #find(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.#at;
    return pattern.exec(this.#source);
  }

  #take(pattern: RegExp): string | undefined {
    const match = this.#find(pattern);
    if (match !== null) this.#moveBehind(match);
    return match?.[0];
  }

  #moveBehind(match: RegExpExecArray): void {
    this.#moveTo(match.index + match[0].length);
  }

  #moveTo(end: number): void {
    for (let i = this.#at; i < end; i++) if (this.#source[i] === "\n") this.#line++;
    this.#lineStarts = this.#source[end - 1] === "\n";
    this.#at = end;
  }

  #push(type: Mark): void {
    this.tokens.push({ type, value: "", line: this.#line });
  }

  #pushData(value: string): void {
    if (value !== "") this.tokens.push({ type: "data", value, line: this.#line });
  }

  #refuse(reason: string): never {
    return refuseSyntax(reason, this.#line);
  }
}

const ESCAPE = /\\(?:x(?<x>.{0,2})|u(?<u>.{0,4})|U(?<U>.{0,8})|(?<octal>[0-7]{1,3})|(?<one>.))/gs;
const ESCAPED = new Map([
  ["\n", ""],
  ["a", "\x07"],
  ["b", "\b"],
  ["f", "\f"],
  ["n", "\n"],
  ["r", "\r"],
  ["t", "\t"],
  ["v", "\v"],
  ["\\", "\\"],
  ["'", "'"],
  ['"', '"'],
]);

/** What stands in a string literal, its escapes read as in Python. */
function unescaped(text: string, line: number): string {
  return text.replace(ESCAPE, (whole, x, u, U, octal, one) => {
    if (one === "N") return refuseSyntax("escapes by a character's name (\\N{...}) are not supported", line);
    if (one !== undefined) return ESCAPED.get(one) ?? whole;
    if (octal !== undefined) return String.fromCodePoint(Number.parseInt(octal, 8));
    const digits: string = x ?? u ?? U;
    const codePoint = Number.parseInt(digits, 16);
    if (
      !/^[\da-f]+$/i.test(digits) ||
      digits.length !== { x: 2, u: 4, U: 8 }[whole[1] as "x"] ||
      codePoint > 0x10ffff
    ) {
      return refuseSyntax(`${JSON.stringify(whole)} is not an escape`, line);
    }
    return String.fromCodePoint(codePoint);
  });
}
