// One WebAssembly memory that all threads of a team share, and the views of it. Nothing else reaches for `memory.buffer`.

/** A page of a WebAssembly memory, in bytes. */
export const WASM_PAGE = 65536;

/**
 * The largest memory that kernels run on, in bytes: wasm32's 4 GiB without the last page. Pointers are 32 bits wide, so the end of a
 * buffer that ends at 2^32 would be 0, and a loop up to it would do nothing.
 */
export const LARGEST_MEMORY = 65535 * WASM_PAGE;

export class SharedMemory {
  readonly memory: WebAssembly.Memory;
  readonly bytes: Uint8Array<SharedArrayBuffer>;
  readonly words: Int32Array<SharedArrayBuffer>;
  readonly #buffer: SharedArrayBuffer;

  constructor(memory: WebAssembly.Memory) {
    this.memory = memory;
    this.#buffer = memory.buffer as unknown as SharedArrayBuffer;
    this.bytes = new Uint8Array(this.#buffer);
    this.words = new Int32Array(this.#buffer);
  }

  /** `length` f32 at `address`. */
  floats(address: number, length: number): Float32Array<SharedArrayBuffer> {
    return new Float32Array(this.#buffer, address, length);
  }

  /** `length` f64 at `address`. */
  doubles(address: number, length: number): Float64Array<SharedArrayBuffer> {
    return new Float64Array(this.#buffer, address, length);
  }

  /** `length` int32 at `address`. */
  wordsAt(address: number, length: number): Int32Array<SharedArrayBuffer> {
    return new Int32Array(this.#buffer, address, length);
  }
}
