// planModel: a model's shape from its header, and where everything will lie in memory. Nothing is allocated, and no weight is read.

import { KV_F16, KV_F32, KV_Q8_0 } from "#abi";
import { GgufError, UnsupportedError } from "../../errors.js";
import type { Gguf } from "../../gguf/index.js";
import type { CpuTopology } from "../../machine/cpu/topology.js";
import { instantiateKernels, type KernelModule } from "../../machine/kernels.js";
import { allocateMemory, LARGEST_MEMORY, WASM_PAGE } from "../../machine/shared-memory.js";
import { ANSWERING_ARCHITECTURE, saysReranker } from "../../model/answers.js";
import { architectureOf, readModel } from "../../model/architectures/table.js";
import { type HeadShape, headOf } from "../../model/head.js";
import { type Hyperparameters, learnsPositions } from "../../model/hyperparameters.js";
import { type AdaptedMatrix, type Lora, planLora } from "../../model/plan/lora.js";
import {
  type KvPool,
  type Layout,
  LOGIT_ROWS,
  type MemoryPlan,
  pageBytesOf,
  planMemory,
  STEP_ROWS,
  type StatePool,
} from "../../model/plan/memory-plan.js";
import { checkUnreadTensors } from "../../model/plan/unread-tensors.js";
import { type EncodedAs, findWeights, type Weight } from "../../model/plan/weights.js";
import { checkBoolean, checkChoice, checkInteger, idleOption, invalidOption } from "../../options.js";
import { floatTypes, quantizedType } from "../../quantize/file-types.js";
import { loadedSpeculation, recurrentObstacle, type SpeculationDefaults } from "../speculation.js";
import type { KvCacheType, LoadOptions, LoadSource } from "./load-options.js";
import { planWorkers, type WorkerPlan } from "./worker-plan.js";

const kvKinds = { f16: KV_F16, f32: KV_F32, q8_0: KV_Q8_0 } as const;

/** All that is known about a model before its weights are read. */
export interface PlannedModel {
  readonly hyperparameters: Hyperparameters;
  readonly head: HeadShape;
  readonly layout: Layout;
  readonly pool: KvPool;
  readonly states: StatePool | undefined;
  /** With the draft model's, if there is one. */
  readonly plan: MemoryPlan;
  /** Of a model that was loaded with a draft model. */
  readonly draft?: PlannedModel;
  /** What LoRA adapters add, and how many bytes that is in F32. */
  readonly lora: { readonly matrices: readonly AdaptedMatrix[]; readonly bytes: number };
  readonly contextSize: number;
  readonly sequences: number;
  readonly kvCache: KvCacheType;
  /** The option. */
  readonly quantize: LoadOptions["quantize"];
  /** Bytes of a page of each type of KV cache that the model can have, the widest type first. */
  readonly kvPageBytes: Readonly<Partial<Record<KvCacheType, number>>>;
  readonly workers: WorkerPlan;
  /** Bytes of the matrices that a step of one row multiplies by. */
  readonly tokenBytes: number;
  readonly speculation: SpeculationDefaults;
  /** What the file does not say of its shape, and what was taken in its place. */
  readonly warnings: readonly string[];
}

/** The most rows of a step that may be asked for. */
const MOST_STEP_ROWS = 1024;

/** Reads a model's shape and lays out its memory, with that of LoRA adapters, without allocating it. `on`: as for `planWorkers`. */
export async function planModel(
  gguf: Gguf,
  options: LoadOptions,
  kernels: KernelModule,
  loras: readonly Lora[] = [],
  on?: CpuTopology,
): Promise<PlannedModel> {
  if (!gguf.hasData)
    throw new GgufError("GGUF_NO_DATA", "the file has a header and no tensor data; is it only a vocabulary?");
  const { hyperparameters, warnings } = readModel(gguf);
  const reranks = checkRerank(options.rerank, gguf, hyperparameters);
  const speculation = speculationFor(hyperparameters, options.speculate);
  const contextSize = checkInteger(
    "contextSize",
    options.contextSize ?? Math.min(hyperparameters.context, 4096),
    1,
    2 ** 22,
  );
  const sequences = checkInteger("sequences", options.sequences ?? 1, 1, 4096);
  const stepRows = checkInteger("prefillChunk", options.prefillChunk ?? STEP_ROWS, LOGIT_ROWS, MOST_STEP_ROWS);
  if (learnsPositions(hyperparameters) && contextSize > hyperparameters.context) {
    const learned = `at most ${hyperparameters.context}, the positions that the model has learned`;
    throw invalidOption("contextSize", learned, contextSize);
  }
  const kvDefault = hyperparameters.causal ? "f16" : "f32";
  const kvCache = checkChoice("kvCache", options.kvCache ?? kvDefault, ["f16", "f32", "q8_0"]);
  const uneven = hyperparameters.attention.find(({ headDim }) => headDim % 32 !== 0);
  if (kvCache === "q8_0" && uneven !== undefined) {
    throw new UnsupportedError(
      "UNSUPPORTED_KV_CACHE",
      `a q8_0 cache needs heads of a multiple of 32 dimensions, these have ${uneven.headDim}; supported: f16, f32`,
    );
  }
  const sizes = instantiateKernels(kernels.module, allocateMemory(1, "the kernels' sizes"));
  const { weights } = architectureOf(hyperparameters.architecture);
  const head = headOf(gguf, hyperparameters.architecture, hyperparameters.dim, reranks);
  if (options.rerank === true && head.shape.scores === 0) {
    throw new UnsupportedError("NOT_A_RERANKER", 'rerank is set, but the vocabulary lacks a token "yes" or "no"');
  }
  const specs = weights(hyperparameters, (name) => gguf.tensor(name) !== undefined);
  const scored = head.weights.find(({ gather }) => gather !== undefined)?.gather?.tensor;
  const encodedAs = encodingWanted(options.quantize, gguf, hyperparameters);
  const lora = planLora(gguf, findWeights(gguf, specs, sizes, encodedAs), loras, sizes, scored);
  const found = [...lora.weights, ...findWeights(gguf, head.weights, sizes, encodedAs)];
  checkUnreadTensors(gguf, [...specs, ...head.weights], hyperparameters);
  const tokenBytes = tokenBytesOf(lora.weights, hyperparameters);
  const workers = await planWorkers(options, on, tokenBytes);
  const kvKind = kvKinds[kvCache];
  const planned = planMemory(
    hyperparameters,
    found,
    {
      workers: workers.workers,
      stepRows,
      contextSize,
      sequences,
      kvKind,
      headWidth: head.shape.widest,
      shardBytes: shardBytesOf(),
      mostEmbeddingBytes: mostEmbeddingBytes(gguf),
    },
    sizes,
  );
  const bytesOf = (type: KvCacheType) => pageBytesOf(hyperparameters, kvKinds[type], sizes);
  const kvPageBytes = {
    f32: bytesOf("f32"),
    f16: bytesOf("f16"),
    ...(uneven === undefined && { q8_0: bytesOf("q8_0") }),
  };
  return {
    ...{ hyperparameters, head: head.shape, ...planned, lora },
    ...{ contextSize, sequences, kvCache, quantize: options.quantize, kvPageBytes, workers, tokenBytes },
    ...{ speculation, warnings },
  };
}

