// A template's string, and which of its characters came from outside: from messages, tools or documents. Whatever a template does to
// what a message says (trims it, cuts it, joins it, writes it as JSON), the mark goes along, so that in the end it is known which text
// the template wrote and which it only passed on.
//
//   "[INST] " + "  hi\n" | trim + " [/INST]"   ->   text "[INST] hi [/INST]", marks [7, 9]

import { TemplateError } from "../../errors.js";

/** UTF-16 units of the longest string that a template may make. */
export const LONGEST_STRING = 2 ** 24;

const NO_MARKS: readonly number[] = [];
const SURROGATES = /[\ud800-\udfff]/;

export class MarkedString {
  static readonly empty = new MarkedString("");

  readonly text: string;
  /** Ranges of characters from outside, in UTF-16 units: start, end, start, end, ascending; between two there is other text. */
  readonly marks: readonly number[];

  constructor(text: string, marks: readonly number[] = NO_MARKS) {
    this.text = text;
    this.marks = marks;
  }

  /** A string that came from outside as a whole. */
  static outside(text: string): MarkedString {
    return new MarkedString(text, text === "" ? NO_MARKS : [0, text.length]);
  }

  static join(strings: readonly MarkedString[], separator: MarkedString = MarkedString.empty): MarkedString {
    const marks: number[] = [];
    let length = 0;
    const append = (string: MarkedString) => {
      for (let i = 0; i < string.marks.length; i += 2) {
        const start = length + string.marks[i]!;
        if (marks.at(-1) === start) marks.pop();
        else marks.push(start);
        marks.push(length + string.marks[i + 1]!);
      }
      length += string.text.length;
    };
    strings.forEach((string, i) => {
      if (i > 0) append(separator);
      append(string);
      checkLength(length);
    });
    return new MarkedString(strings.map(({ text }) => text).join(separator.text), marks);
  }

  /** The part from unit `start` to unit `end`. */
  slice(start: number, end: number = this.text.length): MarkedString {
    if (start === 0 && end === this.text.length) return this;
    const marks: number[] = [];
    for (let i = 0; i < this.marks.length; i += 2) {
      const from = Math.max(this.marks[i]!, start);
      const to = Math.min(this.marks[i + 1]!, end);
      if (from < to) marks.push(from - start, to - start);
    }
    return new MarkedString(this.text.slice(start, end), marks);
  }

  repeat(count: number): MarkedString {
    checkLength(this.text.length * count);
    if (count <= 0 || this.text === "") return MarkedString.empty;
    if (this.marks.length === 0) return new MarkedString(this.text.repeat(count));
    return MarkedString.join(new Array(count).fill(this));
  }

  /** Changes the text, run by run: a changed run from outside is still from outside. */
  map(change: (run: string) => string): MarkedString {
    return MarkedString.join(
      this.runs().map(({ text, outside }) =>
        outside ? MarkedString.outside(change(text)) : new MarkedString(change(text)),
      ),
    );
  }

  /** The longest runs of one origin. */
  runs(): readonly { readonly text: string; readonly outside: boolean }[] {
    const runs: { text: string; outside: boolean }[] = [];
    const edges = [0, ...this.marks, this.text.length];
    for (let i = 0; i + 1 < edges.length; i++) {
      if (edges[i]! < edges[i + 1]!) runs.push({ text: this.text.slice(edges[i], edges[i + 1]), outside: i % 2 === 1 });
    }
    return runs;
  }

  /** Where each code point begins, and the end: Python counts code points. Undefined where each is one unit. */
  offsets(): readonly number[] | undefined {
    if (!SURROGATES.test(this.text)) return undefined;
    const offsets = [0];
    for (const character of this.text) offsets.push(offsets[offsets.length - 1]! + character.length);
    return offsets;
  }

  /** Length in code points. */
  get length(): number {
    const offsets = this.offsets();
    return offsets === undefined ? this.text.length : offsets.length - 1;
  }

  /** Its code points, one by one. */
  *characters(): Generator<MarkedString> {
    let start = 0;
    for (const character of this.text) {
      yield this.slice(start, start + character.length);
      start += character.length;
    }
  }

  toString(): string {
    return this.text;
  }
}

function checkLength(length: number): void {
  if (length <= LONGEST_STRING) return;
  throw new TemplateError(
    "TEMPLATE_OUTPUT",
    `the chat template makes a text of ${length} characters; at most ${LONGEST_STRING} are allowed`,
  );
}
