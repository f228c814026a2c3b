// DRY, "don't repeat yourself" (p-e-w 2024, github.com/oobabooga/text-generation-webui/pull/5677): a token that would go on with a
// repetition is penalised, the more the longer the repetition already is.
//
//   text so far    a b c d x a b c        the last three tokens occurred before, and d came then: d is penalised
//   overlaps       0 0 3 0 0 0 0          how many tokens up to this place equal the text's last ones

import type { TokenBreakers } from "../../tokenizer/sequence-breakers.js";
import type { Candidates } from "../candidates.js";
import { MOST_RECENT, type SamplerDefinition, type SamplerStep } from "./definition.js";

/** Penalises what would go on with a repetition, by `multiplier * base ** (tokens repeated - allowedLength)`. */
export interface DryOptions {
  /** 0 .. 100, 0: off. Default 0.8. */
  readonly multiplier?: number;
  /** 1 .. 100. Default 1.75. */
  readonly base?: number;
  /** Repetitions of fewer tokens are free; 0 .. 2^20. Default 2. */
  readonly allowedLength?: number;
  /** How many of the last tokens are looked at, prompt included; 0: none, -1: all. Default -1. */
  readonly penaltyLastN?: number;
  /** Texts after which repetitions begin anew, of 1 .. 40 characters. Default: a line feed, `:`, `"` and `*`. */
  readonly sequenceBreakers?: readonly string[];
}

export interface DryOption {
  /** "Don't repeat yourself". Default: off. */
  readonly dry?: DryOptions;
}

export const dry: SamplerDefinition<"dry", DryOption> = {
  name: "dry",
  spellings: ["dry"],
  effect: "edits",
  options: {
    dry: {
      type: "group",
      fields: {
        multiplier: {
          type: "number",
          from: 0,
          to: 100,
          default: 0.8,
          flags: ["--dry-multiplier"],
          help: "makes tokens that go on with a repetition less likely; 0: off",
        },
        base: {
          type: "number",
          from: 1,
          to: 100,
          default: 1.75,
          flags: ["--dry-base"],
          help: "the more so by this factor for each token repeated",
        },
        allowedLength: {
          type: "integer",
          from: 0,
          to: MOST_RECENT,
          default: 2,
          flags: ["--dry-allowed-length"],
          help: "repetitions of fewer tokens are free",
        },
        penaltyLastN: {
          type: "integer",
          from: -1,
          to: MOST_RECENT,
          default: -1,
          flags: ["--dry-penalty-last-n"],
          help: "how many tokens are looked at; 0: none, -1: all",
        },
        sequenceBreakers: {
          type: "strings",
          most: 64,
          longest: 40,
          default: ["\n", ":", '"', "*"],
          shownDefault: 'a line feed, : " and *',
          flags: ["--dry-sequence-breaker"],
          help: "repetitions begin anew after this text; may be given several times; none: after no text",
        },
      },
    },
  },
  step: ({ dry: options }, { breakers }) => {
    const off = options === undefined || options.multiplier === 0 || options.penaltyLastN === 0;
    return off ? undefined : new Dry(options, breakers);
  },
};

/** Far above any real logit, and far from where sums of 32-bit floats overflow. */
const LARGEST_PENALTY = 1e9;

class Dry implements SamplerStep {
  readonly #strengths: Required<DryOptions>;
  readonly #singles: ReadonlySet<number>;
  /** Breakers of several tokens, by the first. */
  readonly #sequences = new Map<number, (readonly number[])[]>();
  #history: number[] = [];

  constructor(strengths: Required<DryOptions>, breakers: TokenBreakers) {
    this.#strengths = strengths;
    this.#singles = new Set(breakers.singles);
    for (const sequence of breakers.sequences) {
      const head = sequence[0]!;
      this.#sequences.set(head, [...(this.#sequences.get(head) ?? []), sequence]);
    }
  }

  accept(id: number): void {
    this.#history.push(id);
    const { penaltyLastN } = this.#strengths;
    // Twice as many, so that most tokens cost nothing.
    if (penaltyLastN >= 0 && this.#history.length > 2 * penaltyLastN) this.#history = this.#recent();
  }

  apply(candidates: Candidates): void {
    const { multiplier, base, allowedLength } = this.#strengths;
    for (const [id, length] of this.#repetitions()) {
      let penalty = multiplier;
      for (let n = allowedLength; n < length && penalty < LARGEST_PENALTY; n++) penalty *= base;
      candidates.edit(id, (logit) => logit - Math.min(penalty, LARGEST_PENALTY));
    }
  }

  #recent(): number[] {
    const { penaltyLastN } = this.#strengths;
    return penaltyLastN < 0 ? this.#history : this.#history.slice(Math.max(0, this.#history.length - penaltyLastN));
  }

  /** The tokens that would go on with a repetition, and how long the longest such one is already, for those that are not free. */
  #repetitions(): ReadonlyMap<number, number> {
    const recent = this.#recent();
    const found = new Map<number, number>();
    const longest = this.#sinceBreaker(recent);
    const { allowedLength } = this.#strengths;
    if (longest < allowedLength) return found;
    const overlaps = overlapsWithEnd(recent);
    for (let end = 0; end + 1 < recent.length; end++) {
      const length = Math.min(overlaps[end]!, longest);
      const next = recent[end + 1]!;
      if (length >= allowedLength && length > (found.get(next) ?? -1) && !this.#singles.has(next)) {
        found.set(next, length);
      }
    }
    return found;
  }

  /** How many tokens follow the last breaker. */
  #sinceBreaker(recent: readonly number[]): number {
    for (let start = recent.length - 1; start >= 0; start--) {
      let longest = this.#singles.has(recent[start]!) ? 1 : 0;
      for (const sequence of this.#sequences.get(recent[start]!) ?? []) {
        if (sequence.length > longest && sequence.every((id, i) => recent[start + i] === id)) longest = sequence.length;
      }
      if (longest > 0) return recent.length - start - longest;
    }
    return recent.length;
  }
}

/**
 * For each place how many of the ids up to and including it are those at the end of the list, in linear time: the Z algorithm
 * (Gusfield 1997) from the end. The last place is left 0.
 */
function overlapsWithEnd(ids: readonly number[]): Int32Array {
  const last = ids.length - 1;
  const overlaps = new Int32Array(ids.length);
  // The match that reaches furthest back: it is of the ids from `first` to `end`.
  let first = last;
  let end = last;
  for (let place = last - 1; place >= 0; place--) {
    let length = 0;
    if (place >= first) length = Math.min(overlaps[last - (end - place)]!, place - first + 1);
    while (length <= place && ids[place - length] === ids[last - length]) length++;
    overlaps[place] = length;
    if (place - length + 1 < first) {
      first = place - length + 1;
      end = place;
    }
  }
  return overlaps;
}
