// Which tensors of a file become which weights in shared memory: found, checked against the shape that the architecture expects, and
// given their bytes.

import { ACTIVATION_NONE, GROUP_ROWS } from "#abi";
import { GgufError, UnsupportedError } from "../../errors.js";
import {
  type Gguf,
  type GgufTensor,
  type TensorType,
  type TensorTypeName,
  tensorTypeByName,
  tensorTypes,
} from "../../gguf/index.js";
import type { Kernels } from "../../machine/kernels.js";
import type { LowRank } from "./low-rank.js";
import type { WeightSpec } from "./weight-specs.js";

/** How a weight is encoded. */
export interface Encoding {
  /** ggml's type number. */
  readonly type: number;
  readonly format: string;
  /** Bytes of one row in GGUF's layout. */
  readonly rowBytes: number;
}

/** A weight before it has an address, encoded as it is multiplied. */
export interface Weight extends WeightSpec, Encoding {
  /** How the file has it, where it is encoded anew while it is loaded. */
  readonly encodedFrom?: Encoding | undefined;
  /** Bytes in memory: a packed matrix is padded to groups of 8 rows, and of a table there is what tables.ts draws. */
  readonly bytes: number;
  /** Where the data lie: the part of a split file, and the byte offset in that part. */
  readonly part: number;
  readonly offset: number;
  readonly lora?: LowRank<Weight>;
}

/** The type that a tensor's weights have in memory; undefined: that of the file. */
export type EncodedAs = (tensor: GgufTensor) => TensorTypeName | undefined;

/**
 * Finds the weights of an architecture in a file.
 * @throws GgufError for a missing tensor or a wrong shape, UnsupportedError for a format without kernels
 */
export function findWeights(
  gguf: Gguf,
  specs: readonly WeightSpec[],
  kernels: Kernels,
  encodedAs: EncodedAs = () => undefined,
): readonly Weight[] {
  const weights: Weight[] = [];
  for (const spec of specs) {
    const name = spec.gather?.tensor ?? spec.name;
    const tensor = gguf.tensor(name);
    if (tensor === undefined) {
      if (spec.optional) continue;
      throw new GgufError("GGUF_TENSOR_MISSING", "the model lacks this tensor", { subject: name });
    }
    weights.push(weightOf(tensor, spec, kernels, encodedAs));
  }
  return weights;
}

function weightOf(tensor: GgufTensor, spec: WeightSpec, kernels: Kernels, encodedAs: EncodedAs): Weight {
  const { columns, rows, matrices = 1, gather } = spec;
  // A tensor whose rows are gathered is another weight, too, whose shape is checked.
  const expected = [columns, gather === undefined ? rows / matrices : (tensor.shape[1] ?? 1), matrices];
  if (
    Array.from({ length: Math.max(3, tensor.shape.length) }).some(
      (_, i) => (tensor.shape[i] ?? 1) !== (expected[i] ?? 1),
    )
  ) {
    const shown = matrices > 1 ? expected : spec.role === "vector" && rows === 1 ? [columns] : [columns, rows];
    throw new GgufError("GGUF_TENSOR_SHAPE", `shape (${tensor.shape.join(", ")}), expected (${shown.join(", ")})`, {
      subject: spec.name,
    });
  }
  const type = tensorTypeByName(tensor.type);
  if (type === undefined || kernels.formatActivation(type.id) === ACTIVATION_NONE) {
    const supported = tensorTypes.filter(({ id }) => kernels.formatActivation(id) !== ACTIVATION_NONE);
    throw new UnsupportedError(
      "UNSUPPORTED_FORMAT",
      `tensor "${spec.name}" is ${tensor.type}; supported: ${supported.map(({ name }) => name).join(", ")}`,
    );
  }
  if (spec.role === "vector" && tensor.type !== "F32") {
    throw new UnsupportedError("UNSUPPORTED_FORMAT", `tensor "${spec.name}" is ${tensor.type}; supported: F32`);
  }
  const inFile = encodingOf(type, columns);
  const wanted = spec.role === "matrix" || spec.role === "embedding" ? encodedAs(tensor) : undefined;
  const encoding = wanted === undefined ? inFile : encodingOf(tensorTypeByName(wanted)!, columns);
  const memoryRows = spec.role === "matrix" ? Math.ceil(rows / GROUP_ROWS) * GROUP_ROWS : rows;
  return {
    ...spec,
    ...encoding,
    ...(encoding.type !== inFile.type && { encodedFrom: inFile }),
    bytes: memoryRows * encoding.rowBytes,
    part: tensor.part,
    offset: tensor.offset,
  };
}

function encodingOf({ id, name, blockSize, blockBytes }: TensorType, columns: number): Encoding {
  return { type: id, format: name, rowBytes: (columns / blockSize) * blockBytes };
}
