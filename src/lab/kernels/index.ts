// `cria/kernels`: every kernel by itself, on your own buffers, without a model, on the thread that calls it. For people who study the
// kernels, measure them, or hold them against their own.
//
//   const lab = await openKernels({ build: "relaxed" });
//   const matmul = lab.matmul({ format: "Q4_0", rows: 2048, columns: 2048, tokens: 1 });
//   matmul.setWeights(bytes).setActivations(x);   // (rows, columns) in GGUF's layout; (tokens, columns) f32
//   matmul.run();                                 // as often as you like: only the kernel, no copies
//   matmul.result;                                // (tokens, rows) f32
//
// Every prepared kernel has a memory of its own, which goes when the kernel is garbage.

import { UnsupportedError } from "../../errors.js";
import {
  instantiateKernels,
  type KernelChoice,
  type KernelModule,
  type KernelName,
  type Kernels,
  kernelChoices,
  kernelNameOf,
} from "../../machine/kernels.js";
import { loadKernels } from "../../machine/load-kernels.js";
import { allocateMemory } from "../../machine/shared-memory.js";
import { checkChoice, checkFolderUrl, namesOf, optionsOf } from "../../options.js";
import type { AttentionKernel, AttentionShape } from "./attention.js";
import type { ShortConvolutionKernel, ShortConvolutionShape } from "./convolution.js";
import type { DeclaredKernel, KernelHost } from "./declaration.js";
import type { DeltaRuleKernel, DeltaRuleShape } from "./delta-rule.js";
import type { DequantizeKernel, DequantizeShape } from "./dequantize.js";
import type { AddBiasKernel, ElementwiseShape, ScaleKernel } from "./elementwise.js";
import type { EncodeKernel, EncodeShape } from "./encode.js";
import type {
  AddWeightedRowsKernel,
  AddWeightedRowsShape,
  ChooseExpertsKernel,
  ChooseExpertsShape,
} from "./experts.js";
import { type ActivationName, findFormat, listFormats, type WeightFormat } from "./formats.js";
import type {
  GatedKernel,
  GeluKernel,
  GeluRowsKernel,
  SigmoidGateKernel,
  SigmoidKernel,
  SoftcapKernel,
} from "./gates.js";
import type { KvCacheName } from "./kv-cache.js";
import type { MatmulKernel, MatmulShape } from "./matmul.js";
import type { MeanRowsKernel, MeanRowsShape } from "./mean.js";
import type { MergeAttentionKernel, MergeAttentionShape } from "./merge-attention.js";
import type { LayerNormKernel, NormShape, RmsNormKernel } from "./norm.js";
import type { PackKernel, PackShape, UnpackKernel } from "./pack.js";
import type { PreparedKernel, ShapedKernel, WeightKernel } from "./prepared.js";
import type { QuantizeKernel, QuantizeShape } from "./quantize.js";
import { randomWeights } from "./random-weights.js";
import type { RopeKernel, RopeShape } from "./rope.js";
import type { RopeTableKernel, RopeTableShape } from "./rope-table.js";
import type { SiluConvolutionKernel, SiluConvolutionShape } from "./silu-convolution.js";
import type { StoreKvKernel, StoreKvShape } from "./store-kv.js";
import { kernelRows } from "./table.js";
import type { TextAttentionKernel, TextAttentionShape } from "./text-attention.js";
import { openWorkspace, type Workspace } from "./workspace.js";

