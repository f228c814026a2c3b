// Writes ONNX models: the protobuf wire format, and the few messages of onnx.proto that the bench needs
// (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto). Numbers of fields stand beside their names.

/** TensorProto.DataType: the types that a tensor can have, with their numbers. */
export const dataTypes = { float: 1, uint8: 2, int8: 3, int32: 6, int64: 7 } as const;

export type DataType = keyof typeof dataTypes;

/** A dimension: its size, or a name for one that is known when the model runs. */
export type Dimension = number | string;

/** An input or output of the graph. */
export interface Value {
  readonly name: string;
  readonly type: DataType;
  readonly shape: readonly Dimension[];
}

/** Of a node: a whole number, or several. */
export type Attribute = number | readonly number[];

const OPERATORS = "";
const CONTRIBUTED = "com.microsoft";

// AttributeProto.AttributeType
const INT = 2;
const INTS = 7;

const IR_VERSION = 8;

/** A graph that grows node by node, and the file that it makes. */
export class GraphWriter {
  readonly #name: string;
  readonly #fields: Uint8Array[] = [];
  readonly #initializers = new Set<string>();
  #names = 0;

  constructor(name: string) {
    this.#name = name;
  }

  /** Adds a constant tensor. @returns its name */
  constant(name: string, type: DataType, shape: readonly number[], data: ArrayBufferView): string {
    if (this.#initializers.has(name)) return name;
    this.#initializers.add(name);
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    const dims = shape.map((dim) => integer(1, dim)); // dims
    // data_type, name, raw_data; of the graph: initializer
    this.#fields.push(message(5, ...dims, integer(2, dataTypes[type]), text(8, name), field(9, bytes)));
    return name;
  }

  /** Adds a node with one output. @returns the output's name */
  node(
    type: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, Attribute>> = {},
    output = `${type}_${this.#names++}`,
  ): string {
    return this.nodeWithOutputs(type, inputs, attributes, [output])[0]!;
  }

  /** Adds a node with several outputs. @returns `outputs` */
  nodeWithOutputs<const T extends readonly string[]>(
    type: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, Attribute>>,
    outputs: T,
    domain = OPERATORS,
  ): T {
    const fields = [
      ...inputs.map((name) => text(1, name)), // input
      ...outputs.map((name) => text(2, name)), // output
      text(3, `${type}:${outputs[0]}`), // name
      text(4, type), // op_type
      ...Object.entries(attributes).map(([name, value]) => message(5, ...attribute(name, value))), // attribute
      text(7, domain), // domain
    ];
    this.#fields.push(message(1, ...fields)); // node
    return outputs;
  }

  /** Adds a node of ONNX Runtime's own operators. @returns the output's name */
  contributed(type: string, inputs: readonly string[], attributes: Readonly<Record<string, number>>, output: string) {
    return this.nodeWithOutputs(type, inputs, attributes, [output], CONTRIBUTED)[0];
  }

  /** The model file. @param opset the version of the operators */
  finish(opset: number, inputs: readonly Value[], outputs: readonly Value[]): Uint8Array {
    const graph = [
      text(2, this.#name), // name
      ...this.#fields,
      ...inputs.map((value) => message(11, ...valueInfo(value))), // input
      ...outputs.map((value) => message(12, ...valueInfo(value))), // output
    ];
    return concat([
      integer(1, IR_VERSION), // ir_version
      message(7, ...graph), // graph
      message(8, text(1, OPERATORS), integer(2, opset)), // opset_import: domain, version
      message(8, text(1, CONTRIBUTED), integer(2, 1)),
    ]);
  }
}

function attribute(name: string, value: Attribute): Uint8Array[] {
  if (typeof value === "number") return [text(1, name), integer(3, value), integer(20, INT)]; // name, i, type
  return [text(1, name), ...value.map((one) => integer(8, one)), integer(20, INTS)]; // name, ints, type
}

function valueInfo({ name, type, shape }: Value): Uint8Array[] {
  // dim: dim_value or dim_param
  const dims = shape.map((dim) => message(1, typeof dim === "number" ? integer(1, dim) : text(2, dim)));
  // name; type: tensor_type: elem_type, shape
  return [text(1, name), message(2, message(1, integer(1, dataTypes[type]), message(2, ...dims)))];
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

/** Seven bits a byte, the lowest first. A negative number is that of 64 bits: ten bytes. */
function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  return [...bytes, Number(rest)];
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
