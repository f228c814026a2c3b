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
    this.#schemas = new Map(taggedProperties(name, parameters).properties);
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
    const { before, between, after } = this.#tags;
    const held = this.#held.trimStart();
    if (!held.startsWith(before)) return undefined;
    const ways = between.map((text) => ({ text, at: held.indexOf(text, before.length) })).filter(({ at }) => at >= 0);
    if (ways.length === 0) return undefined;
    const { text, at } = ways.reduce((first, way) => (way.at < first.at ? way : first));
    const name = held.slice(before.length, at);
    const valueAt = at + text.length;
    const schema = this.#schemas.get(name);
    const isBare = schema !== undefined && bareTexts(schema) !== undefined;
    for (let end = held.indexOf(after, valueAt); end >= 0; end = held.indexOf(after, end + 1)) {
      const value = held.slice(valueAt, end);
      // A text within JSON may have the tag in it: the value ends at the tag that makes it JSON.
      const json = isBare ? JSON.stringify(value) : jsonOf(value);
      if (json === undefined) continue;
      this.#held = held.slice(end + after.length);
      return [name, json];
    }
    return undefined;
  }
}

function jsonOf(value: string): string | undefined {
  try {
    return JSON.stringify(JSON.parse(value));
  } catch {
    return undefined;
  }
}