export { CriaError, MemoryError, UnsupportedError } from "../../errors.js";
export type { KernelBuild, KernelChoice, KernelModule, KernelName, Kernels } from "../../machine/kernels.js";
export type {
  ActivationName,
  AddBiasKernel,
  AddWeightedRowsKernel,
  AddWeightedRowsShape,
  AttentionKernel,
  AttentionShape,
  ChooseExpertsKernel,
  ChooseExpertsShape,
  DeltaRuleKernel,
  DeltaRuleShape,
  DequantizeKernel,
  DequantizeShape,
  ElementwiseShape,
  EncodeKernel,
  EncodeShape,
  GatedKernel,
  GeluKernel,
  GeluRowsKernel,
  KernelHost,
  KvCacheName,
  LayerNormKernel,
  MatmulKernel,
  MatmulShape,
  MeanRowsKernel,
  MeanRowsShape,
  MergeAttentionKernel,
  MergeAttentionShape,
  NormShape,
  PackKernel,
  PackShape,
  PreparedKernel,
  QuantizeKernel,
  QuantizeShape,
  RmsNormKernel,
  RopeKernel,
  RopeShape,
  RopeTableKernel,
  RopeTableShape,
  ScaleKernel,
  ShapedKernel,
  ShortConvolutionKernel,
  ShortConvolutionShape,
  SigmoidGateKernel,
  SigmoidKernel,
  SiluConvolutionKernel,
  SiluConvolutionShape,
  SoftcapKernel,
  StoreKvKernel,
  StoreKvShape,
  TextAttentionKernel,
  TextAttentionShape,
  UnpackKernel,
  WeightFormat,
  WeightKernel,
  Workspace,
};

/** How to open the kernels. */
export interface OpenKernelsOptions {
  /** Which build of the kernels, or `"wide"`. Default: the one that a model would run on, see `CRIA_KERNELS`. */
  readonly build?: KernelChoice;
  /** The folder in which the kernels lie, for programs whose bundler has moved this package's code. */
  readonly assets?: URL;
}

const optionNames = namesOf<OpenKernelsOptions>({ build: true, assets: true });

/**
 * Compiles the kernels.
 *
 * @throws UnsupportedError when this host cannot run that build, CriaError INVALID_OPTION
 */
export async function openKernels(given: OpenKernelsOptions = {}): Promise<KernelLab> {
  const options = optionsOf("openKernels", given, optionNames);
  const wanted = options.build === undefined ? undefined : checkChoice("build", options.build, kernelChoices);
  return new KernelLab(await labKernels(checkFolderUrl("assets", options.assets), wanted));
}

/** The kernels to measure. @throws UnsupportedError also where wide kernels are asked for and do not run: others would not be measured */
export async function labKernels(assets: URL | undefined, choice: KernelChoice | undefined): Promise<KernelModule> {
  const kernels = await loadKernels(assets, choice);
  if (kernels.problem === undefined || kernels.wide !== undefined) return kernels;
  throw new UnsupportedError("UNSUPPORTED_HOST", kernels.problem);
}

/**
 * The compiled kernels. Each method that takes a shape makes a kernel with zeroed buffers for it.
 *
 * All methods throw CriaError INVALID_OPTION for a number that is out of range, INVALID_SHAPE for numbers that do not go together,
 * UnsupportedError for a format without kernels, MemoryError when the buffers do not fit into one WebAssembly memory of 4 GiB.
 */
