// Reads answers in messages while they arrive: thoughts, texts and calls, each after a header that says what it is
// (src/grammar/tool-calls/addressed-notations.ts).

import { type AddressedNotation, args, isText, type Part, type ToolSignature } from "../../grammar/index.js";
import { type AnswerPiece, overlap } from "./answer-reader.js";
import { JsonArguments } from "./call-arguments.js";
import type { ToolCall, ToolCallDelta } from "./tools.js";

/** A header as it is written, and what its message is: a call where it has a tool's name. */
interface Header {
  readonly text: string;
  readonly kind: "text" | "thoughts" | "arguments";
  readonly name?: string;
}

/** Where in an answer the reader is: in a header, in a message, after a call, before the next header. */
type Place = "header" | Header["kind"] | "called" | "next";

/** Reads one answer. */
export class MessageReader {
  /** The calls that are complete. */
  readonly toolCalls: ToolCall[] = [];
  readonly #notation: AddressedNotation;
  readonly #headers: readonly Header[];
  readonly #next: string;
  #place: Place = "header";
  /** What has arrived and is not understood yet. */
  #held = "";
  #name = "";
  #json = "";
  #arguments = new JsonArguments();
  /** What kinds of messages there have been: between two of the same kind there is an empty line. */
  readonly #begun = new Set<string>();

  constructor(notation: AddressedNotation, signatures: readonly ToolSignature[]) {
    this.#notation = notation;
    const { text, thoughts, call, next } = notation;
    const written = (parts: readonly Part[], name = "") =>
      parts.map((part) => (isText(part) ? part : part.slot === "name" ? name : "")).join("");
    this.#next = written(next);
    this.#headers = [
      ...text.map((parts) => ({ text: written(parts), kind: "text" as const })),
      ...(thoughts === undefined ? [] : [{ text: written(thoughts), kind: "thoughts" as const }]),
      ...signatures.flatMap(({ name }) => {
        return call.map((parts) => ({
          text: written(parts.slice(0, parts.indexOf(args)), name),
          kind: "arguments" as const,
          name,
        }));
      }),
    ].sort((a, b) => b.text.length - a.text.length);
  }

  /** Whether the answer is in thoughts now. */
  get thinks(): boolean {
    return this.#place === "thoughts";
  }

  /** Takes the next piece of the answer. */
  push(piece: string): AnswerPiece & { readonly reasoning: string } {
    this.#held += piece;
    const deltas: ToolCallDelta[] = [];
    let text = "";
    let reasoning = "";
    for (let goesOn = true; goesOn && this.#held !== ""; ) {
      const place = this.#place;
      if (place === "header") goesOn = this.#takeHeader(deltas);
      else if (place === "arguments") goesOn = this.#takeArguments(deltas);
      else if (place === "called") goesOn = this.#takeCalled();
      else if (place === "next") goesOn = this.#takeNext();
      else {
        const said = this.#takeMessage(place);
        if (place === "text") text += said;
        else reasoning += said;
        goesOn = this.#place !== place;
      }
    }
    return { text, reasoning, deltas };
  }

  /** The answer is over: what was held back because it could have been the end of a message. */
  end(): { readonly text: string; readonly reasoning: string } {
    const held = this.#held;
    this.#held = "";
    const isText = this.#place === "text" || (this.#place === "header" && this.#notation.bareText === true);
    return { text: isText ? held : "", reasoning: this.#place === "thoughts" ? held.trimEnd() : "" };
  }

  #takeHeader(deltas: ToolCallDelta[]): boolean {
    const held = this.#held;
    if (this.#headers.some(({ text }) => text.length > held.length && text.startsWith(held))) return false;
    const header = this.#headers.find(({ text }) => held.startsWith(text)) ?? { text: "", kind: "text" };
    this.#held = held.slice(header.text.length);
    this.#place = header.kind;
    if (header.name !== undefined) {
      this.#name = header.name;
      this.#json = "";
      this.#arguments = new JsonArguments();
      deltas.push({ index: this.toolCalls.length, name: header.name, arguments: "" });
    }
    return true;
  }

  /** More of a text or of thoughts, up to the mark that ends it. */
  #takeMessage(kind: "text" | "thoughts"): string {
    const { messageEnd } = this.#notation;
    const at = this.#held.indexOf(messageEnd);
    const held = at >= 0 ? this.#held.slice(0, at) : this.#held;
    const said = at >= 0 ? held.trimEnd() : held.slice(0, held.length - overlap(held, messageEnd)).trimEnd();
    this.#held = this.#held.slice(at >= 0 ? at + messageEnd.length : said.length);
    if (at >= 0) this.#place = "next";
    const again = said !== "" && this.#begun.has(kind) && !this.#begun.has(`in ${kind}`);
    if (said !== "") this.#begun.add(kind).add(`in ${kind}`);
    if (at >= 0) this.#begun.delete(`in ${kind}`);
    return again ? `\n\n${said}` : said;
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
    this.#place = "called";
    return true;
  }

  #takeCalled(): boolean {
    const { messageEnd } = this.#notation;
    const at = this.#held.indexOf(messageEnd);
    if (at < 0) return false;
    this.#held = this.#held.slice(at + messageEnd.length);
    this.#place = "next";
    return true;
  }

  #takeNext(): boolean {
    if (this.#next.length > this.#held.length && this.#next.startsWith(this.#held)) return false;
    if (this.#held.startsWith(this.#next)) this.#held = this.#held.slice(this.#next.length);
    this.#place = "header";
    return true;
  }
}
