// `model.load()`: how a model has run lately, and that a watch costs nothing that lasts.

import { setTimeout } from "node:timers/promises";
import { demoModel, loadModel, loadPool, type Model } from "cria";
import { afterEach, expect, it } from "vitest";

const models: Model[] = [];
afterEach(() => Promise.all(models.splice(0).map((model) => model.dispose())));
const kept = async (loading: Promise<Model>) => {
  const model = await loading;
  models.push(model);
  return model;
};

/** Generates for so long. */
async function generate(model: Model, milliseconds: number): Promise<void> {
  for (const end = performance.now() + milliseconds; performance.now() < end; ) {
    await model.complete("Once upon a time", { temperature: 0, maxTokens: 200 });
  }
}

it("is empty before a model has computed", async () => {
  const model = await kept(loadModel(demoModel, { threads: 1 }));
  expect(model.load()).toMatchObject({
    seconds: 0,
    computing: 0,
    stepsPerSecond: 0,
    lost: undefined,
    disturbances: [],
  });
});

it("has the figures of the last seconds in which it computed", { timeout: 30_000 }, async () => {
  const model = await kept(loadModel(demoModel, { threads: 1 }));
  await generate(model, 2500);
  const load = model.load();
  expect(load.seconds).toBeGreaterThan(0.9);
  expect(load.seconds).toBeLessThan(10.5);
  expect(load.computing).toBeGreaterThan(0);
  expect(load.computing).toBeLessThanOrEqual(1);
  expect(load.stepsPerSecond).toBeGreaterThan(10);
  expect(load.rowsPerSecond).toBeGreaterThanOrEqual(load.stepsPerSecond);
  expect(load.bandwidth).toBeGreaterThan(1e6);
  if (process.platform === "linux") {
    expect(load.waiting).toBeGreaterThanOrEqual(0);
    expect(load.involuntarySwitches).toBeGreaterThanOrEqual(0);
  }
  await model.dispose();
  // A sample may have come between the reading above and the end; none comes after it.
  const last = model.load();
  expect(last.seconds).toBeGreaterThanOrEqual(load.seconds);
  expect(last.stepsPerSecond).toBeGreaterThan(10);
  await setTimeout(1200);
  expect(model.load()).toEqual(last);
});

it("of a pool has those of all instances", { timeout: 30_000 }, async () => {
  const pool = await kept(loadPool(demoModel, { instances: 1, threads: 1 }));
  await generate(pool, 1500);
  expect(pool.load()).toMatchObject({ disturbances: expect.any(Array), stepsPerSecond: expect.any(Number) });
  expect(pool.load().seconds).toBeGreaterThan(0.4);
});
