// The races of a tuning: what takes part in them, and the bursts that are compared.

import type { TunedOptions } from "../../index.js";
import { availableMemory } from "../../machine/cpu/available-memory.js";
import type { ProcessInfo } from "../model-process.js";
import type { ModelFacts } from "./candidates.js";
import { Heat, race, type Standing } from "./race.js";
import { type Setup, SHORTER, Stable } from "./stable.js";

export const CLIENTS = 8;
/** Tokens that the bursts of decoding take at most: a prompt, and what is generated. */
export const BURST_TOKENS = 272;
/** A burst of decoding takes so long, and at least so many tokens, unless those take longer than the most. */
const DECODE = { milliseconds: 100 / SHORTER, tokens: 6, mostMilliseconds: 2000 };
const PREFILL = { tokens: 256, milliseconds: 50 / SHORTER, slow: 200 };
const EMBED = { texts: 8, tokens: 64 };
/** Shared memory is not all that a process takes. */
const PROCESS_BYTES = 128 * 2 ** 20;
const MEMORY_SHARE = 0.8;
const ROUNDS_ALONE = 4;
const RACE_MILLISECONDS = 3500;

/** One that takes part in a race. */
export interface Entrant {
  readonly value: string;
  readonly setup: Setup;
  /** What it would set. */
  readonly settings: TunedOptions;
}

/** What is compared. both: the geometric mean of the two. clients: some texts side by side, on all instances. */
export type Figure = "decode" | "prefill" | "both" | "clients";

export interface Outcome {
  /** Of each figure, how each entrant stands. */
  readonly standings: ReadonlyMap<Figure, ReadonlyMap<Entrant, Standing>>;
  readonly rates: ReadonlyMap<Entrant, ReadonlyMap<Figure, readonly number[]>>;
}

export class Races {
  readonly #stable: Stable;
  readonly #facts: ModelFacts;
  readonly #modelBytes: number;
  readonly #signal: AbortSignal | undefined;
  /** Of bursts, by how fast the model is. */
  #decodeMilliseconds = DECODE.milliseconds;
  #prefillTokens = PREFILL.tokens;

  constructor(path: string, facts: ModelFacts, modelBytes: number, signal: AbortSignal | undefined) {
    this.#stable = new Stable(path, signal);
    this.#facts = facts;
    this.#modelBytes = modelBytes;
    this.#signal = signal;
  }

  /** Tokens of the prompts of a burst. */
  get prefillTokens(): number {
    return this.#prefillTokens;
  }

  /** Ends all processes but those of some setups. */
  keepOnly(setups: readonly Setup[]): Promise<void> {
    return this.#stable.keepOnly(setups);
  }

