// What `cria plan` prints for people: lines of at most 80 characters.

import { printable } from "../gguf/index.js";
import type { KvCacheType } from "../index.js";
import type { MemoryNeed, Plan, Split } from "../lab/plan/plan.js";
import { costOf, money, type Price } from "../lab/price.js";

const NAME = 14; // characters of a section's name
const COLUMNS = 80;

export function planLines(plan: Plan, price: Price | undefined): readonly string[] {
  const { name, architecture, parameters, fileBytes, trainedContextSize, budget, need } = plan;
  const title = name === undefined ? architecture : `${printable(name, 24)}, ${architecture}`;
  return [
    ...section("model", [
      `${title}, ${count(parameters)} weights, ${size(fileBytes)} in the file,`,
      `trained for ${trainedContextSize} positions`,
    ]),
    ...section("memory", [budget === undefined ? "this system does not say how much there is" : budgetLine(budget)]),
    "",
    ...needLines(need),
    "",
    ...contextLines(plan),
    ...(plan.fitting.length === 0 ? [] : ["", ...fittingLines(plan)]),
    "",
    ...splitLines(plan),
    ...(price === undefined ? [] : ["", ...priceLines(plan, price)]),
  ];
}

function section(name: string, lines: readonly string[]): string[] {
  return lines.map((line, i) => `${(i === 0 ? name : "").padEnd(NAME)}${line}`);
}

function budgetLine({ bytes, source }: NonNullable<Plan["budget"]>): string {
  if (source === "memory") return `${size(bytes)}, as asked`;
  const what = source === "MemAvailable" ? source : `control group ${printable(source, 40)}`;
  return `${size(bytes)} can be taken (${what})`;
}

function needLines({ contextSize, sequences, kvCache, threads, memory, besides, fits }: MemoryNeed): string[] {
  const rows: readonly (readonly [string, number, string])[] = [
    ["weights", memory.weights, ""],
    ["KV cache", memory.kvCache, `${kvCache}, ${counted(sequences, "sequence")} of ${contextSize} positions`],
    ["state", memory.recurrentState, "what layers that do not attend keep of texts"],
    ["activations", memory.activations, ""],
    ["scratch", memory.scratch, counted(threads, "worker")],
    ["control", memory.control, ""],
    ["total", memory.total, "allocated at once, when the model is loaded"],
    ["beside it", besides, "threads and tokenizer, at most"],
    ["in the file", memory.inFile, "embeddings of which the rows of a step are read"],
  ];
  return [
    `one instance: ${size(memory.total + besides)}${fits ? "" : ", MORE THAN THERE IS"}`,
    ...rows
      .filter(([, bytes]) => bytes > 0)
      .map(([what, bytes, more]) => `  ${what.padEnd(12)}${size(bytes).padStart(11)}  ${more}`.trimEnd()),
  ];
}

/** The total by context and sequences, a column for each type of KV cache. */
function contextLines({ needs }: Plan): string[] {
  const types = [...new Set(needs.map(({ kvCache }) => kvCache))];
  const rows = new Map<string, Map<KvCacheType, MemoryNeed>>();
  for (const need of needs) {
    const key = `${need.contextSize} x ${need.sequences}`;
    rows.set(key, (rows.get(key) ?? new Map()).set(need.kvCache, need));
  }
  const cell = (need: MemoryNeed | undefined) => {
    if (need === undefined) return "-";
    return `${size(need.memory.total + need.besides)}${need.fits ? " " : "!"}`;
  };
  const anyTooLarge = needs.some(({ fits }) => !fits);
  return [
    `${"context x sequences".padEnd(22)}${types.map((type) => `${type} `.padStart(13)).join("")}`,
    ...[...rows].map(([key, needs]) => {
      return `  ${key.padEnd(20)}${types.map((type) => cell(needs.get(type)).padStart(13)).join("")}`;
    }),
    ...(anyTooLarge ? ["  !  more than there is"] : []),
  ];
}

function fittingLines({ fitting, need, trainedContextSize }: Plan): string[] {
  const all = (contextSize: number) => (contextSize === trainedContextSize ? " (all)" : "");
  return [
    `what fits   ${`longest context of ${counted(need.sequences, "sequence")}`.padStart(34)}` +
      `${`most sequences of ${need.contextSize}`.padStart(30)}`,
    ...fitting.map(({ kvCache, contextSize, sequences }) => {
      const longest = contextSize === 0 ? "none" : `${contextSize}${all(contextSize)}`;
      return `  ${kvCache.padEnd(10)}${longest.padStart(34)}${(sequences === 0 ? "none" : `${sequences}`).padStart(30)}`;
    }),
  ];
}

