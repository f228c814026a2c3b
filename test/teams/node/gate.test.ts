// The gate: teams that fit side by side pass together, others in the order in which they came; nobody who has gone is waited for.

import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { demoModel, loadModel, type Model } from "cria";
import { afterEach, describe, expect, it } from "vitest";
import { clearTicket, Gate, type GatePlace } from "../../../dist/machine/gate.js";
import { givePlaceBack, setProcessors, takePlace } from "../../../dist/machine/gate-place.js";

const places: GatePlace[] = [];
afterEach(() => {
  for (const place of places.splice(0)) givePlaceBack(place);
});

async function placeOn(...processors: number[]): Promise<GatePlace> {
  const place = (await takePlace(processors))!;
  places.push(place);
  return place;
}

const teamOn = async (...processors: number[]) => new Gate(await placeOn(...processors));

describe("teams", () => {
  it("that need the same processors pass in the order in which they came", async () => {
    const [a, b, c] = [await teamOn(0, 1), await teamOn(0, 1), await teamOn(0, 1)];
    expect([a.take(2), b.take(2), c.take(2)]).toEqual([true, false, false]);
    expect([c.take(2), b.take(2), a.take(2)]).toEqual([false, false, true]);
    a.leave();
    expect([c.take(2), a.take(2), b.take(2)]).toEqual([false, false, true]);
    b.leave();
    expect([a.take(2), c.take(2)]).toEqual([false, true]);
    c.leave();
    expect(a.take(2)).toBe(true);
  });

  it("on processors of their own do not wait for each other", async () => {
    const [a, b, all] = [await teamOn(0, 1), await teamOn(2, 3), await teamOn(0, 1, 2, 3)];
    expect([a.take(2), b.take(2), all.take(4)]).toEqual([true, true, false]);
    a.leave();
    expect([a.take(2), b.take(2), all.take(4)]).toEqual([false, true, false]);
    b.leave();
    expect([b.take(2), all.take(4)]).toEqual([false, true]);
  });

  it("for whose workers there are processors pass together", async () => {
    const [a, b, c] = [await teamOn(0, 1, 2), await teamOn(0, 1, 2), await teamOn(0, 1, 2)];
    expect([a.take(1), b.take(2), c.take(1)]).toEqual([true, true, false]);
    b.leave();
    expect([c.take(1), b.take(2)]).toEqual([true, false]);
  });

  it("with many workers are not overtaken by those with few", async () => {
    const [a, b, c] = [await teamOn(0, 1), await teamOn(0, 1), await teamOn(0, 1)];
    expect([a.take(1), b.take(2), c.take(1)]).toEqual([true, false, false]);
    a.leave();
    expect([c.take(1), b.take(2)]).toEqual([false, true]);
  });

  it("that need more workers than they have taken go to the end of the line; that need fewer let others go", async () => {
    const [a, b] = [await teamOn(0, 1), await teamOn(0, 1)];
    expect([a.take(1), b.take(1)]).toEqual([true, true]);
    expect([a.take(2), b.take(1)]).toEqual([false, true]);
    b.leave();
    expect([a.take(2), b.take(1)]).toEqual([true, false]);
    expect([a.take(1), b.take(1)]).toEqual([true, true]);
  });

  it("keep the gate for some steps while others wait, then leave", async () => {
    const [a, b] = [await teamOn(0), await teamOn(0)];
    expect(a.take(1)).toBe(true);
    a.giveWay();
    expect(b.take(1)).toBe(false); // it has waited for 20 ms
    a.giveWay();
    expect([a.take(1), b.take(1)]).toEqual([false, true]);
    a.leave();
    await new Promise((resolve) => setTimeout(resolve, 25));
    b.giveWay(); // nobody waits
    expect([a.take(1), b.take(1)]).toEqual([false, true]);
  });

  it("move to the processors that they are pinned to", async () => {
    const [first, second] = [await placeOn(0, 1), await placeOn(0, 1)];
    const [a, b] = [new Gate(first), new Gate(second)];
    setProcessors(first, [0]);
    setProcessors(second, [1]);
    expect([a.take(2), b.take(2)]).toEqual([true, true]);
  });

  it("with processors of high numbers are told apart, up to 1024", async () => {
    const [a, b, c, d] = [await teamOn(1022), await teamOn(1021), await teamOn(1023), await teamOn(4000)];
    expect([a.take(1), b.take(1), c.take(1), d.take(1)]).toEqual([true, true, true, false]);
  });
});

