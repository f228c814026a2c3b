// A kernel of the lab is one declaration: the buffers of a shape, how it runs on them, what that touches and computes, and how it is
// measured. `cria/kernels` prepares kernels from it for callers who fill the buffers themselves; `cria kernels` measures it on random input.

import type { Kernels } from "../../machine/kernels.js";
import type { Residence } from "../residence.js";
import { type Buffer, fill, type Numbers, openSpace, read, type Space } from "./buffers.js";
import type { WeightFormat } from "./formats.js";
import type { PreparedKernel, ShapedKernel } from "./prepared.js";

/** What kernels are prepared from: a `KernelLab` is one. */
export interface KernelHost {
  readonly module: WebAssembly.Module;
  /** The wide module beside it, if there is one. */
  readonly wide: WebAssembly.Module | undefined;
  /** Kernels over a memory that holds nothing, to ask for sizes. */
  readonly sizes: Kernels;
  /** The weight formats that have kernels. */
  readonly formats: readonly WeightFormat[];
  /** @throws UnsupportedError for a name that is not in `formats` */
  format(name: string): WeightFormat;
  /** Random weights, (rows, columns) in GGUF's layout, the same for the same seed. */
  randomWeights(format: string, rows: number, columns: number, seed?: number): Uint8Array;
}

/** Kinds of multiplication that have a peak of their own. */
export type PeakName = "int8" | "int16" | "f32";

/** A kernel with its buffers and random input. */
export interface PreparedCase {
  /** Runs the kernel once. */
  run(): void;
  /** Of one run: see PreparedKernel. */
  readonly bytes: number;
  readonly operations: number;
  /**
   * Of what a run writes, relative to the exact result; rows are sampled where there are many. Ask for it after the first run and before
   * any other: a kernel that works in place overwrites its own result. It may run the kernel itself.
   */
  readonly error?: () => number;
  /** What runs. The machine's limits have none: they write nothing. */
  readonly kernel?: PreparedKernel;
}

/** A kernel as it is measured. */
export interface KernelRow {
  /** What the numbers of a shape count. */
  readonly dimensions: readonly string[];
  /** What it comes in: weight formats, element types of the KV cache, encodings. */
  formats(lab: KernelHost): readonly string[];
  /** The shapes that are measured by default. */
  shapes(lab: KernelHost, format: string, residence: Residence): readonly (readonly number[])[];
  /** @throws CriaError INVALID_SHAPE for numbers that do not go together */
  check(lab: KernelHost, format: string, shape: readonly number[]): void;
  /** The part of a shape that one of several workers takes; undefined: nothing is left for it. */
  share(shape: readonly number[], index: number, workers: number): readonly number[] | undefined;
  /** The multiplications that it is made of; undefined: its limit is memory alone. */
  peak(lab: KernelHost, format: string): PeakName | undefined;
  /** Makes the buffers of a case, filled. */
  prepare(lab: KernelHost, format: string, shape: readonly number[]): PreparedCase;
}

/** A row that callers can prepare, too. */
export interface DeclaredKernel<Shape, Kernel> extends KernelRow {
  /** A kernel with zeroed buffers. @throws CriaError INVALID_OPTION, INVALID_SHAPE, UnsupportedError, MemoryError */
  make(lab: KernelHost, shape: Shape): Kernel;
}

/** The methods that fill a kernel's buffers, such as `setInput`. */
type SetterName<Kernel> = Extract<keyof Kernel, `set${string}`>;

/** Either the buffers that a method's arguments are copied to, in order, or a function. */
type Setters<Kernel, Name extends string> = {
  readonly [Setter in SetterName<Kernel>]: Kernel[Setter] extends (...data: infer Data) => unknown
    ? readonly Name[] | ((space: Space<Name>, ...data: Data) => void)
    : never;
};

/** One kernel of one shape: what the kernel tells of itself, and what it is made of. */
export type Plan<Kernel, Name extends string> = Omit<Kernel, "run" | "result" | "operations" | SetterName<Kernel>> & {
  /** Default: 0. */
  readonly operations?: number;
  readonly buffers: Readonly<Record<Name, Buffer>>;
  readonly set: Setters<Kernel, Name>;
  /** Fills buffers that are the kernel's own, once. */
  begin?(space: Space<Name>): void;
  run(space: Space<Name>): void;
  /** The buffer that a run writes. */
  readonly result: Name;
};

/** Everything about a kernel. `Name` is what its buffers are called. */
export interface Declaration<Shape, Kernel, Name extends string>
  extends Pick<KernelRow, "shapes" | "share">,
    Partial<Pick<KernelRow, "formats" | "peak">> {
  /** @throws CriaError INVALID_OPTION for a number that is out of range, INVALID_SHAPE, UnsupportedError */
  plan(shape: Shape, lab: KernelHost): Plan<Kernel, Name>;
  /** The members of a shape that a measured shape's numbers are. */
  readonly dimensions: readonly (keyof Shape & string)[];
  /** The member that a measured format is. Without it there is one format, f32. */
  readonly formatOption?: keyof Shape & string;
  /** Members that are the same whenever it is measured. */
  readonly measuredWith?: Partial<Shape>;
  /** Fills a kernel that is measured. @returns `PreparedCase.error` */
  fill(kernel: Kernel, lab: KernelHost): (() => number) | undefined;
}

/** Makes a row of the table from a declaration. */
export function declareKernel<Shape, Kernel extends ShapedKernel<Shape>, Name extends string>(
  declaration: Declaration<Shape, Kernel, Name>,
): DeclaredKernel<Shape, Kernel> {
  const { dimensions, formatOption, measuredWith } = declaration;
  const shapeOf = (format: string, numbers: readonly number[]) => {
    const shape: Record<string, unknown> = { ...measuredWith };
    if (formatOption !== undefined) shape[formatOption] = format;
    for (const [i, dimension] of dimensions.entries()) shape[dimension] = numbers[i];
    return shape as Shape;
  };
  const make = (lab: KernelHost, shape: Shape) => prepare(declaration.plan(shape, lab), lab);
  return {
    formats: () => ["f32"],
    peak: () => undefined,
    ...declaration,
    make,
    check: (lab, format, numbers) => void declaration.plan(shapeOf(format, numbers), lab),
    prepare(lab, format, numbers) {
      const kernel = make(lab, shapeOf(format, numbers));
      const error = declaration.fill(kernel, lab);
      return { run: kernel.run, bytes: kernel.bytes, operations: kernel.operations, error, kernel };
    },
  };
}

/** The one implementation of PreparedKernel. */
function prepare<Kernel, Name extends string>(plan: Plan<Kernel, Name>, lab: KernelHost): Kernel {
  const { buffers, set, begin, run, result, ...facts } = plan;
  const space = openSpace(lab, buffers);
  begin?.(space);
  const kernel = {
    operations: 0,
    ...facts,
    run: () => run(space),
    get result() {
      return read(space, result);
    },
  };
  const setters = Object.entries<readonly Name[] | ((space: Space<Name>, ...data: Numbers[]) => void)>(set);
  for (const [name, setter] of setters) {
    const setAndReturn = (...data: Numbers[]) => {
      if (typeof setter === "function") setter(space, ...data);
      else fill(space, setter, data);
      return kernel;
    };
    Object.assign(kernel, { [name]: setAndReturn });
  }
  return kernel as unknown as Kernel;
}
