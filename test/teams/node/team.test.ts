// The team, with real threads: nobody passes a barrier before all have come, all hear the leader's vote, no ticket is given twice, and
// whoever waits wakes when the team is poisoned.

import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { afterEach, describe, expect, it } from "vitest";
import {
  BARRIER_ABORT,
  BARRIER_GO,
  BARRIER_POISON,
  TEAM_ARRIVED,
  TEAM_CPUS,
  TEAM_FULL_IDLE,
  TEAM_IDLE,
  TEAM_PHASE,
  TEAM_SLEEPERS,
  TEAM_SPIN,
} from "../../../dist/abi.js";
import { poisonTeam, teamBytes } from "../../../dist/machine/member.js";
import { compiled } from "../../support/kernel-module.js";

// Workers never spin, spin a little, or spin on; with four there are more of them than most test machines have processors.
const teams = [1, 2, 3, 4].flatMap((workers) => [0, 50, 5000].map((spin) => [workers, spin] as const));

// It is the same in every build of the kernels.
describe("the team", { timeout: 15_000 }, () => {
  const running: Worker[] = [];
  afterEach(() => Promise.all(running.splice(0).map((worker) => worker.terminate())));

  interface TeamOfTest {
    readonly workers: number;
    readonly spin: number;
    /** Processors that the team is told of; by default none. */
    readonly cpus?: number;
    readonly program: string;
    readonly rounds?: number;
    /** Workers that take part in every step; by default all. */
    readonly regulars?: number;
    /** Workers that start; the others never come. By default all. */
    readonly present?: number;
    /** Barriers that are complete when the team begins. */
    readonly phase?: number;
  }

  function start(team: TeamOfTest) {
    const { workers, spin, cpus = 0, program, rounds = 0, regulars = workers, present = workers, phase = 0 } = team;
    const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
    const control = 128;
    const words = new Int32Array(memory.buffer);
    words[(control + TEAM_SPIN) >> 2] = spin;
    words[(control + TEAM_CPUS) >> 2] = cpus;
    words[(control + TEAM_PHASE) >> 2] = phase;
    const results = Array.from({ length: present }, (_, index) => {
      const membership = { module: compiled("simd"), memory, control, index, workers, regulars };
      const workerData = { membership, program, rounds, board: control + teamBytes(workers) };
      const worker = new Worker(new URL("../../support/kernels/team-worker.mjs", import.meta.url), { workerData });
      running.push(worker);
      return once(worker, "message").then(([result]) => result);
    });
    /** Waits until a word of the control block has this value. */
    const until = async (offset: number, value: number) => {
      for (const end = performance.now() + 10_000; Atomics.load(words, (control + offset) >> 2) !== value; ) {
        if (performance.now() > end) throw new Error(`the word at ${offset} has not become ${value}`);
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    };
    return { results: Promise.all(results), until, poison: () => poisonTeam(words, control, workers) };
  }

  it.each(teams)("%i workers, spin %i: what is written before a barrier is read behind it", async (workers, spin) => {
    expect(await start({ workers, spin, program: "meet", rounds: 1500 }).results).toEqual(new Array(workers).fill(0));
  });

  it.each(teams)("%i workers, spin %i: every worker hears the leader's vote", async (workers, spin) => {
    const expected = Array.from({ length: 1000 }, (_, i) => ((i * 7) % 5 < 2 ? BARRIER_ABORT : BARRIER_GO));
    for (const answers of await start({ workers, spin, program: "vote", rounds: 1000 }).results)
      expect(answers).toEqual(expected);
  });

  it.each(teams)("%i workers, spin %i: every ticket is taken once", async (workers, spin) => {
    const taken: number[][] = await start({ workers, spin, program: "take", rounds: 300 }).results;
    const all = taken.flat().sort((a, b) => a - b);
    expect(all).toEqual(Array.from({ length: 20 * 300 }, (_, i) => i));
  });

  it.each(teams)("%i workers, spin %i: a step ends early in the midst of its work", async (workers, spin) => {
    const [leader, ...followers] = await start({ workers, spin, program: "leave", rounds: 40 }).results;
    expect(leader).toEqual(Array.from({ length: 40 }, (_, i) => (i % 2 === 0 ? 3 : "done")));
    const heard = Array.from({ length: 40 }, (_, i) => (i % 2 === 0 ? "aborted" : "done"));
    for (const follower of followers) expect(follower).toEqual(heard);
  });

  const shares = [
    [2, 2],
    [4, 4],
    [2, 1],
    [4, 1],
    [4, 2],
  ] as const;

  it.each(shares)("%i workers, of them %i regulars: every follower sees its steps", async (workers, regulars) => {
    for (const spin of [0, 50, 5000]) {
      const team = start({ workers, regulars, spin, program: "step", rounds: 300 });
      await team.until(TEAM_PHASE, 300);
      await team.until(TEAM_IDLE, regulars - 1); // all steps are done, all followers sleep
      await team.until(TEAM_FULL_IDLE, workers - regulars);
      team.poison();
      const [, ...followers] = await team.results;
      const all = Array.from({ length: 300 }, (_, i) => [i + 1, i + 1]);
      const full = Array.from({ length: 100 }, (_, i) => [i + 1, 3 * (i + 1)]);
      for (const [i, seen] of followers.entries()) expect(seen).toEqual(i + 1 < regulars ? all : full);
    }
  });

  it("the count of barriers may overflow", async () => {
    expect(await start({ workers: 3, spin: 50, program: "meet", rounds: 20, phase: 0x7fff_fff0 }).results).toEqual([
      0, 0, 0,
    ]);
  });

  it("poison wakes those who sleep at a barrier that will never be complete", async () => {
    const team = start({ workers: 4, spin: 0, program: "wait", present: 3 });
    await team.until(TEAM_SLEEPERS, 3);
    const before = performance.now();
    team.poison();
    expect(await team.results).toEqual([BARRIER_POISON, BARRIER_POISON, BARRIER_POISON]);
    expect(performance.now() - before).toBeLessThan(2000);
    await team.until(TEAM_SLEEPERS, 0);
  });

  it("workers that are more than the processors do not spin on", async () => {
    const before = performance.now();
    const team = start({ workers: 4, spin: 0x7fff_ffff, cpus: 3, program: "wait", present: 3 });
    await team.until(TEAM_SLEEPERS, 3);
    expect(performance.now() - before).toBeLessThan(2000); // so many looks take several seconds
    team.poison();
    await team.results;
  });

  it("poison ends a spin too, and outlasts a barrier that is complete", async () => {
    const spinning = start({ workers: 2, spin: 2_000_000, program: "wait", present: 1 });
    await spinning.until(TEAM_ARRIVED, 1);
    spinning.poison();
    expect(await spinning.results).toEqual([BARRIER_POISON]);
    for (const workers of [1, 2, 4]) {
      const team = start({ workers, spin: 50, program: "wait" });
      team.poison();
      expect(await team.results).toEqual(new Array(workers).fill(BARRIER_POISON));
    }
  });
});
