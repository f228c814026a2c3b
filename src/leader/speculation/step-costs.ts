// What steps take by their number of rows, measured while they run. From it follows whether drafts pay; no result depends on it.

/** What a row adds before anything is known, as a share of a step of one row. */
const FIRST_GUESS = 0.15;
/** How much of what is new an estimate takes over. */
const SHARE = 0.25;
/** A step counts as at most so many times its estimate: one that was held up says little. */
const MOST_RATIO = 2;
/** What steps of more rows cost above one of fewer is taken to be less by this share each time when that has kept them from being tried. */
const DOUBT = 0.005;

export class StepCosts {
  /** Milliseconds by rows; 0: not known. */
  readonly #estimates: Float64Array;

  /** @param rows the most rows that are asked for */
  constructor(rows: number) {
    this.#estimates = new Float64Array(rows + 1);
  }

  /** A step is done. `drafted`: whether it had drafts. */
  add(rows: number, milliseconds: number, drafted: boolean): void {
    const estimates = this.#estimates;
    if (rows >= estimates.length) return;
    const known = estimates[rows]!;
    if (known === 0) {
      estimates[rows] = milliseconds;
      return;
    }
    const change = 1 + SHARE * (Math.min(MOST_RATIO, milliseconds / known) - 1);
    // A longer text and a slower processor change all of them alike: that shows in steps without drafts.
    if (drafted) estimates[rows] = known * change;
    else for (let i = 1; i < estimates.length; i++) estimates[i]! *= change;
  }

  /** The most rows to try: twice as many as were measured, because what is not measured may be dear. */
  get most(): number {
    let largest = this.#estimates.length - 1;
    while (largest > 0 && this.#estimates[largest] === 0) largest--;
    return 2 * largest;
  }

  /** What a step of so many rows takes, in milliseconds, from what is known of steps of fewer and more rows; 0: nothing is known. */
  of(rows: number): number {
    const estimates = this.#estimates;
    let below = rows;
    while (below > 0 && estimates[below] === 0) below--;
    if (below === rows) return estimates[rows]!;
    let above = rows;
    while (above < estimates.length && estimates[above] === 0) above++;
    if (below === 0) return above < estimates.length ? estimates[above]! : 0;
    if (above < estimates.length) {
      const slope = (estimates[above]! - estimates[below]!) / (above - below);
      return estimates[below]! + Math.max(0, slope) * (rows - below);
    }
    let first = 1;
    while (estimates[first] === 0) first++;
    const guess = FIRST_GUESS * estimates[first]!;
    const slope = first === below ? guess : (estimates[below]! - estimates[first]!) / (below - first);
    return estimates[below]! + Math.max(0, slope) * (rows - below);
  }

  /** Steps of more than `rows` rows would have been of use, but seem to take too long. */
  doubt(rows: number): void {
    const base = this.of(rows);
    for (let i = rows + 1; i < this.#estimates.length; i++) {
      const above = this.#estimates[i]! - base;
      if (above > 0) this.#estimates[i]! -= DOUBT * above;
    }
  }
}
