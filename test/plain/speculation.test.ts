// What speculation decides by: what is guessed, how often guesses are right, what steps take, and how many guesses pay.

import { describe, expect, it } from "vitest";
import { chooseDrafts } from "../../dist/leader/speculation/draft-choice.js";
import { HitRate, HitRates } from "../../dist/leader/speculation/hit-rates.js";
import { PromptLookup } from "../../dist/leader/speculation/prompt-lookup.js";
import { StepCosts } from "../../dist/leader/speculation/step-costs.js";

describe("what is guessed from a text", () => {
  const lookup = (tokens: readonly number[]) => new PromptLookup(tokens, [new HitRates()]);

  it("is what followed the longest like part, the last one of several", () => {
    expect(lookup([1, 2, 3, 4, 9, 2, 3, 5, 9, 1, 2, 3]).propose(3).tokens).toEqual([4, 9, 2]);
    expect(lookup([7, 2, 3, 4, 9, 7, 2, 3, 5, 9, 2, 3]).propose(2).tokens).toEqual([5, 9]);
  });

  it("is nothing where no two tokens have come before", () => {
    expect(lookup([1, 2, 3, 4, 2, 1]).propose(5).tokens).toEqual([]);
    expect(lookup([1]).propose(5).tokens).toEqual([]);
    expect(lookup([]).propose(5).tokens).toEqual([]);
  });

  it("goes round where a text repeats its end", () => {
    expect(lookup([5, 6, 7, 6, 7]).propose(5).tokens).toEqual([6, 7, 6, 7, 6]);
  });

  it("follows a text as it grows, and goes on behind an edit", () => {
    const code = [10, 11, 12, 13, 14, 15, 16, 17, 18, 19];
    // The pair 12 13 comes again elsewhere, later.
    const tokens = [...code, 14, 15, 77, 10, 11];
    const text = lookup(tokens);
    expect(text.propose(3).tokens).toEqual([12, 13, 14]);
    tokens.push(12, 99, 14, 15);
    expect(text.propose(2).tokens).toEqual([16, 17]);
  });

  it("is the prediction first, from its beginning, and goes on in it behind an edit", () => {
    const tokens = [1, 2, 3, 2, 3];
    const text = new PromptLookup(tokens, [new HitRates()], [20, 21, 22, 23, 24, 25]);
    expect(text.propose(3).tokens).toEqual([20, 21, 22]);
    tokens.push(20, 21, 99, 23, 24);
    expect(text.propose(1).tokens).toEqual([25]);
  });

  it("learns from each token whether guesses are right", () => {
    const rates = new HitRates();
    const tokens = [1, 2, 3, 1, 2];
    const text = new PromptLookup(tokens, [rates]);
    const before = rates.of(2);
    expect(text.propose(1).chances).toEqual([before]);
    tokens.push(8);
    text.propose(1);
    expect(rates.of(2)).toBeLessThan(before);
  });
});

it("a rate is what was assumed, then what is seen, and forgets", () => {
  const rate = new HitRate(0.7);
  expect(rate.value).toBeCloseTo(0.7);
  for (let i = 0; i < 100; i++) rate.add(false);
  expect(rate.value).toBeLessThan(0.05);
  for (let i = 0; i < 100; i++) rate.add(true);
  expect(rate.value).toBeGreaterThan(0.9);
});

