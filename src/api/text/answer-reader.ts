// Reads answers that may call tools while they arrive: the text and the calls. The grammar of the answer makes sure that they are in
// the notation (src/grammar/tool-calls).

import {
  aroundArguments,
  isText,
  type MarkedNotation,
  openingOf,
  type Part,
  type ToolSignature,
} from "../../grammar/index.js";
import { type ArgumentsReader, JsonArguments, TaggedArguments } from "./call-arguments.js";
import type { ToolCall, ToolCallDelta } from "./tools.js";

/** What a piece of an answer adds to it. */
export interface AnswerPiece {
  readonly text: string;
  readonly deltas: readonly ToolCallDelta[];
}

/** Where in an answer the reader is. `head` is what comes before a call's arguments, `tail` what comes after them. */
type Place = "begin" | "text" | "head" | "arguments" | "tail";

/** Reads one answer in which calls come after the text. */
export class AnswerReader {
  /** The calls that are complete. */
  readonly toolCalls: ToolCall[] = [];
  readonly #notation: MarkedNotation;
  readonly #opening: string;
  readonly #signatures: ReadonlyMap<string, ToolSignature>;
  /** From the opening mark to the first call's arguments, and from there to those of the next. */
  readonly #firstHead: RegExp;
  readonly #nextHead: RegExp;
  readonly #argumentsEnd: RegExp;
  #place: Place = "begin";
  /** What has arrived and is not understood yet. */
  #held = "";
  #name = "";
  #json = "";
  #arguments: ArgumentsReader = new JsonArguments();

  constructor(notation: MarkedNotation, signatures: readonly ToolSignature[]) {
    this.#notation = notation;
    this.#opening = openingOf(notation);
    this.#signatures = new Map(signatures.map((signature) => [signature.name, signature]));
    const { begin, call, between = [], tags } = notation;
    const [before, after] = aroundArguments(call);
    const names = signatures.map(({ name }) => name);
    const end = sourceOf(after, names);
    const ahead = tags === undefined ? "(?=\\s*\\{)" : `(?=\\s*(?:${escaped(tags.before)}|${end}))`;
    const first = [...begin, ...before];
    this.#firstHead = new RegExp(`^${sourceOf(first.slice(first.indexOf(this.#opening) + 1), names)}${ahead}`, "s");
    this.#nextHead = new RegExp(`^${end}${sourceOf([...between, ...before], names)}${ahead}`, "s");
    this.#argumentsEnd = new RegExp(`^${end}`, "s");
  }

  /** Takes the next piece of the answer. White space before a call is not part of the text. */
  push(piece: string): AnswerPiece {
    this.#held += piece;
    const deltas: ToolCallDelta[] = [];
    let text = "";
    for (let goesOn = true; goesOn && this.#held !== ""; ) {
      switch (this.#place) {
        case "begin":
          goesOn = this.#begin();
          break;
        case "text":
          text += this.#takeText();
          goesOn = this.#place !== "text";
          break;
        case "head":
          goesOn = this.#takeHead(this.#firstHead, deltas);
          break;
        case "arguments":
          goesOn = this.#takeArguments(deltas);
          break;
        case "tail":
          goesOn = this.#takeHead(this.#nextHead, deltas);
          break;
      }
    }
    return { text, deltas };
  }

  /** The answer is over: returns text that was held back because it could have been the beginning of a call. */
  end(): string {
    return this.#place === "text" ? this.#held : "";
  }

  #begin(): boolean {
    const isCall = this.#notation.replacesText === true && this.#held.startsWith(this.#opening);
    this.#place = isCall ? "head" : "text";
    if (isCall) this.#held = this.#held.slice(this.#opening.length);
    return true;
  }

  /** The text before the opening mark; without one, all except what may become its beginning. */
  #takeText(): string {
    const held = this.#held;
    const opening = this.#opening;
    if (this.#notation.replacesText) {
      this.#held = "";
      return held;
    }
    const begin = held.indexOf(opening);
    if (begin >= 0) {
      this.#place = "head";
      this.#held = held.slice(begin + opening.length);
      return held.slice(0, begin).trimEnd();
    }
    const text = held.slice(0, held.length - overlap(held, opening)).trimEnd();
    this.#held = held.slice(text.length);
    return text;
  }

  #takeHead(head: RegExp, deltas: ToolCallDelta[]): boolean {
    const match = head.exec(this.#held);
    if (match === null) return false;
    const { bare, quoted } = match.groups as { bare?: string; quoted?: string };
    this.#name = bare ?? JSON.parse(quoted!);
    this.#json = "";
    this.#held = this.#held.slice(match[0].length);
    this.#place = "arguments";
    const { tags } = this.#notation;
    const signature = this.#signatures.get(this.#name)!;
    this.#arguments =
      tags === undefined ? new JsonArguments() : new TaggedArguments(tags, signature, this.#argumentsEnd);
    deltas.push({ index: this.toolCalls.length, name: this.#name, arguments: "" });
    return true;
  }

  #takeArguments(deltas: ToolCallDelta[]): boolean {
    const { json, rest } = this.#arguments.push(this.#held);
    this.#json += json;
    this.#held = rest ?? "";
    const index = this.toolCalls.length;
    if (rest === undefined) {
      if (json !== "") deltas.push({ index, arguments: json });
      return false;
    }
    const call: ToolCall = { name: this.#name, arguments: JSON.parse(this.#json) };
    this.toolCalls.push(call);
    deltas.push({ index, arguments: json, call });
    this.#place = "tail";
    return true;
  }
}

/** How much of the end of a text may be the beginning of a mark. */
export function overlap(text: string, mark: string): number {
  let length = Math.min(mark.length - 1, text.length);
  while (!text.endsWith(mark.slice(0, length))) length--;
  return length;
}

/** Parts as a regular expression, in which a name is one of these. */
function sourceOf(parts: readonly Part[], names: readonly string[]): string {
  const longestFirst = [...names].sort((a, b) => b.length - a.length);
  const oneOf = (spelled: (name: string) => string) => longestFirst.map((name) => escaped(spelled(name))).join("|");
  const slots = {
    gap: "\\s*",
    name: `(?<bare>${oneOf((name) => name)})`,
    quotedName: `(?<quoted>${oneOf((name) => JSON.stringify(name))})`,
    id: "[A-Za-z0-9]{9}",
    index: "\\d+",
    arguments: "",
  };
  return parts.map((part) => (isText(part) ? escaped(part) : slots[part.slot])).join("");
}

function escaped(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&");
}
