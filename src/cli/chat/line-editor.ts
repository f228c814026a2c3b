// A message while it is typed: the text, the cursor, what the keys do to them (those of readline and of most editors), and the messages
// before it. It knows nothing of the terminal but its width.

import { graphemesOf, indexAt, layOut } from "./line-layout.js";

/** A key as node:readline tells it. */
export interface Key {
  readonly name?: string | undefined;
  readonly ctrl?: boolean | undefined;
  readonly meta?: boolean | undefined;
  readonly shift?: boolean | undefined;
}

/** What a key asks for beside a change of the text. */
export type KeyOutcome = "submit" | "interrupt" | "end" | "clear-screen" | "suspend" | undefined;

/** The columns before each row: the prompt's. */
export interface EditorWidth {
  readonly columns: number;
  readonly margin: number;
}

export class LineEditor {
  text = "";
  /** In UTF-16 code units, at a boundary of characters. */
  cursor = 0;
  /** Earlier messages, the oldest first. Behind them is the message at work. */
  readonly #past: string[];
  /** What has been typed over them, and the message at work, until one is sent. */
  readonly #drafts = new Map<number, string>();
  #at: number;
  #killed = "";
  readonly #complete: (text: string) => string;

  /** `past`: earlier messages, the oldest first. `complete`: what the tab key makes of the text. */
  constructor(past: readonly string[], complete: (text: string) => string) {
    this.#past = [...past];
    this.#at = past.length;
    this.#complete = complete;
  }

  /** Begins anew; the text that was submitted can be called back. */
  begin(submitted: string | undefined): void {
    if (submitted !== undefined && submitted !== this.#past.at(-1)) this.#past.push(submitted);
    this.#drafts.clear();
    this.#at = this.#past.length;
    this.#set("");
  }

  /** Inserts a text at the cursor, as if it were typed, newlines included. */
  insert(text: string): void {
    this.text = this.text.slice(0, this.cursor) + text + this.text.slice(this.cursor);
    this.cursor += text.length;
  }

  /** `typed`: the character, where the key is one. */
  press(typed: string | undefined, key: Key, width: EditorWidth): KeyOutcome {
    const { name, ctrl = false, meta = false } = key;
    if (ctrl && !meta) return this.#control(name, width);
    if (meta) {
      this.#alternate(name);
      return undefined;
    }
    switch (name) {
      case "return":
        return this.#return();
      case "enter": // Ctrl-J
        this.insert("\n");
        return undefined;
      case "backspace":
        this.#remove(this.#before(), this.cursor);
        return undefined;
      case "delete":
        this.#remove(this.cursor, this.#behind());
        return undefined;
      case "left":
        this.cursor = this.#before();
        return undefined;
      case "right":
        this.cursor = this.#behind();
        return undefined;
      case "home":
        this.cursor = this.#lineStart();
        return undefined;
      case "end":
        this.cursor = this.#lineEnd();
        return undefined;
      case "up":
        this.#vertical(-1, width);
        return undefined;
      case "down":
        this.#vertical(1, width);
        return undefined;
      case "tab":
        if (!key.shift && this.cursor === this.text.length) this.#set(this.#complete(this.text));
        return undefined;
      default:
        if (typed !== undefined && !/^[\p{Cc}]$/u.test(typed)) this.insert(typed);
        return undefined;
    }
  }

  #control(name: string | undefined, width: EditorWidth): KeyOutcome {
    switch (name) {
      case "c":
        return "interrupt";
      case "d":
        if (this.text === "") return "end";
        this.#remove(this.cursor, this.#behind());
        return undefined;
      case "l":
        return "clear-screen";
      case "z":
        return "suspend";
      case "a":
        this.cursor = this.#lineStart();
        return undefined;
      case "e":
        this.cursor = this.#lineEnd();
        return undefined;
      case "b":
        this.cursor = this.#before();
        return undefined;
      case "f":
        this.cursor = this.#behind();
        return undefined;
      case "p":
        this.#recall(this.#at - 1);
        return undefined;
      case "n":
        this.#recall(this.#at + 1);
        return undefined;
      case "j":
        this.insert("\n");
        return undefined;
      case "h":
        this.#remove(this.#before(), this.cursor);
        return undefined;
      case "k":
        // At the end of a line its newline goes, so that the key can be held down.
        this.#kill(this.cursor, this.cursor === this.#lineEnd() ? this.#behind() : this.#lineEnd());
        return undefined;
      case "u":
        this.#kill(this.#lineStart(), this.cursor);
        return undefined;
      case "w":
      case "backspace":
        this.#kill(this.#wordStart(), this.cursor);
        return undefined;
      case "y":
        this.insert(this.#killed);
        return undefined;
      case "left":
        this.cursor = this.#wordStart();
        return undefined;
      case "right":
        this.cursor = this.#wordEnd();
        return undefined;
      case "delete":
        this.#kill(this.cursor, this.#wordEnd());
        return undefined;
      case "up":
        this.#vertical(-1, width);
        return undefined;
      case "down":
        this.#vertical(1, width);
        return undefined;
      case "home":
        this.cursor = 0;
        return undefined;
      case "end":
        this.cursor = this.text.length;
        return undefined;
      default:
        return undefined;
    }
  }

  #alternate(name: string | undefined): void {
    switch (name) {
      case "return":
      case "enter":
        this.insert("\n");
        break;
      case "b":
      case "left":
        this.cursor = this.#wordStart();
        break;
      case "f":
      case "right":
        this.cursor = this.#wordEnd();
        break;
      case "d":
      case "delete":
        this.#kill(this.cursor, this.#wordEnd());
        break;
      case "backspace":
        this.#kill(this.#wordStart(), this.cursor);
        break;
      default:
    }
  }

