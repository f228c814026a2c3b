// Models whose embedding has more rows than the vocabulary has tokens: ids without a token are never chosen, reported or taken. And what is
// thrown while a token is handled rejects its call, and nothing else.

import { loadModel, type Model } from "cria";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Team } from "../../../dist/machine/team.js";
import { LeaderClient } from "../../../dist/protocol/client.js";
import type { LeaderRequest } from "../../../dist/protocol/messages.js";
import { endless, fixtureModel } from "../../support/fixture-model.js";

const ROWS = 1024;
const TOKENS = 600;

describe("a model with more rows than tokens", () => {
  let model: Model;
  beforeAll(async () => {
    const shape = { dim: 64, layers: 1, heads: 2, kvHeads: 1, ffn: 64, vocab: ROWS, tokens: TOKENS };
    model = await loadModel(await fixtureModel({ ...shape, format: () => "F32" }), { threads: 1, contextSize: 512 });
  });
  afterAll(() => model.dispose());

  it("chooses and reports only ids that have a token, however high the temperature", async () => {
    const options = {
      ...endless(model),
      temperature: 100,
      topK: 0,
      topP: 1,
      minP: 0,
      maxTokens: 200,
      logprobs: true,
      topLogprobs: 20,
    };
    const { tokens, logprobs } = await model.complete([1, 2, 3], options);
    expect(tokens.length).toBe(200);
    for (const id of tokens) expect(id).toBeLessThan(TOKENS);
    for (const { top } of logprobs!) for (const { id } of top) expect(id).toBeLessThan(TOKENS);
  });

  it("chooses none of them within a grammar either", async () => {
    const { text } = await model.complete([1, 2, 3], { grammar: "root ::= [a-z]{20}", temperature: 100, topK: 0 });
    expect(text).toMatch(/^[a-z]{20}$/);
  });

  it("still gives the logits of all rows", async () => {
    const sequence = model.createSequence();
    expect((await sequence.evaluate([1, 2])).length).toBe(ROWS);
    sequence.dispose();
  });

  it("refuses them wherever ids are given", async () => {
    const sequence = model.createSequence();
    const refused = { code: "INVALID_TOKEN", message: expect.stringContaining(`0 .. ${TOKENS - 1}`) };
    await expect(sequence.evaluate([1, TOKENS])).rejects.toMatchObject(refused);
    await expect(model.complete([TOKENS])).rejects.toMatchObject(refused);
    await expect(model.embed([[TOKENS]])).rejects.toMatchObject({ code: "INVALID_TOKEN" });
    await expect(model.complete([1], { logitBias: { [TOKENS]: 5 } })).rejects.toMatchObject({ code: "INVALID_OPTION" });
    expect((await sequence.evaluate([TOKENS - 1])).length).toBe(ROWS);
    sequence.dispose();
  });
});

it("what is thrown while a token is handled rejects that call, tells the leader, and leaves the others alone", async () => {
  const told: LeaderRequest[] = [];
  const team = { tell: (request: LeaderRequest) => void told.push(request), keepAlive: () => undefined };
  const flags = new Int32Array(256);
  const client = new LeaderClient(flags);
  const ready = client.ready(team as unknown as Team);
  client.receive([{ type: "ready" }]);
  await ready;
  const request = {
    ...{ type: "generate" as const, sequence: undefined, ids: Int32Array.of(1), sampling: {}, breakers: undefined },
    ...{
      maxTokens: 3,
      keep: undefined,
      endIds: [],
      vocabularySize: TOKENS,
      grammar: undefined,
      progress: false,
      speculation: "off" as const,
      prediction: undefined,
    },
  };
  const failing = client.generate(request, () => {
    throw new RangeError("mine");
  }, []);
  const seen: number[] = [];
  const other = client.generate(request, ({ id }) => void seen.push(id), []);
  await Promise.resolve();
  await new Promise((resolve) => setImmediate(resolve));
  const [first, second] = told.flatMap((one) => (one.type === "generate" ? [one] : []));
  client.receive([
    { type: "token", job: first!.job, id: 1 },
    { type: "token", job: second!.job, id: 7 },
    { type: "token", job: first!.job, id: 2 },
  ]);
  await expect(failing).rejects.toThrow(new RangeError("mine"));
  expect(told.filter(({ type }) => type === "abort")).toHaveLength(1);
  expect(flags[first!.abort]).toBe(1);
  const summary = { finishReason: "stop", cachedTokens: 0, prefillMilliseconds: 1, decodeMilliseconds: 1 } as const;
  client.receive([
    { type: "aborted", job: first!.job },
    { type: "generated", job: second!.job, summary },
  ]);
  expect(await other).toEqual(summary);
  expect(seen).toEqual([7]);
});
