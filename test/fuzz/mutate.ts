// Changes bytes as a damaged or a hostile file would have them changed.

import type { Random } from "../../bench/synthetic/random.js";
import { pick } from "./target.js";

/** Where a number stands in a file: a count, a length, a type, an offset. */
export interface Field {
  readonly at: number;
  readonly bytes: 1 | 4 | 8;
}

const numbers: readonly bigint[] = [
  ...[0n, 1n, 2n, 3n, 4n, 7n, 8n, 9n, 12n, 13n, 31n, 32n, 33n, 63n, 64n, 255n, 256n, 1024n, 65535n, 65536n],
  ...[31n, 32n, 40n, 53n, 62n, 63n, 64n].flatMap((power) => [2n ** power - 1n, 2n ** power, 2n ** power + 1n]),
  ...[-1n, -2n, -32n],
];

/** A copy of the bytes, changed in one to four places. */
export function mutated(random: Random, bytes: Uint8Array, fields: readonly Field[], others: readonly Uint8Array[]) {
  let result = bytes.slice();
  for (let left = 1 + random.below(pick(random, [1, 1, 2, 4])); left > 0; left--) {
    result = changedOnce(random, result, fields, others);
  }
  return result;
}

function changedOnce(
  random: Random,
  bytes: Uint8Array<ArrayBuffer>,
  fields: readonly Field[],
  others: readonly Uint8Array[],
): Uint8Array<ArrayBuffer> {
  const at = random.below(bytes.length + 1);
  const length = Math.min(bytes.length - at, 1 + random.below(pick(random, [1, 4, 16, 256])));
  switch (random.below(10)) {
    case 0:
      if (at < bytes.length) bytes[at]! ^= 1 << random.below(8);
      return bytes;
    case 1:
      return random.below(4) === 0 ? bytes.slice(0, at) : bytes;
    case 2: // a piece twice
      return joined(bytes.subarray(0, at + length), bytes.subarray(at));
    case 3: // a piece taken out
      return joined(bytes.subarray(0, at), bytes.subarray(at + length));
    case 4: {
      const piece = Uint8Array.from({ length }, () => random.below(256));
      return joined(bytes.subarray(0, at), piece, bytes.subarray(random.below(2) === 0 ? at : at + length));
    }
    case 5: {
      const other = pick(random, others);
      return joined(bytes.subarray(0, at), other.subarray(Math.min(at, random.below(other.length))));
    }
    case 6:
      if (at + 8 <= bytes.length) write(bytes, { at, bytes: pick(random, [1, 4, 8]) }, pick(random, numbers));
      return bytes;
    default: {
      const field = fields.length > 0 ? pick(random, fields) : { at, bytes: 1 as const };
      if (field.at + 8 > bytes.length) return bytes;
      const near = random.below(3) === 0 ? BigInt(bytes[field.at]! + random.below(5) - 2) : pick(random, numbers);
      write(bytes, field, near);
      return bytes;
    }
  }
}

function write(bytes: Uint8Array, field: Field, value: bigint): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (field.bytes === 1) view.setUint8(field.at, Number(value & 0xffn));
  else if (field.bytes === 4) view.setUint32(field.at, Number(value & 0xffff_ffffn), true);
  else view.setBigUint64(field.at, value & 0xffff_ffff_ffff_ffffn, true);
}

function joined(...pieces: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const result = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    result.set(piece, at);
    at += piece.length;
  }
  return result;
}

/** The numbers of a well-formed GGUF header, except those of its arrays' elements. */
export function fieldsOf(bytes: Uint8Array): Field[] {
  const fields: Field[] = [
    { at: 4, bytes: 4 },
    { at: 8, bytes: 8 },
    { at: 16, bytes: 8 },
  ];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let at = 24;
  const take = (size: 1 | 4 | 8) => {
    fields.push({ at, bytes: size });
    at += size;
    return size === 1 ? view.getUint8(at - 1) : size === 4 ? view.getUint32(at - 4, true) : number64(at - 8);
  };
  const number64 = (place: number) => Number(view.getBigUint64(place, true));
  const string = () => {
    const length = take(8);
    at += length;
  };
  const value = (type: number) => {
    if (type === 8) string();
    else if (type !== 9) {
      fields.push({ at, bytes: widths[type]! });
      at += valueBytes[type]!;
    } else {
      const element = take(4);
      const count = take(8);
      if (element === 8) for (let i = 0; i < count; i++) string();
      else if (element === 9) for (let i = 0; i < count; i++) value(9);
      else at += count * valueBytes[element]!;
    }
  };
  const [tensors, pairs] = [number64(8), number64(16)];
  for (let i = 0; i < pairs; i++) {
    string();
    value(take(4));
  }
  for (let i = 0; i < tensors; i++) {
    string();
    const dimensions = take(4);
    for (let d = 0; d < dimensions; d++) take(8);
    take(4);
    take(8);
  }
  return fields;
}

// uint8 int8 uint16 int16 uint32 int32 float32 bool string array uint64 int64 float64
const valueBytes = [1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8];
const widths = valueBytes.map((bytes) => (bytes === 8 || bytes === 4 ? bytes : 1));
