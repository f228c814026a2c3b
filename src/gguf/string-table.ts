// A table of strings that stays bytes until a string is asked for: a vocabulary of 128,256 tokens is one buffer and one
// array of offsets, which can also be moved to shared memory and searched there.
//
//   bytes    | t h e | a n | d | ...        UTF-8, one string after the other, nothing between them
//   offsets  0       3     5   6 ...        string i is bytes[offsets[i] .. offsets[i + 1]]

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const encoder = new TextEncoder();

/** An immutable array of strings over UTF-8 bytes; sequences that are not UTF-8 decode to U+FFFD, `bytesAt` keeps them. */
export class StringTable implements Iterable<string> {
  /** All strings, one after the other. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Where each string starts, and the end: `length + 1` numbers. */
  readonly offsets: Uint32Array<ArrayBuffer>;

  constructor(bytes: Uint8Array<ArrayBuffer>, offsets: Uint32Array<ArrayBuffer>) {
    this.bytes = bytes;
    this.offsets = offsets;
  }

  /** A table of the given strings. */
  static from(strings: Iterable<string>): StringTable {
    const builder = new StringTableBuilder();
    for (const string of strings) {
      const bytes = encoder.encode(string);
      builder.push(bytes, 0, bytes.length);
    }
    return builder.finish();
  }

  /** How many strings there are. */
  get length(): number {
    return this.offsets.length - 1;
  }

  /** String `index`, decoded now. Throws RangeError outside of 0 .. length - 1. */
  at(index: number): string {
    return decoder.decode(this.bytesAt(index));
  }

  /** The bytes of string `index`, a view into `bytes`. Throws RangeError outside of 0 .. length - 1. */
  bytesAt(index: number): Uint8Array<ArrayBuffer> {
    if (!Number.isInteger(index) || index < 0 || index >= this.length) {
      throw new RangeError(`string ${index} of a table of ${this.length}`);
    }
    return this.bytes.subarray(this.offsets[index], this.offsets[index + 1]);
  }

  *[Symbol.iterator](): IterableIterator<string> {
    for (let index = 0; index < this.length; index++) yield this.at(index);
  }
}

/** Collects strings into a table; its buffers grow with what has come in, not with what was announced. */
export class StringTableBuilder {
  #bytes = new Uint8Array(4096);
  #offsets = new Uint32Array(256);
  #used = 0;
  #count = 0;

  /** Ends the string that `append` filled. */
  end(): void {
    if (this.#count + 1 === this.#offsets.length) {
      const grown = new Uint32Array(this.#offsets.length * 2);
      grown.set(this.#offsets);
      this.#offsets = grown;
    }
    this.#count += 1;
    this.#offsets[this.#count] = this.#used;
  }

  /** Adds bytes from..to of `source` to the current string. */
  append(source: Uint8Array, from: number, to: number): void {
    const length = to - from;
    if (this.#used + length > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(this.#bytes.length * 2, this.#used + length));
      grown.set(this.#bytes);
      this.#bytes = grown;
    }
    // Most tokens are a few bytes: a loop is quicker than the view that `set` needs.
    if (length <= 24) {
      const bytes = this.#bytes;
      let position = this.#used;
      for (let index = from; index < to; index++) bytes[position++] = source[index];
    } else {
      this.#bytes.set(source.subarray(from, to), this.#used);
    }
    this.#used += length;
  }

  /** Adds one whole string. */
  push(source: Uint8Array, from: number, to: number): void {
    this.append(source, from, to);
    this.end();
  }

  finish(): StringTable {
    return new StringTable(this.#bytes.slice(0, this.#used), this.#offsets.slice(0, this.#count + 1));
  }
}
