// cria/bullmq: bulk embedding and reranking over a queue of BullMQ, on Redis.

export type { QueuePlace } from "./connection.js";
export { type IdentityOptions, modelIdentity } from "./identity.js";
export {
  decodeVectors,
  type EmbedJob,
  type EmbedJobOptions,
  jobId,
  type RerankJob,
  type RerankJobOptions,
  type VectorJob,
  type VectorProgress,
  type VectorResult,
} from "./job.js";
export { createProcessor, GIVE_BACK, type ProcessorOptions, type QueuedJob, type VectorModel } from "./processor.js";
export {
  type OpenQueueOptions,
  openQueue,
  type QueuedEmbedOptions,
  type QueuedRerankOptions,
  type QueuedVector,
  type VectorQueue,
} from "./queue.js";
export { type QueueWorker, type QueueWorkerOptions, startWorker, type WorkerEvent } from "./worker.js";
