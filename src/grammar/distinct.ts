// Arrays whose items must differ (`uniqueItems`): no automaton can tell, for it would have to remember every item. So the text is read
// along where such an array is open, and a token is banned when it would end an item that has been there before, or lead to where only
// such an item could come.
//
//   ["ab", "cd", "a|        seen: "ab" "cd"     rivals of the item so far: "ab"     banned: b" but not bc or "
//
// Items are compared as JSON values: white space, escapes, how a number is written and the order of keys do not matter. What has been read
// of an item is kept in one spelling, so that most rivals are left behind after a character or two.

import { canonical } from "./canonical-json.js";

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPENS_ARRAY = 0x5b;
const OPENS_OBJECT = 0x7b;
const CLOSES_ARRAY = 0x5d;
const CLOSES_OBJECT = 0x7d;
const COMMA = 0x2c;
const COLON = 0x3a;

/** What comes next in the text. */
type Mode = "token" | "string" | "escape" | "scalar";

/** An array or object that is open, the innermost first. */
interface Container {
  readonly closes: number;
  /** Only of arrays of distinct items. */
  readonly items: Items | undefined;
  readonly below: Container | undefined;
}

/** The items of an array so far. */
interface Items {
  /** The values of those that are complete. */
  readonly seen: ReadonlySet<string>;
  /** Their texts, in the one spelling, and where in the text the present item begins. */
  readonly texts: readonly string[];
  readonly start: number;
  /** The texts that begin as the present item does. */
  readonly rivals: readonly string[];
  /** The present item is complete: a comma or the end comes next. */
  readonly isComplete: boolean;
}

/** How far a text has been read within arrays of distinct items. It does not change: what comes after a byte is another one. */
export class DistinctReading {
  readonly #mode: Mode;
  readonly #container: Container | undefined;
  /** The text from the first `[` on, in the one spelling, a byte for each character. */
  readonly #text: string;
  /** An escape or a number that is not complete. */
  readonly #pending: string;

  constructor(mode: Mode, container: Container | undefined, text: string, pending: string) {
    this.#mode = mode;
    this.#container = container;
    this.#text = text;
    this.#pending = pending;
  }

  /** Whether no array of distinct items is open. */
  get isOutside(): boolean {
    return this.#container === undefined;
  }

  /** Whether a string has begun. */
  get isInString(): boolean {
    return this.#mode === "string" || this.#mode === "escape";
  }

