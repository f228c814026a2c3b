// `cria tune` as a function: finds the fastest way to load a model on this machine. One thing is chosen after another, what changes most
// first; each choice is a race in turns (race.ts) between processes that hold the model, against what has been chosen so far. At the end
// the settings are held against the defaults, and lose where they are not faster.
//
// Only what changes no result is ever set: threads, pins, wide kernels, the chunk of prompts. Types of the KV cache, texts side by side and
// numbers of instances are measured and told.

import { fileURLToPath } from "node:url";
import { planModel } from "../../api/load/plan-model.js";
import { rememberTuning } from "../../api/load/tunings.js";
import { UnsupportedError } from "../../errors.js";
import { type Gguf, openGguf } from "../../gguf/index.js";
import type { KvCacheType, TunedOptions } from "../../index.js";
import { type CpuNoise, cpuNoise, noiseBetween } from "../../machine/cpu/noise.js";
import { pinnedCpus } from "../../machine/cpu/pin-plan.js";
import { type CpuTopology, cpuTopology } from "../../machine/cpu/topology.js";
import { compileKernels } from "../../machine/kernels.js";
import { checkBoolean, checkCallback, checkChoice, checkSignal, checkText, namesOf, optionsOf } from "../../options.js";
import type { ProcessLoadOptions } from "../model-process.js";
import { noiseFlags } from "../noise-flags.js";
import { median } from "../statistics.js";
import {
  type AxisName,
  axesOf,
  batchCandidates,
  chunkCandidates,
  instanceCandidates,
  type ModelFacts,
  pinCandidates,
  threadCandidates,
} from "./candidates.js";
import { choose, type Standing, TOLERANCE } from "./race.js";
import { BURST_TOKENS, CLIENTS, type Entrant, type Figure, type Outcome, Races, ratioOf } from "./races.js";
import { milliseconds, sentence, times } from "./sentences.js";
import type { Setup } from "./stable.js";
import type { BatchRow, ComparedSpeed, Recommendation, TuneOptions, TuneRow, Tuning } from "./tuning.js";

const optionNames = namesOf<TuneOptions>({ quantize: true, keep: true, root: true, onProgress: true, signal: true });

/** Positions of the models that are tried, and texts of a page each that they have room for. */
const CONTEXT = 1024;
const PAGES = 48;
const PAGE = 64;
const DEPTH = 512;
const BATCH_ROUNDS = 3;
/** More instances take as many times the memory: they must be worth it. */
const INSTANCES_TOLERANCE = 0.1;
/** Shares of the time in which tasks waited for a processor: a team and the thread that calls it make some of it themselves. */
const PRESSURE = 0.5;

/**
 * Tunes a model for this machine: a minute for a small one. Nothing else should run meanwhile.
 *
 * @param path of the model's file, or its `file:` URL
 * @throws as loadModel does; WorkerError TUNE_PROCESS_DIED; UnsupportedError UNSUPPORTED_HOST in hosts without processes; the signal's reason
 */
export async function tune(path: string | URL, given: TuneOptions = {}): Promise<Tuning> {
  const options = optionsOf("tune", given, optionNames);
  checkSignal(options.signal);
  checkCallback("onProgress", options.onProgress);
  if (options.keep !== undefined) checkBoolean("keep", options.keep);
  if (options.root !== undefined) checkText("root", options.root, 1);
  if (options.quantize !== undefined) checkChoice("quantize", options.quantize, ["Q8_0"]);
  if (typeof process === "undefined" || process.versions?.node === undefined) {
    throw new UnsupportedError("UNSUPPORTED_HOST", "tune starts processes, which this host does not have");
  }
  const gguf = await openGguf(path);
  try {
    const tuner = await Tuner.open(gguf, path instanceof URL ? fileURLToPath(path) : path, options);
    return await (options.root === undefined ? tuner.run() : tuner.reason());
  } finally {
    await gguf.close();
  }
}

