// The queue, with real workers and a real Redis: two workers against one, a worker that is killed, one that is asked to end, a Redis that
// is killed and started again. Every output must be that of one process, to the byte.
//
//   npm run trial:queue -- [-m model.gguf] [-n 20000] [--words 8] [--only one,two,kill,drain,restart] [--keep FOLDER]
//
// It needs redis-server, and takes about four times as long as one thread takes for the texts. The output of one process is kept in a
// folder, if it is given one, and is then not computed again.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { Redis } from "ioredis";
import { Random } from "../synthetic/random.js";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const entry = join(root, "dist/bin/main.js");
const { values } = parseArgs({
  options: {
    model: { type: "string", short: "m", default: join(root, "models/cria-demo-Q4_K_S.gguf") },
    texts: { type: "string", short: "n", default: "20000" },
    words: { type: "string", default: "8" },
    keep: { type: "string" },
    only: { type: "string", default: "one,two,kill,drain,restart" },
  },
});
const count = Number(values.texts);
const folder = mkdtempSync(join(tmpdir(), "cria-queue-"));
const kept = values.keep ?? folder;

/** Texts of 4 to so many words, each with its number, so that no two are the same. */
function writeTexts(path: string): void {
  const random = new Random(1);
  const words =
    "the fox a bear under tree river story small old green king moon bread over and runs sings of light".split(" ");
  const text = (i: number) => {
    const length = 4 + random.below(Number(values.words) - 3);
    return `${i} ${Array.from({ length }, () => words[random.below(words.length)]).join(" ")}`;
  };
  writeFileSync(path, Array.from({ length: count }, (_, i) => text(i)).join("\n"));
}

class Server {
  port = 0;
  #process: ChildProcess | undefined;

  async start(): Promise<void> {
    if (this.port === 0) {
      const probe = createServer().listen(0, "127.0.0.1");
      await once(probe, "listening");
      this.port = (probe.address() as AddressInfo).port;
      probe.close();
    }
    const place = ["--port", String(this.port), "--bind", "127.0.0.1", "--dir", folder, "--save", ""];
    this.#process = spawn("redis-server", [...place, "--appendonly", "yes"], { stdio: "ignore" });
    const client = new Redis(this.port, "127.0.0.1", { maxRetriesPerRequest: null, retryStrategy: () => 50 });
    client.on("error", () => undefined);
    await client.ping();
    client.disconnect();
  }

  async kill(): Promise<void> {
    this.#process!.kill("SIGKILL");
    await once(this.#process!, "exit");
  }
}

interface Event {
  readonly event: string;
  readonly job: string;
}

/** A process of cria, with the events of its log. */
class Cria {
  readonly events: Event[] = [];
  readonly ended: Promise<number | null>;
  readonly #process: ChildProcess;
  #err = "";

  constructor(...args: string[]) {
    const child = spawn(process.execPath, [entry, ...args], { stdio: ["ignore", "pipe", "pipe"] });
    this.#process = child;
    createInterface({ input: child.stdout }).on("line", (line) => {
      if (line.startsWith("{")) this.events.push(JSON.parse(line));
    });
    child.stderr.on("data", (data) => {
      this.#err += data;
    });
    this.ended = new Promise((resolve) => child.on("close", resolve));
  }

  get err(): string {
    return this.#err;
  }

  number(event: string): number {
    return this.events.filter((one) => one.event === event).length;
  }

  kill(signal: NodeJS.Signals): void {
    this.#process.kill(signal);
  }

  /** Seconds of processors that it has used, where Linux tells. */
  get processorSeconds(): number {
    try {
      const fields = readFileSync(`/proc/${this.#process.pid}/stat`, "latin1")
        .replace(/^.*\) /s, "")
        .split(" ");
      return (Number(fields[11]) + Number(fields[12])) / 100;
    } catch {
      return Number.NaN;
    }
  }
}

