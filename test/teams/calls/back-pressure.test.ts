// A generation that nobody reads is paused, and only it; what comes out of it in the end is what it would have been.

import { getEventListeners } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { demoModel, type GeneratedPart, type GenerateOptions, loadModel, type Model } from "cria";
import { createFetch } from "cria/openai";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fixtureModel } from "../../support/fixture-model.js";
import { runProgram } from "../../support/run-program.js";

let model: Model;
beforeAll(async () => {
  model = await loadModel(demoModel, { threads: 2, contextSize: 256, sequences: 2 });
});
afterAll(() => model.dispose());

/** Forbids every token that would end a generation. */
const bansOf = ({ tokenizer }: Model) =>
  Object.fromEntries([...tokenizer.endOfGenerationIds].map((id) => [id, -Infinity]));

/** Goes on for ever. */
const endless = (): GenerateOptions => ({
  logitBias: bansOf(model),
  contextShift: { keep: 1 },
  temperature: 1,
  seed: 7,
});

const paused: AsyncGenerator<GeneratedPart, void, undefined>[] = [];
/** A generation whose first part is read, and nothing else. */
async function unread(options: GenerateOptions = {}, of = model) {
  const parts = of.generate("Once upon a time", { ...endless(), ...options });
  await parts.next();
  paused.push(parts);
  return parts;
}
const leaveAll = () => Promise.all(paused.splice(0).map((parts) => parts.return()));

/** Reads so many tokens. */
async function read(
  parts: AsyncGenerator<GeneratedPart, void, undefined>,
  count: number,
  pause?: (i: number) => Promise<unknown>,
) {
  const tokens: number[] = [];
  while (tokens.length < count) {
    const { value } = await parts.next();
    tokens.push(...value!.tokens);
    await pause?.(tokens.length);
  }
  return tokens;
}

/** How much of a processor this process takes. */
async function load(): Promise<number> {
  const begin = process.cpuUsage();
  const from = performance.now();
  await sleep(400);
  const { user, system } = process.cpuUsage(begin);
  return (user + system) / 1000 / (performance.now() - from);
}

/** Waits until nothing is computed any more. */
async function untilQuiet(): Promise<void> {
  for (let i = 0; i < 40; i++) if ((await load()) < 0.2) return;
  throw new Error("the workers do not sleep");
}

