// What counts as a disturbance, by readings that are made up: its kind, what it cost, and what is said of it. And the meter that the
// leader keeps, whose best is what a loss is measured against.

import { describe, expect, it } from "vitest";
import { disturbanceIn, lostAgainstBest } from "../../dist/machine/disturbance/disturbance.js";
import type { Interval } from "../../dist/machine/disturbance/reading.js";
import { METER_BYTES, readTotals, StepMeter } from "../../dist/machine/disturbance/step-meter.js";

const quietCpu = {
  periods: 10,
  throttledPeriods: 0,
  throttledMicroseconds: 0,
  ticks: 200,
  stolenTicks: 0,
  idleTicks: 0,
  pressureMicroseconds: 0,
};
const steps = {
  ...{ steps: 25, rows: 25, milliseconds: 900, compared: 900, expected: 900 },
  ...{ sampled: 60, atBarriers: 2, singles: 25, singleMilliseconds: 900, bestSingle: 36 },
};
const interval = (of: {
  steps?: Partial<Interval["steps"]>;
  cpu?: Partial<Interval["cpu"]>;
  wait?: number | undefined;
}): Interval => ({
  ...{ end: 1000, seconds: 1, involuntarySwitches: 3 },
  workers: [0, 1].map(() => ({ waited: 0, sampled: 60, atBarriers: 2 })),
  longestWaitMilliseconds: "wait" in of ? of.wait : 5,
  steps: { ...steps, ...of.steps },
  cpu: { ...quietCpu, ...of.cpu },
});

describe("a disturbance", () => {
  it("is nothing where steps are as fast as ever", () => {
    expect(disturbanceIn(interval({}))).toBeUndefined();
    expect(disturbanceIn(interval({ steps: { expected: 830 } }))).toBeUndefined();
  });

  it("is nothing that can be told where the model computes little", () => {
    expect(disturbanceIn(interval({ steps: { milliseconds: 150, compared: 150, expected: 50 } }))).toBeUndefined();
  });

  it.each<[string, Parameters<typeof interval>[0], string, number, string[]]>([
    [
      "others on the processors",
      { steps: { expected: 540, atBarriers: 24 }, wait: 450 },
      "processors",
      0.4,
      [
        "a worker waited 50 % of the time for a processor",
        "the leader waited 40 % of the time for the others",
        "a token takes 36.0 ms, at best 36.0",
      ],
    ],
    [
      "a quota, while workers are counted as waiting",
      {
        steps: { expected: 675, singles: 0 },
        cpu: { throttledPeriods: 9, throttledMicroseconds: 90_000 },
        wait: 200,
      },
      "throttled",
      0.25,
      ["stopped by the quota in 9 of 10 periods", "a worker waited 22 % of the time for a processor"],
    ],
    [
      "another machine",
      { steps: { expected: 720, singles: 0 }, cpu: { stolenTicks: 40 } },
      "stolen",
      0.2,
      ["the hypervisor took 22 % of the time"],
    ],
    ["what nothing explains", { steps: { expected: 450, singles: 0 } }, "memory", 0.5, []],
    ["what little explains", { steps: { expected: 450, singles: 0 }, wait: 30 }, "memory", 0.5, [expect.anything()]],
  ])("is %s", (_, given, kind, lost, signs) => {
    const found = disturbanceIn(interval(given));
    expect(found).toMatchObject({ kind, seconds: 1, signs });
    expect(found!.lost).toBeCloseTo(lost, 5);
  });

  it("is estimated by the counters where no best is known", () => {
    const none = { compared: 100, expected: 100, singles: 0 };
    expect(disturbanceIn(interval({ steps: none, wait: 360 }))).toMatchObject({ kind: "processors", lost: 0.4 });
    expect(disturbanceIn(interval({ steps: none, wait: undefined }))).toBeUndefined();
    expect(lostAgainstBest(interval({ steps: none }))).toBeUndefined();
  });
});

describe("the meter", () => {
  const step = { rows: 1, context: 10, others: 0, atBarriers: undefined };
  const meter = () => {
    const memory = new SharedArrayBuffer(METER_BYTES);
    const own = new StepMeter(memory);
    const add = (count: number, milliseconds: number, more: object = {}) => {
      for (let i = 0; i < count; i++) own.add({ ...step, milliseconds, ...more });
    };
    const lost = (count: number, milliseconds: number, more: object = {}) => {
      const before = readTotals(memory);
      add(count, milliseconds, more);
      const after = readTotals(memory);
      return 1 - (after.expected - before.expected) / (after.compared - before.compared);
    };
    return { memory, own, add, lost };
  };

  it("compares with the lowest mean of steps that follow each other", () => {
    const { add, lost } = meter();
    add(40, 20); // warm-up: 800 ms
    add(40, 10); // the best: 400 ms
    add(3, 1); // lucky
    expect(lost(50, 20)).toBeCloseTo(0.5, 2);
    expect(lost(50, 12.5)).toBeCloseTo(0.2, 2);
  });

  it("compares steps of as many rows, with as many other teams", () => {
    const { add, lost } = meter();
    add(100, 10);
    expect(lost(10, 30, { rows: 4 })).toBeNaN();
    add(50, 30, { rows: 4 });
    expect(lost(10, 30, { rows: 4 })).toBeCloseTo(0, 5);
    expect(lost(20, 15, { others: 1 })).toBeNaN();
    expect(lost(50, 20)).toBeCloseTo(0.5, 5);
  });

  it("lets steps become slower with the context, but not much at once", () => {
    const { add, lost } = meter();
    add(100, 10);
    add(100, 11, { context: 300 });
    expect(lost(100, 11, { context: 300 })).toBeCloseTo(0, 5);
    // A hog comes where the next span begins.
    expect(lost(100, 22, { context: 400 })).toBeGreaterThan(0.42);
    expect(lost(100, 22, { context: 400 })).toBeGreaterThan(0.42);
  });

  it("counts", () => {
    const { memory, own, add } = meter();
    add(15, 10);
    expect(own.samples).toBe(true);
    add(1, 10, { atBarriers: 4 });
    add(1, 50, { rows: 128 });
    expect(own.samples).toBe(false);
    expect(readTotals(memory)).toMatchObject({
      ...{ steps: 17, rows: 144, milliseconds: 210, sampled: 10, atBarriers: 4, singles: 16, singleMilliseconds: 160 },
    });
  });
});
