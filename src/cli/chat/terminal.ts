// The terminal of a conversation: keys come one by one and are edited here, so that several lines, a paste and wide characters are one
// message. Keys that are pressed while nobody reads, because a model is loaded or an answer is written, are kept for the next reading.
//
// On the screen a message is drawn over its last drawing: up to its first row, clear to the end of the screen, write, go to the cursor.

import { emitKeypressEvents } from "node:readline";
import { styled } from "../color.js";
import { columnsOf } from "../wrap.js";
import type { Key, LineEditor } from "./line-editor.js";
import { type Layout, layOut } from "./line-layout.js";

/** What a reading ends with. */
export type Reading =
  | { readonly kind: "message"; readonly text: string }
  /** Ctrl-C, and what had been typed. */
  | { readonly kind: "interrupt"; readonly text: string }
  /** Ctrl-D, or the terminal is gone. */
  | { readonly kind: "end" };

type Press =
  | { readonly kind: "key"; readonly typed: string | undefined; readonly key: Key }
  | { readonly kind: "paste"; readonly text: string };

const PROMPT = "> ";
// Bracketed paste: the terminal marks what is pasted, so that its newlines are not the return key.
const PASTE_ON = "\x1b[?2004h";
const PASTE_OFF = "\x1b[?2004l";

/** The characters of a paste come faster than that one after the other. */
const PASTE_MILLISECONDS = 1000;