/** Few large or many small. */
function splitLines({ splits, profile, depth, prompt, generates }: Plan): string[] {
  const clients = Object.keys(splits[0]?.decode ?? {});
  const head = `${"instances x threads".padEnd(20)}${"memory ".padStart(12)}`;
  const rows = splits.map((split) => {
    const { instances, threads, memory, fits, decode, prefill } = split;
    const cells = decode === undefined ? [] : clients.map((number) => speed(decode[Number(number)]!).padStart(8));
    const prompts = prefill === undefined ? "" : speed(prefill).padStart(10);
    const taken = `${size(memory)}${fits ? " " : "!"}`.padStart(12);
    return `  ${`${instances} x ${threads}`.padEnd(18)}${taken}${cells.join("")}${prompts}`;
  });
  if (profile === undefined) return [head.trimEnd(), ...rows];
  const what = generates
    ? `predicted tokens/s of all clients, at depth ${depth}; prompts of ${prompt} tokens`
    : `predicted tokens/s of texts of ${prompt} tokens`;
  const last = profile.threads.at(-1)!;
  return [
    what,
    `${head}${clients.map((number) => counted(Number(number), "client").replace(" client", " cl.").replace("cl.s", "cl.").padStart(8)).join("")}${"prompts".padStart(10)}`,
    ...rows,
    `  from ${(last.bandwidth / 1e9).toFixed(1)} GB/s and ${(last.int8 / 1e9).toFixed(0)} int8 GOP/s of ${counted(last.threads, "thread")}, measured here`,
    ...bestLines(splits, clients),
  ];
}

/** Which way of dividing the cores is the fastest, of those that fit. */
function bestLines(splits: readonly Split[], clients: readonly string[]): string[] {
  const fitting = splits.filter(({ fits }) => fits);
  if (fitting.length < 2 || clients.length === 0) return [];
  const best = (value: (split: Split) => number) => fitting.reduce((a, b) => (value(b) > value(a) * 1.03 ? b : a));
  const named = (split: Split) => `${split.instances} x ${split.threads}`;
  const parts = [clients[0]!, clients.at(-1)!].map((number) => {
    return `${counted(Number(number), "client")}: ${named(best(({ decode }) => decode?.[Number(number)] ?? 0))}`;
  });
  return [`  most for ${parts.join("; for ")}; for prompts: ${named(best(({ prefill }) => prefill ?? 0))}`];
}

function priceLines({ splits, generates }: Plan, price: Price): string[] {
  const cores = Math.max(...splits.map(({ instances, threads }) => instances * threads));
  const fitting = splits.filter(({ fits }) => fits);
  const rates: { what: string; tokensPerSecond: number }[] = [];
  for (const { instances, threads, decode, prefill } of fitting) {
    const name = `${instances} x ${threads}`;
    if (prefill !== undefined) rates.push({ what: `${name}, prompts`, tokensPerSecond: prefill });
    if (!generates) continue;
    for (const [clients, rate] of Object.entries(decode ?? {})) {
      rates.push({ what: `${name}, ${counted(Number(clients), "client")}`, tokensPerSecond: rate });
    }
  }
  if (rates.length === 0) return ["price: there are no speeds to divide it by"];
  const [first] = rates;
  return [
    `predicted price, at ${money(price, price.perHour)} an hour for ${counted(cores, "core")}`,
    ...rates.map(({ what, tokensPerSecond }) => {
      const { perMillionTokens, tokensPerCoreHour } = costOf(price, { tokensPerSecond, cores });
      const million = `${money(price, perMillionTokens)} a million tokens`;
      return `  ${what.padEnd(22)}${million.padStart(28)}${`${Math.round(tokensPerCoreHour)} a core-hour`.padStart(24)}`;
    }),
    ...costOf(price, { tokensPerSecond: first!.tokensPerSecond, cores }).arithmetic.flatMap(folded),
  ];
}

/** A division and what it makes, in two lines where one would be too long. */
function folded(line: string): string[] {
  const at = line.lastIndexOf(" = ");
  return line.length <= COLUMNS - 2 ? [`  ${line}`] : [`  ${line.slice(0, at)}`, `    ${line.slice(at + 1)}`];
}

function counted(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? "" : "s"}`;
}

function speed(rate: number): string {
  return rate < 100 ? rate.toFixed(1) : rate.toFixed(0);
}

function size(bytes: number): string {
  if (bytes < 2 ** 20) return `${(bytes / 2 ** 10).toFixed(1)} KiB`;
  return bytes < 2 ** 30 ? `${(bytes / 2 ** 20).toFixed(1)} MiB` : `${(bytes / 2 ** 30).toFixed(2)} GiB`;
}

function count(parameters: number): string {
  return parameters < 1e9 ? `${(parameters / 1e6).toFixed(1)}M` : `${(parameters / 1e9).toFixed(2)}B`;
}
