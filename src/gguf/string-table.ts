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
      builder.append(bytes, 0, bytes.length);
      builder.end();
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

  /** The strings, in order. */
  *[Symbol.iterator](): IterableIterator<string> {
    for (let index = 0; index < this.length; index++) yield this.at(index);
  }
}

/** Most strings that room is made for before they come: memory that is not touched costs nothing. */
const MOST_EXPECTED = 2 ** 20;

/**
 * Collects strings into a table. Its buffers grow with what has come in, not with what was announced; but where many strings are
 * expected they grow to what all will take if they are as long as those so far, so that little is copied.
 */
export class StringTableBuilder {
  readonly #expected: number;
  #bytes = new Uint8Array(4096);
  #offsets: Uint32Array<ArrayBuffer>;
  #used = 0;
  #count = 0;

  /** @param expected how many strings are announced */
  constructor(expected = 0) {
    this.#expected = Math.min(expected, MOST_EXPECTED);
    this.#offsets = new Uint32Array(Math.max(256, this.#expected + 2));
  }

  /** How many strings have ended. */
  get length(): number {
    return this.#count;
  }

  /** Adds bytes from..to of `source` to the current string. */
  append(source: Uint8Array, from: number, to: number): void {
    this.#reserve(to - from);
    this.#bytes.set(source.subarray(from, to), this.#used);
    this.#used += to - from;
  }

  /** Ends the string that `append` filled. */
  end(): void {
    this.#reserve(0);
    this.#count += 1;
    this.#offsets[this.#count] = this.#used;
  }

  /**
   * Adds up to `most` strings that lie whole in from..to of `source`, each behind its length as a uint64, and returns how many
   * bytes they took. A vocabulary and its merges are 400,000 strings: this is the inner loop of opening a file.
   */
  appendPrefixed(source: Uint8Array, from: number, to: number, most: number): number {
    this.#reserve(to - from, Math.min(most, (to - from) / 8));
    const view = new DataView(source.buffer, source.byteOffset, source.byteLength);
    const bytes = this.#bytes;
    const offsets = this.#offsets;
    const last = this.#count + most;
    let used = this.#used;
    let count = this.#count;
    let position = from;
    while (count < last && position + 8 <= to) {
      const end = position + 8 + view.getUint32(position, true);
      if (end > to || view.getUint32(position + 4, true) !== 0) break;
      // Most tokens are a few bytes: a loop is quicker than the view that `set` needs.
      for (position += 8; position < end; position++) bytes[used++] = source[position]!;
      offsets[++count] = used;
    }
    this.#used = used;
    this.#count = count;
    return position - from;
  }

  /** The table, over the builder's memory; it is not copied where little of it is left over. */
  finish(): StringTable {
    const fits = this.#used > this.#bytes.length / 2;
    const bytes = fits ? this.#bytes.subarray(0, this.#used) : this.#bytes.slice(0, this.#used);
    const offsets =
      this.#count > this.#offsets.length / 2
        ? this.#offsets.subarray(0, this.#count + 1)
        : this.#offsets.slice(0, this.#count + 1);
    return new StringTable(bytes, offsets);
  }

  /** What all strings will take, with some room, once enough of them have come to tell. */
  #likely(): number {
    return this.#count < 1024 ? 0 : Math.ceil((1.1 * this.#used * this.#expected) / this.#count);
  }

  // Makes room for so many more bytes, and so many more strings.
  #reserve(bytes: number, strings = 1): void {
    if (this.#used + bytes > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(this.#bytes.length * 2, this.#used + bytes, this.#likely()));
      grown.set(this.#bytes);
      this.#bytes = grown;
    }
    if (this.#count + strings >= this.#offsets.length) {
      const grown = new Uint32Array(Math.max(this.#offsets.length * 2, this.#count + Math.ceil(strings) + 1));
      grown.set(this.#offsets);
      this.#offsets = grown;
    }
  }
}