class Tuner {
  readonly #gguf: Gguf;
  readonly #options: TuneOptions;
  readonly #topology: CpuTopology;
  readonly #facts: ModelFacts;
  readonly #base: ProcessLoadOptions;
  readonly #races: Races;
  readonly #rows: TuneRow[] = [];
  readonly #batch: BatchRow[] = [];
  readonly #recommendations: Recommendation[] = [];
  readonly #begin = performance.now();
  /** What is chosen so far. */
  #settings: TunedOptions = {};
  #wideProblem: string | undefined;
  #step = 0;

  private constructor(parts: {
    gguf: Gguf;
    path: string;
    options: TuneOptions;
    topology: CpuTopology;
    facts: ModelFacts;
    base: ProcessLoadOptions;
    modelBytes: number;
  }) {
    this.#gguf = parts.gguf;
    this.#options = parts.options;
    this.#topology = parts.topology;
    this.#facts = parts.facts;
    this.#base = parts.base;
    this.#races = new Races(parts.path, parts.facts, parts.modelBytes, parts.options.signal);
  }

  static async open(gguf: Gguf, path: string, options: TuneOptions): Promise<Tuner> {
    const topology = await cpuTopology({ root: options.root });
    const kernels = await compileKernels();
    const usual = await planModel(gguf, { quantize: options.quantize }, kernels, [], topology);
    const { hyperparameters: h } = usual;
    const contextSize = Math.min(h.context, CONTEXT);
    const base: ProcessLoadOptions = {
      contextSize,
      ...(h.causal && { sequences: Math.ceil((PAGES * PAGE) / contextSize) }),
      ...(options.quantize !== undefined && { quantize: options.quantize }),
    };
    const planned = await planModel(gguf, base, kernels, [], topology);
    const { threads, threadsBatch } = usual.workers;
    const q8Cache = planned.kvPageBytes.q8_0 !== undefined;
    const facts = { generates: h.causal, threads, threadsBatch, contextSize, q8Cache };
    return new Tuner({ gguf, path, options, topology, facts, base, modelBytes: planned.plan.total });
  }

  /** What would be tried. */
  reason(): Tuning {
    return this.#tuning(undefined, 1, undefined);
  }

