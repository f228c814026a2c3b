// What each sampler does, as its paper or llama.cpp defines it, plainly: everything sorted, every sum and search in full, no shortcut.

import type { SamplerName, SamplingOptions } from "cria";

/** llama.cpp's order. */
export const DEFAULT_ORDER: readonly SamplerName[] = [
  "penalties",
  "dry",
  "topNSigma",
  "topK",
  "typicalP",
  "topP",
  "minP",
  "xtc",
  "temperature",
];

/** The remaining tokens: `tokens` from the most likely down, of equal ones the lowest id first. */
interface State {
  readonly logits: Float32Array;
  tokens: number[];
}

export interface ReferenceInput {
  readonly options: SamplingOptions;
  readonly history: readonly number[];
  readonly logits: Float32Array;
  /** DRY's breakers, in tokens. */
  readonly breakers?: readonly (readonly number[])[];
  /** The random number that XTC draws. */
  readonly xtcFraction?: number;
}

/** The probability of each token, (vocab), at the end of the chain. */
export function referenceDistribution(input: ReferenceInput): number[] {
  const { options } = input;
  const logits = Float32Array.from(input.logits);
  const bias = options.logitBias instanceof Map ? options.logitBias : new Map<number, number>();
  for (const [id, value] of bias) logits[id] += value;
  const state: State = { logits, tokens: [] };
  state.tokens = [...logits.keys()].filter((id) => logits[id]! > Number.NEGATIVE_INFINITY);
  sort(state);
  const greedy = options.temperature === 0 && !options.dynamicTemperature?.range;
  for (const name of options.samplers ?? DEFAULT_ORDER) {
    if (!greedy || name === "penalties" || name === "dry") samplers[name](state, input);
  }
  if (greedy) state.tokens.length = 1;
  return spread(state, logits.length);
}

/** Mirostat 2 with `most`: the probability of each token, (vocab). */
export function referenceMirostat(raw: Float32Array, temperature: number, most: number): number[] {
  const state: State = { logits: Float32Array.from(raw, (logit) => logit / temperature), tokens: [...raw.keys()] };
  sort(state);
  const p = softmax(state);
  const kept = state.tokens.filter((_, index) => -Math.log2(p[index]!) <= most);
  state.tokens = kept.length === 0 ? [state.tokens[0]!] : kept;
  return spread(state, raw.length);
}

function spread(state: State, size: number): number[] {
  const result = new Array<number>(size).fill(0);
  for (const [index, value] of softmax(state).entries()) result[state.tokens[index]!] = value;
  return result;
}

function sort({ logits, tokens }: State): void {
  tokens.sort((a, b) => logits[b]! - logits[a]! || a - b);
}

function softmax({ logits, tokens }: State): number[] {
  const largest = Math.max(...tokens.map((id) => logits[id]!));
  const weights = tokens.map((id) => Math.exp(logits[id]! - largest));
  const sum = weights.reduce((a, b) => a + b, 0);
  return weights.map((weight) => weight / sum);
}

function entropyOf(p: readonly number[]): number {
  return p.reduce((sum, value) => sum - (value > 0 ? value * Math.log(value) : 0), 0);
}

