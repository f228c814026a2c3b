// The ONNX model of a BERT encoder with the weights of a GGUF file, as the files are that transformers.js loads: written in primitive
// operators, as PyTorch's exporter does it, for ONNX Runtime to fuse into LayerNormalization, Gelu and Attention; or with 8-bit weights,
// as `quantize_dynamic` of ONNX Runtime's tools writes it (transformers.js's "q8": weights int8, one scale a tensor).

import { type Gguf, openGguf } from "../../../dist/gguf/index.js";
import { GraphWriter, type Value } from "./onnx-format.js";
import type { Precision } from "./peer.js";

/** How a text's vector is made of its tokens' vectors. */
export type Pooling = "mean" | "first";

/** What an ONNX encoder is, beside its file. */
export interface BertModel {
  /** input_ids, attention_mask, token_type_ids (batch, sequence) int64 -> last_hidden_state (batch, sequence, dim) float */
  readonly bytes: Uint8Array;
  readonly dim: number;
  readonly pooling: Pooling;
}

// The last version of the operators whose attention ONNX Runtime 1.30 fuses: of 14 it leaves a dozen nodes a layer, and is up to 1.6 times
// slower.
const OPSET = 12;
// `pooling_type` of GGUF files.
const MEAN = 1;
// What is added to the scores of padding.
const MASKED = -10000;

/** @param file a GGUF model of architecture bert whose tensors are F32 */
export async function bertModel(file: string, precision: Precision): Promise<BertModel> {
  const gguf = await openGguf(file);
  try {
    const number = (key: string) => gguf.metadata.getNumber(`bert.${key}`)!;
    const graph = new BertGraph(gguf, precision, {
      dim: number("embedding_length"),
      heads: number("attention.head_count"),
      context: number("context_length"),
      epsilon: number("attention.layer_norm_epsilon"),
    });
    await graph.embeddings();
    for (let layer = 0; layer < number("block_count"); layer++) await graph.layer(`blk.${layer}`);
    const pooling = number("pooling_type") === MEAN ? "mean" : "first";
    return { bytes: graph.finish(), dim: number("embedding_length"), pooling };
  } finally {
    await gguf.close();
  }
}

interface Sizes {
  readonly dim: number;
  readonly heads: number;
  readonly context: number;
  readonly epsilon: number;
}

class BertGraph {
  readonly #graph = new GraphWriter("bert");
  readonly #gguf: Gguf;
  readonly #precision: Precision;
  readonly #sizes: Sizes;
  /** An activation's name to that of its quantised form: matrices that share their input share it. */
  readonly #quantised = new Map<string, readonly [values: string, scale: string, zero: string]>();
  #mask = "";
  /** (batch, sequence, dim) */
  #x = "";

  constructor(gguf: Gguf, precision: Precision, sizes: Sizes) {
    this.#gguf = gguf;
    this.#precision = precision;
    this.#sizes = sizes;
  }

