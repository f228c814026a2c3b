// What steps take by their number of rows, measured while they run. From it follows whether drafts pay; no result depends on it.

/** What a row adds before anything is known, as a share of a step of one row. */
const FIRST_GUESS = 0.15;
/** How much of what is new an estimate takes over. */
const SHARE = 0.25;
/** A step counts as at most so many times its estimate: one that was held up says little. */
const MOST_RATIO = 2;
/**
 * What steps of more rows cost above one of fewer is taken to be less by this share each time when that has kept them from being tried,
 * until one is.
 */
const DOUBT = 0.005;

export class StepCosts {
  /** By rows, over #scale; 0: not known. */
  readonly #measured: Float64Array;
  /** For every number of rows, over #scale: what is measured, and what follows from that. */
  readonly #curve: Float64Array;
  /** Milliseconds: what changes all of them alike. */
  #scale = 1;
  /** The most rows that were measured. */
  #largest = 0;
  /** What steps of more than #doubted rows cost above one of so many is taken to be this share of what the curve says. */
  #trust = 1;
  #doubted = 1;

  /** @param rows the most rows that are asked for */
  constructor(rows: number) {
    this.#measured = new Float64Array(rows + 1);
    this.#curve = new Float64Array(rows + 1);
  }

  /** A step is done. `drafted`: whether it had drafts. */
  add(rows: number, milliseconds: number, drafted: boolean): void {
    const measured = this.#measured;
    if (rows >= measured.length) return;
    const known = measured[rows]!;
    // The less what is known was trusted, the more the step that was tried for that counts.
    const share = drafted ? Math.max(SHARE, 1 - this.#trust) : SHARE;
    const change = 1 + share * (Math.min(MOST_RATIO, milliseconds / (known * this.#scale)) - 1);
    if (known === 0) measured[rows] = milliseconds / this.#scale;
    // A longer text and a slower processor change all of them alike: that shows in steps without drafts.
    else if (!drafted) this.#scale *= change;
    else measured[rows] = known * change;
    if (drafted) this.#trust = 1;
    if (known === 0 || drafted) this.#draw();
  }

  /** The most rows to try: twice as many as were measured, because what is not measured may be dear. */
  get most(): number {
    return 2 * this.#largest;
  }

  /** What a step of so many rows takes, in milliseconds, from what is known of steps of fewer and more rows; 0: nothing is known. */
  of(rows: number): number {
    const cost = this.#curve[rows]!;
    if (rows <= this.#doubted || this.#trust === 1) return this.#scale * cost;
    const base = this.#curve[this.#doubted]!;
    return this.#scale * (base + this.#trust * (cost - base));
  }

  /** Whether it is known that a step of so many rows takes less. */
  isBelow(rows: number, milliseconds: number): boolean {
    return rows < this.#curve.length && this.#largest > 0 && this.of(rows) < milliseconds;
  }

  /** Steps of more than `rows` rows would have been of use, but seem to take too long. */
  doubt(rows: number): void {
    this.#doubted = rows;
    this.#trust *= 1 - DOUBT;
  }

  /** The curve through what is measured: flat before its first point, never falling between two, and on as from the first to the last. */
  #draw(): void {
    const measured = this.#measured;
    let first = 0;
    let last = 0;
    for (let rows = 1; rows < measured.length; rows++) {
      const cost = measured[rows]!;
      if (cost === 0) continue;
      if (first === 0) {
        first = rows;
        this.#curve.fill(cost, 0, rows);
      } else this.#line(last, rows, (cost - measured[last]!) / (rows - last));
      last = rows;
    }
    this.#largest = last;
    const rise = measured[last]! - measured[first]!;
    this.#line(last, measured.length, first === last ? FIRST_GUESS * measured[first]! : rise / (last - first));
  }

  /** Draws from a point that is measured up to another. */
  #line(from: number, to: number, slope: number): void {
    const start = this.#measured[from]!;
    for (let rows = from; rows < to; rows++) this.#curve[rows] = start + Math.max(0, slope) * (rows - from);
  }
}
