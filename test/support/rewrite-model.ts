// Model files with other keys and tensors than they had.

import { type GgufInput, type GgufType, GgufWriter, openGguf } from "cria/gguf";

export interface Changes {
  /** Keys that are set, or are taken out where they are undefined. */
  readonly keys?: Readonly<Record<string, readonly [type: GgufType, value: GgufInput] | undefined>>;
  /** F32 tensors that are added, or take the place of others; undefined takes one out. Shapes are in GGUF's order. */
  readonly tensors?: Readonly<
    Record<string, { readonly shape: readonly number[]; readonly values: Float32Array } | undefined>
  >;
}

export async function rewritten(
  file: Uint8Array,
  { keys = {}, tensors = {} }: Changes,
): Promise<Uint8Array<ArrayBuffer>> {
  const gguf = await openGguf(file);
  const writer = new GgufWriter();
  const data = new Map<string, Uint8Array>();
  for (const [key, value] of gguf.metadata) {
    if (!Object.hasOwn(keys, key)) writer.set(key, gguf.metadata.typeOf(key)!, value);
  }
  for (const [key, entry] of Object.entries(keys)) if (entry !== undefined) writer.set(key, ...entry);
  for (const tensor of gguf.tensors) {
    if (Object.hasOwn(tensors, tensor.name)) continue;
    writer.addTensor(tensor.name, tensor.type, tensor.shape);
    data.set(tensor.name, await gguf.readTensor(tensor));
  }
  for (const [name, tensor] of Object.entries(tensors)) {
    if (tensor === undefined) continue;
    writer.addTensor(name, "F32", tensor.shape);
    data.set(name, new Uint8Array(tensor.values.buffer));
  }
  return writer.toBytes(data);
}
