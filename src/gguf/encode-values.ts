// Metadata values to bytes: the inverse of read-values.ts. A value that its type cannot hold is refused, never rounded to fit.

import { GgufError, printable } from "../errors.js";
import { StringTable } from "./string-table.js";
import {
  ARRAY,
  DEEPEST_ARRAY,
  elementBytes,
  type GgufInnerArray,
  type GgufScalarType,
  type GgufType,
  type GgufValue,
  numericArrays,
  scalarTypes,
} from "./values.js";

/** What a writer takes beside the values that a reader gives: plain arrays of scalars, and of strings. */
export type GgufInput = GgufValue | readonly (number | bigint | boolean)[] | readonly string[];

/** Bytes that grow. */
export class ByteBuilder {
  #bytes = new Uint8Array(4096);
  #view = new DataView(this.#bytes.buffer);
  #used = 0;

  get length(): number {
    return this.#used;
  }

  /** Appends `count` zero bytes and says where: a place to write to before the next call. */
  reserve(count: number): { readonly view: DataView; readonly at: number } {
    const at = this.#used;
    if (at + count > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(this.#bytes.length * 2, at + count));
      grown.set(this.#bytes);
      this.#bytes = grown;
      this.#view = new DataView(grown.buffer);
    }
    this.#used += count;
    return { view: this.#view, at };
  }

  append(bytes: Uint8Array): void {
    const { at } = this.reserve(bytes.length);
    this.#bytes.set(bytes, at);
  }

  uint32(value: number): void {
    const { view, at } = this.reserve(4);
    view.setUint32(at, value, true);
  }

  uint64(value: number): void {
    const { view, at } = this.reserve(8);
    view.setBigUint64(at, BigInt(value), true);
  }

  string(bytes: Uint8Array): void {
    this.uint64(bytes.length);
    this.append(bytes);
  }

  finish(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice(0, this.#used);
  }
}

const encoder = new TextEncoder();

/** UTF-8 of a string without unpaired surrogates, which would not come back as they were. */
export function utf8(text: string, subject: string): Uint8Array {
  if (/\p{Cs}/u.test(text)) throw refuse(subject, "a string with an unpaired surrogate has no UTF-8");
  return encoder.encode(text);
}

/** Appends the type number and the value. Throws GgufError (GGUF_METADATA_TYPE) where the value is not of the type. */
export function encodeEntry(to: ByteBuilder, key: string, type: GgufType, value: GgufInput): void {
  if (type.endsWith("[]")) {
    to.uint32(ARRAY);
    encodeArray(to, key, type, value, 1);
  } else {
    to.uint32(typeNumber(key, type));
    encodeScalar(to, key, type as GgufScalarType, value);
  }
}

function typeNumber(key: string, type: string): number {
  const number = (scalarTypes as readonly (string | undefined)[]).indexOf(type);
  if (number < 0) throw refuse(key, `${printable(type)} is not a value type`);
  return number;
}

function refuse(key: string, message: string): GgufError {
  return new GgufError("GGUF_METADATA_TYPE", message, { subject: printable(key) });
}

function encodeArray(to: ByteBuilder, key: string, type: string, value: unknown, depth: number): void {
  if (type === "array[]") {
    if (!Array.isArray(value)) throw refuse(key, "an array of arrays must be [{ type, value }]");
    if (depth === DEEPEST_ARRAY) throw refuse(key, `arrays are nested deeper than ${DEEPEST_ARRAY}`);
    to.uint32(ARRAY);
    to.uint64(value.length);
    for (const inner of value as readonly GgufInnerArray[]) {
      if (typeof inner?.type !== "string" || !inner.type.endsWith("[]")) throw refuse(key, "expected { type, value }");
      encodeArray(to, key, inner.type, inner.value, depth + 1);
    }
    return;
  }
  const scalar = type.slice(0, -2) as GgufScalarType;
  to.uint32(typeNumber(key, scalar));
  if (value instanceof StringTable && scalar === "string") {
    to.uint64(value.length);
    for (let index = 0; index < value.length; index++) to.string(value.bytesAt(index));
    return;
  }
  if (scalar !== "string" && value instanceof numericArrays[scalar] && scalar !== "bool") {
    to.uint64(value.length);
    to.append(new Uint8Array(value.buffer, value.byteOffset, value.byteLength));
    return;
  }
  if (!Array.isArray(value) && !ArrayBuffer.isView(value)) throw refuse(key, `expected ${type}`);
  const elements = value as unknown as ArrayLike<unknown>;
  to.uint64(elements.length);
  for (let index = 0; index < elements.length; index++) {
    const element = elements[index];
    encodeScalar(to, key, scalar, scalar === "bool" && typeof element === "number" ? element !== 0 : element);
  }
}

const integerRanges: Readonly<Record<string, readonly [bigint, bigint]>> = {
  uint8: [0n, 2n ** 8n - 1n],
  int8: [-(2n ** 7n), 2n ** 7n - 1n],
  uint16: [0n, 2n ** 16n - 1n],
  int16: [-(2n ** 15n), 2n ** 15n - 1n],
  uint32: [0n, 2n ** 32n - 1n],
  int32: [-(2n ** 31n), 2n ** 31n - 1n],
  uint64: [0n, 2n ** 64n - 1n],
  int64: [-(2n ** 63n), 2n ** 63n - 1n],
};

function encodeScalar(to: ByteBuilder, key: string, type: GgufScalarType, value: unknown): void {
  const wrong = () => refuse(key, `${typeof value} ${printable(String(value))} is not a ${type}`);
  if (type === "string") {
    if (typeof value !== "string") throw wrong();
    to.string(utf8(value, key));
    return;
  }
  const { view, at } = to.reserve(elementBytes[type]);
  if (type === "bool") {
    if (typeof value !== "boolean") throw wrong();
    view.setUint8(at, value ? 1 : 0);
  } else if (type === "float32" || type === "float64") {
    if (typeof value !== "number") throw wrong();
    if (type === "float32") view.setFloat32(at, value, true);
    else view.setFloat64(at, value, true);
  } else {
    if (typeof value !== "bigint" && !Number.isSafeInteger(value)) throw wrong();
    const integer = BigInt(value as number | bigint);
    const [least, most] = integerRanges[type]!;
    if (integer < least || integer > most) throw wrong();
    // Two's complement, little-endian: the low bytes of the 64-bit form are the narrower form.
    for (let byte = 0; byte < elementBytes[type]; byte++) {
      view.setUint8(at + byte, Number((integer >> BigInt(8 * byte)) & 0xffn));
    }
  }
}
