// The frequencies by which a model rotates queries and keys.

import { GgufError } from "../../errors.js";
import type { Gguf } from "../../gguf/index.js";
import type { Hyperparameters } from "../../model/hyperparameters.js";
import { type RopeFrequencies, ropeFrequencies } from "../../model/plan/rope.js";

/** The frequencies of each of a model's RoPEs; those of the first divided by rope_freqs.weight, where the file has it. */
export async function readRopes(gguf: Gguf, h: Hyperparameters): Promise<readonly RopeFrequencies[]> {
  const tensor = gguf.tensor("rope_freqs.weight");
  if (tensor === undefined) return h.ropes.map((rope) => ropeFrequencies(rope));
  const pairs = h.ropes[0]!.dimensions / 2;
  if (tensor.type !== "F32" || tensor.shape[0] !== pairs || tensor.bytes !== pairs * 4) {
    throw new GgufError("GGUF_TENSOR_SHAPE", `${tensor.type} (${tensor.shape.join(", ")}), expected F32 (${pairs})`, {
      subject: tensor.name,
    });
  }
  const bytes = await gguf.readTensor(tensor);
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const factors = Float32Array.from({ length: pairs }, (_, i) => view.getFloat32(4 * i, true));
  if (!factors.every((factor) => factor > 0 && Number.isFinite(factor))) {
    throw new GgufError("GGUF_TENSOR_VALUE", "a factor is not a positive number", { subject: tensor.name });
  }
  return h.ropes.map((rope, i) => ropeFrequencies(rope, i === 0 ? factors : undefined));
}
