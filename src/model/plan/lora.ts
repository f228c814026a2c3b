// LoRA adapters (Hu et al. 2021): what they add to a model's matrices, y = W . x + B . (A . x), and where that lies. A file of one is GGUF,
// as llama.cpp's convert_lora_to_gguf.py writes it:
//
//   general.type           "adapter"
//   adapter.type           "lora"
//   general.architecture   the model's
//   adapter.lora.alpha     B is multiplied by alpha / rank; without it, or with 0, it is not
//   NAME.lora_a            (columns, rank) in GGUF's order; NAME is a matrix of the model, (columns, rows)
//   NAME.lora_b            (rank, rows)
//
// B is multiplied by the caller's scale, too. Several adapters of one matrix become one: the rows of their A, one after another, and the
// columns of their B, side by side. Both are F32 in memory, whatever they are in their files.

import { ACTIVATION_NONE, GROUP_ROWS } from "#abi";
import { GgufError, printable, UnsupportedError } from "../../errors.js";
import { type Gguf, type GgufTensor, tensorTypeByName } from "../../gguf/index.js";
import type { Kernels } from "../../machine/kernels.js";
import { columnsOf, LORA_PART } from "./low-rank.js";
import type { Weight } from "./weights.js";

/** An adapter that a caller gives. */
export interface Lora {
  readonly gguf: Gguf;
  readonly scale: number;
}

/** What one adapter adds to a matrix. */
export interface LoraTerm {
  readonly gguf: Gguf;
  readonly a: GgufTensor;
  readonly b: GgufTensor;
  readonly rank: number;
  /** Of B: the caller's, times alpha / rank. */
  readonly scale: number;
}

/** What all adapters together add to a matrix. */
export interface AdaptedMatrix {
  readonly terms: readonly LoraTerm[];
  /** (rank, columns), where rank is the sum of all. */
  readonly a: Weight;
  /** (rows, rank) */
  readonly b: Weight;
}

/** Weights with their adapters, each behind the matrix that it adds to. */
export interface LoraPlan {
  readonly weights: readonly Weight[];
  readonly matrices: readonly AdaptedMatrix[];
  /** Bytes of all A and B: their weights have their places in a buffer of this size. */
  readonly bytes: number;
}

/**
 * Finds what adapters add to the weights that an architecture reads.
 *
 * @param scored a tensor from whose rows a reranker's scores are made, past its adapters
 * @throws UnsupportedError UNSUPPORTED_LORA for what cria does not apply, LORA_MISMATCH for an adapter of another model; GgufError
 * for a file that is not well-formed
 */
export function planLora(
  gguf: Gguf,
  weights: readonly Weight[],
  loras: readonly Lora[],
  kernels: Kernels,
  scored: string | undefined,
): LoraPlan {
  const byTarget = new Map<string, LoraTerm[]>();
  for (const lora of loras) {
    checkKind(lora.gguf, gguf);
    for (const [target, term] of termsOf(lora)) {
      checkTarget(target, term, gguf, weights);
      if (target === scored) throw unsupported(lora.gguf, `adds to ${target}, whose rows a ranking head is made of`);
      for (const tensor of [term.a, term.b]) checkFormat(tensor, kernels);
      byTarget.set(target, [...(byTarget.get(target) ?? []), term]);
    }
  }
  const planned: Weight[] = [];
  const matrices: AdaptedMatrix[] = [];
  const columns = new Map<number | undefined, number>(); // of each layer: how many are taken
  let bytes = 0;
  for (const weight of weights) {
    const terms = byTarget.get(weight.name);
    if (terms === undefined) {
      planned.push(weight);
      continue;
    }
    const rank = terms.reduce((sum, term) => sum + term.rank, 0);
    const part = (suffix: string, rows: number, width: number): Weight => {
      const offset = bytes;
      bytes += rows * width * 4;
      return lowRankWeight(`${weight.name}.${suffix}`, weight.layer, rows, width, offset);
    };
    const a = part("lora_a", rank, weight.columns);
    const b = part("lora_b", weight.rows, rank);
    const column = columns.get(weight.layer) ?? 0;
    columns.set(weight.layer, column + columnsOf(rank));
    planned.push({ ...weight, lora: { a, b, column } }, a, b);
    matrices.push({ terms, a, b });
  }
  return { weights: planned, matrices, bytes };
}

/** A or B of an adapter: F32, in the buffer that is made of all adapters. */
function lowRankWeight(name: string, layer: number | undefined, rows: number, columns: number, offset: number): Weight {
  const rowBytes = columns * 4;
  return {
    ...{ name, layer, rows, columns, role: "matrix", type: tensorTypeByName("F32")!.id, format: "F32", rowBytes },
    ...{ bytes: Math.ceil(rows / GROUP_ROWS) * GROUP_ROWS * rowBytes, part: LORA_PART, offset },
  };
}

