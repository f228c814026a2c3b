// The value types of GGUF metadata: their numbers in the file, their sizes, and what they are in JavaScript.

import type { StringTable } from "./string-table.js";

/** The scalar types by their number in the file; 9 is the array. */
export const scalarTypes = [
  "uint8",
  "int8",
  "uint16",
  "int16",
  "uint32",
  "int32",
  "float32",
  "bool",
  "string",
  undefined,
  "uint64",
  "int64",
  "float64",
] as const;

/** The number of the array type. */
export const ARRAY = 9;

/** The type of a value that is not an array. */
export type GgufScalarType = Exclude<(typeof scalarTypes)[number], undefined>;

/** A value's type: a scalar ("uint32"), an array of scalars ("uint32[]"), or an array of arrays ("array[]"). */
export type GgufType = GgufScalarType | `${GgufScalarType}[]` | "array[]";

/** Numeric arrays as they come: bool as bytes of 0 and 1, 64-bit integers as bigint arrays. */
export type GgufNumericArray =
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int16Array
  | Uint32Array
  | Int32Array
  | Float32Array
  | Float64Array
  | BigUint64Array
  | BigInt64Array;

/** One element of an array of arrays: GGUF lets each have its own type. */
export interface GgufInnerArray {
  readonly type: `${GgufScalarType}[]` | "array[]";
  readonly value: GgufArray;
}

/** The value of a key that is an array. */
export type GgufArray = GgufNumericArray | StringTable | readonly GgufInnerArray[];

/** A metadata value; a 64-bit integer is a number where that is exact, else a bigint. */
export type GgufValue = number | bigint | boolean | string | GgufArray;

/** Bytes of one element; a string's is the least it can take (its length). */
export const elementBytes: Readonly<Record<GgufScalarType, number>> = {
  uint8: 1,
  int8: 1,
  uint16: 2,
  int16: 2,
  uint32: 4,
  int32: 4,
  float32: 4,
  bool: 1,
  string: 8,
  uint64: 8,
  int64: 8,
  float64: 8,
};

/** The least bytes that an inner array takes: its element type and its length. */
export const LEAST_INNER_ARRAY_BYTES = 12;

/** How deep arrays of arrays may go; no known file uses them at all. */
export const DEEPEST_ARRAY = 4;

/** The typed arrays that hold arrays of each numeric type. */
export const numericArrays = {
  uint8: Uint8Array,
  int8: Int8Array,
  uint16: Uint16Array,
  int16: Int16Array,
  uint32: Uint32Array,
  int32: Int32Array,
  float32: Float32Array,
  bool: Uint8Array,
  uint64: BigUint64Array,
  int64: BigInt64Array,
  float64: Float64Array,
} as const;
