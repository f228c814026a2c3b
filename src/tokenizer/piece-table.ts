// A hash table from byte strings to consecutive numbers: the texts of a vocabulary, without a JavaScript string per token.
//
//   bytes    [ t h e | c a t | ... ]        all texts, one after the other
//   offsets  [ 0, 3, 6, ... ]               text i is bytes[offsets[i] .. offsets[i + 1])
//   slots    [ 0, 2, 0, 0, 1, ... ]         open addressing: number of the text + 1, or 0 where free

/** Gives memory, zeroed: of one thread, or shared. */
export type Allocate = (bytes: number) => ArrayBufferLike;

export const inThread: Allocate = (bytes) => new ArrayBuffer(bytes);

/** A table as plain data. */
export interface PieceTableData {
  readonly length: number;
  /** The lengths of the texts, each once, in bytes. */
  readonly lengths: readonly number[];
  readonly bytes: Uint8Array;
  readonly offsets: Uint32Array;
  readonly hashes: Int32Array;
  readonly slots: Int32Array;
}

/** Byte strings numbered from 0 in order of arrival; a string that comes twice is found under its first number. */
export class PieceTable {
  /** How many texts there are, repeated ones included. */
  length: number;
  readonly #lengths: Set<number>; // in bytes
  #longest: number;
  #descendingLengths: readonly number[] | undefined;
  #bytes: Uint8Array;
  #offsets: Uint32Array;
  #hashes: Int32Array;
  #slots: Int32Array;
  readonly #allocate: Allocate;

  /** A table over the data of another one, which must not grow any more. */
  constructor(data: PieceTableData, allocate = inThread) {
    this.#allocate = allocate;
    this.length = data.length;
    this.#lengths = new Set(data.lengths);
    this.#longest = Math.max(0, ...data.lengths);
    this.#bytes = data.bytes;
    this.#offsets = data.offsets;
    this.#hashes = data.hashes;
    this.#slots = data.slots;
  }

  /** An empty table with room for `texts` texts of `bytes` bytes together; it grows if more come. */
  static withRoom(texts: number, bytes: number, allocate: Allocate): PieceTable {
    const empty: PieceTableData = {
      length: 0,
      lengths: [],
      bytes: new Uint8Array(allocate(Math.max(bytes, 16))),
      offsets: new Uint32Array(allocate(4 * (texts + 1))),
      hashes: new Int32Array(allocate(4 * texts)),
      slots: new Int32Array(allocate(4 * 2 ** Math.ceil(Math.log2(2 * texts + 16)))),
    };
    return new PieceTable(empty, allocate);
  }