describe("nobody waits for a team", () => {
  it("whose place is cleared or given back", async () => {
    const place = await placeOn(0);
    const [a, b] = [new Gate(place), await teamOn(0)];
    expect([a.take(1), b.take(1)]).toEqual([true, false]);
    clearTicket(place.words, place.place);
    expect(b.take(1)).toBe(true);
  });

  it("that shows no sign of life for two seconds, and only for such", { timeout: 15_000 }, async () => {
    const [dead, alive, waits] = [await teamOn(0), await teamOn(0), await teamOn(0)];
    expect([dead.take(1), alive.take(1), waits.take(1)]).toEqual([true, false, false]);
    const begin = performance.now();
    let passed = { alive: false, waits: false };
    while (!passed.alive && performance.now() - begin < 10_000) passed = { alive: alive.take(1), waits: waits.take(1) };
    expect(performance.now() - begin).toBeGreaterThan(1900);
    expect(passed).toEqual({ alive: true, waits: false });
    for (const end = performance.now() + 2500; performance.now() < end; ) {
      alive.sign();
      expect(waits.take(1)).toBe(false);
    }
    dead.giveWay(); // it was only late: it goes to the end of the line
    expect(dead.take(1)).toBe(false);
  });
});

it("is one for this thread and those that it starts", async () => {
  const { words, place } = await placeOn(0);
  const program = `
    const { parentPort } = require("node:worker_threads");
    import(${JSON.stringify(new URL("../../../dist/machine/gate-place.js", import.meta.url).href)})
      .then(({ takePlace }) => takePlace([0])).then(parentPort.postMessage.bind(parentPort));`;
  const worker = new Worker(program, { eval: true });
  const [other] = (await once(worker, "message")) as [GatePlace];
  places.push(other);
  await worker.terminate();
  expect(other.place).not.toBe(place);
  Atomics.store(words, 3, 77); // a word that nobody uses
  expect(Atomics.load(other.words, 3)).toBe(77);
  Atomics.store(words, 3, 0);
});

describe("models that are busy at once", { timeout: 60_000 }, () => {
  const models: Model[] = [];
  afterEach(() => Promise.all(models.splice(0).map((model) => model.dispose())));
  const load = async () => {
    const model = await loadModel(demoModel, { threads: 2 });
    models.push(model);
    return model;
  };
  const options = { temperature: 0, maxTokens: 120 };

  it("give the same texts as alone", async () => {
    const several = [await load(), await load(), await load()];
    const alone = await several[0]!.complete("Once upon a time", options);
    const texts = await Promise.all(several.map((model) => model.complete("Once upon a time", options)));
    expect(texts.map(({ text }) => text)).toEqual([alone.text, alone.text, alone.text]);
  });

  it("are disposed of in the midst, or aborted, and the others go on", async () => {
    const [a, b, c] = [await load(), await load(), await load()];
    const { text } = await a.complete("One day", options);
    const stop = new AbortController();
    const [disposed, aborted, whole] = [
      b.complete("One day", { ...options, maxTokens: 400 }),
      c.complete("One day", { ...options, maxTokens: 400, signal: stop.signal }),
      a.complete("One day", options),
    ];
    setTimeout(() => void b.dispose(), 20);
    setTimeout(() => stop.abort(new Error("enough")), 20);
    await expect(disposed).rejects.toMatchObject({ code: "DISPOSED" });
    await expect(aborted).rejects.toThrow("enough");
    expect((await whole).text).toBe(text);
    expect((await c.complete("One day", options)).text).toBe(text);
  });
});
