// The team, with real threads: nobody passes a barrier before all have come, all hear the leader's vote, no ticket is given twice, and
// whoever waits wakes when the team is poisoned.

import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { afterAll, describe, expect, it } from "vitest";
import {
  BARRIER_ABORT,
  BARRIER_GO,
  BARRIER_POISON,
  TEAM_ARRIVED,
  TEAM_BYTES,
  TEAM_IDLE,
  TEAM_PHASE,
  TEAM_SLEEPERS,
  TEAM_SPIN,
} from "../../dist/abi.js";
import { poisonTeam } from "../../dist/machine/member.js";
import { compiled } from "../kernel-module.js";
import { builds } from "./arena.js";

// Workers never spin, spin a little, or spin on; with four there are more of them than most test machines have processors.
const teams = [1, 2, 3, 4].flatMap((workers) => [0, 50, 5000].map((spin) => [workers, spin] as const));

describe.each(builds)("the team (%s)", (build) => {
  const running: Worker[] = [];
  afterAll(() => Promise.all(running.map((worker) => worker.terminate())));

  /** A team of `workers` whose members `present` have started; the others never come. */
  function start(workers: number, spin: number, program: string, rounds = 0, present = workers, phase = 0) {
    const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
    const control = 128;
    const words = new Int32Array(memory.buffer);
    words[(control + TEAM_SPIN) >> 2] = spin;
    words[(control + TEAM_PHASE) >> 2] = phase;
    const results = Array.from({ length: present }, (_, index) => {
      const membership = { module: compiled(build), memory, control, index, workers };
      const workerData = { membership, program, rounds, board: control + TEAM_BYTES };
      const worker = new Worker(new URL("team-worker.mjs", import.meta.url), { workerData });
      running.push(worker);
      return once(worker, "message").then(([result]) => result);
    });
    /** Waits until a word of the control block has this value. */
    const until = async (offset: number, value: number) => {
      while (Atomics.load(words, (control + offset) >> 2) !== value)
        await new Promise((resolve) => setTimeout(resolve, 5));
    };
    return { results: Promise.all(results), until, poison: () => poisonTeam(words, control, workers) };
  }

  it.each(teams)("%i workers, spin %i: what is written before a barrier is read behind it", async (workers, spin) => {
    expect(await start(workers, spin, "meet", 1500).results).toEqual(new Array(workers).fill(0));
  });

  it.each(teams)("%i workers, spin %i: every worker hears the leader's vote", async (workers, spin) => {
    const expected = Array.from({ length: 1000 }, (_, i) => ((i * 7) % 5 < 2 ? BARRIER_ABORT : BARRIER_GO));
    for (const answers of await start(workers, spin, "vote", 1000).results) expect(answers).toEqual(expected);
  });

  it.each(teams)("%i workers, spin %i: every ticket is taken once", async (workers, spin) => {
    const taken: number[][] = await start(workers, spin, "take", 300).results;
    for (const own of taken) expect(own).toEqual([...own].sort((a, b) => a - b));
    const all = taken.flat().sort((a, b) => a - b);
    expect(all).toEqual(Array.from({ length: 20 * 300 }, (_, i) => i));
  });

  it.each(teams.slice(3))("%i workers, spin %i: every follower sees every step", async (workers, spin) => {
    const team = start(workers, spin, "step", 500);
    await team.until(TEAM_PHASE, 500);
    await team.until(TEAM_IDLE, workers - 1); // all steps done, all followers asleep
    team.poison();
    const [, ...followers] = await team.results;
    for (const seen of followers) expect(seen).toEqual(Array.from({ length: 500 }, (_, i) => [i + 1, 3 * (i + 1)]));
  });

  it("the count of barriers may overflow", async () => {
    expect(await start(3, 50, "meet", 20, 3, 0x7fff_fff0).results).toEqual([0, 0, 0]);
  });

  it("poison wakes those who sleep at a barrier that will never be complete", async () => {
    const team = start(4, 0, "wait", 0, 3);
    await team.until(TEAM_SLEEPERS, 3);
    const before = performance.now();
    team.poison();
    expect(await team.results).toEqual([BARRIER_POISON, BARRIER_POISON, BARRIER_POISON]);
    expect(performance.now() - before).toBeLessThan(2000);
    await team.until(TEAM_SLEEPERS, 0);
  });

  it("poison ends a spin too, and outlasts a barrier that is complete", async () => {
    const spinning = start(2, 2_000_000, "wait", 0, 1);
    await spinning.until(TEAM_ARRIVED, 1);
    spinning.poison();
    expect(await spinning.results).toEqual([BARRIER_POISON]);
    for (const workers of [1, 2, 4]) {
      const team = start(workers, 50, "wait");
      team.poison();
      expect(await team.results).toEqual(new Array(workers).fill(BARRIER_POISON));
    }
  });
});