describe("a generation that nobody reads", () => {
  it("is paused, takes no time, and goes on to the same text", async () => {
    const eager = model.generate("Once upon a time", endless());
    const expected = await read(eager, 1200);
    await eager.return();
    const parts = model.generate("Once upon a time", endless());
    const tokens = await read(parts, 3);
    await untilQuiet();
    tokens.push(...(await read(parts, 400)));
    await untilQuiet();
    tokens.push(...(await read(parts, 797, async (i) => i % 100 === 0 && sleep(5))));
    expect(tokens).toEqual(expected);
    await parts.return();
  });

  it("lets others have its part of the cache, and evaluates it again", async () => {
    const options = { ...endless(), contextShift: undefined, maxTokens: 240 };
    // 250 positions in a cache of 512: three such texts do not fit at once.
    const small = { ...options, seed: 3 };
    const alone = await model.complete("A fox", { ...small, maxTokens: 200 });
    const held = await unread({ seed: 9 });
    const others = await Promise.all(
      [1, 2, 3].map((seed) => model.complete("A fox", { ...small, seed, maxTokens: 200 })),
    );
    expect(others[2]!.tokens).toEqual(alone.tokens);
    const tokens = await read(held, 600);
    const again = model.generate("Once upon a time", { ...endless(), seed: 9 });
    expect([...(await read(again, 601)).slice(1)]).toEqual(tokens);
    await again.return();
    await leaveAll();
  });

  it("does not keep others from theirs, however many there are", async () => {
    // More than there are abort flags.
    const shape = { dim: 64, layers: 1, heads: 2, kvHeads: 1, ffn: 64, vocab: 512, format: () => "Q8_0" as const };
    const small = await loadModel(await fixtureModel(shape), { threads: 1, contextSize: 512, sequences: 4 });
    const options = { logitBias: bansOf(small), maxTokens: 300 };
    await Promise.all(
      Array.from({ length: 300 }, (_, seed) => unread({ ...options, contextShift: undefined, seed }, small)),
    );
    await untilQuiet();
    expect((await small.complete("A fox", options)).tokens).toHaveLength(300);
    for (const parts of [paused[0]!, paused[299]!]) expect(await read(parts, 299)).toHaveLength(299);
    await leaveAll();
    await untilQuiet();
    await small.dispose();
  });

  it("ends at once when it is aborted or left", async () => {
    const controller = new AbortController();
    const parts = await unread({ signal: controller.signal });
    const left = await unread();
    await untilQuiet();
    const reason = new Error("enough");
    controller.abort(reason);
    await expect(parts.next()).rejects.toBe(reason);
    expect(await left.return()).toEqual({ value: undefined, done: true });
    await leaveAll();
    // In the moment between two of the leader's messages, too.
    for (let i = 0; i < 60; i++) {
      const own = new AbortController();
      const one = await unread({ signal: own.signal, seed: i });
      await sleep(i);
      own.abort(reason);
      await expect(read(one, 1000)).rejects.toBe(reason);
    }
    await leaveAll();
    await untilQuiet();
    expect((await model.complete("A fox", { ...endless(), maxTokens: 5 })).tokens).toHaveLength(5);
  });

  it("rejects when its model is disposed of, as calls do that wait for their turn", async () => {
    const other = await loadModel(demoModel, { threads: 1, contextSize: 256 });
    const parts = await unread({}, other);
    const calls = Array.from({ length: 300 }, () => other.complete("A fox", { ...endless(), maxTokens: 5000 }));
    const settled = Promise.allSettled(calls);
    await sleep(100);
    await other.dispose();
    await expect(read(parts, 1000)).rejects.toMatchObject({ code: "DISPOSED" });
    const codes = (await settled).map((one) => (one.status === "rejected" ? one.reason.code : "none"));
    expect(new Set(codes)).toEqual(new Set(["DISPOSED"]));
    paused.length = 0;
  });

  it("ends when nobody can read it any more", async () => {
    setFlagsFromString("--expose-gc");
    const gc = runInNewContext("gc") as () => void;
    const { signal } = new AbortController();
    await unread({ signal });
    await untilQuiet();
    expect(getEventListeners(signal, "abort")).toHaveLength(1);
    const reference = new WeakRef(paused.pop()!);
    for (let i = 0; i < 50 && getEventListeners(signal, "abort").length > 0; i++) {
      await sleep(20);
      gc();
    }
    expect(reference.deref()).toBeUndefined();
    expect(getEventListeners(signal, "abort")).toHaveLength(0); // its job is gone
  });

  it("is one of OpenAI's streams, too", async () => {
    const fetchOwn = createFetch(model, { name: "demo" });
    const { contextShift: _, logitBias, ...rest } = endless();
    const body = {
      model: "demo",
      prompt: "A fox",
      stream: true,
      max_tokens: 250,
      logit_bias: logitBias,
      seed: rest.seed,
    };
    const answers = await Promise.all(
      [1, 2, 3].map(() =>
        fetchOwn("http://cria/v1/completions", {
          method: "POST",
          body: JSON.stringify(body, (_, value) => (value === -Infinity ? -100 : value)),
        }),
      ),
    );
    await untilQuiet();
    const texts = await Promise.all(answers.map((answer) => answer.text()));
    expect(new Set(texts.map((text) => text.replace(/"(id|created)":[^,]*/g, ""))).size).toBe(1);
  });

  it("does not keep a process alive, but one that is read does", () => {
    const { stdout } = runProgram(`
      import { demoModel, loadModel } from "cria";
      const model = await loadModel(demoModel, { threads: 2 });
      const ends = [...model.tokenizer.endOfGenerationIds].map((id) => [id, -Infinity]);
      const options = { logitBias: Object.fromEntries(ends), contextShift: { keep: 0 }, seed: 1 };
      const unread = model.generate("Once", options);
      await unread.next();
      model.complete("Once", { ...options, maxTokens: 600 }).then(({ tokens }) => console.log(tokens.length));
      (async () => {
        let tokens = 0;
        for await (const part of model.generate("Once", { ...options, maxTokens: 1000 })) {
          tokens += part.tokens.length;
          if (tokens % 300 === 0) await new Promise((resolve) => setTimeout(resolve, 200));
        }
        console.log(tokens);
      })();`);
    expect(stdout.split("\n").sort()).toEqual(["", "1000", "600"]);
  });
});
