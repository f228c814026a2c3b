// A build of the kernels and the memory that a test lays out for it. Kernels trust their pointers; here nothing trusts them: memory that
// nobody has written holds NaN, and behind every room lies a guard, so that what is read too early or written too far is seen.
//
//   | never touched ... | third room | guard | second room | guard | first room |  the end of the largest memory that a plan can make
//
// Rooms are taken from the end of that memory downwards, so that every kernel is held to it: addresses are above 2^31, and behind the
// first room there is nothing.

import { expect } from "vitest";
import type { KernelBuild, Kernels } from "../../../dist/machine/kernels.js";
import { LARGEST_MEMORY } from "../../../dist/machine/shared-memory.js";
import { instantiate, runnableBuilds } from "../kernel-module.js";

export const builds: readonly KernelBuild[] = runnableBuilds;

const GUARD = 64;
const UNTOUCHED = 0xff; // four of them are a NaN, two are one in f16 and bf16

export class Arena {
  readonly build: KernelBuild;
  readonly kernels: Kernels;
  readonly bytes: Uint8Array;
  readonly #first: number;
  /** Where each room ends, and the guard behind it. */
  readonly #guards: { readonly from: number; readonly to: number }[] = [];
  #bottom = LARGEST_MEMORY;

  constructor(build: KernelBuild, size: number) {
    this.build = build;
    const { kernels, bytes } = instantiate(build, LARGEST_MEMORY);
    this.kernels = kernels;
    this.#first = LARGEST_MEMORY - size;
    this.bytes = bytes.fill(UNTOUCHED, this.#first);
  }

  /** Room for `size` bytes, aligned to 64, none of them written. */
  room(size: number): number {
    const guard = this.#bottom === LARGEST_MEMORY ? 0 : GUARD;
    const address = Math.floor((this.#bottom - guard - size) / 64) * 64;
    if (address < this.#first) throw new Error(`an arena of ${LARGEST_MEMORY - this.#first} bytes has no ${size} left`);
    this.#guards.push({ from: address + size, to: this.#bottom });
    this.#bottom = address;
    return address;
  }

  /** Room for these values, with the values in it. */
  place(values: Float32Array | Float64Array | Int32Array | Uint8Array): number {
    const address = this.room(values.byteLength);
    this.bytes.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), address);
    return address;
  }

  /** `count` f32 at `address`. */
  floats(address: number, count: number): Float32Array {
    return new Float32Array(this.bytes.slice(address, address + 4 * count).buffer);
  }

  /** Expects that nothing was written behind a room; then forgets all rooms. */
  clear(): void {
    for (const { from, to } of this.#guards) {
      expect(this.bytes.subarray(from, to).every((byte) => byte === UNTOUCHED)).toBe(true);
    }
    this.#guards.length = 0;
    this.bytes.fill(UNTOUCHED, this.#bottom);
    this.#bottom = LARGEST_MEMORY;
  }
}
