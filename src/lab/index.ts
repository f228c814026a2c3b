// `cria/lab`: what `cria bench` and `cria kernels` print, as data: whole models, kernels, and the limits of the machine.

export { type BenchResult, bench } from "./bench.js";
export type { BenchOptions, BenchProgress, BenchTest } from "./bench-tests.js";
export type { Timing } from "./blackboard.js";
export {
  type BenchComparison,
  type BenchRow,
  type Comparison,
  compareBenches,
  parseBench,
} from "./compare.js";
export type { DeclaredKernel, KernelHost, KernelRow, PeakName, PreparedCase } from "./kernels/declaration.js";
export { type KernelCase, type KernelName, kernelNames, kernelRows } from "./kernels/table.js";
export { LabTeam, type LabTeamOptions } from "./lab-team.js";
export { type KernelChoice, type KernelMeasurement, kernelCases, measureKernels } from "./measure-kernels.js";
export { ModelProcess, type ProcessInfo, type ProcessLoadOptions } from "./model-process.js";
export type { FormatProfile, MachineProfile, ThreadProfile } from "./plan/machine-profile.js";
export { type Fitting, type MemoryNeed, type Plan, type PlanOptions, plan, type Split } from "./plan/plan.js";
export { type Cost, costOf, money, type Price, parsePrice, type Rate } from "./price.js";
export { type Residence, residence } from "./residence.js";
export {
  type Limit,
  limitOf,
  type MeasuredLimit,
  measureRoofline,
  type Roofline,
  RooflineProbe,
  type Work,
} from "./roofline.js";
export type { Axis, AxisName } from "./tune/candidates.js";
export { tune } from "./tune/tune.js";
export type { BatchRow, ComparedSpeed, Recommendation, TuneOptions, TuneRow, Tuning } from "./tune/tuning.js";