/** Control characters, except for tabs and newlines. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is removed
const CONTROL = /[\x00-\x08\x0b-\x1f\x7f]/g;

export class Terminal {
  readonly #input = process.stdin;
  readonly #output = process.stdout;
  readonly #editor: LineEditor;
  readonly #onInterrupt: () => void;
  /** Pressed while nobody read. */
  readonly #kept: Press[] = [];
  #pasted: string[] | undefined;
  #pasteTimer: NodeJS.Timeout | undefined;
  /** Before the first reading. What was typed before this program took the keys has a newline where the return key was. */
  #isBeginning = true;
  #reading: ((reading: Reading) => void) | undefined;
  #isOpen = false;
  #hasEnded = false;
  /** What the screen shows of the message. */
  #drawn: { readonly rows: readonly number[]; readonly cursor: { row: number; column: number } } | undefined;
  #drawing: NodeJS.Immediate | undefined;
  /** The first row of a message that is too long for the screen, and is shown in part. */
  #top = 0;

  /** `onInterrupt`: Ctrl-C while nobody reads. */
  constructor(editor: LineEditor, onInterrupt: () => void) {
    this.#editor = editor;
    this.#onInterrupt = onInterrupt;
  }

  /** Takes the keys from now on. */
  open(): void {
    this.#isOpen = true;
    emitKeypressEvents(this.#input);
    this.#input.on("keypress", this.#onKey).on("end", this.#onEnd).on("error", this.#onEnd);
    this.#output.on("resize", this.#onResize);
    process.on("exit", this.#restore).on("SIGCONT", this.#onContinue);
    for (const signal of ["SIGTERM", "SIGHUP"] as const) process.once(signal, this.#onSignal);
    this.#takeOver();
    this.#input.resume();
  }

  /** Gives the terminal back as it was. */
  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    clearTimeout(this.#pasteTimer);
    this.#restore();
    this.#input.off("keypress", this.#onKey).off("end", this.#onEnd).off("error", this.#onEnd).pause();
    this.#output.off("resize", this.#onResize);
    process.off("exit", this.#restore).off("SIGCONT", this.#onContinue);
    for (const signal of ["SIGTERM", "SIGHUP"] as const) process.off(signal, this.#onSignal);
  }

  /** Reads a message. */
  read(): Promise<Reading> {
    return new Promise((resolve) => {
      if (this.#hasEnded) {
        resolve({ kind: "end" });
        return;
      }
      this.#reading = resolve;
      this.#drawn = undefined;
      this.#top = 0;
      this.#isBeginning = false;
      while (this.#reading !== undefined && this.#kept.length > 0) this.#take(this.#kept.shift()!);
      if (this.#reading !== undefined) this.#draw();
    });
  }

  readonly #takeOver = () => {
    this.#input.setRawMode(true);
    this.#output.write(PASTE_ON);
  };

  readonly #restore = () => {
    this.#output.write(PASTE_OFF);
    this.#input.setRawMode(false);
  };

  readonly #onSignal = (signal: NodeJS.Signals) => {
    this.close();
    process.kill(process.pid, signal);
  };

  readonly #onContinue = () => {
    this.#takeOver();
    this.#drawn = undefined;
    if (this.#reading !== undefined) this.#draw();
  };

  readonly #onEnd = () => {
    this.#hasEnded = true;
    this.#finish({ kind: "end" });
  };

  readonly #onKey = (typed: string | undefined, key: Key) => {
    if (key.name === "paste-start") this.#pasted = [];
    else if (key.name === "paste-end") this.#endPaste();
    else if (this.#pasted !== undefined) this.#pasted.push(typed ?? "");
    else if (this.#isBeginning && key.name === "enter") this.#press({ kind: "key", typed, key: { name: "return" } });
    else this.#press({ kind: "key", typed, key });
    // A paste whose end is lost must not swallow all keys for ever.
    clearTimeout(this.#pasteTimer);
    if (this.#pasted !== undefined) this.#pasteTimer = setTimeout(() => this.#endPaste(), PASTE_MILLISECONDS);
  };

  #endPaste(): void {
    if (this.#pasted === undefined) return;
    // Whoever copies whole lines copies the last newline, too.
    const lines = this.#pasted.join("").replace(/\r\n?/g, "\n").replace(/\n+$/, "");
    this.#pasted = undefined;
    this.#press({ kind: "paste", text: lines.replace(CONTROL, "") });
  }

  #press(press: Press): void {
    if (this.#reading === undefined) {
      if (press.kind === "key" && press.key.ctrl === true && press.key.name === "c") this.#onInterrupt();
      else this.#kept.push(press);
      return;
    }
    this.#take(press);
    // Keys come in bunches where a program types, or a terminal does not mark what is pasted: they are drawn together.
    this.#drawing ??= setImmediate(() => {
      this.#drawing = undefined;
      if (this.#reading !== undefined) this.#draw();
    });
  }

  #take(press: Press): void {
    const editor = this.#editor;
    if (press.kind === "paste") {
      editor.insert(press.text);
      return;
    }
    const { text } = editor;
    switch (editor.press(press.typed, press.key, this.#width())) {
      case "submit":
        this.#leave();
        editor.begin(text.trim() === "" ? undefined : text);
        this.#finish({ kind: "message", text });
        break;
      case "interrupt":
        this.#leave(text === "" ? "" : "^C");
        editor.begin(undefined);
        this.#finish({ kind: "interrupt", text });
        break;
      case "end":
        this.#leave();
        this.#finish({ kind: "end" });
        break;
      case "clear-screen":
        this.#output.write("\x1b[H\x1b[2J");
        this.#drawn = undefined;
        break;
      case "suspend":
        if (process.platform === "win32") break;
        this.#leave();
        this.#restore();
        process.kill(process.pid, "SIGTSTP"); // SIGCONT takes over again
        break;
      default:
    }
  }

  #finish(reading: Reading): void {
    const resolve = this.#reading;
    this.#reading = undefined;
    resolve?.(reading);
  }

  #width() {
    return { columns: columnsOf(this.#output), margin: PROMPT.length };
  }

  readonly #onResize = () => {
    if (this.#reading === undefined || this.#drawn === undefined) return;
    // The terminal has broken rows that no longer fit: the cursor is that much lower.
    const { columns } = this.#width();
    const { rows, cursor } = this.#drawn;
    const broken = (width: number) => Math.max(1, Math.ceil(width / columns));
    const above = rows.slice(0, cursor.row).reduce((sum, width) => sum + broken(width), 0);
    this.#drawn = { rows, cursor: { ...cursor, row: above + Math.floor(cursor.column / columns) } };
    this.#draw();
  };

  /** Writes the message over its last drawing. */
  #draw(): void {
    const { text, cursor } = this.#editor;
    const layout = layOut(text, cursor, this.#width());
    const most = Math.max(1, (this.#output.rows || 24) - 1);
    this.#top = Math.min(this.#top, Math.max(0, layout.rows.length - most), layout.cursor.row);
    this.#top = Math.max(this.#top, layout.cursor.row - most + 1);
    this.#write(layout, this.#top, this.#top + most);
  }

  /** Draws the whole message for the last time, and goes below it. */
  #leave(behind = ""): void {
    const { text } = this.#editor;
    this.#write(layOut(text, text.length, this.#width()), 0, Number.POSITIVE_INFINITY);
    this.#output.write(`${behind}\r\n`);
    this.#drawn = undefined;
    this.#top = 0;
  }

  #write({ rows, cursor }: Layout, top: number, end: number): void {
    const before = this.#drawn?.cursor.row ?? 0;
    const shown = rows.slice(top, end);
    const lines = shown.map((row, i) => {
      const isFirst = top + i === 0;
      return (isFirst ? styled(this.#output, "green", PROMPT) : " ".repeat(PROMPT.length)) + row.shown;
    });
    const row = cursor.row - top;
    const up = shown.length - 1 - row;
    this.#output.write(
      `${before > 0 ? `\x1b[${before}A` : ""}\r\x1b[J${lines.join("\r\n")}${up > 0 ? `\x1b[${up}A` : ""}` +
        `\r${cursor.column > 0 ? `\x1b[${cursor.column}C` : ""}`,
    );
    this.#drawn = { rows: shown.map(({ width }) => width), cursor: { row, column: cursor.column } };
  }
}
