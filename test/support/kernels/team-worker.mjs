// One worker of a team, for team.test.ts: runs the program that it is told, and posts what it saw.

import { parentPort, workerData } from "node:worker_threads";
import { BARRIER_ABORT, BARRIER_GO } from "../../../dist/abi.js";
import { Member, StepAborted } from "../../../dist/machine/member.js";

const { membership, program, rounds, board } = workerData;
const { index, workers, regulars } = membership;
const member = new Member(membership);
const { kernels } = member;
// Ordinary memory, one word for each worker: only the barriers order what is written there.
const words = new Int32Array(membership.memory.buffer);
const wordOf = (worker) => (board >> 2) + 16 * worker;

const programs = {
  /** Writes the round, waits, and counts the workers whose word is not there yet. */
  meet() {
    let missing = 0;
    for (let round = 1; round <= rounds; round++) {
      words[wordOf(index)] = round;
      kernels.barrier(BARRIER_GO);
      for (let worker = 0; worker < workers; worker++) if (words[wordOf(worker)] !== round) missing++;
      kernels.barrier(BARRIER_GO); // nobody writes the next round before all have looked
    }
    return missing;
  },

  /** The answers of many barriers, of which the leader votes down some; what followers say does not count. */
  vote() {
    const answers = [];
    for (let round = 0; round < rounds; round++) {
      const leaders = (round * 7) % 5 < 2 ? BARRIER_ABORT : BARRIER_GO;
      answers.push(kernels.barrier(index === 0 ? leaders : round & 1));
    }
    return answers;
  },

  /** Takes 20 tickets of every round, shared with the others, as matmuls do: up to three rounds between two barriers. */
  take() {
    const taken = [];
    for (let round = 0; round < rounds; round++) {
      const cell = member.openTickets();
      for (let turn = 0; turn < workers; turn++) {
        const range = member.rangeInTurn(turn);
        const count = range === 0 ? 20 - 3 * (workers - 1) : 3;
        const first = 20 * round + (range === 0 ? 0 : 20 - 3 * range);
        for (let i = member.ticket(cell, range, count); i < count; i = member.ticket(cell, range, count))
          taken.push(first + i);
      }
      if (round % 3 === 2) member.barrier();
    }
    return taken;
  },

  /**
   * The leader announces steps, every third one to all workers and the others to the regulars; followers read in each what the leader
   * wrote before. At the end they wait for one that never comes.
   */
  step() {
    const seen = [];
    let last = 0;
    for (let round = 1; ; round++) {
      if (index === 0) {
        if (round > rounds) return seen;
        words[wordOf(0)] = round;
        kernels.announceStep(round % 3 === 0 ? workers : regulars);
      } else {
        last = kernels.awaitStep(last);
        if (last === -1) return seen;
        seen.push([last, words[wordOf(0)]]);
      }
      kernels.barrier(BARRIER_GO);
    }
  },

  /** Steps of more work than there is time for; the leader ends every second one early, after three pieces, the others have less. */
  leave() {
    const seen = [];
    for (let round = 0; round < rounds; round++) {
      let taken = 0;
      member.wantsAbort = () => round % 2 === 0 && taken === 3;
      if (index === 0) member.announceStep(workers);
      else member.awaitStep();
      const pieces = round % 2 === 0 ? 2 ** 29 : 20;
      const cell = member.openTickets();
      try {
        while (member.ticket(cell, 0, pieces) < pieces) taken++;
        member.barrier();
        seen.push("done");
      } catch (error) {
        if (!(error instanceof StepAborted)) throw error;
        seen.push(index === 0 ? taken : "aborted");
      }
    }
    return seen;
  },

  /** One barrier, which may never be complete. */
  wait() {
    return kernels.barrier(BARRIER_GO);
  },
};

parentPort.postMessage(programs[program]());