  async run(): Promise<Tuning> {
    const before = await cpuNoise();
    try {
      await this.#races.prepare(this.#entrant("").setup);
      await this.#chooseKernels();
      await this.#chooseThreads();
      await this.#chooseChunk();
      await this.#choosePins();
      const gain = await this.#checkGain();
      await this.#measureBatches();
      await this.#measureCaches();
      const instances = await this.#compareInstances();
      const notKept = this.#options.keep === false ? undefined : await this.#keep(instances, gain);
      const noise = noiseBetween(before, await cpuNoise());
      return { ...this.#tuning(gain, instances, notKept), noise: this.#noiseFlags(noise) };
    } finally {
      await this.#races.keepOnly([]);
    }
  }

  #noiseFlags(noise: CpuNoise): readonly string[] {
    const { pressureMicroseconds, ...others } = noise;
    const flags = noiseFlags({ ...others, pressureMicroseconds: undefined }, [1, 1]);
    if (pressureMicroseconds === undefined) return flags;
    const pressure = pressureMicroseconds / 1000 / (performance.now() - this.#begin);
    return pressure > PRESSURE ? [...flags, `CPU pressure ${(100 * Math.min(1, pressure)).toFixed(0)} %`] : flags;
  }

  #tuning(gain: Tuning["gain"], instances: number, notKept: string | undefined): Tuning {
    const { model, allowed } = this.#topology;
    const name = this.#gguf.metadata.getString("general.name") ?? this.#gguf.parts[0]!.name;
    return {
      model: name,
      machine: `${model ?? "unknown processor"}, ${allowed.length} processors; Node ${process.versions.node}`,
      axes: axesOf(this.#topology, this.#facts, this.#wideProblem),
      rows: this.#rows,
      batch: this.#batch,
      recommendations: this.#recommendations,
      settings: this.#settings,
      gain,
      instances,
      threadsOfInstance: this.#threadsOf(instances),
      seconds: (performance.now() - this.#begin) / 1000,
      noise: [],
      notKept,
    };
  }

  #keep(instances: number, gain: Tuning["gain"]): Promise<string | undefined> {
    const threadsOfInstance = this.#threadsOf(instances);
    const findings = { recommendations: this.#recommendations, gain, batch: this.#batch };
    const kept = { settings: this.#settings, instances, threadsOfInstance, time: Date.now(), findings };
    return rememberTuning(this.#gguf, this.#options.quantize, kept);
  }

  get #cores(): number {
    return Math.max(...instanceCandidates(this.#topology));
  }

  #threadsOf(instances: number): number {
    return Math.floor(this.#cores / instances);
  }

  /** Tells what is tried now. */
  #begins(axis: AxisName): void {
    this.#options.signal?.throwIfAborted();
    const steps = 8;
    this.#options.onProgress?.(this.#step++ / steps, axis);
  }

  #entrant(value: string, change: TunedOptions = {}, more: Partial<Setup> = {}): Entrant {
    const settings = { ...this.#settings, ...change };
    return { value, settings, setup: { options: { ...this.#base, ...settings }, ...more } };
  }

  /** The table's rows of a race. */
  #note(axis: AxisName, entrants: readonly Entrant[], { standings, rates }: Outcome, chosen: readonly Entrant[]): void {
    for (const entrant of entrants) {
      const speed = (figures: readonly Figure[]): ComparedSpeed | undefined => {
        for (const figure of figures) {
          const samples = rates.get(entrant)?.get(figure) ?? [];
          const own = standings.get(figure)?.get(entrant);
          if (samples.length === 0) continue;
          const standing = own ?? ratioOf(samples, rates.get(entrants[0]!)?.get(figure) ?? []);
          return { rate: median(samples), ...standing };
        }
        return undefined;
      };
      const row = { decode: speed(["decode", "clients"]), prefill: speed(["prefill"]) };
      this.#rows.push({ axis, value: entrant.value, ...row, chosen: chosen.includes(entrant) });
    }
  }

  #recommend(axis: AxisName, value: string, reason: string): void {
    this.#recommendations.push({ axis, value, reason });
  }

  async #chooseKernels(): Promise<void> {
    this.#begins("kernels");
    const usual = this.#entrant("as they are");
    const wide = this.#entrant("wide", { kernels: "wide" });
    const info = await this.#races.infoOf(wide);
    if (info.kernelsProblem !== undefined) {
      this.#wideProblem = info.kernelsProblem;
      this.#recommend("kernels", "as they are", info.kernelsProblem);
      return;
    }
    const outcome = await this.#races.race([usual, wide], ["both"]);
    const chosen = this.#choose("both", [usual, wide], outcome);
    this.#note("kernels", [usual, wide], outcome, [chosen]);
    this.#settings = chosen.settings;
    const wider = outcome.standings.get("both")!.get(wide)!;
    this.#recommend(
      "kernels",
      chosen.value,
      sentence("wide kernels", wider, chosen === wide, "decode and prompts together"),
    );
  }

  #choose(figure: Figure, entrants: readonly Entrant[], { standings }: Outcome): Entrant {
    const known = standings.get(figure)!;
    return choose(
      entrants.filter((entrant) => known.get(entrant)!.rounds > 0),
      (entrant) => known.get(entrant)!,
    );
  }

  async #chooseThreads(): Promise<void> {
    this.#begins("threads");
    const { generates, threads, threadsBatch } = this.#facts;
    const usualName = threads === threadsBatch || !generates ? `${threadsBatch}` : `${threads} and ${threadsBatch}`;
    const usual = this.#entrant(usualName);
    const counts = threadCandidates(this.#topology, this.#facts).filter((count) => {
      return count !== threadsBatch || (generates && count !== threads);
    });
    const others = counts.map((count) => this.#entrant(`${count}`, { threads: count, threadsBatch: count }));
    if (others.length === 0) {
      this.#recommend("threads", usualName, "there is one processor");
      return;
    }
    const entrants = [usual, ...others];
    const figures: readonly Figure[] = generates ? ["decode", "prefill"] : ["prefill"];
    const own = (figure: Figure) => `${figure === "decode" ? threads : threadsBatch}`;
    const outcome = await this.#races.race(entrants, figures, (entrant, figure) => entrant.value !== own(figure));
    const chosen = new Map(figures.map((figure) => [figure, this.#choose(figure, entrants, outcome)]));
    this.#note("threads", entrants, outcome, [...chosen.values()]);
    for (const [figure, entrant] of chosen) {
      const name = figure === "decode" ? "threads" : "threadsBatch";
      const count = entrant === usual ? undefined : Number(entrant.value);
      if (count !== undefined) this.#settings = { ...this.#settings, [name]: count };
      const standings = outcome.standings.get(figure)!;
      const rivals = others.filter((one) => one !== entrant && standings.get(one)!.rounds > 0);
      const rival = rivals.toSorted((a, b) => standings.get(b)!.ratio - standings.get(a)!.ratio)[0];
      const what = figure === "decode" ? "decode" : generates ? "prompts" : "texts";
      const value = `${count ?? own(figure)} for ${what}`;
      if (entrant !== usual) {
        this.#recommend("threads", value, `${times(standings.get(entrant)!)} as fast as the default, ${own(figure)}`);
      } else if (rival !== undefined) {
        this.#recommend(
          "threads",
          value,
          `the default; the next best, ${rival.value}, is ${times(standings.get(rival)!)} as fast`,
        );
      } else this.#recommend("threads", value, "the default");
    }
    this.#recommend("threads", "SMT", this.#smt(entrants, outcome));
    // Prompts have no fewer workers than steps of few rows, unless it is said.
    if (this.#settings.threads !== undefined && this.#settings.threadsBatch === undefined && generates) {
      this.#settings = { ...this.#settings, threadsBatch };
    }
    if (this.#settings.threadsBatch !== undefined && this.#settings.threads === undefined && generates) {
      this.#settings = { ...this.#settings, threads };
    }
  }

  /** What the second hardware threads of the cores bring. */
  #smt(entrants: readonly Entrant[], { standings }: Outcome): string {
    const { cores, allowed } = this.#topology;
    if (cores === undefined) return "this machine does not tell which processors share a core";
    const siblings = cores.some((core) => core.cpus.filter((cpu) => allowed.includes(cpu)).length > 1);
    if (!siblings) return "no core has a second hardware thread that may be used here";
    const both = entrants.find(({ value }) => value === `${allowed.length}`);
    const said = [...standings].flatMap(([figure, known]) => {
      const standing = both && known.get(both);
      if (standing === undefined || standing.rounds === 0) return [];
      return [`${figure === "decode" ? "decode" : "prompts"} ${times(standing)}`];
    });
    if (said.length === 0) return "both hardware threads of each core are what is used by default";
    return `${allowed.length} threads, both of each core, against the default: ${said.join(", ")}`;
  }

  async #chooseChunk(): Promise<void> {
    this.#begins("prefill chunk");
    const chunks = chunkCandidates(this.#facts).filter((chunk) => chunk <= this.#races.prefillTokens);
    if (chunks.length < 2) return;
    const [usualChunk, ...more] = chunks;
    const usual = this.#entrant(`${usualChunk}`);
    const others = more.map((chunk) => this.#entrant(`${chunk}`, { prefillChunk: chunk }));
    const entrants = [usual, ...others];
    const outcome = await this.#races.race(entrants, ["prefill"]);
    const chosen = this.#choose("prefill", entrants, outcome);
    this.#note("prefill chunk", entrants, outcome, [chosen]);
    this.#settings = chosen.settings;
    this.#recommend("prefill chunk", chosen.value, this.#whyOf("prefill", entrants, outcome, chosen));
  }

  async #choosePins(): Promise<void> {
    this.#begins("pins");
    const pins = pinCandidates(this.#topology);
    if (pins.length === 0) return;
    const usual = this.#entrant("none");
    const others = pins.map((pin) => this.#entrant(pin, { pin }));
    const entrants = [usual, ...others];
    const outcome = await this.#races.race(entrants, ["both"]);
    const chosen = this.#choose("both", entrants, outcome);
    this.#note("pins", entrants, outcome, [chosen]);
    this.#settings = chosen.settings;
    this.#recommend("pins", chosen.value, this.#whyOf("both", entrants, outcome, chosen));
  }

  /** Why an entrant was chosen: the reference, or one that is faster. */
  #whyOf(figure: Figure, entrants: readonly Entrant[], { standings }: Outcome, chosen: Entrant): string {
    const known = standings.get(figure)!;
    const [reference, ...others] = entrants;
    if (chosen !== reference) return `${times(known.get(chosen)!)} as fast as ${reference!.value}`;
    const best = others.toSorted((a, b) => known.get(b)!.ratio - known.get(a)!.ratio)[0]!;
    const { ratio } = known.get(best)!;
    const why =
      ratio > 1 ? "which is below the noise or too little to count: the simpler setting" : "so the default stays";
    return `${best.value} is ${times(known.get(best)!)} as fast, ${why}`;
  }

  /** Holds the settings against the defaults. What is not faster in all is not set. */
  async #checkGain(): Promise<Tuning["gain"]> {
    this.#begins("threads");
    if (Object.keys(this.#settings).length === 0) return undefined;
    const tuned = this.#entrant("tuned");
    this.#settings = {};
    const usual = this.#entrant("default");
    const outcome = await this.#races.race([usual, tuned], ["both"]);
    const standing = outcome.standings.get("both")!.get(tuned)!;
    if (standing.ratio < 1 || standing.ratio * (1 + standing.error) < 1 + TOLERANCE) {
      this.#recommend("threads", "the defaults", "all settings together do not make it faster");
      return undefined;
    }
    this.#settings = tuned.settings;
    const ratio = (figure: Figure) =>
      ratioOf(outcome.rates.get(tuned)!.get(figure) ?? [], outcome.rates.get(usual)!.get(figure) ?? []).ratio;
    return { decode: this.#facts.generates ? ratio("decode") : undefined, prefill: ratio("prefill") };
  }

  async #measureBatches(): Promise<void> {
    this.#begins("batch");
    const batches = batchCandidates(this.#facts);
    if (batches.length === 0) return;
    const { setup } = this.#entrant("");
    await this.#races.keepOnly([setup]);
    // In turns, so that what happens to the machine happens to all.
    const rates = batches.map((): number[] => []);
    for (let round = 0; round < BATCH_ROUNDS; round++) {
      for (const [i, texts] of batches.entries()) rates[i]!.push(await this.#races.decode(setup, texts));
    }
    for (const [i, texts] of batches.entries()) {
      const tokensPerSecond = median(rates[i]!);
      this.#batch.push({ texts, tokensPerSecond, milliseconds: (1000 * texts) / tokensPerSecond });
    }
    const one = this.#batch[0]!.tokensPerSecond;
    const most = Math.max(...this.#batch.map((row) => row.tokensPerSecond));
    // Each text more makes all others wait, so the last tenth does not count.
    const enough = this.#batch.find((row) => row.tokensPerSecond >= 0.9 * most)!;
    const all = `${(enough.tokensPerSecond / one).toFixed(2)} times the tokens of one text`;
    const waits = `every ${milliseconds(enough)} ms in place of ${milliseconds(this.#batch[0]!)}`;
    const why = enough.texts === 1 ? "more texts do not make more tokens" : `${all}, and a text's next token ${waits}`;
    this.#recommend("batch", `${enough.texts}`, why);
  }

  async #measureCaches(): Promise<void> {
    this.#begins("KV cache");
    const { generates, q8Cache, contextSize } = this.#facts;
    const depth = Math.floor(Math.min(DEPTH, contextSize - BURST_TOKENS) / PAGE) * PAGE;
    if (!generates || depth < PAGE) return;
    const types: readonly KvCacheType[] = q8Cache ? ["f16", "q8_0", "f32"] : ["f16", "f32"];
    const entrants = types.map((kvCache) => {
      const { setup, settings } = this.#entrant("");
      return { value: kvCache, settings, setup: { options: { ...setup.options, kvCache }, depth } };
    });
    const outcome = await this.#races.race(entrants, ["decode"]);
    this.#note("KV cache", entrants, outcome, [entrants[0]!]);
    const known = outcome.standings.get("decode")!;
    const others = entrants.slice(1).map((entrant) => `${entrant.value} is ${times(known.get(entrant)!)} as fast`);
    this.#recommend(
      "KV cache",
      "f16",
      `at depth ${depth} ${others.join(", ")}; it changes results, so it is never set`,
    );
  }

  /** Few large or many small. Returns how many are best. */
  async #compareInstances(): Promise<number> {
    this.#begins("instances");
    const counts = instanceCandidates(this.#topology);
    if (counts.length < 2) return 1;
    const one = this.#entrant(`1 x ${this.#cores}`);
    await this.#races.keepOnly([one.setup]);
    const room = await this.#races.room();
    const fitting = counts.filter((count) => count <= room);
    const others = fitting.filter((count) => count > 1).map((count) => this.#instances(count));
    if (others.length === 0) {
      this.#recommend("instances", one.value, "the memory does not hold more than one");
      return 1;
    }
    const entrants = [one, ...others];
    const { generates } = this.#facts;
    const outcome = await this.#races.race(entrants, generates ? ["clients", "prefill"] : ["prefill"]);
    const score = (entrant: Entrant): Standing => {
      const standings = [...outcome.standings.values()].map((known) => known.get(entrant)!);
      const ratio = standings.reduce((product, standing) => product * standing.ratio, 1) ** (1 / standings.length);
      const error = Math.max(...standings.map((standing) => standing.error)) / Math.sqrt(standings.length);
      return { ratio, error, rounds: standings[0]!.rounds };
    };
    const chosen = choose(entrants, score, INSTANCES_TOLERANCE);
    this.#note("instances", entrants, outcome, [chosen]);
    const best = others.toSorted((a, b) => score(b).ratio - score(a).ratio)[0]!;
    const what = generates ? `${CLIENTS} clients and prompts` : "texts";
    const memory = `${best.setup.each?.length ?? 1} times the memory`;
    const faster = times(score(best));
    this.#recommend(
      "instances",
      chosen.value,
      chosen === one
        ? `${best.value} is ${faster} as fast for ${what} together, and takes ${memory}`
        : `${faster} as fast as ${one.value} for ${what} together, for ${memory}`,
    );
    return chosen === one ? 1 : chosen.setup.each!.length;
  }

  #instances(count: number): Entrant {
    const threads = this.#threadsOf(count);
    const { threads: _, threadsBatch: __, pin: ___, ...settings } = this.#settings;
    const decode = Math.min(threads, this.#settings.threads ?? this.#facts.threads);
    const cores = this.#topology.source === "sysfs" ? pinnedCpus(this.#topology, true) : [];
    const each = Array.from({ length: count }, (_, i): ProcessLoadOptions => {
      const own = cores.slice(i * threads, (i + 1) * threads);
      return { threads: decode, threadsBatch: threads, ...(own.length === threads && { pin: own.join(",") }) };
    });
    return { value: `${count} x ${threads}`, settings, setup: { options: { ...this.#base, ...settings }, each } };
  }
}