  /** Whether the present item could still become one that has been there. */
  get hasRivals(): boolean {
    for (let at = this.#container; at !== undefined; at = at.below) if (at.items?.rivals.length) return true;
    return false;
  }

  /** Readings of the same key go on alike, as far as rivals are concerned. */
  get key(): string {
    let key = `${this.#mode} ${this.#pending}`;
    for (let at = this.#container; at !== undefined; at = at.below) {
      if (at.items === undefined) key += ` ${at.closes}`;
      else {
        const { start, rivals, texts, isComplete } = at.items;
        key += ` ${isComplete} ${texts.length} ${rivals.length} ${rivals.length > 0 ? this.#text.slice(start) : ""}`;
      }
    }
    return key;
  }

  /**
   * After one more byte; undefined: it ends an item that has been there before.
   *
   * @param openDistinct how many arrays of distinct items are open after the byte, by the grammar
   */
  after(byte: number, openDistinct: () => number): DistinctReading | undefined {
    switch (this.#mode) {
      case "string":
        if (byte === BACKSLASH) return this.#with("escape", "");
        if (byte === QUOTE) return this.#add('"').#valueEnds();
        return this.#add(String.fromCharCode(byte));
      case "escape":
        return this.#afterEscape(this.#pending + String.fromCharCode(byte));
      case "scalar":
        if (isDelimiter(byte)) return this.#scalarEnds()?.after(byte, openDistinct);
        return this.#with("scalar", this.#pending + String.fromCharCode(byte));
      case "token":
        return this.#afterToken(byte, openDistinct);
    }
  }

  #afterToken(byte: number, openDistinct: () => number): DistinctReading | undefined {
    if (this.isOutside && byte !== OPENS_ARRAY) return this;
    switch (byte) {
      case QUOTE:
        return this.#add('"').#with("string", "");
      case OPENS_ARRAY:
      case OPENS_OBJECT: {
        let open = 0;
        for (let at = this.#container; at !== undefined; at = at.below) if (at.items !== undefined) open++;
        const isDistinct = byte === OPENS_ARRAY && openDistinct() > open;
        if (this.isOutside && !isDistinct) return this;
        const read = this.#add(String.fromCharCode(byte));
        const start = read.#text.length;
        const items = { seen: new Set<string>(), texts: [], start, rivals: [], isComplete: false };
        const closes = byte === OPENS_ARRAY ? CLOSES_ARRAY : CLOSES_OBJECT;
        const container = { closes, items: isDistinct ? items : undefined, below: read.#container };
        return new DistinctReading("token", container, read.#text, "");
      }
      case CLOSES_ARRAY:
      case CLOSES_OBJECT: {
        const below = this.#container!.below;
        if (below === undefined) return outsideOfDistinct;
        return new DistinctReading("token", below, this.#text, "").#add(String.fromCharCode(byte)).#valueEnds();
      }
      case COMMA: {
        const read = this.#add(",");
        const { items, below, closes } = read.#container!;
        if (items === undefined) return read;
        const next = { ...items, start: read.#text.length, rivals: items.texts, isComplete: false };
        return new DistinctReading("token", { closes, items: next, below }, read.#text, "");
      }
      case COLON:
        return this.#add(":");
      default:
        if (isDelimiter(byte)) return this; // white space
        return this.#with("scalar", String.fromCharCode(byte));
    }
  }

  #with(mode: Mode, pending: string): DistinctReading {
    return new DistinctReading(mode, this.#container, this.#text, pending);
  }

  /** With more of the text, which leaves behind the rivals that have something else there. */
  #add(more: string): DistinctReading {
    const at = this.#text.length;
    const narrowed = (container: Container | undefined): Container | undefined => {
      if (container === undefined) return undefined;
      const { items, below, closes } = container;
      const lower = narrowed(below);
      if (items === undefined || items.rivals.length === 0)
        return lower === below ? container : { closes, items, below: lower };
      const rivals = items.rivals.filter((text) => text.startsWith(more, at - items.start));
      return { closes, items: { ...items, rivals }, below: lower };
    };
    return new DistinctReading(this.#mode, narrowed(this.#container), this.#text + more, "");
  }

  #afterEscape(pending: string): DistinctReading {
    // Two escapes that are one character: u d 8 3 d \ u d e 0 0
    const isHalf = /^ud[89ab]/i.test(pending);
    if (pending.startsWith("u") && pending.length < (isHalf ? 11 : 5)) return this.#with("escape", pending);
    const symbol = JSON.parse(`"\\${pending}"`) as string;
    const spelled = JSON.stringify(symbol).slice(1, -1);
    const text = spelled.startsWith("\\") ? spelled : String.fromCharCode(...new TextEncoder().encode(symbol));
    return this.#with("string", "").#add(text);
  }

  #scalarEnds(): DistinctReading | undefined {
    const pending = this.#pending;
    const text = /^[-0-9]/.test(pending) ? canonical(Number(pending)) : pending;
    return this.#with("token", "").#add(text).#valueEnds();
  }

  /** A value is complete. If it is an item that has been there: undefined. */
  #valueEnds(): DistinctReading | undefined {
    const read = this.#with("token", "");
    const { items, below, closes } = read.#container!;
    if (items === undefined) return read;
    const text = read.#text.slice(items.start);
    const value = text.includes("{") ? canonical(JSON.parse(fromBytes(text))) : text;
    if (items.seen.has(value)) return undefined;
    const texts = [...items.texts, text];
    const next = { seen: new Set([...items.seen, value]), texts, start: items.start, rivals: [], isComplete: true };
    return new DistinctReading("token", { closes, items: next, below }, read.#text, "");
  }
}

/** Where no array of distinct items is open. */
export const outsideOfDistinct = new DistinctReading("token", undefined, "", "");

/** Whether a byte ends a number or a word: white space, and what stands between values. */
function isDelimiter(byte: number): boolean {
  return byte <= 0x20 || byte === COMMA || byte === CLOSES_ARRAY || byte === CLOSES_OBJECT;
}

function fromBytes(text: string): string {
  return new TextDecoder().decode(Uint8Array.from(text, (symbol) => symbol.charCodeAt(0)));
}
