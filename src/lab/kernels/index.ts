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

import {
  compileKernels,
  instantiateKernels,
  type KernelBuild,
  type Kernels,
  kernelBuilds,
} from "../../machine/kernels.js";
import { checkChoice, checkNames } from "../../options.js";
import { AttentionKernel, type AttentionShape } from "./attention.js";
import { DequantizeKernel, type DequantizeShape } from "./dequantize.js";
import { AddBiasKernel, type ElementwiseShape, ScaleKernel } from "./elementwise.js";
import { EncodeKernel, type EncodeShape } from "./encode.js";
import { findFormat, listFormats, type WeightFormat } from "./formats.js";
import { GatedKernel, GeluKernel } from "./gates.js";
import { MatmulKernel, type MatmulShape } from "./matmul.js";
import { MeanRowsKernel, type MeanRowsShape } from "./mean.js";
import { LayerNormKernel, type NormShape, RmsNormKernel } from "./norm.js";
import { PackKernel, type PackShape, UnpackKernel } from "./pack.js";
import { QuantizeKernel, type QuantizeShape } from "./quantize.js";
import { randomWeights } from "./random-weights.js";
import { RopeKernel, type RopeShape } from "./rope.js";
import { RopeTableKernel, type RopeTableShape } from "./rope-table.js";
import { StoreKvKernel, type StoreKvShape } from "./store-kv.js";
import { openWorkspace, type Workspace } from "./workspace.js";

export { CriaError, MemoryError, UnsupportedError } from "../../errors.js";
export type { KernelBuild, Kernels } from "../../machine/kernels.js";
export type { ActivationName } from "./formats.js";
export type { KvCacheName } from "./kv-cache.js";
export type { PreparedKernel } from "./prepared.js";
export type {
  AddBiasKernel,
  AttentionKernel,
  AttentionShape,
  DequantizeKernel,
  DequantizeShape,
  ElementwiseShape,
  EncodeKernel,
  EncodeShape,
  GatedKernel,
  GeluKernel,
  LayerNormKernel,
  MatmulKernel,
  MatmulShape,
  MeanRowsKernel,
  MeanRowsShape,
  NormShape,
  PackKernel,
  PackShape,
  QuantizeKernel,
  QuantizeShape,
  RmsNormKernel,
  RopeKernel,
  RopeShape,
  RopeTableKernel,
  RopeTableShape,
  ScaleKernel,
  StoreKvKernel,
  StoreKvShape,
  UnpackKernel,
  WeightFormat,
  Workspace,
};

/** How to open the kernels. */
export interface OpenKernelsOptions {
  /** Which build of the kernels. Default: the one that a model would run on, see `CRIA_KERNELS`. */
  readonly build?: KernelBuild;
  /** The folder in which the kernels lie, for programs whose bundler has moved this package's code. */
  readonly assets?: URL;
}

/**
 * Compiles the kernels.
 *
 * @throws UnsupportedError when this host cannot run that build, CriaError INVALID_OPTION
 */
export async function openKernels(options: OpenKernelsOptions = {}): Promise<KernelLab> {
  checkNames("openKernels", options, ["build", "assets"]);
  const wanted = options.build === undefined ? undefined : checkChoice("build", options.build, kernelBuilds);
  const { module, build } = await compileKernels(options.assets, wanted);
  return new KernelLab(module, build);
}

/**
 * The compiled kernels. Each method makes a kernel with zeroed buffers for one shape.
 *
 * All methods throw CriaError INVALID_OPTION for a number that is out of range, INVALID_SHAPE for numbers that do not go together,
 * UnsupportedError for a format without kernels, MemoryError when the buffers do not fit into one WebAssembly memory of 4 GiB.
 */
export class KernelLab {
  readonly module: WebAssembly.Module;
  readonly build: KernelBuild;
  /** The weight formats that have kernels. */
  readonly formats: readonly WeightFormat[];
  /** Only asked for sizes. */
  readonly #sizes: Kernels;