  async infoOf({ setup }: Entrant): Promise<ProcessInfo> {
    return (await this.#stable.get(setup)).models[0]!.info;
  }

  /** The speed of so many texts that are generated side by side. */
  async decode(setup: Setup, texts: number): Promise<number> {
    this.#signal?.throwIfAborted();
    return (await this.#stable.get(setup)).models[0]!.decode(texts, this.#decodeMilliseconds);
  }

  /** Finds out how long bursts must be. */
  async prepare(setup: Setup): Promise<void> {
    const { models } = await this.#stable.get(setup);
    if (!this.#facts.generates) return;
    const rate = await models[0]!.decode(1, DECODE.milliseconds);
    const wanted = (1000 * DECODE.tokens) / rate;
    this.#decodeMilliseconds = Math.min(DECODE.mostMilliseconds, Math.max(DECODE.milliseconds, wanted));
    const tokens = Math.min(PREFILL.tokens, this.#facts.contextSize);
    const prompts = await models[0]!.prefill(Math.min(128, tokens));
    this.#prefillTokens = prompts < PREFILL.slow ? Math.min(128, tokens) : tokens;
  }

  async #burst({ setup }: Entrant, figure: Exclude<Figure, "both">): Promise<number> {
    this.#signal?.throwIfAborted();
    const instances = await this.#stable.get(setup);
    const count = instances.models.length;
    if (figure === "decode") return instances.rate((model) => model.decode(1, this.#decodeMilliseconds));
    if (figure === "clients") {
      return instances.rate((model) => model.decode(Math.ceil(CLIENTS / count), this.#decodeMilliseconds));
    }
    const { generates, contextSize } = this.#facts;
    if (generates) return instances.rate((model) => model.prefill(this.#prefillTokens, PREFILL.milliseconds));
    return instances.rate((model) => model.embed(EMBED.texts, Math.min(EMBED.tokens, contextSize)));
  }

  /** How many more instances of the model the memory holds. */
  async room(): Promise<number> {
    const available = await availableMemory();
    if (available === undefined) return 4;
    return Math.floor((MEMORY_SHARE * available.bytes) / (this.#modelBytes + PROCESS_BYTES));
  }

  /** Races some entrants, the reference first, by some figures; each figure may leave some out. */
  async race(
    entrants: readonly Entrant[],
    figures: readonly Figure[],
    takesPart: (entrant: Entrant, figure: Figure) => boolean = () => true,
  ): Promise<Outcome> {
    const [reference, ...challengers] = entrants;
    const standings = new Map(figures.map((figure) => [figure, new Map<Entrant, Standing>()]));
    const rates = new Map<Entrant, Map<Figure, number[]>>(entrants.map((entrant) => [entrant, new Map()]));
    const note = (entrant: Entrant, figure: Figure, rate: number) => {
      const known = rates.get(entrant)!;
      known.set(figure, [...(known.get(figure) ?? []), rate]);
    };
    const burst = async (entrant: Entrant, figure: Figure): Promise<number> => {
      if (figure !== "both") {
        const rate = await this.#burst(entrant, figure);
        note(entrant, figure, rate);
        return rate;
      }
      const decode = this.#facts.generates ? await burst(entrant, "decode") : 1;
      const prefill = await burst(entrant, "prefill");
      return this.#facts.generates ? Math.sqrt(decode * prefill) : prefill;
    };
    await this.#stable.keepOnly([reference!.setup]);
    await this.#stable.get(reference!.setup);
    const room = await this.room();
    if (room < 1) {
      // The memory holds one at a time: they cannot run in turns.
      const alone = new Map(figures.map((figure) => [figure, new Heat(reference!, challengers)]));
      for (const entrant of entrants) {
        await this.#stable.keepOnly([entrant.setup]);
        for (const [figure, heat] of alone) {
          if (entrant !== reference && !takesPart(entrant, figure)) continue;
          for (let round = 0; round < ROUNDS_ALONE; round++) heat.add(entrant, await burst(entrant, figure));
        }
      }
      for (const [figure, heat] of alone) {
        for (const entrant of entrants) standings.get(figure)!.set(entrant, heat.standing(entrant));
      }
      return { standings, rates };
    }
    for (let first = 0; first < challengers.length; first += room) {
      const group = challengers.slice(first, first + room);
      const heats = new Map(
        figures.map((figure) => {
          return [
            new Heat(
              reference!,
              group.filter((entrant) => takesPart(entrant, figure)),
            ),
            figure,
          ] as const;
        }),
      );
      await race([reference!, ...group], [...heats.keys()], (entrant, heat) => burst(entrant, heats.get(heat)!), {
        milliseconds: RACE_MILLISECONDS,
      });
      for (const [heat, figure] of heats) {
        for (const entrant of [reference!, ...group]) standings.get(figure)!.set(entrant, heat.standing(entrant));
      }
      await this.#stable.keepOnly([reference!.setup]);
    }
    return { standings, rates };
  }
}

/** Of figures that were measured in the same rounds. */
export function ratioOf(samples: readonly number[], reference: readonly number[]): Standing {
  const heat = new Heat<"own" | "reference">("reference", ["own"]);
  const rounds = Math.min(samples.length, reference.length);
  for (let round = 0; round < rounds; round++) {
    heat.add("reference", reference[round]!);
    heat.add("own", samples[round]!);
  }
  return rounds === 0 ? { ratio: 1, error: 0, rounds: 0 } : heat.standing("own");
}
