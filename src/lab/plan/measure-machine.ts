// The profile of this machine: what is kept of an earlier measurement, and what is measured now because it is not.

import { planModel } from "../../api/load/plan-model.js";
import { recall, remember } from "../../cache-folder.js";
import { openGguf } from "../../gguf/index.js";
import { demoModel, loadModel } from "../../index.js";
import { machineIdentity } from "../../machine/cpu/identity.js";
import type { CpuTopology } from "../../machine/cpu/topology.js";
import { compileKernels, type KernelChoice } from "../../machine/kernels.js";
import { LabTeam } from "../lab-team.js";
import { Meter } from "../meter.js";
import { residence } from "../residence.js";
import { RooflineProbe } from "../roofline.js";
import { type FormatProfile, type MachineProfile, ROWS, type ThreadProfile } from "./machine-profile.js";
import { ModelCost } from "./model-cost.js";
import { matrixSeconds, stepSeconds } from "./predict.js";

const FOLDER = "machines";
const LIMIT_ROUNDS = 5;
const ROUNDS = 12;
const FORMAT_REPETITIONS = 6;
// Enough for every unit of a core, in its second-level cache.
const FORMAT_ROWS = 320;
const FORMAT_COLUMNS = 2048;
const PREFILL = 256;
const TEXTS = 8;
/** V8 compiles kernels well only once they have run for a while. */
const WARM_UP_MILLISECONDS = 600;