describe("what steps take", () => {
  it("is known between steps that were measured, and guessed beyond", () => {
    const costs = new StepCosts(32);
    expect(costs.of(3)).toBe(0);
    costs.add(1, 10, false);
    expect(costs.of(1)).toBe(10);
    expect(costs.of(5)).toBeCloseTo(16);
    expect(costs.most).toBe(2);
    costs.add(5, 18, true);
    expect(costs.of(3)).toBeCloseTo(14);
    expect(costs.of(9)).toBeCloseTo(26);
    expect(costs.most).toBe(10);
  });

  it("is below a bound only once it is known", () => {
    const costs = new StepCosts(8);
    expect(costs.isBelow(1, 5)).toBe(false);
    costs.add(1, 4, false);
    expect([costs.isBelow(1, 5), costs.isBelow(1, 4), costs.isBelow(9, 100)]).toEqual([true, false, false]);
  });

  it("moves with all steps, and one that was held up says little", () => {
    const costs = new StepCosts(8);
    costs.add(1, 10, false);
    costs.add(4, 16, true);
    for (let i = 0; i < 60; i++) costs.add(1, 20, false);
    expect(costs.of(1)).toBeCloseTo(20, 0);
    expect(costs.of(4)).toBeCloseTo(32, 0);
    costs.add(4, 10_000, true);
    expect(costs.of(4)).toBeLessThan(60);
  });

  it("that kept guesses from being tried are doubted until they are", () => {
    const costs = new StepCosts(8);
    costs.add(1, 10, false);
    costs.add(4, 100, true);
    for (let i = 0; i < 1000; i++) costs.doubt(1);
    expect(costs.of(4)).toBeLessThan(12);
    expect(costs.of(1)).toBe(10);
    costs.add(4, 100, true);
    expect(costs.of(4)).toBeCloseTo(100);
  });

  it("is believed soon where it was wrong for long", () => {
    const costs = new StepCosts(8);
    costs.add(1, 10, false);
    costs.add(2, 100, true);
    for (let i = 0; i < 400; i++) costs.doubt(1);
    costs.add(2, 12, true);
    expect(costs.of(2)).toBeLessThan(30);
  });

  it("is doubted beside the texts that are there: no step of fewer rows changes", () => {
    const costs = new StepCosts(8);
    costs.add(1, 10, false);
    costs.add(4, 40, true);
    for (let i = 0; i < 200; i++) costs.doubt(2);
    expect(costs.of(2)).toBeCloseTo(20);
    expect(costs.of(4)).toBeLessThan(28);
  });
});

describe("how many guesses", () => {
  const free = () => 0;
  const likely = Array.from({ length: 31 }, (_, i) => 0.95 ** (i + 1));

  it("are none before it is known what a step takes, and few where rows are dear", () => {
    const choose = (cost: (rows: number) => number) =>
      chooseDrafts([likely], { rows: 1, most: 31, cost, makingCost: free });
    expect(choose(() => 0).counts).toEqual([0]);
    expect(choose(() => 10).counts).toEqual([31]);
    const some = choose((rows) => 10 + 3 * (rows - 1)).counts[0]!;
    expect(some).toBeGreaterThan(2);
    expect(some).toBeLessThan(20);
    expect(choose((rows) => 10 * rows)).toEqual({ counts: [0], tooSlow: true });
  });

  it("are none where they are wrong too often, and that is not the steps' fault", () => {
    const choice = chooseDrafts([[0.04, 0.001]], { rows: 1, most: 31, cost: (rows) => 9 + rows, makingCost: free });
    expect(choice).toEqual({ counts: [0], tooSlow: false });
  });

  it("go to the texts that are likeliest, within the rows of logits", () => {
    const chances = [[0.5, 0.2], [], [0.9, 0.8, 0.7]];
    expect(chooseDrafts(chances, { rows: 3, most: 4, cost: () => 1, makingCost: free }).counts).toEqual([1, 0, 3]);
  });

  it("must pay for the draft model that makes them", () => {
    const terms = { rows: 1, most: 31, cost: (rows: number) => 10 + 0.5 * rows };
    const making = (each: number) => (counts: readonly number[]) => each * counts[0]!;
    expect(chooseDrafts([likely], { ...terms, makingCost: making(1) }).counts[0]).toBeGreaterThan(3);
    expect(chooseDrafts([likely], { ...terms, makingCost: making(10) }).counts).toEqual([0]);
  });
});
