// cria/bullmq against a real Redis: what a job computes, what is computed once only, what fails, and what a lost lock ends.

import { fileURLToPath } from "node:url";
import { Queue, Worker } from "bullmq";
import { CriaError, demoModel, loadModel, type Model, WorkerError } from "cria";
import {
  createProcessor,
  decodeVectors,
  type EmbedJob,
  jobId,
  modelIdentity,
  openQueue,
  type QueuedVector,
  type QueueWorker,
  startWorker,
  type VectorModel,
  type WorkerEvent,
} from "cria/bullmq";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { checkJob } from "../../../dist/adapters/bullmq/job.js";
import { hostileValues } from "../../support/hostile-values.js";
import { hasRedis, RedisServer, until } from "../../support/redis.js";
import { temporaryFolder } from "../../support/temporary-folder.js";

const demo = fileURLToPath(new URL("../../../models/cria-demo-Q4_K_S.gguf", import.meta.url));
const words = ["a fox", "the bear sleeps", "an owl", "seven frogs and a hen", "the river", "moon", "bread", "a llama"];
const textsOf = (count: number) => Array.from({ length: count }, (_, i) => `${i} ${words[i % words.length]}`);

/** A model that answers at once: the vector of a text is its length and its first character. */
function quickModel(): VectorModel & { calls: number; signals: AbortSignal[] } {
  const model = {
    calls: 0,
    signals: [] as AbortSignal[],
    info: { embedding: { dimensions: 2 } },
    async embed(texts: readonly string[]) {
      model.calls++;
      return texts.map((text) => Float32Array.of(text.length, text.charCodeAt(0)));
    },
    async rerank(query: string, documents: readonly string[]) {
      model.calls++;
      const scored = documents.map((text, index) => ({ index, score: Math.abs(text.length - query.length) / -4 }));
      return scored.sort((a, b) => b.score - a.score);
    },
  };
  return model as unknown as ReturnType<typeof quickModel>;
}

/** A model whose calls end only when they are aborted, or let go. */
function heldModel() {
  const model = quickModel();
  const { embed } = model;
  let letGo: () => void = () => undefined;
  const gone = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  model.embed = (async (texts: readonly string[], { signal }: { signal: AbortSignal }) => {
    model.signals.push(signal);
    await Promise.race([
      gone,
      new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
    ]);
    return embed(texts);
  }) as never;
  return { model, letGo };
}

const errorOf = (call: Promise<unknown>) => call.then(() => undefined).catch((error: CriaError) => error);

it("the id of a job depends on all that its result depends on, and on nothing else", () => {
  const job: EmbedJob = { task: "embed", model: "m", texts: ["a", "b"], options: { purpose: "query", dimensions: 2 } };
  const id = jobId(job);
  expect(id).toMatch(/^embed-[0-9a-f]{64}$/);
  expect(jobId({ ...job, options: { dimensions: 2, purpose: "query", overlong: undefined } })).toBe(id);
  const { options } = job;
  const others: EmbedJob[] = [
    { ...job, model: "n" },
    { ...job, texts: ["a", "c"] },
    { ...job, texts: ["ab"] },
    { ...job, options: { ...options, purpose: "document" } },
    { ...job, options: { ...options, dimensions: 3 } },
    { ...job, options: { ...options, normalize: false } },
    { ...job, options: { ...options, prompts: { query: "q: " } } },
    { ...job, options: { ...options, prompts: { document: "q: " } } },
  ];
  expect(new Set([...others.map(jobId), id]).size).toBe(others.length + 1);
});

it("a model's identity is its file's SHA-256, unless adapters or options change the vectors", async () => {
  const plain = await modelIdentity(demo);
  expect(plain).toMatch(/^[0-9a-f]{64}$/);
  expect(await modelIdentity([demo], { quantize: undefined })).toBe(plain);
  expect(await modelIdentity(demoModel)).toBe(plain); // a file: URL
  for (const wrong of [undefined, 7, new URL("https://example.com/model.gguf"), [null]]) {
    await expect(modelIdentity(wrong as never)).rejects.toMatchObject({ code: "INVALID_OPTION" });
  }
  const changed = [
    modelIdentity([demo, demo]),
    modelIdentity(demo, { kvCache: "q8_0" }),
    modelIdentity(demo, { contextSize: 64 }),
    modelIdentity(demo, { lora: [{ path: demo }] }),
    modelIdentity(demo, { lora: [{ path: demo, scale: 0.5 }] }),
  ];
  expect(new Set([plain, ...(await Promise.all(changed))]).size).toBe(6);
});