  /** Use `openKernels`. */
  constructor(module: WebAssembly.Module, build: KernelBuild) {
    this.module = module;
    this.build = build;
    this.#sizes = instantiateKernels(module, new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true }));
    this.formats = listFormats(this.#sizes);
  }

  /** y = x . w transposed: (tokens, rows) from (tokens, columns) and (rows, columns). */
  matmul(shape: MatmulShape): MatmulKernel {
    return new MatmulKernel(this.module, this.#sizes, this.format(shape.format), shape);
  }

  /** softmax(q . k / sqrt(headDim)) . v, causal. */
  attention(shape: AttentionShape): AttentionKernel {
    return new AttentionKernel(this.module, this.#sizes, shape);
  }

  /** Keys and values into the pages of a cache, for `attention`'s kernel. */
  storeKv(shape: StoreKvShape): StoreKvKernel {
    return new StoreKvKernel(this.module, this.#sizes, shape);
  }

  /** Activations to what a weight format multiplies. */
  encode(shape: EncodeShape): EncodeKernel {
    return new EncodeKernel(this.module, this.#sizes, shape);
  }

  /** Weights to f32. */
  dequantize(shape: DequantizeShape): DequantizeKernel {
    return new DequantizeKernel(this.module, this.format(shape.format), shape);
  }

  /** f32 to weights. */
  quantize(shape: QuantizeShape): QuantizeKernel {
    return new QuantizeKernel(this.module, this.#sizes, this.format(shape.format), shape);
  }

  /** Weights to what `matmul`'s kernel streams: 8 rows side by side. */
  pack(shape: PackShape): PackKernel {
    return new PackKernel(this.module, this.format(shape.format), shape);
  }

  /** Packed weights to GGUF's layout. */
  unpack(shape: PackShape): UnpackKernel {
    return new UnpackKernel(this.module, this.format(shape.format), shape);
  }

  /** RMSNorm, row by row, times a weight. */
  rmsNorm(shape: NormShape): RmsNormKernel {
    return new RmsNormKernel(this.module, shape);
  }

  /** LayerNorm, row by row, times a weight, plus a bias. */
  layerNorm(shape: NormShape): LayerNormKernel {
    return new LayerNormKernel(this.module, shape);
  }

  /** The mean of rows, with sums in f64. */
  meanRows(shape: MeanRowsShape): MeanRowsKernel {
    return new MeanRowsKernel(this.module, shape);
  }

  /** Rotary position embedding of consecutive positions, on pairs of neighbours or on halves. */
  rope(shape: RopeShape): RopeKernel {
    return new RopeKernel(this.module, shape);
  }

  /** The cosines and sines of consecutive positions, for `rope`'s kernels. */
  ropeTable(shape: RopeTableShape): RopeTableKernel {
    return new RopeTableKernel(this.module, shape);
  }

  /** silu(gate) * up. */
  swiGlu(shape: ElementwiseShape): GatedKernel {
    return new GatedKernel(this.module, "swiGlu", shape);
  }

  /** gelu(gate) * up. */
  geGlu(shape: ElementwiseShape): GatedKernel {
    return new GatedKernel(this.module, "geGlu", shape);
  }

  /** GELU, the form with tanh. */
  gelu(shape: ElementwiseShape): GeluKernel {
    return new GeluKernel(this.module, shape);
  }

  /** y + bias, row by row. */
  addBias(shape: ElementwiseShape): AddBiasKernel {
    return new AddBiasKernel(this.module, shape);
  }

  /** x * factor. */
  scale(shape: ElementwiseShape): ScaleKernel {
    return new ScaleKernel(this.module, shape);
  }

  /**
   * Named buffers, and the kernels over them: to call any of them as the engine does, with addresses. assembly/kernels says what each
   * takes; addresses are not checked.
   *
   * @param sizes bytes of each buffer
   */
  open<Name extends string>(sizes: Readonly<Record<Name, number>>): Workspace<Name> {
    return openWorkspace(this.module, sizes);
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
    return randomWeights(this.module, this.format(format), rows, columns, seed);
  }
}
