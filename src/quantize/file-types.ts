// What a file of each type holds: which type most matrices have, and which matrices have another, as llama.cpp's quantiser
// (llama-quant.cpp) decides it without an importance matrix.

import { type TensorTypeName, tensorTypeByName } from "../gguf/index.js";

/** The types of tensors that can be encoded. */
export const floatTypes: readonly TensorTypeName[] = ["F32", "F16", "BF16"];

/** The types that a file can be quantised to. */
export type FileTypeName = (typeof rows)[number]["name"];

/** Which types the matrices of a file get. */
export interface Mixture {
  /** The type of most matrices. */
  readonly type: TensorTypeName;
  /** What the V and ffn_down matrices of some layers get instead. */
  readonly better?: {
    readonly type: TensorTypeName;
    readonly attnV: LayerRule;
    readonly ffnDown: LayerRule;
  };
}

/** A type of file. */
export interface FileType extends Mixture {
  readonly name: FileTypeName;
  /** `general.file_type`: llama.cpp's `enum llama_ftype`. */
  readonly id: number;
}

/** Whether a layer's tensor is given more bits. */
export type LayerRule = (layer: number, layers: number) => boolean;

// The first and the last eighth of the layers, and every third one between.
const moreBits: LayerRule = (layer, layers) => {
  const eighth = Math.floor(layers / 8);
  return layer < eighth || layer >= Math.floor((7 * layers) / 8) || (layer - eighth) % 3 === 2;
};
const medium = { type: "Q6_K", attnV: moreBits, ffnDown: moreBits } as const;
const small = {
  type: "Q5_K",
  attnV: (layer: number) => layer < 4,
  ffnDown: (layer: number, layers: number) => layer < Math.floor(layers / 8),
} as const;

const rows = [
  { name: "F32", id: 0, type: "F32" },
  { name: "F16", id: 1, type: "F16" },
  { name: "BF16", id: 32, type: "BF16" },
  { name: "Q8_0", id: 7, type: "Q8_0" },
  { name: "Q6_K", id: 18, type: "Q6_K" },
  { name: "Q5_K_M", id: 17, type: "Q5_K", better: medium },
  { name: "Q5_K_S", id: 16, type: "Q5_K" },
  { name: "Q5_1", id: 9, type: "Q5_1" },
  { name: "Q5_0", id: 8, type: "Q5_0" },
  { name: "Q4_K_M", id: 15, type: "Q4_K", better: medium },
  { name: "Q4_K_S", id: 14, type: "Q4_K", better: small },
  { name: "Q4_1", id: 3, type: "Q4_1" },
  { name: "Q4_0", id: 2, type: "Q4_0" },
] as const satisfies readonly (Mixture & { name: string; id: number })[];

/** The types that a file can be quantised to, the largest first. */
export const fileTypes: readonly FileType[] = rows;

/** What the rule must know about a model beside a tensor's name and shape. */
export interface MixtureModel {
  /** `block_count` */
  readonly layers: number;
  /** Whether token_embd is also the output matrix. */
  readonly tied: boolean;
  /** `expert_count`. Default 0: no experts. */
  readonly experts?: number;
}

/** The type that a mixture wants for a tensor, and the one that fits its rows. */
export interface TypeChoice {
  readonly wanted: TensorTypeName;
  readonly type: TensorTypeName;
}

/**
 * The type that a tensor gets; undefined for one that stays as it is: vectors, norms, and what is not a weight.
 * @param shape in GGUF's order, the row length first
 */
export function quantizedType(
  mixture: Mixture,
  name: string,
  shape: readonly number[],
  model: MixtureModel,
): TensorTypeName | undefined {
  return typeChoice(mixture, name, shape, model)?.type;
}

/** `quantizedType`, and what it falls back from. */
export function typeChoice(
  mixture: Mixture,
  name: string,
  shape: readonly number[],
  model: MixtureModel,
): TypeChoice | undefined {
  if (!isQuantized(name, shape)) return undefined;
  // A file of floats has one type; fallbacks and exceptions are for blocks.
  if (tensorTypeByName(mixture.type)!.blockSize === 1) return { wanted: mixture.type, type: mixture.type };
  const wanted = preferredType(mixture, name, model);
  return { wanted, type: fitting(wanted, shape[0]!) };
}

const kept = ["position_embd.weight", "token_types.weight", "per_layer_model_proj.weight"];
/** A router, and the columns of a convolution. */
const KEPT_IN_LAYERS = /\.(?:ffn_gate_inp|shortconv\.conv|ssm_conv1d)\.weight$/;

function isQuantized(name: string, shape: readonly number[]): boolean {
  const isMatrix = shape.slice(1).some((n) => n > 1);
  const isKept = kept.includes(name) || name.includes("_norm.weight") || KEPT_IN_LAYERS.test(name);
  return isMatrix && name.endsWith("weight") && !isKept;
}

function preferredType(
  { type, better }: Mixture,
  name: string,
  { layers, tied, experts = 0 }: MixtureModel,
): TensorTypeName {
  if (name === "output.weight" || (tied && name === "token_embd.weight")) return type === "Q8_0" ? "Q8_0" : "Q6_K";
  if (experts === 8) {
    // Mixtral's: beside its experts, these matrices are small.
    if (/^blk\.\d+\.attn_[kv]\.weight$/.test(name)) return "Q8_0";
    if (type === "Q4_K" && /^blk\.\d+\.attn_output\.weight$/.test(name)) return "Q5_K";
  }
  if (better === undefined) return type;
  const [, layer, role] = /^blk\.(\d+)\.(attn_v|attn_qkv|ffn_down|ffn_down_exps)\.weight$/.exec(name) ?? [];
  const rule = role === undefined ? undefined : role.startsWith("ffn_down") ? better.ffnDown : better.attnV;
  return rule?.(Number(layer), layers) ? better.type : type;
}

// For rows that are not a multiple of a super-block.
const fallbacks: Partial<Record<TensorTypeName, TensorTypeName>> = {
  Q2_K: "Q4_0",
  Q3_K: "Q4_0",
  Q4_K: "Q5_0",
  Q5_K: "Q5_1",
  Q6_K: "Q8_0",
  IQ4_XS: "IQ4_NL",
};

function fitting(type: TensorTypeName, rowLength: number): TensorTypeName {
  const fits = (name: TensorTypeName) => rowLength % tensorTypeByName(name)!.blockSize === 0;
  const fallback = fallbacks[type] ?? type;
  return fits(type) ? type : fits(fallback) ? fallback : "F16";
}
