// A build of the kernels and the memory that a test lays out for it. Kernels trust their pointers; here nothing trusts them: memory that
// nobody has written holds NaN, and behind every room lies a guard, so that what is read too early or written too far is seen.

import { expect } from "vitest";
import type { KernelBuild, Kernels } from "../../../dist/machine/kernels.js";
import { instantiate, runnableBuilds } from "../kernel-module.js";

export const builds: readonly KernelBuild[] = runnableBuilds;

const GUARD = 64;
const UNTOUCHED = 0xff; // four of them are a NaN, two are one in f16 and bf16

export class Arena {
  readonly build: KernelBuild;
  readonly kernels: Kernels;
  readonly bytes: Uint8Array;
  readonly #guards: number[] = [];
  #top = GUARD;

  constructor(build: KernelBuild, size: number) {
    this.build = build;
    const { kernels, bytes } = instantiate(build, size);
    this.kernels = kernels;
    this.bytes = bytes.fill(UNTOUCHED);
  }

  /** Room for `size` bytes, aligned to 64, none of them written. */
  room(size: number): number {
    const address = this.#top;
    const guard = address + size;
    this.#top = Math.ceil((guard + GUARD) / 64) * 64;
    if (this.#top > this.bytes.length) throw new Error(`an arena of ${this.bytes.length} bytes has no ${size} left`);
    this.#guards.push(guard);
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
    for (const guard of this.#guards) {
      const end = Math.ceil((guard + GUARD) / 64) * 64;
      expect(this.bytes.subarray(guard, end).every((byte) => byte === UNTOUCHED)).toBe(true);
    }
    this.#guards.length = 0;
    this.bytes.fill(UNTOUCHED, 0, this.#top);
    this.#top = GUARD;
  }
}
