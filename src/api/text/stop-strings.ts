// Stop strings in a stream of text: finds the first one to be completed, across the borders of pieces, and holds back only
// text that may still turn out to be the beginning of one. An Aho-Corasick automaton over UTF-16 code units, so the time is
// linear in the text, whatever the stop strings are.
//
//   stops "END", "N!"           root -E-> E -N-> EN -D-> END
//                               root -N-> N -!-> N!          fail(EN) = N: after "EN", "!" completes "N!"

import { checkText, invalidOption, readable } from "../../options.js";

interface State {
  readonly next: Map<number, State>;
  /** Length, in code units, of the longest suffix of the text that begins a stop string. */
  readonly depth: number;
  /** A stop string that begins with the text of this state. Held text is never copied: it is the beginning of this string. */
  readonly stop: string;
  /** The state of the longest proper suffix that also begins a stop string. */
  fail: State | undefined;
  /** Length of the longest stop string that ends here; 0 if none does. */
  matched: number;
}

function newState(depth: number, stop: string): State {
  return { next: new Map(), depth, stop, fail: undefined, matched: 0 };
}

/**
 * Cuts a stream of text at the first stop string. "First" is the one whose last character comes first; where several end
 * with the same character, the longest. So the result does not depend on how the text was split into pieces.
 */
export class StopStrings {
  #state: State;
  readonly #root: State;
  #stopped = false;

  /**
   * @param stops non-empty strings without unpaired surrogates; the array may be empty
   * @throws CriaError INVALID_OPTION
   */
  constructor(stops: readonly string[]) {
    this.#root = newState(0, "");
    this.#state = this.#root;
    readable("stop", stops, () => {
      if (!Array.isArray(stops)) throw invalidOption("stop", "a string or an array of strings", stops);
      for (const [index, given] of stops.entries()) {
        const stop = checkText(`stop[${index}]`, given, 1);
        if (/\p{Surrogate}/u.test(stop)) throw invalidOption(`stop[${index}]`, "a well-formed string", stop);
        this.#insert(stop);
      }
    });
    this.#link();
  }

  #insert(stop: string): void {
    let state = this.#root;
    for (let i = 0; i < stop.length; i++) {
      const unit = stop.charCodeAt(i);
      let next = state.next.get(unit);
      if (next === undefined) {
        next = newState(i + 1, stop);
        state.next.set(unit, next);
      }
      state = next;
    }
    state.matched = stop.length;
  }

  /** Sets the fail links, breadth first: the link of a state is found from the links of shorter ones. */
  #link(): void {
    const queue = [this.#root];
    for (const state of queue) {
      for (const [unit, child] of state.next) {
        child.fail = state.fail === undefined ? this.#root : this.#step(state.fail, unit);
        if (child.matched === 0) child.matched = child.fail.matched;
        queue.push(child);
      }
    }
  }

  #step(from: State, unit: number): State {
    for (let state: State | undefined = from; state !== undefined; state = state.fail) {
      const next = state.next.get(unit);
      if (next !== undefined) return next;
    }
    return this.#root;
  }

  /** Takes the next piece of text. Returns the text that is now certain to come before any stop string. */
  push(text: string): { readonly text: string; readonly stopped: boolean } {
    if (this.#stopped) return { text: "", stopped: true };
    const held = this.#state;
    for (let i = 0; i < text.length; i++) {
      this.#state = this.#step(this.#state, text.charCodeAt(i));
      if (this.#state.matched > 0) {
        this.#stopped = true;
        return { text: beginning(held, text, held.depth + i + 1 - this.#state.matched), stopped: true };
      }
    }
    return { text: beginning(held, text, held.depth + text.length - this.#state.depth), stopped: false };
  }

  /** The text ends here. Returns what was held back, which can no longer become a stop string. */
  end(): string {
    const rest = this.#stopped ? "" : beginning(this.#state, "", this.#state.depth);
    this.#state = this.#root;
    return rest;
  }
}

/** The first `length` code units of the held text and the piece after it. */
function beginning(held: State, text: string, length: number): string {
  return held.stop.slice(0, Math.min(held.depth, length)) + text.slice(0, Math.max(0, length - held.depth));
}
