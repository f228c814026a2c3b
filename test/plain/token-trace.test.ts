// Which step a trace shows, where the workers tell of different ones.

import { expect, it } from "vitest";
import { tokenOf } from "../../dist/lab/trace.js";
import type { WorkerTrace } from "../../dist/lab/trace-channel.js";

const about = { model: "m", kernels: "simd", threads: 2, layers: 1, depth: 0 };
/** Steps of one call each, from so many milliseconds to so many. */
const told = (worker: number, ...steps: readonly (readonly [begin: number, end: number])[]): WorkerTrace => ({
  worker,
  names: ["matmul"],
  steps: steps.map(([begin, end]) => ({ begin, end, calls: Float64Array.of(0, begin, end), lost: 0 })),
});

it("is one that all workers have told, though some were asked later", () => {
  const leader = told(0, [0, 1], [2, 3], [4, 9], [10, 11.5]);
  for (const follower of [told(1, [0, 1], [2, 3]), told(1, [10, 11.5], [12, 13])]) {
    const { spans } = tokenOf([follower, leader], about);
    expect(spans.map(({ worker }) => worker)).toEqual([0, 1]);
  }
});

it("has a worker that began late, beyond the middle of the leader's time", () => {
  const { spans, milliseconds } = tokenOf([told(0, [10, 20]), told(1, [5, 9.9], [17, 20.5], [21, 22])], about);
  expect(milliseconds).toBe(10.5);
  expect(spans).toEqual([
    { worker: 0, name: "matmul", begin: 0, end: 10, calls: 1 },
    { worker: 1, name: "matmul", begin: 7, end: 10.5, calls: 1 },
  ]);
});

it("is of median length, from the first beginning to the last end", () => {
  const leader = told(0, [0, 1], [10, 12], [20, 21.5]);
  const follower = told(1, [0, 1], [10, 12], [20, 29]);
  expect(tokenOf([leader, follower], about).milliseconds).toBe(2);
});

it("without the leader is an error", () => {
  expect(() => tokenOf([told(1, [0, 1])], about)).toThrow(expect.objectContaining({ code: "NO_TRACE" }));
});
