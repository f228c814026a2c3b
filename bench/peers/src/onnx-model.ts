// Writes an ONNX model that multiplies one input by several 4-bit matrices: the protobuf wire format, and the few messages of onnx.proto
// that such a model has (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto). Numbers of fields stand beside their names.

import { type Quantised, quantisedWeights } from "./matmul-data.js";
import type { MatmulSubject } from "./peer.js";

const FLOAT = 1;
const UINT8 = 2;
const ATTRIBUTE_INT = 2;

/** The model: x (tokens, columns) -> y0, y1, ... (tokens, rows), each by one node of type com.microsoft.MatMulNBits. */
export function matmulModel(subject: MatmulSubject): Uint8Array {
  const { tokens, columns, rows, matrices } = subject;
  const graph: Uint8Array[] = [text(2, "matmul")]; // name
  for (let i = 0; i < matrices; i++) {
    const weights = quantisedWeights(subject, i);
    graph.push(
      message(1, ...node(i, subject)), // node
      message(5, ...tensor(`b${i}`, UINT8, [rows, columns / 32, 16], pairs(weights))), // initializer
      message(5, ...tensor(`scales${i}`, FLOAT, [(rows * columns) / 32], bytesOf(weights.scales))),
      message(12, ...value(`y${i}`, [tokens, rows])), // output
    );
  }
  graph.push(message(11, ...value("x", [tokens, columns]))); // input
  return concat([
    integer(1, 8), // ir_version
    message(7, ...graph), // graph
    message(8, text(1, ""), integer(2, 21)), // opset_import: domain, version
    message(8, text(1, "com.microsoft"), integer(2, 1)),
  ]);
}

function node(i: number, { columns, rows }: MatmulSubject): Uint8Array[] {
  const attribute = (name: string, i: number) => message(5, text(1, name), integer(3, i), integer(20, ATTRIBUTE_INT));
  return [
    text(1, "x"), // input
    text(1, `b${i}`),
    text(1, `scales${i}`),
    text(2, `y${i}`), // output
    text(3, `matmul${i}`), // name
    text(4, "MatMulNBits"), // op_type
    attribute("K", columns),
    attribute("N", rows),
    attribute("bits", 4),
    attribute("block_size", 32),
    attribute("accuracy_level", 4), // activations of 8 bits: the fastest there is
    text(7, "com.microsoft"), // domain
  ];
}

function tensor(name: string, type: number, dims: number[], data: Uint8Array): Uint8Array[] {
  return [...dims.map((dim) => integer(1, dim)), integer(2, type), text(8, name), field(9, data)]; // dims, data_type, name, raw_data
}

function value(name: string, dims: number[]): Uint8Array[] {
  const shape = message(2, ...dims.map((dim) => message(1, integer(1, dim)))); // shape: dim: dim_value
  return [text(1, name), message(2, message(1, integer(1, FLOAT), shape))]; // name; type: tensor_type: elem_type
}

/** Two neighbours of a row in a byte, the first one in the low half. */
function pairs({ values }: Quantised): Uint8Array {
  return Uint8Array.from({ length: values.length / 2 }, (_, i) => values[2 * i]! | (values[2 * i + 1]! << 4));
}

function bytesOf(array: Float32Array): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

// The wire format: a key (number of the field * 8 + wire type), then a varint (wire type 0), or a length and so many bytes (2).

function integer(number: number, value: number): Uint8Array {
  return Uint8Array.from([...varint(number << 3), ...varint(value)]);
}

function text(number: number, value: string): Uint8Array {
  return field(number, new TextEncoder().encode(value));
}

function message(number: number, ...fields: Uint8Array[]): Uint8Array {
  return field(number, concat(fields));
}

function field(number: number, bytes: Uint8Array): Uint8Array {
  return concat([Uint8Array.from([...varint((number << 3) | 2), ...varint(bytes.length)]), bytes]);
}

function varint(value: number): number[] {
  const bytes: number[] = [];
  for (; value > 127; value = Math.floor(value / 128)) bytes.push((value % 128) | 128);
  return [...bytes, value];
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    bytes.set(part, offset);
    offset += part.length;
  }
  return bytes;
}
