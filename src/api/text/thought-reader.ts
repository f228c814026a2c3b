// Takes what a model writes apart while it arrives: its thoughts, and its answer (src/grammar/thoughts.ts has the marks between them).

import type { AnswerStart, ThoughtMarks } from "../../grammar/index.js";

/** What a piece of text adds to the thoughts and to the answer. */
export interface ThoughtPiece {
  readonly reasoning: string;
  readonly answer: string;
}

/** Where in the text the reader is: before either, in thoughts, right after them, in the answer, after the mark that ends it. */
type Place = "begin" | "thoughts" | "gap" | "answer" | "rest";

/** Reads one text. White space around thoughts belongs to neither. */
export class ThoughtReader {
  readonly #marks: ThoughtMarks;
  readonly #answerEnds: readonly string[];
  #place: Place;
  /** What has arrived and is not understood yet. */
  #held = "";
  #hasThoughts = false;

  constructor(marks: ThoughtMarks, start: AnswerStart) {
    this.#marks = marks;
    this.#answerEnds = (marks.answer ?? []).map(([, end]) => end);
    this.#place = start === "either" ? "begin" : start;
  }

  /** Whether the text is in thoughts now. */
  get thinks(): boolean {
    return this.#place === "thoughts";
  }

  /** Takes the next piece of the text. */
  push(piece: string): ThoughtPiece {
    this.#held += piece;
    let reasoning = "";
    let answer = "";
    for (let before: Place | undefined; before !== this.#place; ) {
      before = this.#place;
      if (before === "begin") this.#takeBegin();
      else if (before === "thoughts") reasoning += this.#takeThoughts();
      else if (before === "gap") this.#takeGap();
      else if (before === "answer") answer += this.#takeAnswer();
      else this.#held = "";
    }
    return { reasoning, answer };
  }

  /** The text is over: what was held back because it could have been the beginning of a mark. */
  end(): ThoughtPiece {
    const held = this.#held;
    this.#held = "";
    if (this.#place === "thoughts") return { reasoning: held.trimEnd(), answer: "" };
    return { reasoning: "", answer: this.#place === "begin" || this.#place === "answer" ? held : "" };
  }

  #takeBegin(): void {
    const { begin, end, answer = [] } = this.#marks;
    const text = this.#held.trimStart();
    const marks: readonly (readonly [string, Place])[] = [
      [begin, "thoughts"],
      [end, "gap"],
      ...answer.filter(([open]) => open !== "").map(([open]) => [open, "answer"] as const),
    ];
    for (const [mark, place] of marks) {
      if (!text.startsWith(mark)) continue;
      this.#held = text.slice(mark.length);
      this.#place = place;
      return;
    }
    if (!marks.some(([mark]) => mark.startsWith(text))) this.#place = "answer";
  }

  #takeThoughts(): string {
    const { end } = this.#marks;
    if (!this.#hasThoughts) this.#held = this.#held.trimStart();
    const at = this.#held.indexOf(end);
    const thoughts = at >= 0 ? this.#held.slice(0, at).trimEnd() : certain(this.#held, [end]);
    this.#held = this.#held.slice(at >= 0 ? at + end.length : thoughts.length);
    if (at >= 0) this.#place = "gap";
    if (thoughts !== "") this.#hasThoughts = true;
    return thoughts;
  }

  #takeGap(): void {
    this.#held = this.#held.trimStart();
    if (this.#held === "") return;
    const opens = (this.#marks.answer ?? []).map(([open]) => open).filter((open) => open !== "");
    const open = opens.find((mark) => this.#held.startsWith(mark));
    if (open !== undefined) this.#held = this.#held.slice(open.length).trimStart();
    else if (opens.some((mark) => mark.startsWith(this.#held))) return;
    if (this.#held !== "") this.#place = "answer";
  }

  #takeAnswer(): string {
    const held = this.#held;
    const ends = this.#answerEnds.flatMap((end) => (held.includes(end) ? [held.indexOf(end)] : []));
    if (ends.length > 0) {
      this.#place = "rest";
      return held.slice(0, Math.min(...ends)).trimEnd();
    }
    const answer = this.#answerEnds.length === 0 ? held : certain(held, this.#answerEnds);
    this.#held = held.slice(answer.length);
    return answer;
  }
}

/** The text without what may become a mark, and without white space, which may come before one. */
function certain(text: string, marks: readonly string[]): string {
  let most = 0;
  for (const mark of marks) {
    let length = Math.min(mark.length - 1, text.length);
    while (!text.endsWith(mark.slice(0, length))) length--;
    most = Math.max(most, length);
  }
  return text.slice(0, text.length - most).trimEnd();
}
