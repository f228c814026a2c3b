// The language model of Qwen2-VL and Qwen2.5-VL (Wang et al. 2024): Qwen2's forward pass. RoPE turns the pairs of a head in three sections,
// by the time, height and width at which a token lies in a picture. A token of a text has its position in all three, so that its RoPE is
// the plain one.

import { UnsupportedError } from "../../errors.js";
import type { ExpertTraits } from "../expert-parameters.js";
import { type Hyperparameters, readHyperparameters } from "../hyperparameters.js";
import type { KeyReader } from "../key-reader.js";
import type { Architecture } from "./architecture.js";
import { qwen2 } from "./qwen2.js";

/** The common keys, and a check that the sections of RoPE share all of its pairs. */
export function readSectioned(reader: KeyReader, experts?: ExpertTraits): Hyperparameters {
  const h = readHyperparameters(reader, { ropePairs: "halves", norm: "rms", experts });
  const pairs = h.ropes[0]!.dimensions / 2;
  const [time = pairs, height = 0, width = 0, more = 0] = reader.numbers("rope.dimension_sections");
  if (time + height + width !== pairs || more !== 0) {
    throw new UnsupportedError(
      "UNSUPPORTED_ARCHITECTURE",
      `RoPE in sections of ${time}, ${height}, ${width} and ${more} pairs; supported: three sections that share all ${pairs} pairs`,
    );
  }
  return h;
}

export const qwen2Vl: Architecture = { ...qwen2, hyperparameters: (reader) => readSectioned(reader) };