/** Bytes of the matrices that a step of one row multiplies by: of experts, those that the row chooses. */
function tokenBytesOf(weights: readonly Weight[], { experts }: Hyperparameters): number {
  const chosen = experts === undefined ? 1 : experts.used / experts.count;
  return weights
    .filter(({ role }) => role === "matrix")
    .reduce((sum, { rows, rowBytes, matrices }) => sum + rows * rowBytes * (matrices === undefined ? 1 : chosen), 0);
}

/** In what the option `quantize` has weights encoded: those that `quantizeModel` encodes, and that are floats in the file. */
function encodingWanted(wanted: string | undefined, gguf: Gguf, { layers, experts }: Hyperparameters): EncodedAs {
  if (wanted === undefined) return () => undefined;
  const type = checkChoice("quantize", wanted, ["Q8_0"]);
  const model = { layers, tied: gguf.tensor("output.weight") === undefined, experts: experts?.count ?? 0 };
  return ({ name, shape, type: inFile }) =>
    floatTypes.includes(inFile) ? quantizedType({ type }, name, shape, model) : undefined;
}

/** What a model can do, and is asked to do. @throws CriaError INVALID_OPTION, UnsupportedError UNSUPPORTED_SPECULATION */
function speculationFor(
  { causal, recurrence }: Hyperparameters,
  wanted: LoadOptions["speculate"],
): SpeculationDefaults {
  const asked = loadedSpeculation<LoadSource>(wanted);
  const obstacle = recurrence === undefined ? undefined : recurrentObstacle();
  if (asked !== "off" && !causal)
    throw idleOption("speculate", "the model is an encoder, which does not generate text");
  if (asked !== "off" && obstacle !== undefined) throw obstacle;
  const hasDraft = typeof asked !== "string";
  return { byDefault: hasDraft ? "draft" : asked, hasDraft, obstacle };
}

function checkRerank(wanted: boolean | undefined, gguf: Gguf, { architecture }: Hyperparameters): boolean {
  if (wanted === undefined) return saysReranker(gguf);
  if (checkBoolean("rerank", wanted) && architecture !== ANSWERING_ARCHITECTURE) {
    throw idleOption(
      "rerank",
      `the model's architecture is ${architecture}: models that rank by their answers are ${ANSWERING_ARCHITECTURE}`,
    );
  }
  return wanted;
}

/** The most bytes of a shard: a whole memory, unless the environment's CRIA_SHARD_BYTES says less, for tests. */
function shardBytesOf(): number {
  const most = fromEnvironment("CRIA_SHARD_BYTES", LARGEST_MEMORY, WASM_PAGE, LARGEST_MEMORY);
  return Math.floor(most / WASM_PAGE) * WASM_PAGE;
}

/**
 * An embedding of more bytes stays in the file, unless the environment's CRIA_TABLE_BYTES says otherwise: those of models of 7B and more,
 * where a row read from the disk is less than a hundredth of a token. In a smaller model there is little to save.
 */
const MOST_EMBEDDING_BYTES = 256 * 2 ** 20;

/** Only a file can be read again: what is in memory is copied as a whole. */
function mostEmbeddingBytes({ parts }: Gguf): number {
  if (parts.some(({ path }) => path === undefined)) return Number.POSITIVE_INFINITY;
  return fromEnvironment("CRIA_TABLE_BYTES", MOST_EMBEDDING_BYTES, 0, Number.MAX_SAFE_INTEGER);
}

function fromEnvironment(name: string, otherwise: number, least: number, most: number): number {
  const wanted = (typeof process === "undefined" ? undefined : process.env?.[name]) || undefined;
  return checkInteger(name, Number(wanted ?? otherwise), least, most);
}
