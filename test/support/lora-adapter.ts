// LoRA adapters of random weights, and models with what they add written into their matrices.

import { type Gguf, GgufWriter, openGguf } from "cria/gguf";
import { Random } from "../../bench/synthetic/random.js";
import { dequantize } from "./dequantize.js";

export interface AdapterShape {
  readonly rank: number;
  /** `adapter.lora.alpha`; undefined: the file does not have it. */
  readonly alpha?: number;
  readonly seed?: number;
  /** The matrices that it adds to. Default: all of layers. */
  readonly targets?: (name: string) => boolean;
}

/** What a file of an adapter has in it: its keys, and A and B of each target in F32. */
export interface AdapterParts {
  readonly keys: Readonly<Record<string, string | number | undefined>>;
  /** By their names: shape in GGUF's order, and values. */
  readonly tensors: ReadonlyMap<string, { readonly shape: readonly number[]; readonly values: Float32Array }>;
}

/** Parts of an adapter for a model: B . A is about half as large as the matrix that it is added to. */
export async function adapterParts(model: Uint8Array, shape: AdapterShape): Promise<AdapterParts> {
  const { rank, alpha, seed = 1, targets = (name) => name.startsWith("blk.") } = shape;
  const gguf = await openGguf(model);
  const random = new Random(seed);
  const tensors = new Map<string, { shape: number[]; values: Float32Array }>();
  const values = (count: number, deviation: number) =>
    Float32Array.from({ length: count }, () => deviation * random.normal());
  for (const { name, shape: dimensions } of gguf.tensors) {
    const [columns, rows] = dimensions;
    if (!targets(name) || rows === undefined) continue;
    tensors.set(`${name}.lora_a`, {
      shape: [columns!, rank],
      values: values(columns! * rank, 1 / Math.sqrt(columns!)),
    });
    tensors.set(`${name}.lora_b`, { shape: [rank, rows], values: values(rank * rows, 0.5 / Math.sqrt(rank)) });
  }
  const keys = {
    "general.architecture": gguf.metadata.getString("general.architecture"),
    "general.type": "adapter",
    "adapter.type": "lora",
    "adapter.lora.alpha": alpha,
  };
  return { keys, tensors };
}

/** The file of an adapter. */
export function adapterFile({ keys, tensors }: AdapterParts): Promise<Uint8Array<ArrayBuffer>> {
  const writer = new GgufWriter();
  for (const [key, value] of Object.entries(keys)) {
    if (typeof value === "number") writer.set(key, "float32", value);
    else if (value !== undefined) writer.set(key, "string", value);
  }
  for (const [name, { shape }] of tensors) writer.addTensor(name, "F32", shape);
  return writer.toBytes(new Map([...tensors].map(([name, { values }]) => [name, new Uint8Array(values.buffer)])));
}

/** The file of an adapter for a model. */
export async function loraAdapter(model: Uint8Array, shape: AdapterShape): Promise<Uint8Array<ArrayBuffer>> {
  return adapterFile(await adapterParts(model, shape));
}

/** The model with scale * alpha / rank * B . A added to its matrices: all F32, sums in float64. */
export async function mergedModel(
  model: Uint8Array,
  adapters: readonly { readonly parts: AdapterParts; readonly scale: number }[],
): Promise<Uint8Array<ArrayBuffer>> {
  const gguf = await openGguf(model);
  const writer = new GgufWriter();
  const data = new Map<string, Uint8Array>();
  for (const [key, value] of gguf.metadata) writer.set(key, gguf.metadata.typeOf(key)!, value);
  for (const tensor of gguf.tensors) {
    const weights = Float64Array.from(await valuesOf(gguf, tensor.name));
    for (const { parts, scale } of adapters) {
      const a = parts.tensors.get(`${tensor.name}.lora_a`);
      const b = parts.tensors.get(`${tensor.name}.lora_b`);
      if (a === undefined || b === undefined) continue;
      const [columns, rank] = a.shape as [number, number];
      const alpha = parts.keys["adapter.lora.alpha"] as number | undefined;
      const factor = alpha === undefined ? scale : (scale * alpha) / rank;
      for (let i = 0; i < weights.length; i++) {
        const [row, column] = [Math.floor(i / columns), i % columns];
        for (let k = 0; k < rank; k++) {
          weights[i]! += factor * b.values[row * rank + k]! * a.values[k * columns + column]!;
        }
      }
    }
    writer.addTensor(tensor.name, "F32", tensor.shape);
    data.set(tensor.name, new Uint8Array(Float32Array.from(weights).buffer));
  }
  return writer.toBytes(data);
}

async function valuesOf(gguf: Gguf, name: string): Promise<Float32Array> {
  const tensor = gguf.tensor(name)!;
  const count = tensor.shape.reduce((product, n) => product * n, 1);
  return dequantize(tensor.type, await gguf.readTensor(tensor), count);
}