it("a job of any form is a job or refused, and nothing else is thrown", () => {
  const job = { task: "embed", model: "m", texts: ["a"], options: {} };
  const rank = { task: "rerank", model: "m", query: "q", documents: ["a"], options: {} };
  let refused = 0;
  const check = (data: unknown) => {
    try {
      expect(["embed", "rerank"]).toContain(checkJob(data).task);
    } catch (error) {
      expect([error instanceof CriaError, (error as CriaError).code]).toEqual([true, "INVALID_JOB"]);
      refused++;
    }
  };
  for (const make of hostileValues.values()) {
    check(make());
    for (const whole of [job, rank]) {
      for (const name of Object.keys(whole)) check({ ...whole, [name]: make() });
      for (const name of ["pooling", "overlong", "prompts", "other"]) check({ ...whole, options: { [name]: make() } });
    }
  }
  expect(refused).toBeGreaterThan(500);
});

it("options are checked before a server is looked for", async () => {
  const model = quickModel();
  const connection = "redis://127.0.0.1:1";
  const refused: [string, Promise<unknown>][] = [
    ["connection must be a URL such as redis://host:6379", openQueue({ connection: "http://a" })],
    ['openQueue has no option "queue"', openQueue({ connection, queue: 1 } as never)],
    ["name must be a string without colons", openQueue({ connection, name: "a:b" })],
    ["keepSeconds must be an integer in 60", openQueue({ connection, keepSeconds: 0 })],
    ["model must be a string", startWorker(model, { connection } as never)],
    ["concurrency must be an integer in 1 .. 64", startWorker(model, { connection, model: "m", concurrency: 0 })],
    ["lockSeconds must be a number", startWorker(model, { connection, model: "m", lockSeconds: 0 })],
  ];
  for (const [message, call] of refused) {
    const error = await errorOf(call);
    expect([error?.code, error?.message]).toEqual(["INVALID_OPTION", expect.stringContaining(message)]);
  }
});

it("a server that does not answer is an error with its reason, and without the password", async () => {
  const connection = "redis://user:secret@127.0.0.1:1";
  const error = await errorOf(openQueue({ connection, connectSeconds: 0.3, model: "m" }));
  expect(error?.code).toBe("QUEUE_UNREACHABLE");
  expect(error?.message).toMatch(/^the queue cria at 127.0.0.1:1 was not reached within 0.3 s: .*ECONNREFUSED/);
});

it("a worker waits for a server that does not answer, says so, and ends with its signal", async () => {
  const controller = new AbortController();
  const errors: WorkerEvent[] = [];
  const onEvent = (event: WorkerEvent) => errors.push(event);
  const { signal } = controller;
  const place = { connection: "redis://127.0.0.1:1", model: "m" };
  const started = errorOf(startWorker(quickModel(), { ...place, onEvent, signal }));
  await until("it says so", () => errors.length > 0);
  expect(errors[0]).toEqual({ event: "error", error: expect.stringContaining("ECONNREFUSED") });
  controller.abort(new Error("enough"));
  expect((await started)?.message).toBe("enough");
});

