// Reads answers that may call tools while they arrive: the text and the calls. The grammar of the answer makes sure that they are in
// the notation (src/grammar/tool-calls.ts).

import { argumentsKey, CALL_BEGIN, type ToolNotation } from "../../grammar/index.js";
import type { ToolCall, ToolCallDelta } from "./tools.js";

/** What a piece of an answer adds to it. */
export interface AnswerPiece {
  readonly text: string;
  readonly deltas: readonly ToolCallDelta[];
}

/** Where in an answer the reader is. `head` is what comes before a call's arguments, `tail` what comes after them. */
type Place = "begin" | "text" | "head" | "arguments" | "tail";

/** Reads one answer. */
export class AnswerReader {
  /** The calls that are complete. */
  readonly toolCalls: ToolCall[] = [];
  readonly #notation: ToolNotation;
  readonly #head: RegExp;
  #place: Place = "begin";
  /** What has arrived and is not understood yet. */
  #held = "";
  #name = "";
  #json = "";
  /** The place in the arguments' JSON: open brackets, and whether it is within a string or after a backslash. */
  #depth = 0;
  #inString = false;
  #escaped = false;

  constructor(notation: ToolNotation) {
    this.#notation = notation;
    this.#head = new RegExp(
      String.raw`^\s*\{\s*"name"\s*:\s*("(?:[^"\\]|\\.)*")\s*,\s*"${argumentsKey[notation]}"\s*:`,
    );
  }

  /** Takes the next piece of the answer. White space before a call is not part of the text. */
  push(piece: string): AnswerPiece {
    this.#held += piece;
    const deltas: ToolCallDelta[] = [];
    let text = "";
    for (let goesOn = true; goesOn && this.#held !== ""; ) {
      switch (this.#place) {
        case "begin":
          this.#place = this.#notation === "llama3" && this.#held.startsWith("{") ? "head" : "text";
          break;
        case "text":
          text += this.#takeText();
          goesOn = this.#place !== "text";
          break;
        case "head":
          goesOn = this.#takeHead(deltas);
          break;
        case "arguments":
          this.#takeArguments(deltas);
          break;
        case "tail":
          goesOn = this.#takeTail();
          break;
      }
    }
    return { text, deltas };
  }

  /** The answer is over: returns text that was held back because it could have been the beginning of a call. */
  end(): string {
    return this.#place === "text" ? this.#held : "";
  }

  /** The text before CALL_BEGIN; without one, all except what may become its beginning. */
  #takeText(): string {
    const held = this.#held;
    if (this.#notation === "llama3") {
      this.#held = "";
      return held;
    }
    const begin = held.indexOf(CALL_BEGIN);
    if (begin >= 0) {
      this.#place = "head";
      this.#held = held.slice(begin + CALL_BEGIN.length);
      return held.slice(0, begin).trimEnd();
    }
    let length = CALL_BEGIN.length - 1;
    while (!held.endsWith(CALL_BEGIN.slice(0, length))) length--;
    const text = held.slice(0, held.length - length).trimEnd();
    this.#held = held.slice(text.length);
    return text;
  }

  #takeHead(deltas: ToolCallDelta[]): boolean {
    const [head, name] = this.#head.exec(this.#held) ?? [];
    if (head === undefined) return false;
    this.#name = JSON.parse(name!);
    this.#json = "";
    this.#held = this.#held.slice(head.length);
    this.#place = "arguments";
    deltas.push({ index: this.toolCalls.length, name: this.#name, arguments: "" });
    return true;
  }

  /** The arguments, and the brace after them that closes the call. */
  #takeArguments(deltas: ToolCallDelta[]): void {
    let json = "";
    let at = 0;
    for (; at < this.#held.length; at++) {
      const character = this.#held[at]!;
      const isOutside = this.#depth === 0 && !this.#inString;
      if (isOutside && character === "}") break;
      if (isOutside && /\s/.test(character)) continue;
      json += character;
      this.#follow(character);
    }
    const isWhole = at < this.#held.length;
    this.#held = this.#held.slice(at + 1);
    this.#json += json;
    const index = this.toolCalls.length;
    if (!isWhole) {
      if (json !== "") deltas.push({ index, arguments: json });
      return;
    }
    const call: ToolCall = { name: this.#name, arguments: JSON.parse(this.#json) };
    this.toolCalls.push(call);
    deltas.push({ index, arguments: json, call });
    this.#place = "tail";
  }

  #follow(character: string): void {
    if (this.#escaped) this.#escaped = false;
    else if (this.#inString && character === "\\") this.#escaped = true;
    else if (character === '"') this.#inString = !this.#inString;
    else if (this.#inString) return;
    else if (character === "{" || character === "[") this.#depth++;
    else if (character === "}" || character === "]") this.#depth--;
  }

  /** The way to the next call. */
  #takeTail(): boolean {
    const begin = this.#held.indexOf(CALL_BEGIN);
    if (begin < 0) return false;
    this.#held = this.#held.slice(begin + CALL_BEGIN.length);
    this.#place = "head";
    return true;
  }
}
