// bench/scale/simulation.ts: what can be said without it of one replica and of many.

import { describe, expect, it } from "vitest";
import { type Load, policies, simulate } from "../../bench/scale/simulation.js";

const costs = { step: 0.01, row: 0.002, token: 0.001, request: 0.003 };
const replica = { sequences: 4, cachePositions: 4096, prefillChunk: 128, prefillBeside: 32 };
const load: Load = { clients: 1, turns: 1, promptTokens: 128, answerTokens: 11, pause: 0 };

describe("one replica", () => {
  it("takes for one request what its steps cost", () => {
    const { seconds, firstToken, betweenTokens, cached } = simulate(1, "round-robin", replica, load, costs);
    expect(firstToken.p50).toBeCloseTo(0.003 + 0.01 + 128 * 0.001, 9);
    expect(betweenTokens.p50).toBeCloseTo(0.012, 9);
    expect(seconds).toBeCloseTo(0.141 + 10 * 0.012, 9);
    expect(cached).toBe(0);
  });

  it("writes for four at once, and lets a fifth wait", () => {
    const busy = { ...load, clients: 5, promptTokens: 32, answerTokens: 101 };
    const { firstToken, betweenTokens } = simulate(1, "round-robin", replica, busy, costs);
    expect(betweenTokens.p50).toBeCloseTo(0.01 + 4 * 0.002, 9);
    expect(firstToken.p50).toBeLessThan(0.2);
    expect(firstToken.p99).toBeGreaterThan(100 * 0.018);
  });

  it("gives prompts fewer tokens of a step while others write", () => {
    // The second one's prompt comes while the first one writes: three steps of 32 tokens and one of 1, each with one that writes.
    const two = { ...load, clients: 2, promptTokens: 97, answerTokens: 60, pause: 0.4 };
    const { betweenTokens } = simulate(1, "round-robin", replica, two, costs);
    expect(betweenTokens.p99).toBeCloseTo(0.01 + 0.002 + 32 * 0.001, 9);
  });

  it("divides long prompts into steps, during which others go on", () => {
    const long = { ...load, promptTokens: 300 };
    const { firstToken } = simulate(1, "round-robin", replica, long, costs);
    expect(firstToken.p50).toBeCloseTo(0.003 + 3 * 0.01 + 300 * 0.001, 9);
  });
});

describe("many replicas", () => {
  const chats: Load = { clients: 40, turns: 4, promptTokens: 128, answerTokens: 20, pause: 1 };

  it("find prefixes again where conversations stay, and not where they wander", () => {
    const [turns, stays] = ["round-robin", "prefix"].map((policy) => {
      return simulate(4, policy as "prefix", { ...replica, cachePositions: 2 ** 20 }, chats, costs);
    });
    // Of 1 + 2 + 3 + 4 lengths of a prompt, 0 + 1 + 2 + 3 were there before.
    expect(stays!.cached).toBeCloseTo(0.6, 9);
    expect(turns!.cached).toBeLessThan(0.5);
    expect(stays!.firstToken.p50).toBeLessThan(turns!.firstToken.p50);
  });

  it("find nothing where the cache is too small", () => {
    expect(simulate(4, "prefix", { ...replica, cachePositions: 0 }, chats, costs).cached).toBe(0);
  });

  it.each(policies)(
    "do the same work under %s, and twice as fast when they are twice as many and all are busy",
    (policy) => {
      const busy: Load = { ...chats, clients: 320, pause: 0 };
      const [few, many] = [4, 8].map((replicas) =>
        simulate(replicas, policy, { ...replica, cachePositions: 0 }, busy, costs),
      );
      expect(few!.seconds / many!.seconds).toBeGreaterThan(1.9);
      expect(few!.seconds / many!.seconds).toBeLessThan(2.1);
      expect(many!.tokensPerSecond * many!.seconds).toBeCloseTo(320 * 4 * 20, 3);
    },
  );
});