export class KernelLab implements KernelHost {
  /** y = x . w transposed: (tokens, rows) from (tokens, columns) and (rows, columns). */
  readonly matmul = this.#method(kernelRows.matmul);
  /** softmax(q . k / sqrt(headDim)) . v, causal. */
  readonly attention = this.#method(kernelRows.attention);
  /** What `attention` makes of the segments of a text, merged. */
  readonly mergeAttention = this.#method(kernelRows.mergeAttention);
  /** softmax(q . k / sqrt(headDim)) . v within a text whose tokens see each other. */
  readonly textAttention = this.#method(kernelRows.textAttention);
  /** Keys and values into the pages of a cache, for `attention`'s kernel. */
  readonly storeKv = this.#method(kernelRows.storeKv);
  /** LFM2's convolution along the rows of a text, between its two gates. */
  readonly shortConvolution = this.#method(kernelRows.shortConvolution);
  /** Activations to what a weight format multiplies. */
  readonly encode = this.#method(kernelRows.encode);
  /** Weights to f32. */
  readonly dequantize = this.#method(kernelRows.dequantize);
  /** f32 to weights. */
  readonly quantize = this.#method(kernelRows.quantize);
  /** Weights to what `matmul`'s kernel streams: 8 rows side by side. */
  readonly pack = this.#method(kernelRows.pack);
  /** Packed weights to GGUF's layout. */
  readonly unpack = this.#method(kernelRows.unpack);
  /** RMSNorm, row by row, times a weight. */
  readonly rmsNorm = this.#method(kernelRows.rmsNorm);
  /** LayerNorm, row by row, times a weight, plus a bias. */
  readonly layerNorm = this.#method(kernelRows.layerNorm);
  /** The mean of rows, with sums in f64. */
  readonly meanRows = this.#method(kernelRows.meanRows);
  /** Rotary position embedding of consecutive positions, on pairs of neighbours or on halves. */
  readonly rope = this.#method(kernelRows.rope);
  /** The cosines and sines of consecutive positions, for `rope`'s kernels. */
  readonly ropeTable = this.#method(kernelRows.ropeTable);
  /** silu(gate) * up. */
  readonly swiGlu = this.#method(kernelRows.swiGlu);
  /** gpt-oss's silu(gate) * up, with limits. */
  readonly clampedSwiGlu = this.#method(kernelRows.clampedSwiGlu);
  /** gelu(gate) * up. */
  readonly geGlu = this.#method(kernelRows.geGlu);
  /** GELU, the form with tanh. */
  readonly gelu = this.#method(kernelRows.gelu);
  /** gelu(x + bias), row by row. */
  readonly geluRows = this.#method(kernelRows.geluRows);
  /** 1 / (1 + e^-x). */
  readonly sigmoid = this.#method(kernelRows.sigmoid);
  /** cap * tanh(x / cap). */
  readonly softcap = this.#method(kernelRows.softcap);
  /** x * sigmoid(gate). */
  readonly sigmoidGate = this.#method(kernelRows.sigmoidGate);
  /** y + bias, row by row. */
  readonly addBias = this.#method(kernelRows.addBias);
  /** y + bias, all rows at once. */
  readonly addBiasRows = this.#method(kernelRows.addBiasRows);
  /** x * factor. */
  readonly scale = this.#method(kernelRows.scale);
  /** The largest of a router's logits, and their softmax. */
  readonly chooseExperts = this.#method(kernelRows.chooseExperts);
  /** y + the weighted sum of other rows, row by row. */
  readonly addWeightedRows = this.#method(kernelRows.addWeightedRows);
  /** silu of a short causal convolution of each channel by itself. */
  readonly siluConvolution = this.#method(kernelRows.siluConvolution);
  /** The gated delta rule. */
  readonly deltaRule = this.#method(kernelRows.deltaRule);

  readonly module: WebAssembly.Module;
  /** The wide module beside it, if there is one. */
  readonly wide: WebAssembly.Module | undefined;
  readonly build: KernelName;
  /** The weight formats that have kernels. */
  readonly formats: readonly WeightFormat[];
  /** Kernels over a memory that holds nothing, to ask for the sizes of buffers, such as `matmulScratchBytes`. */
  readonly sizes: Kernels;

  /** Use `openKernels`. */
  constructor(kernels: KernelModule) {
    this.module = kernels.module;
    this.wide = kernels.wide;
    this.build = kernelNameOf(kernels);
    this.sizes = instantiateKernels(this.module, allocateMemory(1, "the kernels' sizes"));
    this.formats = listFormats(this.sizes);
  }

  /**
   * Named buffers, and the kernels over them: to call any of them as the engine does, with addresses. assembly/kernels says what each
   * takes; addresses are not checked.
   *
   * @param sizes bytes of each buffer
   */
  open<Name extends string>(sizes: Readonly<Record<Name, number>>): Workspace<Name> {
    return openWorkspace(this, sizes);
  }

  /** @throws UnsupportedError for a name that is not in `formats` */
  format(name: string): WeightFormat {
    return findFormat(this.formats, name);
  }

  /**
   * Random weights of the size that trained ones have, the same for the same seed.
   *
   * @returns (rows, columns) in GGUF's layout
   */
  randomWeights(format: string, rows: number, columns: number, seed = 1): Uint8Array {
    return randomWeights(this, this.format(format), rows, columns, seed);
  }

  #method<Shape, Kernel>(row: DeclaredKernel<Shape, Kernel>): (shape: Shape) => Kernel {
    return (shape) => row.make(this, shape);
  }
}