describe.skipIf(!hasRedis)(`a queue${hasRedis ? "" : " (redis-server is not installed)"}`, () => {
  const folder = temporaryFolder();
  let redis: RedisServer;
  let client: ReturnType<RedisServer["client"]>;
  beforeAll(async () => {
    redis = await RedisServer.start(folder.path("."));
    client = redis.client();
  });
  afterAll(async () => {
    client.disconnect();
    await redis.kill();
  });

  const workers: QueueWorker[] = [];
  const events: WorkerEvent[] = [];
  const named = (event: WorkerEvent["event"]) => events.filter((one) => one.event === event);
  const start = async (model: VectorModel, options: { lockSeconds?: number; concurrency?: number } = {}) => {
    const onEvent = (event: WorkerEvent) => events.push(event);
    const worker = await startWorker(model, { connection: redis.url, model: "m", onEvent, ...options });
    workers.push(worker);
    return worker;
  };
  beforeEach(async () => {
    await client.flushall();
    events.length = 0;
  });
  afterEach(async () => {
    for (const worker of workers.splice(0)) await worker.close({ drainSeconds: 1 });
  });
  const using = async <Result>(use: (queue: Awaited<ReturnType<typeof openQueue>>) => Promise<Result>) => {
    const queue = await openQueue({ connection: redis.url, model: "m" });
    try {
      return await use(queue);
    } finally {
      await queue.close();
    }
  };

  it("has a model's own vectors, to the bit, and computes them once", async () => {
    const model: Model = await loadModel(demo, { threads: 1 });
    let calls = 0;
    const counted: VectorModel = {
      info: model.info,
      rerank: model.rerank.bind(model),
      embed: ((...args: Parameters<Model["embed"]>) => {
        calls++;
        return model.embed(...args);
      }) as Model["embed"],
    };
    try {
      const worker = await start(counted);
      expect(worker.ready).toBe(true);
      const texts = textsOf(100);
      const options = { dimensions: 64, purpose: "query", prompts: { query: "find: " }, chunk: 16 } as const;
      const { chunk: _, ...own } = options;
      const expected = await model.embed(texts, own);
      const first = await using((queue) => queue.embed(texts, options));
      expect(first).toEqual(expected);
      expect(calls).toBe(7);
      const again = await using(async (queue) => {
        const vectors = await queue.embed(texts, options);
        expect(queue.stats).toEqual({ submitted: 0, found: 7 });
        return vectors;
      });
      expect(again).toEqual(expected);
      expect(calls).toBe(7);
      expect(named("failed")).toEqual([]);
      expect(named("stalled")).toEqual([]);
      expect(await worker.counts()).toEqual({ waiting: 0, active: 0, delayed: 0, completed: 7, failed: 0 });
    } finally {
      for (const worker of workers.splice(0)) await worker.close();
      await model.dispose();
    }
  });

  it("is worked on by a Worker of one's own, with createProcessor", async () => {
    const processor = createProcessor(quickModel(), { model: "m" });
    const worker = new Worker("cria", processor, { connection: { url: redis.url, maxRetriesPerRequest: null } });
    try {
      expect(await using((queue) => queue.embed(["abc", "d"]))).toEqual([
        Float32Array.of(3, 97),
        Float32Array.of(1, 100),
      ]);
    } finally {
      await worker.close();
    }
  });

  it("reranks: the best first, whatever the chunks", async () => {
    await start(quickModel());
    const documents = ["abcdefgh", "abcd", "ab", "abcde", "a"];
    const ranked = await using((queue) => queue.rerank("abcd", documents, { chunk: 2 }));
    expect(ranked.map(({ index, score }) => [index, score])).toEqual([
      [1, -0],
      [3, -0.25],
      [2, -0.5],
      [4, -0.75],
      [0, -1],
    ]);
  });

  it("fails poisoned jobs once, each with a clear error, and the others go on", async () => {
    const queue = new Queue("cria", { connection: { url: redis.url } });
    const add = (jobId: string, data: unknown) => queue.add("embed", data, { jobId, attempts: 5 });
    const model = quickModel();
    const good = { task: "embed", model: "m", texts: ["good"], options: {} };
    await add("good-1", good);
    await add("not-json", good);
    await client.hset("bull:cria:not-json", "data", "{not json");
    await add("no-object", 7);
    await add("no-texts", { ...good, texts: "all of it" });
    await add("no-text", { ...good, texts: [] });
    await add("unknown", { ...good, text: "a" });
    await add("option", { ...good, options: { pooling: "none" } });
    await add("other", { ...good, model: "n" });
    await add("large", { ...good, texts: textsOf(4000), options: { dimensions: 2 } });
    await add("good-2", { ...good, texts: ["better"] });
    const worker = await startWorker(model, {
      connection: redis.url,
      model: "m",
      maxResultBytes: 20_000,
      onEvent: (e) => events.push(e),
    });
    workers.push(worker);
    await until("all jobs have ended", async () => {
      const { completed, failed } = await queue.getJobCounts("completed", "failed");
      return completed === 2 && failed === 8;
    });
    const reasons = await Promise.all(
      ["not-json", "no-object", "no-texts", "no-text", "unknown", "option", "other", "large"].map(async (id) => {
        const [attempts, reason] = await client.hmget(`bull:cria:${id}`, "atm", "failedReason");
        expect(attempts).toBe("1");
        return reason;
      }),
    );
    expect(reasons).toEqual([
      'INVALID_JOB: task must be one of embed, rerank; it is "not JSON"',
      "INVALID_JOB: task must be one of embed, rerank; it is undefined",
      'INVALID_JOB: texts must be an array of at most 65536 strings; it is "all of it"',
      "INVALID_JOB: texts must have at least one text",
      'INVALID_JOB: the job has no option "text"; it has task, model, options, texts',
      'INVALID_JOB: pooling must be one of mean, cls, last; it is "none"',
      "MODEL_MISMATCH: the job is for model n; this worker has m",
      expect.stringMatching(/^RESULT_TOO_LARGE: 4000 vectors of 2 elements are 42668 bytes of base64/),
    ]);
    expect(decodeVectors((await queue.getJob("good-2"))!.returnvalue, 1)).toEqual([Float32Array.of(6, 98)]);
    expect(named("stalled")).toEqual([]);
    await queue.close();
  });

  it("of texts only those fail that cannot be embedded, not their neighbours", async () => {
    const model = await loadModel(demo, { threads: 1, contextSize: 32 });
    try {
      await start(model);
      const texts = textsOf(20);
      texts[3] = "long ".repeat(100);
      const expected = await model.embed(texts.toSpliced(3, 1));
      const found = await using(async (queue) => {
        const all: QueuedVector[] = [];
        for await (const one of queue.embedEach(texts, { chunk: 8 })) all.push(one);
        return all;
      });
      expect(found[3]?.error?.code).toBe("JOB_FAILED");
      expect(found[3]?.error?.message).toMatch(/attempt 1: CONTEXT_FULL: input 0 has \d+ tokens/);
      expect(found.toSpliced(3, 1).map(({ vector }) => vector)).toEqual(expected);
      expect((await errorOf(using((queue) => queue.embed(texts, { chunk: 8 }))))?.code).toBe("JOB_FAILED");
    } finally {
      for (const worker of workers.splice(0)) await worker.close();
      await model.dispose();
    }
  });

  it("tries again what failed for another reason than its texts", async () => {
    const model = quickModel();
    const { embed } = model;
    let failures = 1;
    model.embed = (async (texts: readonly string[]) => {
      if (failures-- > 0) throw new Error("the moon is full");
      return embed(texts);
    }) as never;
    await start(model);
    expect(await using((queue) => queue.embed(["abc"]))).toEqual([Float32Array.of(3, 97)]);
    expect(named("failed")).toEqual([
      { event: "failed", job: expect.any(String), error: "the moon is full", attempt: 1 },
    ]);
  });

  it("tells that the model's workers have died, and leaves the job to others", async () => {
    const dead = quickModel();
    dead.embed = async () => {
      throw new WorkerError("WORKER_DIED", "worker 0 died");
    };
    const first = await start(dead);
    const collected = using((queue) => queue.embed(["abc"]));
    expect((await first.lost).code).toBe("WORKER_DIED");
    await first.close();
    await start(quickModel());
    expect(await collected).toEqual([Float32Array.of(3, 97)]);
    expect(named("failed")).toMatchObject([{ error: "WORKER_DIED: worker 0 died", attempt: 1 }]);
  });

  it("a job whose lock is lost is computed no longer, and its result is the other worker's", async () => {
    const held = heldModel();
    await start(held.model, { lockSeconds: 0.4 });
    const collected = using((queue) => queue.embed(["abc"]));
    await until("the job runs", () => held.model.signals.length === 1);
    const [lock] = await client.keys("bull:cria:embed-*:lock");
    // As if this worker had slept: the lock has run out, and another worker has the job.
    await client.set(lock!, "another worker's token", "PX", 3000);
    await until("its computation ends", () => held.model.signals[0]!.aborted, 2);
    expect(named("lost-lock")).toEqual([{ event: "lost-lock", job: expect.any(String), why: expect.any(String) }]);
    const job = lock!.split(":")[2]!;
    expect(await client.hget(`bull:cria:${job}`, "returnvalue")).toBeNull();
    expect(named("completed")).toEqual([]);
    await client.del(lock!); // the other one has died, too
    held.letGo();
    expect(await collected).toEqual([Float32Array.of(3, 97)]);
    expect(named("completed")).toHaveLength(1);
  });

  it("a job ends where Redis stays away longer than its lock", async () => {
    const held = heldModel();
    await start(held.model, { lockSeconds: 0.4 });
    const collected = using((queue) => queue.embed(["abc"]));
    await until("the job runs", () => held.model.signals.length === 1);
    await redis.kill();
    await until("its computation ends", () => held.model.signals[0]!.aborted, 3);
    expect(named("lost-lock")).toMatchObject([{ why: "its lock could not be renewed" }]);
    held.letGo();
    await redis.begin();
    expect(await collected).toEqual([Float32Array.of(3, 97)]);
  });

  it("at the end, jobs that run come to their end, and those that take too long are given back", async () => {
    const held = heldModel();
    const first = await start(held.model, { concurrency: 1 });
    const collected = using((queue) => queue.embed(["abc", "d"], { chunk: 1 }));
    await until("the job runs", () => held.model.signals.length === 1);
    await first.close({ drainSeconds: 0.2 });
    expect(held.model.signals[0]!.aborted).toBe(true);
    expect(await client.llen("bull:cria:wait")).toBe(2);
    expect(await client.keys("bull:cria:*:lock")).toEqual([]);
    const second = await start(quickModel());
    expect(await collected).toEqual([Float32Array.of(3, 97), Float32Array.of(1, 100)]);
    expect(named("failed")).toEqual([]);
    await second.close();
  });

  it("jobs that are gone, expired or lost with Redis, are submitted again", async () => {
    const texts = textsOf(12);
    await using(async (queue) => {
      const collected = queue.embed(texts, { chunk: 2 });
      await until("all are submitted", async () => (await client.llen("bull:cria:wait")) === 6);
      await client.flushall();
      await start(quickModel());
      const vectors = await collected;
      expect(vectors.map(([length]) => length)).toEqual(texts.map(({ length }) => length));
      expect(queue.stats.submitted).toBe(12);
    });
  });

  it("knows the model of its workers; where there never was one, says so", async () => {
    const open = () => openQueue({ connection: redis.url });
    expect((await errorOf(open()))?.code).toBe("NO_MODEL");
    await start(quickModel());
    const queue = await open();
    expect(queue.model).toBe("m");
    await queue.close();
  });

  it("has names and a prefix of its own, where it is given them", async () => {
    const place = { connection: redis.url, name: "search", prefix: "app" };
    const worker = await startWorker(quickModel(), { ...place, model: "m" });
    workers.push(worker);
    const queue = await openQueue(place);
    expect(await queue.embed(["abc"])).toHaveLength(1);
    await queue.close();
    expect((await client.keys("*")).filter((key) => !key.startsWith("app:search:"))).toEqual([]);
  });

  it("collecting ends with the caller's signal, and the jobs stay", async () => {
    const controller = new AbortController();
    await using(async (queue) => {
      const collected = queue.embed(["a"], { signal: controller.signal });
      await until("it is submitted", async () => (await client.llen("bull:cria:wait")) === 1);
      controller.abort(new Error("enough"));
      expect((await errorOf(collected))?.message).toBe("enough");
    });
    expect(await client.llen("bull:cria:wait")).toBe(1);
  });
});