async function until(what: string, holds: () => boolean): Promise<void> {
  const end = performance.now() + 240_000;
  while (!holds()) {
    if (performance.now() > end) throw new Error(`not in time: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

const texts = join(folder, "texts.txt");
const server = new Server();
const format = ["--embd-output-format", "npy"];
let reference: Buffer;
let failed = false;
let seconds = 0;

/** One run over a queue of its own. `disturb` is called when a third of the jobs are done. */
async function run(
  name: string,
  workers: number,
  disturb: (running: readonly Cria[]) => Promise<void> = async () => undefined,
): Promise<{ readonly seconds: number; readonly running: readonly Cria[] }> {
  const queue = ["--queue", `redis://127.0.0.1:${server.port}`, "--queue-name", name];
  const start = () => new Cria("worker", ...queue, "-m", values.model, "-t", "1", "--log", "--lock", "5");
  const running = Array.from({ length: workers }, start);
  await until("workers are ready", () => running.every(({ err }) => err.includes("cria works on")));
  const output = join(folder, `${name}.npy`);
  const collector = new Cria("embed", ...queue, ...format, "-o", output, texts);
  const jobs = Math.ceil(count / 64);
  const done = () => running.reduce((sum, one) => sum + one.number("completed"), 0);
  await until("a third is done", () => done() >= jobs / 3);
  await disturb(running);
  const code = await collector.ended;
  const [, time, submitted] = /texts in ([\d.]+) s: (\d+) jobs/.exec(collector.err) ?? [];
  const processors = running.map((one) => one.processorSeconds.toFixed(1)).join(" + ");
  for (const one of running) one.kill("SIGTERM");
  await Promise.all(running.map(({ ended }) => ended));
  const same = code === 0 && readFileSync(output).equals(reference);
  const numbers = ["completed", "failed", "stalled", "lost-lock"].map((event) => {
    return `${running.reduce((sum, one) => sum + one.number(event), 0)} ${event}`;
  });
  if (!same) failed = true;
  const outcome = same ? "the same bytes" : `NOT THE SAME (code ${code}) ${collector.err}`;
  console.log(
    `${name.padEnd(8)} ${time} s, ${submitted} jobs, processors ${processors} s; workers say: ${numbers.join(", ")}; ${outcome}`,
  );
  return { seconds: Number(time), running };
}

function mustBe(what: string, holds: boolean): void {
  if (holds) return;
  failed = true;
  console.log(`         FAILED: ${what}`);
}

const phases: Readonly<Record<string, () => Promise<void>>> = {
  async one() {
    const { running, ...one } = await run("one", 1);
    seconds = one.seconds;
    const queue = ["--queue", `redis://127.0.0.1:${server.port}`, "--queue-name", "one"];
    const again = new Cria("embed", ...queue, ...format, "-o", join(folder, "again.npy"), texts);
    await again.ended;
    console.log(`         collected again, when all was finished: ${again.err.trim()}`);
    mustBe(
      "no job stalls without a kill",
      running.every((worker) => worker.number("stalled") === 0),
    );
  },
  async two() {
    const { running, ...two } = await run("two", 2);
    mustBe(
      "no job stalls without a kill",
      running.every((worker) => worker.number("stalled") === 0),
    );
    if (seconds > 0) console.log(`         two workers are ${(seconds / two.seconds).toFixed(2)} times as fast as one`);
  },
  async kill() {
    const { running } = await run("kill", 2, async ([first]) => first!.kill("SIGKILL"));
    mustBe("what the killed worker had is taken over", running[1]!.number("stalled") >= 1);
  },
  async drain() {
    const { running } = await run("drain", 2, async ([first]) => first!.kill("SIGTERM"));
    mustBe("it ends with code 0", (await running[0]!.ended) === 0);
    mustBe(
      "nothing stalls, nothing fails",
      running.every((one) => one.number("stalled") + one.number("failed") === 0),
    );
  },
  async restart() {
    await run("restart", 2, async () => {
      await server.kill();
      await server.start();
    });
  },
};

try {
  writeTexts(texts);
  await server.start();
  const output = join(kept, `direct-${count}-${values.words}.npy`);
  const begin = performance.now();
  if (!existsSync(output)) {
    const direct = new Cria("embed", "-m", values.model, "-f", texts, ...format, "-o", output);
    if ((await direct.ended) !== 0) throw new Error(direct.err);
  }
  const time = ((performance.now() - begin) / 1000).toFixed(1);
  reference = readFileSync(output);
  console.log(`${count} texts, ${values.model.split("/").at(-1)}, workers of one thread, ${process.version}`);
  const how = Number(time) < 0.1 ? "of before" : `${time} s with start and loading`;
  console.log(`direct   ${how}: one process of all threads, without a queue`);
  for (const name of values.only.split(",")) await phases[name]!();
} finally {
  await server.kill();
  rmSync(folder, { recursive: true, force: true });
}
process.exitCode = failed ? 1 : 0;
