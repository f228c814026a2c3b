// When bench/peers measures again: a round that others disturbed, and a row that is noisy.

import { describe, expect, it } from "vitest";
import type { Reading } from "../../bench/peers/src/machine-load.js";
import { isNoisy, measureRow } from "../../bench/peers/src/noise.js";
import { spread } from "../../bench/peers/src/statistics.js";

interface Round {
  readonly value: number;
  /** Seconds of a processor that others took of the ten that a round lasts: one is allowed. */
  readonly others?: number;
  readonly steal?: number;
}

/** A machine on which the rounds go as they are listed; the last one goes on. */
function machine(...script: readonly Round[]) {
  let [runs, atSeconds, othersSeconds, stealSeconds] = [0, 100, 5000, 7];
  const read = (): Reading => ({ atSeconds, othersSeconds, stealSeconds, load: runs, pressure: 2 * runs });
  const round = async () => {
    const { value, others = 0, steal = 0 } = script[Math.min(runs++, script.length - 1)]!;
    atSeconds += 10;
    othersSeconds += others;
    stealSeconds += steal;
    return value;
  };
  return { read, round, runs: () => runs };
}

const measure = ({ read, round }: Pick<ReturnType<typeof machine>, "read" | "round">, rounds = 3) =>
  measureRow({ rounds, round, read, spreadOf: spread });

describe("a row of bench/peers", () => {
  it("has every round once where nothing disturbs them, and carries what the machine did", async () => {
    const quiet = machine({ value: 10, others: 0.2 }, { value: 11, steal: 0.3, others: 0.4 }, { value: 12 });
    const { values, noise } = await measure(quiet);
    expect(values).toEqual([10, 11, 12]);
    expect(noise).toEqual({
      load: [0, 3],
      pressure: [0, 6],
      others: expect.closeTo(0.6 / 30, 9),
      steal: expect.closeTo(0.3 / 30, 9),
      disturbedRounds: 0,
      spread: 1.2,
      attempts: 1,
    });
    expect(isNoisy(noise!)).toBe(false);
  });

  it("runs a disturbed round again, whatever its result was", async () => {
    const disturbed = machine({ value: 10 }, { value: 99, others: 1.1 }, { value: 10.5 }, { value: 11, others: 1 });
    const { values, noise } = await measure(disturbed);
    expect(values).toEqual([10, 10.5, 11]);
    expect(noise).toMatchObject({ disturbedRounds: 0, attempts: 1 });
  });

  it("of rounds that are all disturbed counts the least disturbed, in their order, three times, and stays noisy", async () => {
    const rounds = [7, 2, 9, 3, 8, 4].map((others) => ({ value: 100 + others, others }));
    const busy = machine(...rounds, ...rounds, ...rounds);
    const { values, noise } = await measure(busy);
    expect(busy.runs()).toBe(18); // six are all that three rounds may take
    expect(values).toEqual([102, 103, 104]);
    expect(noise).toMatchObject({ disturbedRounds: 3, attempts: 3, others: expect.closeTo(0.3, 9) });
    expect(isNoisy(noise!)).toBe(true);
  });

  it("is measured again when its rounds differ too much, until they do not", async () => {
    const settling = machine({ value: 10 }, { value: 14 }, { value: 10 }, { value: 20 }, { value: 21 });
    const { values, noise } = await measure(settling);
    expect(values).toEqual([20, 21, 21]);
    expect(noise).toMatchObject({ disturbedRounds: 0, attempts: 2, spread: 1.05 });
  });

  it("that differs every time is the one that differs least, and noisy", async () => {
    const values = [10, 20, 10, 10, 14, 10, 10, 30, 10];
    const wild = machine(...values.map((value) => ({ value })));
    const row = await measure(wild);
    expect(wild.runs()).toBe(9);
    expect(row.values).toEqual([10, 14, 10]);
    expect(row.noise).toMatchObject({ attempts: 3, spread: 1.4 });
    expect(isNoisy(row.noise!)).toBe(true);
  });

  it("is what it is where the machine tells nothing", async () => {
    const { round, runs } = machine({ value: 10 }, { value: 20 });
    const row = await measure({ round, read: () => undefined as never });
    expect(row).toEqual({ values: [10, 20, 20], noise: undefined });
    expect(runs()).toBe(3);
  });

  it("may lose a tenth of a second to others in a short round", async () => {
    let [now, others] = [0, 0];
    const read = (): Reading => ({ atSeconds: now, othersSeconds: others, stealSeconds: 0, load: 0, pressure: 0 });
    const taken = [0.09, 0.11, 0.05, 0.05];
    let runs = 0;
    const round = async () => {
      now += 0.3;
      others += taken[runs]!;
      return runs++;
    };
    expect((await measureRow({ rounds: 3, round, read, spreadOf: () => 1 })).values).toEqual([0, 2, 3]);
  });
});
