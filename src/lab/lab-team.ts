// The main thread's side of the lab: a team of workers, as many as a model has, that times kernels and the limits of the machine.

import { planWorkers } from "../api/load/worker-plan.js";
import { type CriaError, WorkerError } from "../errors.js";
import type { KernelChoice } from "../machine/kernels.js";
import { teamBytes } from "../machine/member.js";
import { allocateMemory, WASM_PAGE } from "../machine/shared-memory.js";
import { Team } from "../machine/team.js";
import { checkChoice, invalidOption } from "../options.js";
import { CONTROL, type Task, type Timing } from "./blackboard.js";
import { KernelLab, labKernels } from "./kernels/index.js";
import { type KernelCase, kernelNames, kernelRows } from "./kernels/table.js";

/** How many workers, and which kernels. */
export interface LabTeamOptions {
  /** Workers. Default: as many as a model has. */
  readonly threads?: number;
  /** Which build of the kernels, or "wide". Default: the one that a model would run on. */
  readonly build?: KernelChoice;
}

interface Waiting {
  readonly resolve: (timing: Timing) => void;
  readonly reject: (error: unknown) => void;
}

/** Workers that run kernels side by side, and measure them. */
export class LabTeam {
  readonly threads: number;
  /** The same kernels, on this thread. */
  readonly lab: KernelLab;

  #team: Team | undefined;
  #dead: CriaError | undefined;
  readonly #waiting: Waiting[] = [];

  private constructor(threads: number, lab: KernelLab) {
    this.threads = threads;
    this.lab = lab;
  }

  /** Starts the workers. @throws CriaError INVALID_OPTION, UnsupportedError */
  static async open(options: LabTeamOptions = {}): Promise<LabTeam> {
    const { threads, cpus } = await planWorkers({ threads: options.threads });
    const kernels = await labKernels(undefined, options.build);
    const { module, wide, build } = kernels;
    const lab = new LabTeam(threads, new KernelLab(kernels));
    lab.#team = await Team.start({
      entry: new URL("../lab/worker.js", import.meta.url),
      module,
      wide,
      memory: allocateMemory(Math.ceil((CONTROL + teamBytes(threads)) / WASM_PAGE), "a team"),
      control: CONTROL,
      workers: threads,
      regulars: threads,
      cpus,
      program: { build },
      onMessage: (_, timing) => lab.#waiting.shift()?.resolve(timing as Timing),
      onDeath: (error) => lab.#die(error),
    });
    return lab;
  }

  /**
   * Times a kernel: all workers at once, each on its part of the shape. The first time, its buffers are filled with random input and it
   * is warmed up. Calls queue in order.
   *
   * @returns as many times as `repetitions`, each the mean of a few milliseconds of runs
   * @throws CriaError INVALID_OPTION for a case that does not exist, INVALID_SHAPE, WorkerError
   */
  async time(what: KernelCase, repetitions: number): Promise<Timing> {
    this.check(what);
    if (this.#dead !== undefined) throw this.#dead;
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.#team?.tell({ case: what, repetitions } satisfies Task);
    });
  }

  /** Ends the workers. */
  async close(): Promise<void> {
    this.#die(new WorkerError("LAB_CLOSED", "the lab is closed"));
    await this.#team?.close();
  }

  #die(error: CriaError): void {
    this.#dead ??= error;
    for (const { reject } of this.#waiting.splice(0)) reject(error);
  }

  /** @throws CriaError INVALID_OPTION for a case that does not exist, INVALID_SHAPE for numbers that do not go together */
  check({ kernel, format, shape }: KernelCase): void {
    const row = kernelRows[checkChoice("kernel", kernel, kernelNames)];
    checkChoice(`the format of ${kernel}`, format, row.formats(this.lab));
    if (shape.length !== row.dimensions.length || !shape.every((n) => Number.isInteger(n) && n > 0)) {
      const what = `${row.dimensions.join("x")}, each at least 1`;
      throw invalidOption(`the shape of ${kernel}`, what, shape.join("x"));
    }
    row.check(this.lab, format, shape);
  }
}
