// A forward reader over a source: a fixed window slides over the bytes, so a header of any size takes little memory and a
// few large reads. Every take is checked against the bytes that are there before anything is read or allocated.
//
//   file    |----------------|=== window ===|------------------|
//                               ^ position                     ^ end = min(size, limit)

import { GgufError } from "../errors.js";
import type { Source } from "./source.js";

/** Bytes read at a time: between two reads the event loop has its turn, and a vocabulary of so many bytes takes a few milliseconds. */
export const DEFAULT_WINDOW_BYTES = 2 ** 18;

// A fixed-size field must fit in the window.
const LEAST_WINDOW_BYTES = 8;

// The largest header of a known model (a vocabulary of 262,144 and 515,000 merges) is under 20 MB. The bound is on what one
// file can make this process hold.
const LARGEST_HEADER = 256 * 2 ** 20;

const fatalDecoder = new TextDecoder("utf-8", { ignoreBOM: true, fatal: true });
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** An integer read by `uint64`, for a message: exact, or said to be rounded. */
export function amount(value: number): string {
  return value <= Number.MAX_SAFE_INTEGER ? String(value) : `about ${value.toExponential(2)}`;
}

export class HeaderWindow {
  readonly #source: Source;
  readonly #end: number;
  readonly #window: Uint8Array<ArrayBuffer>;
  readonly #view: DataView<ArrayBuffer>;
  #windowStart = 0;
  #filled = 0;
  #cursor = 0;
  /** The key or tensor that is being read; part of every error. */
  subject: string | undefined;

  constructor(source: Source, windowBytes: number) {
    this.#source = source;
    this.#end = Math.min(source.size, LARGEST_HEADER);
    this.#window = new Uint8Array(Math.max(Math.min(windowBytes, this.#end), LEAST_WINDOW_BYTES));
    this.#view = new DataView(this.#window.buffer);
  }

  /** Offset in the file of the next byte. */
  get position(): number {
    return this.#windowStart + this.#cursor;
  }

  /** How many bytes of the header there can still be. */
  get remaining(): number {
    return this.#end - this.position;
  }

  /** An error at `offset`, by default the next byte. */
  fail(code: string, message: string, offset = this.position): GgufError {
    return new GgufError(code, `${this.#source.name}: ${message}`, { offset, subject: this.subject });
  }

  /** Throws unless `bytes` more (for `what`) can be there. */
  expect(bytes: number, what: string): void {
    if (bytes <= this.remaining) return;
    if (this.#source.size > this.#end && bytes <= this.#source.size - this.position) {
      throw this.fail("GGUF_LIMIT", `${what} would make a header of more than ${LARGEST_HEADER} bytes`);
    }
    throw this.fail(
      "GGUF_TRUNCATED",
      `the file is cut off, or damaged: ${what} takes ${amount(bytes)} bytes, the file has ${this.remaining} left`,
    );
  }

  /** Waits until `bytes` (at most 8) are in the window. Call it only where `buffered` is less. */
  async fill(bytes: number, what: string): Promise<void> {
    this.expect(bytes, what);
    this.#window.copyWithin(0, this.#cursor, this.#filled);
    this.#filled -= this.#cursor;
    this.#windowStart += this.#cursor;
    this.#cursor = 0;
    const from = this.#windowStart + this.#filled;
    const count = Math.min(this.#window.length - this.#filled, this.#end - from);
    await this.#source.read(from, this.#window.subarray(this.#filled, this.#filled + count));
    this.#filled += count;
  }

  /** Bytes that can be taken without waiting. */
  get buffered(): number {
    return this.#filled - this.#cursor;
  }

  /** The bytes that can be taken without waiting: `from` to `to` of `bytes`, until the next call. `skip` what was used. */
  buffer(): { readonly bytes: Uint8Array; readonly from: number; readonly to: number } {
    return { bytes: this.#window, from: this.#cursor, to: this.#filled };
  }

  skip(bytes: number): void {
    this.#cursor += bytes;
  }

  /** A uint64 as a number; beyond 2^53 it is rounded, which no bound lets through. */
  async uint64(what: string): Promise<number> {
    if (this.buffered < 8) await this.fill(8, what);
    const low = this.#view.getUint32(this.#cursor, true);
    const high = this.#view.getUint32(this.#cursor + 4, true);
    this.#cursor += 8;
    return high * 2 ** 32 + low;
  }

  async uint32(what: string): Promise<number> {
    if (this.buffered < 4) await this.fill(4, what);
    const value = this.#view.getUint32(this.#cursor, true);
    this.#cursor += 4;
    return value;
  }

  /** A view of the next `bytes` (at most 8), valid until the next call. */
  async field(bytes: number, what: string): Promise<DataView<ArrayBuffer>> {
    if (this.buffered < bytes) await this.fill(bytes, what);
    const view = new DataView(this.#window.buffer, this.#cursor, bytes);
    this.#cursor += bytes;
    return view;
  }

  /** Copies the next bytes into `target`, past the window where they are many. */
  async copyTo(target: Uint8Array, what: string): Promise<void> {
    this.expect(target.length, what);
    const count = Math.min(this.buffered, target.length);
    target.set(this.#window.subarray(this.#cursor, this.#cursor + count));
    this.#cursor += count;
    if (count === target.length) return;
    const from = this.position;
    await this.#source.read(from, target.subarray(count));
    this.#windowStart = from + target.length - count;
    this.#filled = 0;
    this.#cursor = 0;
  }

  /** A string value: a uint64 length and that many bytes; what is not UTF-8 decodes to U+FFFD. */
  async string(what: string): Promise<string> {
    return decoder.decode(await this.#stringBytes(what, this.#end));
  }

  /** A name: not empty, at most `longest` bytes, UTF-8 without NUL. */
  async name(what: string, longest: number, code: string): Promise<string> {
    const offset = this.position;
    const bytes = await this.#stringBytes(what, longest, code);
    if (bytes.length === 0) throw this.fail(code, `${what} is empty`, offset);
    if (bytes.includes(0)) throw this.fail(code, `${what} contains a NUL`, offset);
    try {
      return fatalDecoder.decode(bytes);
    } catch {
      throw this.fail(code, `${what} is not UTF-8`, offset);
    }
  }

  async #stringBytes(what: string, longest: number, code = "GGUF_LIMIT"): Promise<Uint8Array> {
    const offset = this.position;
    const length = await this.uint64(`the length of ${what}`);
    this.expect(length, what);
    if (length > longest)
      throw this.fail(code, `${what} has ${amount(length)} bytes, at most ${longest} are allowed`, offset);
    const bytes = new Uint8Array(length);
    await this.copyTo(bytes, what);
    return bytes;
  }
}
