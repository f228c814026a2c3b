// A draft model of another: its lower layers, with its vocabulary and its output matrix.

import { GgufWriter, openGguf } from "cria/gguf";

/** Writes the first `layers` of the model at `target` to `path` as a model of its own, and returns its size in bytes. */
export async function writeLowerLayers(target: string, layers: number, path: string): Promise<number> {
  const gguf = await openGguf(target);
  const writer = new GgufWriter();
  const blockCount = `${gguf.metadata.getString("general.architecture")}.block_count`;
  for (const [key, value] of gguf.metadata) {
    writer.set(key, gguf.metadata.typeOf(key)!, key === blockCount ? layers : value);
  }
  const isKept = (name: string) => !(Number(/^blk\.(\d+)\./.exec(name)?.[1] ?? 0) >= layers);
  for (const { name, type, shape } of gguf.tensors.filter(({ name }) => isKept(name))) {
    writer.addTensor(name, type, shape);
  }
  await writer.writeFile(path, ({ name }) => gguf.readTensor(gguf.tensor(name)!));
  await gguf.close();
  return writer.size;
}
