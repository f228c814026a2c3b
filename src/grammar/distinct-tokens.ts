// Which of the tokens that an automaton allows would repeat an item of an array whose items must differ, or lead to where only such an
// item could come. The vocabulary's tree is walked as for a mask, but only where an item may end that another one is like.

import { type Configurations, DEAD } from "./configurations.js";
import type { DistinctReading } from "./distinct.js";
import type { Needs } from "./needs.js";
import { BYTES_OF_KIND, type Vocabulary } from "./vocabulary.js";

/** Places that are looked at for a way that no earlier item went. */
const MOST_PLACES = 4096;

const kindOf = (symbol: string) => 1 << BYTES_OF_KIND.findIndex((kind) => kind.includes(symbol.charCodeAt(0)));
const [QUOTE, COMMA, OPENS_ARRAY, CLOSES_OBJECT] = ['"', ",", "[", "}"].map(kindOf) as [number, number, number, number];

interface Place {
  readonly configuration: number;
  readonly reading: DistinctReading;
}

export class DistinctTokens {
  readonly #vocabulary: Vocabulary;
  readonly #configurations: Configurations;
  readonly #needs = new Map<string, number>();
  readonly #grammarNeeds: Needs;
  /** The bytes that are tokens. */
  readonly #byteTokens: readonly number[];

  constructor(vocabulary: Vocabulary, configurations: Configurations, needs: Needs) {
    this.#vocabulary = vocabulary;
    this.#configurations = configurations;
    const isToken = (byte: number) => vocabulary.child(0, byte) > 0 && vocabulary.hasToken(vocabulary.child(0, byte));
    this.#grammarNeeds = needs;
    this.#byteTokens = Array.from({ length: 256 }, (_, byte) => byte).filter(isToken);
  }

  /** Of the tokens `bits`, those after which at most `tokens` more are needed. */
  allowed(bits: Uint32Array, configuration: number, reading: DistinctReading, tokens: number): Uint32Array {
    const { byte, depth, end, firstToken, tokens: sorted, kinds } = this.#vocabulary.tables;
    const { nodes } = this.#vocabulary;
    const allowed = bits.slice();
    this.#needs.clear();
    const ban = (from: number, to: number) => {
      for (let i = firstToken[from]!; i < firstToken[to]!; i++) allowed[sorted[i]! >> 5]! &= ~(1 << (sorted[i]! & 31));
    };
    const path: Place[] = [{ configuration, reading }];
    for (let node = 1; node < nodes; ) {
      const before = path[depth[node]! - 1]!;
      const next = end[node]!;
      const reached = mayRepeat(before.reading, kinds[node]!)
        ? this.#configurations.next(before.configuration, byte[node]!)
        : DEAD;
      if (reached === DEAD) {
        node = next;
        continue;
      }
      const after = before.reading.after(byte[node]!, () => this.#configurations.openDistinct(reached));
      if (after === undefined) {
        ban(node, next);
        node = next;
        continue;
      }
      if (after.hasRivals && firstToken[node]! < firstToken[node + 1]! && this.#need(reached, after) > tokens) {
        ban(node, node + 1);
      }
      path[depth[node]!] = { configuration: reached, reading: after };
      node++;
    }
    return allowed;
  }

  /** The tokens of one way to the end on which no item is repeated; Infinity: there is none. */
  #need(configuration: number, reading: DistinctReading): number {
    const configurations = this.#configurations;
    const key = `${configuration} ${reading.key}`;
    const known = this.#needs.get(key);
    if (known !== undefined) return known;
    let need = Number.POSITIVE_INFINITY;
    const seen = new Set([key]);
    let places: Place[] = [{ configuration, reading }];
    for (let steps = 1; places.length > 0; steps++) {
      const further: Place[] = [];
      for (const place of places) {
        for (const byte of this.#byteTokens) {
          const reached = configurations.next(place.configuration, byte);
          // By the grammar alone no way is longer, so what is not shorter than one that was found is left.
          const least = steps + this.#grammarNeeds.ofConfiguration(reached);
          if (reached === DEAD || least >= need) continue;
          const after = place.reading.after(byte, () => configurations.openDistinct(reached));
          if (after === undefined) continue;
          if (!after.hasRivals) {
            need = least;
            continue;
          }
          const name = `${reached} ${after.key}`;
          if (seen.has(name)) continue;
          seen.add(name);
          further.push({ configuration: reached, reading: after });
        }
      }
      places = further;
      if (seen.size > MOST_PLACES) break;
    }
    // Where all that was looked at leads to rivals, the way on is unknown, and the grammar's is taken for it.
    if (need === Number.POSITIVE_INFINITY && places.length > 0)
      need = this.#grammarNeeds.ofConfiguration(configuration);
    this.#needs.set(key, need);
    return need;
  }
}

/** Whether a token whose bytes are of these kinds may matter, the one that comes next included. */
function mayRepeat(reading: DistinctReading, kinds: number): boolean {
  if (reading.hasRivals) return true;
  if (reading.isOutside) return (kinds & OPENS_ARRAY) !== 0 && (kinds & COMMA) !== 0;
  if (reading.isInString && (kinds & QUOTE) === 0) return false;
  // An object may be one that has been there with its keys in another order.
  return (kinds & COMMA) !== 0 || (kinds & CLOSES_OBJECT) !== 0;
}
