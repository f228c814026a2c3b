// cria: the public API.

export { demoModel } from "./demo-model.js";
export type { AnswerOptions, Chat, ChatCompletionOptions, ChatOptions } from "./engine/chat.js";
export type { Overlong } from "./engine/embed-inputs.js";
export type { EmbedOptions, EmbedUsage } from "./engine/embedding.js";
export type {
  Completion,
  FinishReason,
  GeneratedLogprob,
  GeneratedPart,
  GenerateOptions,
  GenerationSummary,
  JsonCompletion,
  Timings,
  Usage,
} from "./engine/generation.js";
export {
  type KvCacheType,
  type LoadOptions,
  type LoadSource,
  loadModel,
} from "./engine/load-model.js";
export type { TokenLogprob } from "./engine/logprobs.js";
export type { Model, Prompt } from "./engine/model.js";
export type { EmbeddingInfo, ModelInfo } from "./engine/model-info.js";
export type { Pooling } from "./engine/pooling.js";
export type { Purpose, PurposePrompts } from "./engine/purposes.js";
export type { RankedDocument, RerankOptions } from "./engine/reranking.js";
export type {
  DryOptions,
  DynamicTemperatureOptions,
  MirostatOptions,
  SamplerName,
  SamplingOptions,
  XtcOptions,
} from "./engine/sampling-options.js";
export type { Sequence } from "./engine/sequence.js";
export type { SessionSource } from "./engine/sessions.js";
export type { Tool, ToolCall, ToolCallDelta, ToolChoice, ToolChoiceOptions, ToolResult } from "./engine/tools.js";
export type { Pinning } from "./engine/worker-plan.js";
export {
  ContextError,
  CriaError,
  DownloadError,
  GgufError,
  GrammarError,
  MemoryError,
  SessionError,
  TemplateError,
  UnsupportedError,
  WorkerError,
} from "./errors.js";
export type { JsonSchema } from "./grammar/index.js";
export { type DownloadOptions, type DownloadProgress, downloadModel } from "./hub/index.js";
export type { CpuCache } from "./machine/cpu/caches.js";
export type { CpuQuota } from "./machine/cpu/cgroup.js";
export type { Core, CoreKind } from "./machine/cpu/cores.js";
export type { PinRequest } from "./machine/cpu/pin-plan.js";
export { type CpuGroup, type CpuTopology, cpuTopology, type NumaNode } from "./machine/cpu/topology.js";
export type { KernelBuild } from "./machine/kernels.js";
export type { MemoryPlan } from "./model/memory-plan.js";
export type { ChatMessage, PromptPart, Tokenizer } from "./tokenizer/index.js";