function checkKind(adapter: Gguf, model: Gguf): void {
  const { metadata } = adapter;
  const refuse = (what: string) => unsupported(adapter, `${what}; supported: LoRA adapters`);
  if (metadata.getString("general.architecture") === "controlvector") throw refuse("is a control vector");
  const kind = metadata.getString("general.type");
  if (kind !== "adapter") {
    throw refuse(`is not an adapter: its general.type is "${printable(kind ?? "(none)")}"`);
  }
  const type = metadata.getString("adapter.type");
  if (type !== "lora") throw refuse(`has the adapter.type "${printable(type ?? "(none)")}"`);
  if (metadata.has("adapter.alora.invocation_tokens")) {
    throw refuse("is an activated LoRA, which begins at a token of the text (adapter.alora.invocation_tokens)");
  }
  const [its, the] = [metadata, model.metadata].map((one) => one.getString("general.architecture") ?? "(none)");
  if (its !== the)
    throw mismatch(adapter, `is for the architecture "${printable(its!)}"; the model's is "${printable(the!)}"`);
  if (!adapter.hasData) throw new GgufError("GGUF_NO_DATA", `${nameOf(adapter)} has a header and no tensor data`);
}

/** What an adapter adds, by the names of the matrices that it adds to. */
function termsOf({ gguf, scale }: Lora): Map<string, LoraTerm> {
  const alpha = gguf.metadata.getNumber("adapter.lora.alpha") ?? 0;
  const terms = new Map<string, LoraTerm>();
  for (const { name } of gguf.tensors) {
    const target = name.replace(/\.lora_[ab]$/, "");
    if (target === name) {
      throw unsupported(gguf, `replaces ${printable(name)} as a whole; supported: pairs of lora_a and lora_b`);
    }
    if (terms.has(target)) continue;
    const [a, b] = ["lora_a", "lora_b"].map((suffix) => gguf.tensor(`${target}.${suffix}`));
    if (a === undefined || b === undefined) {
      const subject = printable(`${target}.${a === undefined ? "lora_a" : "lora_b"}`);
      throw new GgufError("GGUF_TENSOR_MISSING", `${nameOf(gguf)} lacks this tensor`, { subject });
    }
    const rank = b.shape[0] ?? 1;
    terms.set(target, { gguf, a, b, rank, scale: alpha === 0 ? scale : (scale * alpha) / rank });
  }
  if (terms.size === 0) throw new GgufError("GGUF_TENSOR_MISSING", `${nameOf(gguf)} has no tensors`);
  return terms;
}

function checkTarget(target: string, { gguf, a, b, rank }: LoraTerm, model: Gguf, weights: readonly Weight[]): void {
  const name = printable(target);
  if (model.tensor(target) === undefined) throw mismatch(gguf, `adds to ${name}, which the model does not have`);
  const weight = weights.find((one) => one.name === target);
  const what =
    target === "token_embd.weight"
      ? "the embedding of tokens"
      : weight?.matrices !== undefined
        ? "the matrices of experts"
        : weight?.role !== "matrix"
          ? "which is not a matrix of a layer"
          : undefined;
  if (weight === undefined || what !== undefined) {
    throw unsupported(gguf, `adds to ${name}, ${what}; supported: the matrices of layers, and output.weight`);
  }
  const shown = ({ shape }: GgufTensor) => `(${shape.join(", ")})`;
  const is = (tensor: GgufTensor, ...shape: readonly number[]) =>
    Array.from({ length: Math.max(2, tensor.shape.length) }).every(
      (_, i) => (tensor.shape[i] ?? 1) === (shape[i] ?? 1),
    );
  if (is(a, weight.columns, rank) && is(b, rank, weight.rows)) return;
  if (rank === 0 || (a.shape[1] ?? 1) !== rank) {
    throw new GgufError(
      "GGUF_TENSOR_SHAPE",
      `lora_a ${shown(a)} and lora_b ${shown(b)} of ${nameOf(gguf)} do not go together`,
      {
        subject: name,
      },
    );
  }
  throw mismatch(
    gguf,
    `adds to ${name} by lora_a ${shown(a)} and lora_b ${shown(b)}; the model's is (${weight.columns}, ${weight.rows})`,
  );
}

function checkFormat({ name, type }: GgufTensor, kernels: Kernels): void {
  const known = tensorTypeByName(type);
  if (known !== undefined && kernels.formatActivation(known.id) !== ACTIVATION_NONE) return;
  throw new UnsupportedError(
    "UNSUPPORTED_FORMAT",
    `tensor "${printable(name)}" is ${type}; supported: F32, F16, BF16, Q8_0`,
  );
}

function unsupported(gguf: Gguf, what: string): UnsupportedError {
  return new UnsupportedError("UNSUPPORTED_LORA", `${nameOf(gguf)} ${what}`);
}

function mismatch(gguf: Gguf, what: string): UnsupportedError {
  return new UnsupportedError("LORA_MISMATCH", `${nameOf(gguf)} ${what}`);
}

/** What messages call an adapter: its file. */
function nameOf({ parts }: Gguf): string {
  return printable(parts[0]!.name);
}