export interface ProfileOptions {
  readonly kernels?: KernelChoice | undefined;
  /** Called with the fraction that is done. */
  readonly onProgress?: ((fraction: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Measure even where an earlier measurement is kept. */
  readonly again?: boolean | undefined;
}

/** The profile of this machine with these formats: what is kept of it, and what is measured now because it is not. */
export async function machineProfile(
  topology: CpuTopology,
  formats: readonly string[],
  options: ProfileOptions = {},
): Promise<MachineProfile> {
  const question = JSON.stringify({ machine: machineIdentity(topology), kernels: options.kernels ?? null, form: 2 });
  const kept = options.again === true ? undefined : readProfile(await recall(FOLDER, question));
  const missing = formats.filter((format) => kept?.formats[format] === undefined);
  if (kept !== undefined && missing.length === 0) return kept;
  const profile = await measure(topology, missing, kept, options);
  await remember(FOLDER, { question, answer: profile }); // where that is not possible, the next time measures again
  return profile;
}

function readProfile(answer: unknown): MachineProfile | undefined {
  const { threads, formats } = (answer ?? {}) as Partial<MachineProfile>;
  return Array.isArray(threads) && typeof formats === "object" ? (answer as MachineProfile) : undefined;
}

/** 1, 2, 4, ... and all. */
export function threadCounts(most: number): readonly number[] {
  const counts: number[] = [];
  for (let count = 1; count < most; count *= 2) counts.push(count);
  return [...counts, most];
}

async function measure(
  topology: CpuTopology,
  formats: readonly string[],
  kept: MachineProfile | undefined,
  { kernels, onProgress, signal }: ProfileOptions,
): Promise<MachineProfile> {
  const most = Math.max(
    1,
    Math.min(topology.allowed.length, Math.floor(topology.quota?.cpus ?? topology.allowed.length)),
  );
  const counts = kept === undefined ? threadCounts(most) : [];
  const demoFormats = await formatsOf(demoModel, kernels);
  const wanted = [...new Set([...formats, ...(kept === undefined ? demoFormats : [])])];
  const steps = wanted.length + 2 * counts.length;
  let done = 0;
  const step = () => {
    signal?.throwIfAborted();
    onProgress?.(++done / steps);
  };

  const measured: Record<string, FormatProfile> = { ...kept?.formats };
  const limits: Omit<ThreadProfile, "layerSeconds" | "textSeconds" | "elementSeconds">[] = [];
  const build = kernels;
  for (const threads of kept === undefined ? counts : [1]) {
    const team = await LabTeam.open({ threads, ...(build !== undefined && { build }) });
    try {
      if (threads === 1) {
        for (const format of wanted) {
          measured[format] = await formatProfile(team, format);
          step();
        }
      }
      if (kept !== undefined) continue;
      const probe = new RooflineProbe(team);
      for (let round = 0; round <= LIMIT_ROUNDS; round++) await probe.round();
      const { bandwidth, peaks } = probe.roofline(1);
      limits.push({ threads, bandwidth, int8: peaks.int8, f32: peaks.f32 });
      step();
    } finally {
      await team.close();
    }
  }
  if (kept !== undefined) return { ...kept, formats: measured };

  const { cacheBytes } = await residence();
  const threads: ThreadProfile[] = [];
  for (const limit of limits) {
    const bare = { ...limit, layerSeconds: 0, textSeconds: 0, elementSeconds: 0 };
    threads.push(
      await withOverhead(
        bare,
        { threads: limits.map((one) => ({ ...bare, ...one })), formats: measured, cacheBytes },
        kernels,
      ),
    );
    step();
  }
  return { threads, formats: measured, cacheBytes };
}

async function formatProfile(team: LabTeam, format: string): Promise<FormatProfile> {
  const rates: number[] = [];
  for (const rows of ROWS) {
    const what = { kernel: "matmul", format, shape: [FORMAT_ROWS, FORMAT_COLUMNS, rows] } as const;
    const { seconds, operations } = await team.time(what, FORMAT_REPETITIONS);
    rates.push(operations / undisturbed(seconds));
  }
  return { rates };
}

/** What the demo model takes beyond its matrices. It is small: barriers and calls are most of a token. */
async function withOverhead(
  bare: ThreadProfile,
  profile: MachineProfile,
  kernels: KernelChoice | undefined,
): Promise<ThreadProfile> {
  const { threads } = bare;
  const model = await loadModel(demoModel, {
    threads,
    threadsBatch: threads,
    sequences: TEXTS,
    ...(kernels !== undefined && { kernels }),
  });
  try {
    const meter = new Meter(model);
    const gguf = await openGguf(demoModel);
    const planned = await planModel(gguf, { threads }, await compileKernels(undefined, kernels));
    await gguf.close();
    const cost = new ModelCost(planned);
    const decoded: number[] = [];
    const prefilled: number[] = [];
    const batched: number[] = [];
    for (const begin = performance.now(); performance.now() - begin < WARM_UP_MILLISECONDS; ) {
      await meter.decode(1, WARM_UP_MILLISECONDS / 4);
      await meter.prefill(PREFILL, WARM_UP_MILLISECONDS / 4);
    }
    for (let round = 0; round < ROUNDS; round++) {
      const decode = await meter.decode(1, 40);
      decoded.push(decode.seconds / decode.steps);
      prefilled.push(await meter.prefill(PREFILL, 30));
      const batch = await meter.decode(TEXTS, 40);
      batched.push(batch.seconds / batch.steps);
    }
    const token = cost.step({ rows: 1, texts: 1, depth: 16, logits: 1 });
    const layerSeconds = Math.max(0, undisturbed(decoded) - matrixSeconds(token, threads, profile, 1)) / token.layers;
    const texts = cost.step({ rows: 1, texts: TEXTS, depth: 16, logits: TEXTS });
    const beside =
      undisturbed(batched) - stepSeconds(texts, threads, { ...profile, threads: [{ ...bare, layerSeconds }] }, 1);
    const overhead = { ...bare, layerSeconds, textSeconds: Math.max(0, beside) / TEXTS };
    let ideal = 0;
    let elements = 0;
    for (let first = 0; first < PREFILL; first += cost.stepRows) {
      const rows = Math.min(cost.stepRows, PREFILL - first);
      const step = cost.step({ rows, texts: 1, depth: first, logits: first + rows === PREFILL ? 1 : 0 });
      ideal += stepSeconds(step, threads, { ...profile, threads: [overhead] }, 1);
      elements += step.elements;
    }
    return { ...overhead, elementSeconds: Math.max(0, undisturbed(prefilled) - ideal) / elements };
  } finally {
    await model.dispose();
  }
}

async function formatsOf(path: URL, kernels: KernelChoice | undefined): Promise<readonly string[]> {
  const gguf = await openGguf(path);
  try {
    return new ModelCost(await planModel(gguf, {}, await compileKernels(undefined, kernels))).formats;
  } finally {
    await gguf.close();
  }
}

/** Of repeated measurements, the fastest quarter's last: what others disturb is slower. */
function undisturbed(seconds: readonly number[]): number {
  return [...seconds].sort((a, b) => a - b)[Math.floor((seconds.length - 1) / 4)]!;
}
