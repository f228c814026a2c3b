// Reads metadata values. A declared length is checked against the bytes that are left before it is believed, and buffers
// grow with what was read.
//
//   scalar          value
//   string          length u64 | bytes
//   array           element type u32 | length u64 | elements

import type { GgufEntry } from "./metadata.js";
import { type StringTable, StringTableBuilder } from "./string-table.js";
import {
  ARRAY,
  DEEPEST_ARRAY,
  elementBytes,
  type GgufArray,
  type GgufInnerArray,
  type GgufNumericArray,
  type GgufScalarType,
  type GgufValue,
  LEAST_INNER_ARRAY_BYTES,
  numericArrays,
  scalarTypes,
} from "./values.js";
import { amount, type HeaderWindow } from "./window.js";

/** How many arrays inside arrays a file may have in all: each becomes an object, larger than its bytes. */
export const MOST_INNER_ARRAYS = 2 ** 16;

/** What is left of MOST_INNER_ARRAYS. */
interface Budget {
  innerArrays: number;
}

/** A type number and the value after it. */
export async function readEntry(window: HeaderWindow, budget: Budget): Promise<GgufEntry> {
  const type = await readType(window);
  if (type === "array") return readArray(window, budget, 1);
  return { type, value: await readScalar(window, type) };
}

async function readType(window: HeaderWindow): Promise<GgufScalarType | "array"> {
  const offset = window.position;
  const number = await window.uint32("the value's type");
  if (number === ARRAY) return "array";
  const type = scalarTypes[number];
  if (type === undefined) {
    throw window.fail(
      "GGUF_VALUE_TYPE",
      `value type ${number} is unknown; there are 0 to ${scalarTypes.length - 1}`,
      offset,
    );
  }
  return type;
}

async function readScalar(window: HeaderWindow, type: GgufScalarType): Promise<GgufValue> {
  if (type === "string") return window.string("the string");
  const view = await window.field(elementBytes[type], `the ${type}`);
  switch (type) {
    case "uint8":
      return view.getUint8(0);
    case "int8":
      return view.getInt8(0);
    case "uint16":
      return view.getUint16(0, true);
    case "int16":
      return view.getInt16(0, true);
    case "uint32":
      return view.getUint32(0, true);
    case "int32":
      return view.getInt32(0, true);
    case "float32":
      return view.getFloat32(0, true);
    case "float64":
      return view.getFloat64(0, true);
    // ggml takes any byte except 0 for true, and files with others exist.
    case "bool":
      return view.getUint8(0) !== 0;
    case "uint64":
      return exact(view.getBigUint64(0, true));
    case "int64":
      return exact(view.getBigInt64(0, true));
  }
}

function exact(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

async function readArray(window: HeaderWindow, budget: Budget, depth: number): Promise<GgufInnerArray> {
  const offset = window.position;
  const type = await readType(window);
  const length = await window.uint64("the array's length");
  const least = type === "array" ? LEAST_INNER_ARRAY_BYTES : elementBytes[type];
  window.expect(length * least, `an array of ${amount(length)} ${type} elements`);
  if (type !== "array") {
    return { type: `${type}[]`, value: await readElements(window, type, length) };
  }
  if (depth === DEEPEST_ARRAY) {
    throw window.fail("GGUF_LIMIT", `arrays are nested deeper than ${DEEPEST_ARRAY}`, offset);
  }
  budget.innerArrays -= length;
  if (budget.innerArrays < 0) {
    throw window.fail("GGUF_LIMIT", `more than ${MOST_INNER_ARRAYS} arrays inside arrays`, offset);
  }
  const value: GgufInnerArray[] = [];
  for (let index = 0; index < length; index++) value.push(await readArray(window, budget, depth + 1));
  return { type: "array[]", value };
}

async function readElements(window: HeaderWindow, type: GgufScalarType, length: number): Promise<GgufArray> {
  if (type === "string") return readStrings(window, length);
  const array: GgufNumericArray = new numericArrays[type](length);
  const bytes = new Uint8Array(array.buffer);
  await window.copyTo(bytes, `an array of ${length} ${type} elements`);
  if (type === "bool") for (let index = 0; index < length; index++) bytes[index] = bytes[index] === 0 ? 0 : 1;
  return array;
}

async function readStrings(window: HeaderWindow, length: number): Promise<StringTable> {
  const table = new StringTableBuilder(length);
  while (table.length < length) {
    const { bytes, from, to } = window.buffer();
    window.skip(table.appendPrefixed(bytes, from, to, length - table.length));
    if (table.length === length) break;
    // The next string crosses the window's end.
    let left = await window.uint64("a string's length");
    window.expect(left, `string ${table.length} of ${length}`);
    while (left > 0) {
      if (window.buffered === 0) await window.fill(1, "a string");
      const { bytes, from } = window.buffer();
      const count = Math.min(left, window.buffered);
      table.append(bytes, from, from + count);
      window.skip(count);
      left -= count;
    }
    table.end();
  }
  return table.finish();
}