  /** The table as plain data: views, not copies. */
  get data(): PieceTableData {
    return {
      length: this.length,
      lengths: [...this.#lengths],
      bytes: this.#bytes.subarray(0, this.#offsets[this.length]),
      offsets: this.#offsets.subarray(0, this.length + 1),
      hashes: this.#hashes.subarray(0, this.length),
      slots: this.#slots,
    };
  }

  /** Appends a text and returns its number. */
  add(source: Uint8Array, start: number, end: number): number {
    const id = this.length;
    const from = this.#offsets[id]!;
    const to = from + (end - start);
    if (to > this.#bytes.length) this.#bytes = grown(this.#bytes, new Uint8Array(this.#allocate(to * 2)));
    if (id === this.#hashes.length) {
      this.#hashes = grown(this.#hashes, new Int32Array(this.#allocate(4 * (id * 2 + 16))));
      this.#offsets = grown(this.#offsets, new Uint32Array(this.#allocate(4 * (id * 2 + 17))));
    }
    for (let i = start, o = from; i < end; i++, o!++) this.#bytes[o!] = source[i]!;
    this.#offsets[id + 1] = to;
    this.#hashes[id] = hashOf(source, start, end);
    this.length = id + 1;
    this.#lengths.add(end - start);
    this.#longest = Math.max(this.#longest, end - start);
    this.#descendingLengths = undefined;
    if (2 * this.length > this.#slots.length) this.#rehash();
    else this.#insert(id);
    return id;
  }

  /** The number of a text, or -1. */
  find(source: Uint8Array, start: number, end: number): number {
    return end - start > this.#longest ? -1 : this.#lookup(source, start, end - start, hashOf(source, start, end));
  }

  /** The number of the longest text with which `source` goes on at `start`, or -1. */
  findLongest(source: Uint8Array, hashes: PrefixHashes, start: number): number {
    this.#descendingLengths ??= [...this.#lengths].sort((a, b) => b - a);
    for (const length of this.#descendingLengths) {
      if (start + length > source.length) continue;
      const id = this.#lookup(source, start, length, hashes.of(start, length));
      if (id >= 0) return id;
    }
    return -1;
  }

  #lookup(source: Uint8Array, start: number, length: number, hash: number): number {
    const mask = this.#slots.length - 1;
    for (let slot = slotOf(hash) & mask; ; slot = (slot + 1) & mask) {
      const id = this.#slots[slot]! - 1;
      if (id < 0) return -1;
      if (this.#hashes[id] === hash && this.#equals(id, source, start, length)) return id;
    }
  }

  /** The bytes of a text: a view, not a copy. The memory may be shared, and browsers decode no such: `slice()` it for that. */
  bytesOf(id: number): Uint8Array {
    return this.#bytes.subarray(this.#offsets[id], this.#offsets[id + 1]);
  }

  #equals(id: number, source: Uint8Array, start: number, length: number): boolean {
    const from = this.#offsets[id]!;
    if (this.#offsets[id + 1]! - from !== length) return false;
    for (let i = 0; i < length; i++) if (this.#bytes[from + i] !== source[start + i]) return false;
    return true;
  }

  #insert(id: number): void {
    const hash = this.#hashes[id]!;
    const mask = this.#slots.length - 1;
    const from = this.#offsets[id]!;
    for (let slot = slotOf(hash) & mask; ; slot = (slot + 1) & mask) {
      const other = this.#slots[slot]! - 1;
      if (other < 0) {
        this.#slots[slot] = id + 1;
        return;
      }
      if (this.#hashes[other] === hash && this.#equals(other, this.#bytes, from, this.#offsets[id + 1]! - from)) return;
    }
  }

  #rehash(): void {
    this.#slots = new Int32Array(this.#allocate(4 * this.#slots.length * 2));
    for (let id = 0; id < this.length; id++) this.#insert(id);
  }
}

// A polynomial modulo 2^32, so that the hash of any part of a text follows from the hashes of its beginnings.
const FACTOR = 0x01000193;

function hashOf(source: Uint8Array, start: number, end: number): number {
  let hash = 0;
  for (let i = start; i < end; i++) hash = (Math.imul(hash, FACTOR) + source[i]! + 1) | 0;
  return hash;
}

/** Mixes the high bits of a hash into the low ones, which number the slots. */
function slotOf(hash: number): number {
  const mixed = Math.imul(hash ^ (hash >>> 16), 0x45d9f3b);
  return mixed ^ (mixed >>> 15);
}

/** The hashes of all beginnings of a byte string, for `findLongest`. */
export class PrefixHashes {
  readonly #prefixes: Int32Array;
  readonly #powers: Int32Array;

  constructor(source: Uint8Array) {
    this.#prefixes = new Int32Array(source.length + 1);
    this.#powers = new Int32Array(source.length + 1).fill(1);
    for (let i = 0; i < source.length; i++) {
      this.#prefixes[i + 1] = Math.imul(this.#prefixes[i]!, FACTOR) + source[i]! + 1;
      this.#powers[i + 1] = Math.imul(this.#powers[i]!, FACTOR);
    }
  }

  /** The hash of `length` bytes from `start`. */
  of(start: number, length: number): number {
    return (this.#prefixes[start + length]! - Math.imul(this.#prefixes[start]!, this.#powers[length]!)) | 0;
  }
}

function grown<T extends Uint8Array | Int32Array | Uint32Array>(from: T, to: T): T {
  to.set(from);
  return to;
}