const samplers: Readonly<Record<SamplerName, (state: State, input: ReferenceInput) => void>> = {
  penalties(state, { options, history }) {
    const { repeatPenalty = 1, frequencyPenalty = 0, presencePenalty = 0, penaltyLastN = 64 } = options;
    const recent = penaltyLastN === -1 ? history : penaltyLastN === 0 ? [] : history.slice(-penaltyLastN);
    for (const id of new Set(recent)) {
      if (!state.tokens.includes(id)) continue;
      const count = recent.filter((token) => token === id).length;
      const logit = state.logits[id]!;
      const repeated = logit > 0 ? logit / repeatPenalty : logit * repeatPenalty;
      state.logits[id] = repeated - (count * frequencyPenalty + presencePenalty);
    }
    sort(state);
  },

  dry(state, { options, history, breakers = [] }) {
    if (options.dry === undefined) return;
    const { multiplier = 0.8, base = 1.75, allowedLength = 2, penaltyLastN = -1 } = options.dry;
    const recent = penaltyLastN === -1 ? history : penaltyLastN === 0 ? [] : history.slice(-penaltyLastN);
    let start = recent.length - 1;
    const breakersAt = (at: number) => breakers.filter((breaker) => breaker.every((id, i) => recent[at + i] === id));
    while (start >= 0 && breakersAt(start).length === 0) start--;
    const longestBreaker = Math.max(0, ...breakersAt(start).map(({ length }) => length));
    const limit = start < 0 ? recent.length : recent.length - start - longestBreaker;
    const longest = new Map<number, number>();
    for (let next = 1; next < recent.length; next++) {
      let length = 0;
      while (length < next && recent[next - 1 - length] === recent[recent.length - 1 - length]) length++;
      length = Math.min(length, limit);
      longest.set(recent[next]!, Math.max(length, longest.get(recent[next]!) ?? 0));
    }
    for (const [id, length] of longest) {
      if (length < allowedLength || limit < allowedLength || !state.tokens.includes(id)) continue;
      if (breakers.some((breaker) => breaker.length === 1 && breaker[0] === id)) continue;
      state.logits[id]! -= Math.min(multiplier * base ** (length - allowedLength), 1e9);
    }
    sort(state);
  },

  topNSigma(state, { options }) {
    if (!options.topNSigma) return;
    const values = state.tokens.map((id) => state.logits[id]!);
    const mean = values.reduce((a, b) => a + b, 0) / values.length;
    const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
    const least = values[0]! - options.topNSigma * Math.sqrt(variance);
    state.tokens = state.tokens.filter((id) => state.logits[id]! >= least);
  },

  topK(state, { options: { topK = 40 } }) {
    if (topK > 0) state.tokens = state.tokens.slice(0, topK);
  },

  typicalP(state, { options: { typicalP = 1 } }) {
    if (typicalP === 1) return;
    const p = softmax(state);
    const entropy = entropyOf(p);
    const distance = p.map((value) => Math.fround(Math.abs(-Math.log(value) - entropy)));
    const { tokens } = state;
    const order = [...tokens.keys()].sort((a, b) => distance[a]! - distance[b]! || tokens[a]! - tokens[b]!);
    let sum = 0;
    const kept = order.filter((index) => {
      const wanted = sum <= typicalP;
      sum += p[index]!;
      return wanted;
    });
    state.tokens = kept.map((index) => tokens[index]!);
    sort(state);
  },

  topP(state, { options: { topP = 0.95 } }) {
    if (topP === 1) return;
    const p = softmax(state);
    let sum = 0;
    state.tokens = state.tokens.filter((_, index) => {
      const wanted = index === 0 || sum < topP;
      sum += p[index]!;
      return wanted;
    });
  },

  minP(state, { options: { minP = 0.05 } }) {
    const p = softmax(state);
    state.tokens = state.tokens.filter((_, index) => p[index]! >= minP * p[0]!);
  },

  xtc(state, { options, xtcFraction = 0 }) {
    if (options.xtc === undefined) return;
    const { probability = 0.5, threshold = 0.1 } = options.xtc;
    if (probability === 0 || xtcFraction > probability) return;
    const p = softmax(state);
    const top = p.filter((value) => value >= threshold).length;
    if (top > 1) state.tokens = state.tokens.slice(top - 1);
  },

  temperature(state, { options }) {
    let { temperature = 0.8 } = options;
    if (options.dynamicTemperature !== undefined && options.dynamicTemperature.range > 0) {
      const { range, exponent = 1 } = options.dynamicTemperature;
      if (state.tokens.length < 2) return;
      const unsure = entropyOf(softmax(state)) / Math.log(state.tokens.length);
      const lowest = Math.max(0, temperature - range);
      temperature = lowest + (temperature + range - lowest) * unsure ** exponent;
    }
    for (const id of state.tokens) state.logits[id]! /= Math.max(temperature, 1e-20);
  },
};
