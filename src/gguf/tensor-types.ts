// Every ggml tensor type number: its name and its geometry, that is, how many weights make a block and how many bytes a
// block takes (ggml.h, ggml-common.h). A size can only be checked where the geometry is known, so the reader refuses the
// numbers that ggml has removed, and those it does not know, by name.

/** What one tensor type number means. */
export interface TensorType {
  /** The number in the file (`enum ggml_type`). */
  readonly id: number;
  /** ggml's name, such as "Q4_K". */
  readonly name: TensorTypeName;
  /** Weights per block; ne0 is a multiple of it. */
  readonly blockSize: number;
  /** Bytes per block. */
  readonly blockBytes: number;
}

/** The names of the tensor types in use. */
export type TensorTypeName = (typeof rows)[number][1];

// number, name, weights per block, bytes per block
const rows = [
  [0, "F32", 1, 4],
  [1, "F16", 1, 2],
  [2, "Q4_0", 32, 18],
  [3, "Q4_1", 32, 20],
  [6, "Q5_0", 32, 22],
  [7, "Q5_1", 32, 24],
  [8, "Q8_0", 32, 34],
  [9, "Q8_1", 32, 36],
  [10, "Q2_K", 256, 84],
  [11, "Q3_K", 256, 110],
  [12, "Q4_K", 256, 144],
  [13, "Q5_K", 256, 176],
  [14, "Q6_K", 256, 210],
  [15, "Q8_K", 256, 292],
  [16, "IQ2_XXS", 256, 66],
  [17, "IQ2_XS", 256, 74],
  [18, "IQ3_XXS", 256, 98],
  [19, "IQ1_S", 256, 50],
  [20, "IQ4_NL", 32, 18],
  [21, "IQ3_S", 256, 110],
  [22, "IQ2_S", 256, 82],
  [23, "IQ4_XS", 256, 136],
  [24, "I8", 1, 1],
  [25, "I16", 1, 2],
  [26, "I32", 1, 4],
  [27, "I64", 1, 8],
  [28, "F64", 1, 8],
  [29, "IQ1_M", 256, 56],
  [30, "BF16", 1, 2],
  [34, "TQ1_0", 256, 54],
  [35, "TQ2_0", 256, 66],
  [39, "MXFP4", 32, 17],
  [40, "NVFP4", 64, 36],
  [41, "Q1_0", 128, 18],
  [42, "Q2_0", 64, 18],
] as const;

/** The type numbers that ggml has given up, with the names they had: files that use them must be converted again. */
export const removedTensorTypes: ReadonlyMap<number, string> = new Map([
  [4, "Q4_2"],
  [5, "Q4_3"],
  [31, "Q4_0_4_4"],
  [32, "Q4_0_4_8"],
  [33, "Q4_0_8_8"],
  [36, "IQ4_NL_4_4"],
  [37, "IQ4_NL_4_8"],
  [38, "IQ4_NL_8_8"],
]);

/** The tensor types in use, by number. */
export const tensorTypes: readonly TensorType[] = rows.map(([id, name, blockSize, blockBytes]) => ({
  id,
  name,
  blockSize,
  blockBytes,
}));

const byId = new Map(tensorTypes.map((type) => [type.id, type]));
const byName = new Map<string, TensorType>(tensorTypes.map((type) => [type.name, type]));

/** The tensor type with this number; undefined for a removed or unknown one. */
export function tensorTypeById(id: number): TensorType | undefined {
  return byId.get(id);
}

/** The tensor type with this name ("Q4_K"); undefined for a removed or unknown one. */
export function tensorTypeByName(name: string): TensorType | undefined {
  return byName.get(name);
}

/**
 * The bytes of a tensor, or why it can have none. The shape is in GGUF's order, the row length first. Each step is checked by
 * division before it multiplies, so nothing here leaves the safe integers.
 */
export function tensorBytes(type: TensorType, shape: readonly number[]): number | { readonly reason: string } {
  let elements = 1;
  for (const n of shape) {
    if (n > 0 && elements > Math.floor(Number.MAX_SAFE_INTEGER / n)) {
      return { reason: `shape (${shape.join(", ")}) has more than 2^53 - 1 elements` };
    }
    elements *= n;
  }
  const rowLength = shape[0] ?? 1;
  if (rowLength % type.blockSize !== 0) {
    return { reason: `rows of ${rowLength} are not a multiple of ${type.name}'s block of ${type.blockSize}` };
  }
  const blocks = elements / type.blockSize;
  if (blocks > Math.floor(Number.MAX_SAFE_INTEGER / type.blockBytes)) {
    return { reason: `shape (${shape.join(", ")}) of ${type.name} takes more than 2^53 - 1 bytes` };
  }
  return blocks * type.blockBytes;
}
