// A model that is measured: loaded as its tests need it, with a lab team beside it that has as many workers.

import { planModel } from "../api/load/plan-model.js";
import { openGguf } from "../gguf/index.js";
import { type Disturbance, type LoadOptions, loadModel, type Model, type Sequence } from "../index.js";
import { compileKernels } from "../machine/kernels.js";
import { Random } from "../sampling/random.js";
import type { BenchOptions, BenchTest } from "./bench-tests.js";
import { LabTeam } from "./lab-team.js";
import { ModelWork } from "./model-work.js";
import { RooflineProbe } from "./roofline.js";

export class BenchModel {
  readonly model: Model;
  /** What it must read and multiply. */
  readonly work: ModelWork;
  /** The limits of the machine, with as many workers. */
  readonly probe: RooflineProbe;
  /** Bytes of all tensors in the file. */
  readonly bytes: number;

  readonly #team: LabTeam;
  /** What has disturbed the model since `takeDisturbances` was last called. */
  readonly #disturbances: Disturbance[];
  readonly #random = Random.seeded(1);
  #sequences: readonly Sequence[] = [];

  private constructor(parts: {
    model: Model;
    team: LabTeam;
    work: ModelWork;
    bytes: number;
    disturbances: Disturbance[];
  }) {
    this.#disturbances = parts.disturbances;
    this.model = parts.model;
    this.work = parts.work;
    this.bytes = parts.bytes;
    this.#team = parts.team;
    this.probe = new RooflineProbe(parts.team);
  }

  /** Loads a model with room for all of these tests, which load it with the same options. @throws as loadModel does */
  static async open(
    tests: readonly BenchTest[],
    { tune, signal }: Pick<BenchOptions, "tune" | "signal"> = {},
  ): Promise<BenchModel> {
    const [{ model: path, threads, kvCache, kernels }] = tests as [BenchTest];
    const disturbances: Disturbance[] = [];
    const options: LoadOptions = {
      threads,
      kvCache,
      kernels,
      contextSize: Math.max(...tests.map(({ depth, prompt, generate }) => depth + prompt + generate)),
      sequences: Math.max(...tests.map(({ parallel }) => parallel)),
      signal,
      onDisturbance: (disturbance) => disturbances.push(disturbance),
    };
    const model = await loadModel(path, { ...options, tune });
    let team: LabTeam | undefined;
    try {
      const { threads, kernels } = model.info;
      const build = kernels === "wide-vnni" || kernels === "wide-relaxed" ? "wide" : kernels;
      team = await LabTeam.open({ threads, build });
      const gguf = await openGguf(path);
      try {
        const plan = await planModel(gguf, { ...model.info.tuned, ...options }, await compileKernels(undefined, build));
        const work = new ModelWork(plan, team.lab.formats);
        const bytes = gguf.tensors.reduce((sum, tensor) => sum + tensor.bytes, 0);
        return new BenchModel({ model, team, work, bytes, disturbances });
      } finally {
        await gguf.close();
      }
    } catch (error) {
      await team?.close();
      await model.dispose();
      throw error;
    }
  }

  /** Makes the sequences of a test, and fills the cache up to its depth. */
  async prepare({ parallel, depth, batch }: BenchTest, signal?: AbortSignal): Promise<void> {
    if (!this.model.info.generates) return;
    for (const sequence of this.#sequences) sequence.dispose();
    this.#sequences = Array.from({ length: parallel }, () => this.model.createSequence());
    for (const sequence of this.#sequences) await this.#feed(sequence, depth, batch, signal);
  }

  /** Runs a test once, and forgets it again. Returns the milliseconds that it took. */
  async run({ prompt, generate, depth, batch, parallel }: BenchTest, signal?: AbortSignal): Promise<number> {
    if (!this.model.info.generates) return this.#embed(parallel, prompt, signal);
    const begin = performance.now();
    if (prompt > 0) await this.#feed(this.#sequences[0]!, prompt, batch, signal);
    for (let token = 0; token < generate; token++) {
      await Promise.all(this.#sequences.map((sequence) => sequence.evaluate(this.#ids(1), { signal })));
    }
    const milliseconds = performance.now() - begin;
    for (const sequence of this.#sequences) sequence.truncate(depth);
    return milliseconds;
  }

  /** What has disturbed the model since this was last called. */
  takeDisturbances(): readonly Disturbance[] {
    return this.#disturbances.splice(0);
  }

  async close(): Promise<void> {
    await this.#team.close();
    await this.model.dispose();
  }

  /** Embeds so many texts of so many tokens in one call. */
  async #embed(texts: number, tokens: number, signal: AbortSignal | undefined): Promise<number> {
    const inputs = Array.from({ length: texts }, () => this.#ids(tokens));
    const begin = performance.now();
    await this.model.embed(inputs, { signal });
    return performance.now() - begin;
  }

  async #feed(sequence: Sequence, tokens: number, batch: number, signal: AbortSignal | undefined): Promise<void> {
    for (let first = 0; first < tokens; first += batch) {
      await sequence.evaluate(this.#ids(Math.min(batch, tokens - first)), { signal });
    }
  }

  #ids(count: number): Int32Array {
    const { vocabularySize } = this.model.info;
    return Int32Array.from({ length: count }, () => Math.floor(this.#random.nextFraction() * vocabularySize));
  }
}
