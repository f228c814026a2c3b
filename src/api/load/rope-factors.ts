// The frequencies by which a model rotates queries and keys.

import { GgufError } from "../../errors.js";
import type { Gguf } from "../../gguf/index.js";
import type { Hyperparameters } from "../../model/hyperparameters.js";
import { factorsOf, type RopeFrequencies, ropeFrequencies } from "../../model/plan/rope.js";

/**
 * The frequencies of each of a model's RoPEs; those of the first divided by the factors that the file has for it.
 * @throws GgufError for factors that LongRoPE needs and the file lacks, or that are not positive numbers
 */
export async function readRopes(
  gguf: Gguf,
  h: Hyperparameters,
  contextSize: number,
): Promise<readonly RopeFrequencies[]> {
  return Promise.all(
    h.ropes.map(async (rope, i) => {
      const name = factorsOf(rope, contextSize);
      const factors = i === 0 ? await readFactors(gguf, name, rope.dimensions / 2) : undefined;
      if (factors === undefined && rope.scaling.type === "longrope") {
        throw new GgufError("GGUF_TENSOR_MISSING", "the model lacks this tensor", { subject: name });
      }
      return ropeFrequencies(rope, factors);
    }),
  );
}

async function readFactors(gguf: Gguf, name: string, pairs: number): Promise<Float32Array | undefined> {
  const tensor = gguf.tensor(name);
  if (tensor === undefined) return undefined;
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
  return factors;
}