  /** A backslash at the end asks for another line. */
  #return(): KeyOutcome {
    if (this.cursor === this.text.length && this.text.endsWith("\\")) {
      this.#set(`${this.text.slice(0, -1)}\n`);
      return undefined;
    }
    return "submit";
  }

  /** A row up or down; from the first and the last one, to another message. */
  #vertical(rows: -1 | 1, width: EditorWidth): void {
    const { rows: all, cursor } = layOut(this.text, this.cursor, width);
    const row = all[cursor.row + rows];
    if (row === undefined) this.#recall(this.#at + rows);
    else this.cursor = indexAt(this.text, row, cursor.column, width.margin);
  }

  #recall(at: number): void {
    if (at < 0 || at > this.#past.length) return;
    this.#drafts.set(this.#at, this.text);
    this.#at = at;
    this.#set(this.#drafts.get(at) ?? this.#past[at] ?? "");
  }

  #set(text: string): void {
    this.text = text;
    this.cursor = text.length;
  }

  #remove(from: number, to: number): void {
    this.text = this.text.slice(0, from) + this.text.slice(to);
    this.cursor = from;
  }

  #kill(from: number, to: number): void {
    if (from === to) return;
    this.#killed = this.text.slice(from, to);
    this.#remove(from, to);
  }

  #before(): number {
    const from = this.#lineStart();
    if (from === this.cursor) return Math.max(0, this.cursor - 1);
    return this.cursor - graphemesOf(this.text.slice(from, this.cursor)).at(-1)!.length;
  }

  #behind(): number {
    if (this.cursor === this.text.length) return this.cursor;
    const end = this.#lineEnd();
    return this.cursor + (this.cursor === end ? 1 : graphemesOf(this.text.slice(this.cursor, end))[0]!.length);
  }

  #lineStart(): number {
    return this.cursor === 0 ? 0 : this.text.lastIndexOf("\n", this.cursor - 1) + 1;
  }

  #lineEnd(): number {
    const end = this.text.indexOf("\n", this.cursor);
    return end === -1 ? this.text.length : end;
  }

  #wordStart(): number {
    return /(?:[\p{L}\p{M}\p{N}_]+|[^\p{L}\p{M}\p{N}_\s]+)?\s*$/u.exec(this.text.slice(0, this.cursor))!.index;
  }

  #wordEnd(): number {
    return (
      this.cursor + /^\s*(?:[\p{L}\p{M}\p{N}_]+|[^\p{L}\p{M}\p{N}_\s]+)?/u.exec(this.text.slice(this.cursor))![0].length
    );
  }
}
