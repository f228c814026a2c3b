// The buffers of a kernel as its declaration names them: how many numbers each holds, of which type, and in how many bytes.

import { CriaError } from "../../errors.js";
import type { KernelModule } from "../../machine/kernels.js";
import { openWorkspace, type Workspace } from "./workspace.js";

/** What a caller hands in, or gets back. */
export type Numbers = Float32Array | Float64Array | Uint8Array;

/** (rows, columns) numbers of one type, with `stride` bytes from one row to the next. */
export interface Buffer {
  readonly type: typeof Float32Array | typeof Float64Array | typeof Uint8Array;
  readonly rows: number;
  readonly columns: number;
  readonly stride: number;
  /** What it takes in memory. */
  readonly bytes: number;
}

/** (rows, columns) f32. */
export function f32(rows: number, columns: number, stride = columns * 4): Buffer {
  return { type: Float32Array, rows, columns, stride, bytes: rows * stride };
}

/** f64. */
export function f64(columns: number): Buffer {
  return { type: Float64Array, rows: 1, columns, stride: columns * 8, bytes: columns * 8 };
}

/** Bytes, in `room` bytes where the kernel needs more than the caller has. */
export function u8(columns: number, room = columns): Buffer {
  return { type: Uint8Array, rows: 1, columns, stride: room, bytes: room };
}

/** A workspace whose buffers know what they hold. */
export interface Space<Name extends string> extends Workspace<Name> {
  readonly buffers: Readonly<Record<Name, Buffer>>;
}

/** Allocates zeroed buffers. @throws MemoryError when they do not fit into one WebAssembly memory */
export function openSpace<Name extends string>(
  kernels: Pick<KernelModule, "module" | "wide">,
  buffers: Readonly<Record<Name, Buffer>>,
): Space<Name> {
  const sizes = Object.entries<Buffer>(buffers).map(([name, { bytes }]) => [name, bytes] as const);
  return { ...openWorkspace(kernels, Object.fromEntries(sizes) as Record<Name, number>), buffers };
}

/** Copies data into the buffers of these names, in order. @throws CriaError INVALID_SHAPE when the data of one have another length */
export function fill<Name extends string>(
  { memory, at, buffers }: Space<Name>,
  names: readonly Name[],
  data: readonly Numbers[],
): void {
  for (const [i, name] of names.entries()) checkLength(name, data[i]!, buffers[name].rows * buffers[name].columns);
  for (const [i, name] of names.entries()) {
    const { type, rows, columns, stride } = buffers[name];
    for (let row = 0; row < rows; row++) {
      const from = data[i]!.subarray(row * columns, (row + 1) * columns);
      new type(memory.buffer, at[name] + row * stride, columns).set(from);
    }
  }
}

/** A copy of what a buffer holds, without the gaps between its rows. */
export function read<Name extends string>({ memory, at, buffers }: Space<Name>, name: Name): Numbers {
  const { type, rows, columns, stride } = buffers[name];
  const copy = new type(rows * columns);
  for (let row = 0; row < rows; row++) {
    copy.set(new type(memory.buffer, at[name] + row * stride, columns), row * columns);
  }
  return copy;
}

/** @throws CriaError INVALID_SHAPE when the caller's data do not have the shape's length */
export function checkLength(name: string, data: Numbers, length: number): void {
  if (data.length === length) return;
  const unit = data instanceof Float64Array ? "f64" : data instanceof Float32Array ? "f32" : "bytes";
  throw new CriaError("INVALID_SHAPE", `${name} must have ${length} ${unit}; it has ${data.length}`);
}

/** @throws CriaError INVALID_SHAPE when a dimension is not a multiple of what the kernel works on at once */
export function checkMultiple(name: string, value: number, unit: number, why = ""): void {
  if (value % unit === 0) return;
  throw new CriaError("INVALID_SHAPE", `${name} must be a multiple of ${unit}${why}; it is ${value}`);
}
