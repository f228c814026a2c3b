// cria worker and cria embed --queue, as processes: workers that are killed, that end, a Redis that is started again, files and formats.

import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { hasRedis, RedisServer, until } from "../support/redis.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const entry = fileURLToPath(new URL("../../dist/bin/main.js", import.meta.url));

interface Running {
  readonly child: ChildProcess;
  readonly out: () => string;
  readonly err: () => string;
  readonly ended: Promise<number | null>;
}

function cria(args: readonly string[]): Running {
  const child = spawn(process.execPath, [entry, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  let out = "";
  let err = "";
  child.stdout.on("data", (data) => {
    out += data;
  });
  child.stderr.on("data", (data) => {
    err += data;
  });
  const ended = new Promise<number | null>((resolve) => child.on("close", (code) => resolve(code)));
  return { child, out: () => out, err: () => err, ended };
}

/** The lines of --log, whose event is this. */
const logged = ({ out }: Running, event: string) =>
  out()
    .split("\n")
    .filter((line) => line.includes(`"event":"${event}"`));

it("what cannot be is refused, with what is wrong", async () => {
  const refused: [readonly string[], string][] = [
    [["worker"], "a queue is missing"],
    [["worker", "a text", "--queue", "redis://a"], "takes its texts from the queue"],
    [["worker", "--queue", "http://a"], "connection must be a URL such as redis://host:6379"],
    [["embed", "--queue", "redis://a"], "files of texts are missing"],
    [["embed", "a", "--chunk", "7"], "--chunk is set, but --queue is not"],
    [["embed", "a", "--embd-output-format", "npy"], "-o FILE"],
  ];
  const ended = refused.map(async ([args, message]) => {
    const { ended, err } = cria(args);
    expect([await ended, err()]).toEqual([2, expect.stringContaining(message)]);
  });
  await Promise.all(ended);
});

describe.skipIf(!hasRedis)(`over a queue${hasRedis ? "" : " (redis-server is not installed)"}`, () => {
  const folder = temporaryFolder();
  const texts = Array.from({ length: 800 }, (_, i) => `${i} ${"the fox and the bear ".repeat(1 + (i % 3))}`);
  const file = folder.path("texts.txt");
  const direct = folder.path("direct.jsonl");
  let redis: RedisServer;
  const running: Running[] = [];
  const start = (...args: string[]) => {
    const process = cria(args);
    running.push(process);
    return process;
  };
  const worker = (...more: string[]) =>
    start("worker", "--queue", redis.url, "-t", "1", "--lock", "1", "--log", ...more);
  const embed = (...more: string[]) => start("embed", "--queue", redis.url, ...more);

  beforeAll(async () => {
    redis = await RedisServer.start(folder.path("."));
    writeFileSync(file, texts.join("\n"));
    const { ended } = cria(["embed", "-t", "1", "-f", file, "--embd-output-format", "jsonl", "-o", direct]);
    expect(await ended).toBe(0);
  });
  afterAll(() => redis.kill());
  afterEach(async () => {
    for (const { child, ended } of running.splice(0)) {
      child.kill("SIGKILL");
      await ended;
    }
  });

  it("every vector is there once, to the bit, over a kill, a drain and a restart of Redis", async () => {
    const output = folder.path("queued.jsonl");
    const [killed, drained] = [worker(), worker()];
    await until("both work on the queue", () => [killed, drained].every(({ err }) => err().includes("cria works on")));
    const collector = embed("--embd-output-format", "jsonl", "--chunk", "8", "-o", output, file);
    await until("both have finished a job", () =>
      [killed, drained].every((one) => logged(one, "completed").length > 0),
    );
    killed.child.kill("SIGKILL");
    drained.child.kill("SIGTERM");
    expect(await drained.ended).toBe(0);
    const before = logged(drained, "completed").length;
    expect(before).toBeLessThan(100);
    expect(logged(drained, "failed")).toEqual([]);
    expect(existsSync(output)).toBe(false);
    const last = worker();
    await until("the next one works", () => logged(last, "completed").length > 0);
    await redis.kill();
    await redis.begin();
    expect(await collector.ended).toBe(0);
    expect(collector.err()).toMatch(/^800 texts in [\d.]+ s: 100 jobs\n$/);
    expect(readFileSync(output, "utf8")).toBe(readFileSync(direct, "utf8"));
    // What the killed one had is computed again, nothing else.
    const computed = [killed, drained, last].reduce((sum, one) => sum + logged(one, "completed").length, 0);
    expect(computed).toBeGreaterThanOrEqual(100 - 2); // the killed one may not have said its last words
    expect(computed).toBeLessThanOrEqual(102);
    const again = embed("--embd-output-format", "jsonl", "--chunk", "8", "-o", output, file);
    expect(await again.ended).toBe(0);
    expect(again.err()).toMatch(/: 0 jobs; 100 were there before\n$/);
    expect(readFileSync(output, "utf8")).toBe(readFileSync(direct, "utf8"));
  });

  it("takes JSON lines, keeps their ids, says which text has no vector, and writes NumPy's format", async () => {
    const lines = [
      { text: "a fox", id: "one" },
      "a bear",
      { text: "an owl ".repeat(60), id: 3 },
      { text: "a hen", id: 4 },
    ];
    const json = folder.path("texts.jsonl");
    writeFileSync(json, `${lines.map((line) => JSON.stringify(line)).join("\n\n")}\n`);
    const [output, matrix] = [folder.path("out.jsonl"), folder.path("out.npy")];
    const place = ["--queue-name", "small", "--queue-prefix", "app"];
    const last = worker(...place, "-c", "64", "--port", "0");
    const jsonl = embed(
      ...place,
      "-m",
      "models/cria-demo-Q4_K_S.gguf",
      "-c",
      "64",
      "--embd-output-format",
      "jsonl",
      "-o",
      output,
      json,
    );
    expect(await jsonl.ended).toBe(1);
    expect(jsonl.err()).toMatch(
      /texts\.jsonl:5: job embed-\w+ has failed, attempt 1: CONTEXT_FULL: .*\n(.*\n)*.*1 of 4 texts/,
    );
    const npy = embed(...place, "--embd-output-format", "npy", "-o", matrix, json);
    expect(await npy.ended).toBe(1);

    const rows = readFileSync(output, "utf8")
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(rows.map((row) => row.id)).toEqual(["one", undefined, 3, 4]);
    expect(rows[1]).toHaveLength(256);
    expect(rows[2]).toEqual({ id: 3, error: expect.stringContaining("CONTEXT_FULL") });
    const bytes = readFileSync(matrix);
    expect(bytes.toString("latin1", 0, 8)).toBe("\x93NUMPY\x01\0");
    const header = bytes.toString("latin1", 10, 10 + bytes.readUInt16LE(8));
    expect(header).toMatch(/^\{'descr': '<f4', 'fortran_order': False, 'shape': \(4, 256\), \} *\n$/);
    expect(bytes.length).toBe(128 + 4 * 4 * 256);
    const row = (i: number) => Array.from({ length: 256 }, (_, d) => bytes.readFloatLE(128 + 4 * (256 * i + d)));
    expect(row(0)).toEqual(rows[0].embedding.map(Math.fround));
    expect(row(3)).toEqual(rows[3].embedding.map(Math.fround));
    expect(row(2).every(Number.isNaN)).toBe(true);

    const [, url] = /(http:\S+)/.exec(last.err())!;
    const get = async (path: string) => (await fetch(`${url}${path}`)).text();
    expect(await get("/health")).toBe("ok\n");
    expect(await get("/ready")).toBe("ready\n");
    expect(await get("/metrics")).toMatch(/^cria_queue_jobs\{state="waiting"\} 0$/m);
  });
});
