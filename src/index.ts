// cria: the public API.

export { demoModel } from "./api/demo-model.js";
export { loadModel } from "./api/load/load-model.js";
export type { DraftOptions, KvCacheType, LoadOptions, LoadSource, LoraOptions } from "./api/load/load-options.js";
export type { CompleteJsonOptions, Model, Prompt } from "./api/model.js";
export type {
  DraftInfo,
  EmbeddingInfo,
  LoraInfo,
  ModelInfo,
  Pinning,
  QuantizedInfo,
  TunedOptions,
} from "./api/model-info.js";
export { loadPool } from "./api/pool/load-pool.js";
export type { InstanceStats, ModelPool, PoolStats } from "./api/pool/pool.js";
export type { InstanceState } from "./api/pool/pool-instance.js";
export type { PoolOptions } from "./api/pool/pool-options.js";
export type { EvaluateOptions, Sequence } from "./api/sequences/sequence.js";
export type { SessionSource } from "./api/sequences/sessions.js";
export type { AnswerOptions, Chat, ChatCompletionOptions, ChatOptions, RunOptions } from "./api/text/chat.js";
export type {
  Completion,
  FinishReason,
  GeneratedLogprob,
  GeneratedPart,
  GenerateOptions,
  GenerationSummary,
  JsonCompletion,
  PrefillProgress,
  Timings,
  Usage,
} from "./api/text/generation.js";
export { type StreamResponseOptions, streamResponse } from "./api/text/stream-response.js";
export type { TemplateVariables } from "./api/text/template-variables.js";
export type { RanCall, RunCompletion, RunnableTool, ToolRunOptions } from "./api/text/tool-runs.js";
export type { ToolCall, ToolCallDelta, ToolChoice, ToolChoiceOptions, ToolResult } from "./api/text/tools.js";
export type { Tool } from "./api/tool.js";
export type { EmbedOptions, EmbedUsage } from "./api/vectors/embedding.js";
export type { Overlong } from "./api/vectors/inputs.js";
export type { Purpose, PurposePrompts } from "./api/vectors/purposes.js";
export type { RankedDocument, RerankOptions } from "./api/vectors/reranking.js";
export { cosineSimilarity, type Match, topK } from "./api/vectors/similarity.js";
export { loadVectors, saveVectors, type VectorSource } from "./api/vectors/vector-file.js";
export {
  ContextError,
  CriaError,
  DownloadError,
  FileError,
  GgufError,
  GrammarError,
  MemoryError,
  SessionError,
  TemplateError,
  UnsupportedError,
  WorkerError,
} from "./errors.js";
export type { JsonSchema, JsonValueOf, StandardJsonSchema, StandardOutput } from "./grammar/index.js";
export { type DownloadOptions, type DownloadProgress, type DownloadWait, downloadModel } from "./hub/index.js";
export type { CpuCache } from "./machine/cpu/caches.js";
export type { CpuQuota } from "./machine/cpu/cgroup.js";
export type { Core, CoreKind } from "./machine/cpu/cores.js";
export type { Domains } from "./machine/cpu/domains.js";
export type { PinRequest } from "./machine/cpu/pin-plan.js";
export { type CpuGroup, type CpuTopology, cpuTopology, type NumaNode } from "./machine/cpu/topology.js";
export type { Disturbance, DisturbanceKind } from "./machine/disturbance/disturbance.js";
export type { LoadFigures, WorkerLoad } from "./machine/disturbance/monitor.js";
export type { CachePages } from "./machine/disturbance/step-meter.js";
export type { KernelBuild, KernelChoice, KernelName } from "./machine/kernels.js";
export type { MemoryPlan, ShardPlan } from "./model/plan/memory-plan.js";
export type { Speculation } from "./protocol/messages.js";
export type { Pooling } from "./protocol/pooling.js";
export type { TokenLogprob } from "./sampling/logprobs.js";
export type {
  DryOptions,
  DynamicTemperatureOptions,
  MirostatOptions,
  SamplerName,
  SamplingOptions,
  XtcOptions,
} from "./sampling/sampling-options.js";
export type { ChatMessage, PromptPart, Tokenizer } from "./tokenizer/index.js";
