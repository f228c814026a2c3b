// One WebAssembly memory that all threads of a team share, and the views of it. Nothing else reaches for `memory.buffer`.
//
// Where threads share nothing, a team is one worker, and its memory is that worker's own.

import { MemoryError } from "../errors.js";
import { bufferForThreads, sharesMemory } from "../sharing.js";

// TypeScript has WebAssembly's types in its library of the DOM only. Programs without that library get the names that this package's own
// types mention; in the others, these declarations add nothing.
declare global {
  namespace WebAssembly {
    interface Memory {}
    interface Module {}
  }
}

/** A page of a WebAssembly memory, in bytes. */
export const WASM_PAGE = 65536;

/**
 * The largest memory that kernels run on, in bytes: wasm32's 4 GiB without the last page. Pointers are 32 bits wide, so the end of a
 * buffer that ends at 2^32 would be 0, and a loop up to it would do nothing.
 */
export const LARGEST_MEMORY = 65535 * WASM_PAGE;

/**
 * Makes a memory that never grows, shared where threads share memory. `what` it is for stands in the message.
 *
 * V8 reserves some 10 GB of address space for each memory, however small, so a limit on that (ulimit -v) refuses even the first page.
 *
 * @throws MemoryError MEMORY_REFUSED where the host does not give it
 */
export function allocateMemory(pages: number, what: string, shared = sharesMemory()): WebAssembly.Memory {
  try {
    return new WebAssembly.Memory({ initial: pages, maximum: pages, shared });
  } catch (cause) {
    throw memoryRefused(pages * WASM_PAGE, what, cause);
  }
}

/** Makes a buffer for several threads. @throws MemoryError MEMORY_REFUSED where the host does not give it */
export function allocateBuffer(bytes: number, what: string): ArrayBufferLike {
  try {
    return bufferForThreads(bytes);
  } catch (cause) {
    throw memoryRefused(bytes, what, cause);
  }
}

function memoryRefused(bytes: number, what: string, cause: unknown): MemoryError {
  return new MemoryError(
    "MEMORY_REFUSED",
    `the host refused ${bytes} bytes of shared memory for ${what}; an address space limit (ulimit -v) is a common cause`,
    { cause },
  );
}

export class SharedMemory {
  readonly memory: WebAssembly.Memory;
  readonly bytes: Uint8Array;
  readonly words: Int32Array;
  readonly #buffer: ArrayBufferLike;

  constructor(memory: WebAssembly.Memory) {
    this.memory = memory;
    this.#buffer = memory.buffer;
    this.bytes = new Uint8Array(this.#buffer);
    this.words = new Int32Array(this.#buffer);
  }

  /** `length` f32 at `address`. */
  floats(address: number, length: number): Float32Array {
    return new Float32Array(this.#buffer, address, length);
  }

  /** `length` f64 at `address`. */
  doubles(address: number, length: number): Float64Array {
    return new Float64Array(this.#buffer, address, length);
  }

  /** `length` int32 at `address`. */
  wordsAt(address: number, length: number): Int32Array {
    return new Int32Array(this.#buffer, address, length);
  }
}
