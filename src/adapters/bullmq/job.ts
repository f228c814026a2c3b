// What is said over the queue: a job is a chunk of texts to embed, or a query and documents to rerank; its result is numbers.
//
//   job     { task: "embed", model, texts, options }   { task: "rerank", model, query, documents, options }
//   id      "embed-" or "rerank-", and the SHA-256 of all of that: the same work has the same id, and BullMQ adds an id once
//   result  { count, dimensions, data: base64 of (count, dimensions) f32 little-endian, tokens }
//
// All of it is JSON, so that programs in other languages can submit and collect.

import { createHash } from "node:crypto";
import { CriaError, type EmbedOptions, type RerankOptions } from "../../index.js";
import { checkArray, checkChoice, checkText, groupOf, namesOf, optionsOf } from "../../options.js";

/** How the texts of a job are embedded: the options of `model.embed` that change vectors. */
export type EmbedJobOptions = Pick<
  EmbedOptions<"mean" | "cls" | "last">,
  "pooling" | "normalize" | "dimensions" | "purpose" | "prompts" | "overlong"
>;

/** How the documents of a job are ranked. */
export type RerankJobOptions = Pick<RerankOptions, "overlong">;

/** The data of a job that embeds texts. */
export interface EmbedJob {
  readonly task: "embed";
  /** What identifies the model: `modelIdentity` makes it. */
  readonly model: string;
  readonly texts: readonly string[];
  readonly options: EmbedJobOptions;
}

/** The data of a job that ranks documents by a query. */
export interface RerankJob {
  readonly task: "rerank";
  readonly model: string;
  readonly query: string;
  readonly documents: readonly string[];
  readonly options: RerankJobOptions;
}

/** The data of any job of the queue. */
export type VectorJob = EmbedJob | RerankJob;

/** What a job returns. */
export interface VectorResult {
  /** Vectors, one for each text; or scores, one for each document, of one element each. */
  readonly count: number;
  readonly dimensions: number;
  /** base64 of (count, dimensions) f32, little-endian */
  readonly data: string;
  /** Tokens that the model read. */
  readonly tokens: number;
}

/** How far a job is: `job.progress`. */
export interface VectorProgress {
  readonly done: number;
  readonly total: number;
}

/** The most texts of a job. */
export const MOST_TEXTS = 2 ** 16;

const embedOptions = namesOf<EmbedJobOptions>({
  pooling: true,
  normalize: true,
  dimensions: true,
  purpose: true,
  prompts: true,
  overlong: true,
});
const rerankOptions = namesOf<RerankJobOptions>({ overlong: true });
const tasks = ["embed", "rerank"] as const;

/** The options of an embedding job, checked as far as that goes without the model. */
export function embedJobOptions(call: string, options: EmbedJobOptions): EmbedJobOptions {
  const copy = optionsOf(call, options, embedOptions);
  if (copy.pooling !== undefined) checkChoice("pooling", copy.pooling, ["mean", "cls", "last"]);
  return copy;
}

/** @throws CriaError INVALID_JOB: whoever submitted the job has not written what a job is */
export function checkJob(data: unknown): VectorJob {
  try {
    const { task } = (data ?? {}) as { task?: unknown };
    const fields = checkChoice("task", task, tasks) === "embed" ? ["texts"] : ["query", "documents"];
    const job = groupOf<Record<string, unknown>>("the job", data, ["task", "model", "options", ...fields]);
    const model = checkText("model", job["model"], 1, 1000);
    if (task === "embed") {
      const texts = textsOf("texts", job["texts"]);
      return { task, model, texts, options: embedJobOptions("a job", (job["options"] ?? {}) as EmbedJobOptions) };
    }
    const documents = textsOf("documents", job["documents"]);
    const options = optionsOf<RerankJobOptions>("a job", (job["options"] ?? {}) as RerankJobOptions, rerankOptions);
    return { task: "rerank", model, query: checkText("query", job["query"]), documents, options };
  } catch (error) {
    throw new CriaError("INVALID_JOB", (error as Error).message, { cause: error });
  }
}

function textsOf(name: string, value: unknown): readonly string[] {
  const texts = checkArray(name, value, "strings", checkText, MOST_TEXTS);
  if (texts.length === 0) throw new CriaError("INVALID_JOB", `${name} must have at least one text`);
  return texts;
}

/** The same for the same model, options and texts, wherever it is computed. */
export function jobId(job: VectorJob): string {
  const { task, model } = job;
  const names: readonly string[] = task === "embed" ? embedOptions : rerankOptions;
  // In the order of `names`, whatever the order in which they were given; those that are undefined are left out.
  const options = names.map((name) => [name, (job.options as Readonly<Record<string, unknown>>)[name]]);
  const { query, document } = (task === "embed" ? job.options.prompts : undefined) ?? {};
  const rest = task === "embed" ? [query, document, job.texts] : [job.query, job.documents];
  const given = options.filter(([name, value]) => value !== undefined && name !== "prompts");
  const text = JSON.stringify(["cria job 1", task, model, given, ...rest]);
  return `${task}-${createHash("sha256").update(text).digest("hex")}`;
}

/** (count, dimensions) f32, to what Redis keeps. */
export function encodeVectors(vectors: readonly Float32Array[], tokens: number): VectorResult {
  const dimensions = vectors[0]?.length ?? 0;
  const bytes = Buffer.alloc(4 * dimensions * vectors.length);
  for (const [row, vector] of vectors.entries()) {
    for (let d = 0; d < dimensions; d++) bytes.writeFloatLE(vector[d]!, 4 * (row * dimensions + d));
  }
  return { count: vectors.length, dimensions, data: bytes.toString("base64"), tokens };
}

/** @throws CriaError INVALID_RESULT where Redis has something else */
export function decodeVectors(result: unknown, count: number): Float32Array[] {
  const { dimensions, data, ...rest } = (result ?? {}) as Partial<VectorResult>;
  const bytes = Buffer.from(typeof data === "string" ? data : "", "base64");
  if (!Number.isInteger(dimensions) || rest.count !== count || bytes.length !== 4 * count * dimensions!) {
    const found = `${rest.count} vectors of ${dimensions} elements in ${bytes.length} bytes`;
    throw new CriaError("INVALID_RESULT", `the job's result has ${found}; it must have ${count} vectors`);
  }
  const vector = (row: number) =>
    Float32Array.from({ length: dimensions! }, (_, d) => bytes.readFloatLE(4 * (row * dimensions! + d)));
  return Array.from({ length: count }, (_, row) => vector(row));
}

/** Bytes of the base64 of so many f32. */
export function encodedBytes(count: number, dimensions: number): number {
  return 4 * Math.ceil((4 * count * dimensions) / 3);
}