  async embeddings(): Promise<void> {
    const graph = this.#graph;
    const { context } = this.#sizes;
    const sequence = graph.node("Gather", [graph.node("Shape", ["input_ids"]), this.#integers("one", [1], [])]);
    const length = graph.node("Unsqueeze", [sequence], { axes: [0] });
    const positions = graph.node("Slice", [
      graph.constant(
        "position_ids",
        "int64",
        [1, context],
        BigInt64Array.from({ length: context }, (_, i) => BigInt(i)),
      ),
      this.#integers("axis_0", [0]),
      length,
      this.#integers("axis_1", [1]),
    ]);
    const words = await this.#rows("token_embd.weight", "input_ids");
    const types = await this.#rows("token_types.weight", "token_type_ids");
    const sum = graph.node("Add", [words, types]);
    const withPositions = graph.node("Add", [sum, await this.#rows("position_embd.weight", positions)]);
    this.#x = await this.#norm(withPositions, "token_embd_norm");
    // (batch, 1, 1, sequence): 0 where there is a token, MASKED where there is padding
    const mask = graph.node("Unsqueeze", [graph.node("Unsqueeze", ["attention_mask"], { axes: [1] })], { axes: [2] });
    const absent = graph.node("Sub", [this.#number(1), graph.node("Cast", [mask], { to: 1 })]);
    this.#mask = graph.node("Mul", [absent, this.#number(MASKED)]);
  }

  async layer(block: string): Promise<void> {
    const graph = this.#graph;
    const { dim, heads } = this.#sizes;
    const headDim = dim / heads;
    const split = this.#integers("split_heads", [0, 0, heads, headDim]);
    const headsOf = async (name: string, perm: number[]) =>
      graph.node("Transpose", [graph.node("Reshape", [await this.#linear(this.#x, `${block}.${name}`), split])], {
        perm,
      });
    const q = await headsOf("attn_q", [0, 2, 1, 3]);
    const k = await headsOf("attn_k", [0, 2, 3, 1]);
    const v = await headsOf("attn_v", [0, 2, 1, 3]);
    const scores = graph.node("Div", [graph.node("MatMul", [q, k]), this.#number(Math.sqrt(headDim))]);
    const shares = graph.node("Softmax", [graph.node("Add", [scores, this.#mask])], { axis: 3 });
    const mixed = graph.node("Transpose", [graph.node("MatMul", [shares, v])], { perm: [0, 2, 1, 3] });
    const joined = graph.node("Reshape", [mixed, this.#integers("join_heads", [0, 0, dim])]);
    const attended = graph.node("Add", [await this.#linear(joined, `${block}.attn_output`), this.#x]);
    const x = await this.#norm(attended, `${block}.attn_output_norm`);
    const up = await this.#linear(x, `${block}.ffn_up`);
    const down = await this.#linear(this.#gelu(up), `${block}.ffn_down`);
    this.#x = await this.#norm(graph.node("Add", [down, x]), `${block}.layer_output_norm`);
  }

  finish(): Uint8Array {
    const output = this.#graph.node("Identity", [this.#x], {}, "last_hidden_state");
    const input = (name: string): Value => ({ name, type: "int64", shape: ["batch", "sequence"] });
    return this.#graph.finish(OPSET, ["input_ids", "attention_mask", "token_type_ids"].map(input), [
      { name: output, type: "float", shape: ["batch", "sequence", this.#sizes.dim] },
    ]);
  }

  /** Rows of a table. Its 8-bit form is looked up first and made float then. */
  async #rows(name: string, indices: string): Promise<string> {
    const graph = this.#graph;
    const { values, shape } = await this.#tensor(name);
    if (this.#precision === "fp32")
      return graph.node("Gather", [graph.constant(name, "float", shape, values), indices]);
    const { table, scale } = this.#eightBits(name, shape, values);
    const zero = graph.constant("no_offset", "int8", [], new Int8Array(1));
    return graph.node("DequantizeLinear", [graph.node("Gather", [table, indices]), scale, zero]);
  }

  /** x . w transposed + b */
  async #linear(x: string, name: string): Promise<string> {
    const graph = this.#graph;
    const { values, shape } = await this.#tensor(`${name}.weight`);
    const [rows, columns] = shape as [number, number];
    const w = transposed(values, rows, columns);
    const product =
      this.#precision === "fp32"
        ? graph.node("MatMul", [x, graph.constant(`${name}.weight`, "float", [columns, rows], w)])
        : this.#integerProduct(x, `${name}.weight`, [columns, rows], w);
    return graph.node("Add", [product, await this.#vector(`${name}.bias`)]);
  }

  /** x and w in 8 bits, the sums in int32, and their scales. */
  #integerProduct(x: string, name: string, shape: readonly number[], w: Float32Array): string {
    const graph = this.#graph;
    let quantised = this.#quantised.get(x);
    if (quantised === undefined) {
      const names = [`${x}_quantized`, `${x}_scale`, `${x}_zero_point`] as const;
      quantised = graph.nodeWithOutputs("DynamicQuantizeLinear", [x], {}, names);
      this.#quantised.set(x, quantised);
    }
    const [values, xScale, xZero] = quantised;
    const { table, scale } = this.#eightBits(name, shape, w);
    const zero = graph.constant("no_offset", "int8", [], new Int8Array(1));
    const sums = graph.node("Cast", [graph.node("MatMulInteger", [values, table, xZero, zero])], { to: 1 });
    return graph.node("Mul", [sums, graph.node("Mul", [xScale, scale])]);
  }

  #eightBits(name: string, shape: readonly number[], values: Float32Array): { table: string; scale: string } {
    let largest = 0;
    for (const value of values) largest = Math.max(largest, Math.abs(value));
    const scale = largest / 127;
    const table = this.#graph.constant(
      `${name}_quantized`,
      "int8",
      shape,
      Int8Array.from(values, (value) => Math.round(value / scale)),
    );
    return { table, scale: this.#graph.constant(`${name}_scale`, "float", [], Float32Array.of(scale)) };
  }

  async #norm(x: string, name: string): Promise<string> {
    const graph = this.#graph;
    const mean = (of: string) => graph.node("ReduceMean", [of], { axes: [-1], keepdims: 1 });
    const centred = graph.node("Sub", [x, mean(x)]);
    const variance = mean(graph.node("Pow", [centred, this.#number(2)]));
    const deviation = graph.node("Sqrt", [graph.node("Add", [variance, this.#number(this.#sizes.epsilon)])]);
    const normal = graph.node("Div", [centred, deviation]);
    const scaled = graph.node("Mul", [normal, await this.#vector(`${name}.weight`)]);
    return graph.node("Add", [scaled, await this.#vector(`${name}.bias`)]);
  }

  /** x / 2 * (1 + erf(x / sqrt(2))) */
  #gelu(x: string): string {
    const graph = this.#graph;
    const erf = graph.node("Erf", [graph.node("Div", [x, this.#number(Math.SQRT2)])]);
    return graph.node("Mul", [graph.node("Mul", [x, graph.node("Add", [erf, this.#number(1)])]), this.#number(0.5)]);
  }

  async #vector(name: string): Promise<string> {
    const { values, shape } = await this.#tensor(name);
    return this.#graph.constant(name, "float", shape, values);
  }

  #number(value: number): string {
    return this.#graph.constant(`number_${value}`, "float", [], Float32Array.of(value));
  }

  #integers(name: string, values: readonly number[], shape: readonly number[] = [values.length]): string {
    return this.#graph.constant(name, "int64", shape, BigInt64Array.from(values, BigInt));
  }

  /** A tensor's values, and its shape, the outermost dimension first. */
  async #tensor(name: string): Promise<{ values: Float32Array; shape: number[] }> {
    const tensor = this.#gguf.tensor(name);
    if (tensor?.type !== "F32") throw new Error(`${name} is ${tensor?.type ?? "missing"}; it must be F32`);
    const bytes = await this.#gguf.readTensor(tensor);
    return {
      values: new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4),
      shape: [...tensor.shape].reverse(),
    };
  }
}

/** (rows, columns) -> (columns, rows) */
function transposed(values: Float32Array, rows: number, columns: number): Float32Array {
  const result = new Float32Array(values.length);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) result[column * rows + row] = values[row * columns + column]!;
  }
  return result;
}
