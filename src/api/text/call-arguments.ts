// Reads the arguments of a call while they arrive, and gives them as JSON text.

import {
  type ArgumentTags,
  bareTexts,
  type JsonSchema,
  type ToolSignature,
  taggedProperties,
} from "../../grammar/index.js";

/** What a piece adds to the arguments. With `rest`, which comes after them, they are complete. */
export interface ArgumentsPiece {
  readonly json: string;
  readonly rest?: string;
}

/** Reads the arguments of one call. */
export interface ArgumentsReader {
  push(piece: string): ArgumentsPiece;
}

/** Arguments that are written as a JSON object. */
export class JsonArguments implements ArgumentsReader {
  /** Open brackets, and whether the place is within a string or after a backslash. */
  #depth = 0;
  #inString = false;
  #escaped = false;

  push(piece: string): ArgumentsPiece {
    const text = this.#depth === 0 ? piece.trimStart() : piece;
    for (let at = 0; at < text.length; at++) {
      this.#follow(text[at]!);
      if (this.#depth === 0) return { json: text.slice(0, at + 1), rest: text.slice(at + 1) };
    }
    return { json: text };
  }

  #follow(character: string): void {
    if (this.#escaped) this.#escaped = false;
    else if (this.#inString && character === "\\") this.#escaped = true;
    else if (character === '"') this.#inString = !this.#inString;
    else if (this.#inString) return;
    else if (character === "{" || character === "[") this.#depth++;
    else if (character === "}" || character === "]") this.#depth--;
  }
}

/** Arguments that are written one by one, between tags. A value is given when it is complete. */
export class TaggedArguments implements ArgumentsReader {
  readonly #tags: ArgumentTags;
  readonly #schemas: ReadonlyMap<string, JsonSchema>;
  /** What comes after the last one. */
  readonly #end: RegExp;
  #held = "";
  #count = 0;

  constructor(tags: ArgumentTags, { name, parameters }: ToolSignature, end: RegExp) {
    this.#tags = tags;
    this.#schemas = new Map(taggedProperties(name, parameters, tags).properties);
    this.#end = end;
  }

  push(piece: string): ArgumentsPiece {
    this.#held += piece;
    let json = "";
    for (;;) {
      const one = this.#take();
      if (one === undefined) break;
      json += `${this.#count++ === 0 ? "{" : ","}${JSON.stringify(one[0])}:${one[1]}`;
    }
    if (!this.#end.test(this.#held)) return { json };
    return { json: json + (this.#count === 0 ? "{}" : "}"), rest: this.#held };
  }

  /** The next argument that is complete: its name, and its value as JSON. */
  #take(): readonly [name: string, json: string] | undefined {
    const { before, text, json, separator } = this.#tags;
    let held = this.#held.trimStart();
    if (this.#end.test(held)) return undefined;
    const comma = separator.map((one) => one.trim()).find((one) => one !== "" && held.startsWith(one));
    if (comma !== undefined && this.#count > 0) held = held.slice(comma.length).trimStart();
    if (!held.startsWith(before)) return undefined;
    const ways = [...(text?.between ?? []), ...json.between].map((mark) => ({
      mark,
      at: held.indexOf(mark, before.length),
    }));
    const found = ways.filter(({ at }) => at >= 0).sort((a, b) => a.at - b.at || b.mark.length - a.mark.length)[0];
    if (found === undefined) return undefined;
    // It may still become a longer one.
    const rest = held.slice(found.at);
    if (ways.some(({ mark }) => mark.length > rest.length && mark.startsWith(rest))) return undefined;
    const name = held.slice(before.length, found.at);
    const schema = this.#schemas.get(name);
    const isText = text?.between.includes(found.mark) === true;
    const isEither = isText && json.between.includes(found.mark);
    const isBare = isEither ? schema !== undefined && bareTexts(schema) !== undefined : isText;
    const value = valueIn(held.slice(found.at + found.mark.length), isBare, isBare ? text!.after : json);
    if (value === undefined) return undefined;
    this.#held = value.rest;
    return [name, value.json];
  }
}

/** The value that a text begins with, as JSON, and what comes after it; undefined: it is not complete. */
function valueIn(
  text: string,
  isBare: boolean,
  end: string | { readonly after: string; readonly until?: readonly string[] },
): { readonly json: string; readonly rest: string } | undefined {
  const after = typeof end === "string" ? end : end.after;
  const marks = typeof end === "string" ? [end] : (end.until ?? [end.after]);
  for (let at = nextOf(text, marks, 0); at >= 0; at = nextOf(text, marks, at + 1)) {
    const value = text.slice(0, at);
    // JSON may have the mark in it: it ends at the mark that makes it whole.
    const json = isBare ? JSON.stringify(value) : jsonOf(value);
    if (json !== undefined) return { json, rest: text.slice(at + after.length) };
  }
  return undefined;
}

function nextOf(text: string, marks: readonly string[], from: number): number {
  const found = marks.map((mark) => text.indexOf(mark, from)).filter((at) => at >= 0);
  return found.length === 0 ? -1 : Math.min(...found);
}

function jsonOf(value: string): string | undefined {
  try {
    return JSON.stringify(JSON.parse(value));
  } catch {
    return undefined;
  }
}
