// Steps by themselves, on one worker. It counts the pieces of its work: an abort ends a step before the next piece, wherever it is.

import { openGguf } from "cria/gguf";
import { expect, it } from "vitest";
import { planModel } from "../../../dist/api/load/plan-model.js";
import { Leader } from "../../../dist/leader/leader.js";
import { METER_BYTES } from "../../../dist/machine/disturbance/step-meter.js";
import { Member, StepAborted } from "../../../dist/machine/member.js";
import { llama } from "../../../dist/model/architectures/llama.js";
import { Pass } from "../../../dist/model/pass.js";
import { loadShare } from "../../../dist/model/plan/loading.js";
import { WorkerShard } from "../../../dist/model/plan/shard.js";
import { writeStep } from "../../../dist/model/step.js";
import type { LeaderAnswer, LeaderRequest } from "../../../dist/protocol/messages.js";
import type { Program } from "../../../dist/protocol/program.js";
import type { ParentPort } from "../../../dist/worker-handle.js";
import { fixtureModel, randomIds } from "../../support/fixture-model.js";
import { compiled } from "../../support/kernel-module.js";

const VOCAB = 512;
/** Rows that all want logits. */
const ROWS = 32;
const shape = { dim: 64, layers: 2, heads: 2, kvHeads: 1, ffn: 768, vocab: VOCAB };

/** What a worker needs that is a team by itself; the memory is zero. */
async function teamOfOne() {
  const file = await fixtureModel({ ...shape, format: () => "Q8_0" });
  const module = compiled("simd");
  const planned = await planModel(
    await openGguf(file),
    { threads: 1, contextSize: 64, sequences: 3 },
    { module, build: "simd" },
  );
  const pages = planned.plan.shards[0]!.total / 65536;
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  const { control } = planned.layout;
  const member = new Member({ module, memory, control, index: 0, workers: 1, regulars: 1 });
  const { hyperparameters, layout, pool } = planned;
  return {
    ...planned,
    file,
    memory,
    shard: new WorkerShard(memory, layout, 0, member.kernels, 0),
    member,
    blueprint: { hyperparameters, layout, pool, ropeMagnitudes: [1] },
  };
}

it("an abort leaves the rest of a matmul or of attention, and the next step is whole", async () => {
  const { file, memory, layout, shard, member, blueprint } = await teamOfOne();
  const bytes = new SharedArrayBuffer(file.length);
  new Uint8Array(bytes).set(file);
  await loadShare(member, [shard], { source: { kind: "bytes", parts: [bytes] }, lora: undefined }, 1);

  let calls: string[] = [];
  let abortAt = Number.POSITIVE_INFINITY;
  const counted =
    <Arguments extends number[]>(name: string, kernel: (...numbers: Arguments) => void) =>
    (...numbers: Arguments) => {
      calls.push(name);
      kernel(...numbers);
    };
  const { matmul, attention } = member.kernels;
  const kernels = {
    ...member.kernels,
    matmul: counted("matmul", matmul),
    attention: counted("attention", attention),
  };
  member.wantsAbort = () => calls.length >= abortAt;
  const pass = new Pass(member, [new WorkerShard(memory, layout, 0, kernels, 0)], blueprint);
  const rows = Array.from({ length: ROWS }, (_, row) => row);
  const step = () => {
    calls = [];
    const tokens = randomIds(ROWS, VOCAB);
    writeStep(shard.step, [{ tokens, position: 0, pageTable: shard.layout.pageTables, logits: rows, hidden: [] }]);
    member.announceStep(1);
    llama.forward(pass);
    return rows.map((row) => shard.logits(row, VOCAB).slice());
  };

  const whole = step();
  const all = calls;
  expect(all.slice(-6)).toEqual(new Array(6).fill("matmul")); // the output matrix
  expect(all.filter((name) => name === "attention").length).toBeGreaterThan(2);
  let more = 0;
  for (abortAt = 0; abortAt < all.length; abortAt++) {
    expect(step).toThrow(StepAborted);
    more += calls.length - abortAt;
  }
  expect(more).toBe(shape.layers * 6); // a piece of the gated matmul is two products, which are done together
  abortAt = Number.POSITIVE_INFINITY;
  expect(step()).toEqual(whole);
});

it("the step after one that was left is short: the abort of one job does not end it, the abort of all does", async () => {
  const { shard, member, blueprint, head, contextSize } = await teamOfOne();
  const flags = shard.aborts;
  let deliver: (message: unknown) => void = () => undefined;
  const answers: LeaderAnswer[] = [];
  const port: ParentPort = {
    onMessage: (listener) => {
      deliver = listener;
    },
    postMessage: (message) => void answers.push(...(message as LeaderAnswer[])),
  };
  const evaluate = (job: number): LeaderRequest[] => [
    { type: "open", sequence: job },
    { type: "evaluate", job, abort: job, sequence: job, ids: Int32Array.of(1, 2, 3), logits: "last" },
  ];
  /** Which jobs are aborted while a step is under way. */
  const aborted = [[0], [1], [2], [3]];
  const ends: string[] = [];
  const forward = () => {
    for (const job of aborted[ends.length] ?? []) flags[job] = 1;
    let end = "aborted";
    try {
      member.barrier();
      end = "done";
    } finally {
      ends.push(end);
    }
  };
  const program: Program = {
    ...{ blueprint, memories: [], head, contextSize, frequencies: [], source: { kind: "bytes", parts: [] } },
    ...{ decodeWorkers: 1, batchWorkers: 1, batchRows: 2, lora: undefined, draft: undefined },
    meter: new SharedArrayBuffer(METER_BYTES),
  };
  const die = (error: unknown) => {
    throw error;
  };
  new Leader(member, { shards: [shard], forward, tables: undefined }, program, port, die).start();
  const settled = () => answers.flatMap((answer) => ("job" in answer ? `${answer.type} ${answer.job}` : []));
  deliver(evaluate(0));
  deliver(evaluate(1)); // alone in the short step
  await expect.poll(settled).toEqual(["aborted 0", "aborted 1"]);
  deliver([2, 3, 4].flatMap(evaluate)); // two are left in the short step
  await expect.poll(() => settled().slice(2)).toEqual(["aborted 2", "evaluated 3", "evaluated 4"]);
  expect(ends).toEqual(["aborted", "aborted", "aborted", "done"]);
});
