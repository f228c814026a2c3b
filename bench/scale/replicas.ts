// Chat over N replicas: the costs of one are measured, two real processes are held against what the simulation says of two, and then it
// says what N would do.
//
//   npm run trial:replicas -- [-m model.gguf] [--clients 7] [--turns 3] [--prompt 96] [--answer 32] [--replicas 2] [--costs 6,3,2,1]
//
// With --costs (ms of a step, of a conversation in it, of a token of a prompt, of a request) nothing is run, only simulated.
//
// A replica is `cria serve` with one thread. Clients ask again as soon as they have their answer. Prompts are token ids, each with all of
// its predecessor at its beginning.

import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { type Costs, type Load, type Policy, percentiles, policies, simulate } from "./simulation.js";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const { values } = parseArgs({
  options: {
    model: { type: "string", short: "m", default: join(root, "models/cria-demo-Q4_K_S.gguf") },
    clients: { type: "string", default: "7" },
    turns: { type: "string", default: "3" },
    prompt: { type: "string", default: "96" },
    answer: { type: "string", default: "32" },
    replicas: { type: "string", default: "2" },
    costs: { type: "string" },
  },
});
const SEQUENCES = 4;
const CONTEXT = 1024;
const settings = { sequences: SEQUENCES, cachePositions: SEQUENCES * CONTEXT, prefillChunk: 128, prefillBeside: 32 };
const load: Load = {
  clients: Number(values.clients),
  turns: Number(values.turns),
  promptTokens: Number(values.prompt),
  answerTokens: Number(values.answer),
  pause: 0,
};

/** A process of cria serve. */
class Server {
  readonly #process: ChildProcess;
  #url = "";

  constructor() {
    const args = ["serve", "-m", `m=${values.model}`, "--port", "0", "-t", "1", "-np", String(SEQUENCES)];
    const more = ["-c", String(CONTEXT), "--queue", "1000"];
    this.#process = spawn(process.execPath, [join(root, "dist/bin/main.js"), ...args, ...more], {
      stdio: ["ignore", "ignore", "pipe"],
    });
  }

  async ready(): Promise<this> {
    let err = "";
    await new Promise<void>((resolve, reject) => {
      this.#process.stderr!.on("data", (data) => {
        err += data;
        const [, url] = /at (http:\S+)/.exec(err) ?? [];
        if (url === undefined) return;
        this.#url = url.replace(/\/$/, "");
        resolve();
      });
      this.#process.on("exit", () => reject(new Error(err)));
    });
    while (!(await fetch(`${this.#url}/ready`)).ok) await new Promise((resolve) => setTimeout(resolve, 50));
    return this;
  }

  /** Asks for an answer; returns when its tokens came, in seconds from the question. */
  async ask(prompt: readonly number[], tokens: number): Promise<readonly number[]> {
    const begin = performance.now();
    const body = { model: "m", prompt, n_predict: tokens, temperature: 0, stream: true, ignore_eos: true };
    const response = await fetch(`${this.#url}/completion`, {
      ...{ method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) },
    });
    if (!response.ok) throw new Error(await response.text());
    const times: number[] = [];
    const decoder = new TextDecoder();
    let rest = "";
    for await (const bytes of response.body!) {
      const lines = (rest + decoder.decode(bytes, { stream: true })).split("\n");
      rest = lines.pop()!;
      const time = (performance.now() - begin) / 1000;
      for (const line of lines) {
        if (!line.startsWith("data: {")) continue;
        for (const _ of JSON.parse(line.slice(6)).tokens) times.push(time);
      }
    }
    if (times.length !== tokens) throw new Error(`${times.length} tokens of ${tokens}`);
    return times;
  }

  end(): void {
    this.#process.kill("SIGTERM");
  }
}

/** Ids of a conversation's prompt: the same beginning for all turns, another for each conversation. */
function promptOf(conversation: number, length: number): number[] {
  return Array.from({ length }, (_, i) => 300 + ((conversation * 7919 + i * 104_729) % 1500));
}

const median = (numbers: readonly number[]) => percentiles(numbers).p50;

/** Asks until answers come no sooner: kernels are compiled anew while they run. */
async function warmUp(server: Server): Promise<void> {
  let conversation = 2_000_000;
  let best = Number.POSITIVE_INFINITY;
  for (let steady = 0; steady < 3; ) {
    const begin = performance.now();
    await Promise.all(Array.from({ length: SEQUENCES }, () => server.ask(promptOf(conversation++, 64), 16)));
    const time = performance.now() - begin;
    steady = time > 0.9 * best ? steady + 1 : 0;
    best = Math.min(best, time);
  }
}

/** What a replica's steps cost, from the outside. */
async function measure(server: Server): Promise<Costs> {
  let conversation = 1_000_000;
  const times = async (prompt: number, answer: number, atOnce = 1) => {
    const asked = Array.from({ length: atOnce }, () => server.ask(promptOf(conversation++, prompt), answer));
    return Promise.all(asked);
  };
  const shorts: number[] = [];
  const longs: number[] = [];
  for (let i = 0; i < 5; i++) {
    shorts.push((await times(128, 1))[0]![0]!);
    longs.push((await times(384, 1))[0]![0]!); // two whole steps more
  }
  const [short, long] = [median(shorts), median(longs)];
  const stepOf = async (atOnce: number) => {
    const all: number[] = [];
    for (let i = 0; i < 5; i++) {
      const streams = await times(32, 48, atOnce);
      // From when all write to when the first one ends.
      const from = Math.max(...streams.map((stream) => stream[0]!));
      const to = Math.min(...streams.map((stream) => stream.at(-1)!));
      const steps = streams[0]!.filter((time) => time > from && time <= to).length;
      all.push((to - from) / steps);
    }
    return median(all);
  };
  const [one, full] = [await stepOf(1), await stepOf(SEQUENCES)];
  const row = Math.max(0, (full - one) / (SEQUENCES - 1));
  const step = one - row;
  const token = ((long - short) / 2 - step) / 128;
  const request = Math.max(0, short - step - 128 * token);
  return { step, row, token, request };
}

/** The load on real servers. */
async function reality(servers: readonly Server[], policy: Policy) {
  const first: number[] = [];
  const between: number[] = [];
  let tokens = 0;
  let next = 0;
  const busy = servers.map(() => 0);
  const choose = (client: number) => {
    if (policy === "round-robin") return next++ % servers.length;
    if (policy === "prefix") return client % servers.length;
    return busy.indexOf(Math.min(...busy));
  };
  const begin = performance.now();
  const client = async (number: number) => {
    for (let turn = 0; turn < load.turns; turn++) {
      const server = choose(number);
      busy[server]!++;
      const conversation = number + load.clients * policies.indexOf(policy);
      const prompt = promptOf(conversation, (turn + 1) * load.promptTokens);
      const times = await servers[server]!.ask(prompt, load.answerTokens);
      busy[server]!--;
      tokens += times.length;
      first.push(times[0]!);
      for (let i = 1; i < times.length; i++) between.push(times[i]! - times[i - 1]!);
    }
  };
  await Promise.all(Array.from({ length: load.clients }, (_, i) => client(i)));
  const seconds = (performance.now() - begin) / 1000;
  return {
    seconds,
    tokensPerSecond: tokens / seconds,
    firstToken: percentiles(first),
    betweenTokens: percentiles(between),
  };
}

const milliseconds = (seconds: number) => (seconds * 1000).toFixed(seconds < 0.1 ? 1 : 0);
const row = (cells: readonly (string | number)[]) => console.log(`| ${cells.join(" | ")} |`);

/** What real servers do, where there are any, and what the simulation says of as many. */
async function compare(costs: Costs, servers: readonly Server[]): Promise<void> {
  row(["balancer", "", "seconds", "tokens/s", "first token p50, ms", "p99", "between tokens p50, ms", "p99"]);
  row(["---", "---", "---", "---", "---", "---", "---", "---"]);
  for (const policy of ["round-robin", "prefix"] as const) {
    const outcomes = {
      ...(servers.length > 0 && { measured: await reality(servers, policy) }),
      simulated: simulate(Number(values.replicas), policy, settings, load, costs),
    };
    for (const [what, { seconds, tokensPerSecond, firstToken, betweenTokens }] of Object.entries(outcomes)) {
      const cells = [firstToken.p50, firstToken.p99, betweenTokens.p50, betweenTokens.p99].map(milliseconds);
      row([policy, what, seconds.toFixed(2), tokensPerSecond.toFixed(0), ...cells]);
    }
  }
}

/** Two real replicas, and the simulation of them. @returns what their steps cost */
async function check(): Promise<Costs> {
  const started = Array.from({ length: Number(values.replicas) }, () => new Server());
  try {
    const servers = await Promise.all(started.map((server) => server.ready()));
    await Promise.all(servers.map(warmUp));
    const costs = await measure(servers[0]!);
    const { step, row: perRow, token, request } = costs;
    console.log(
      `${values.model.split("/").at(-1)}, one thread: a step ${milliseconds(step)} ms, a conversation in it ${milliseconds(perRow)} ms, ` +
        `a token of a prompt ${milliseconds(token)} ms, a request ${milliseconds(request)} ms; ${process.version}`,
    );
    console.log(
      `${load.clients} clients x ${load.turns} turns, prompts + ${load.promptTokens}, answers ${load.answerTokens}\n`,
    );
    await compare(costs, servers);
    return costs;
  } finally {
    for (const server of started) server.end();
  }
}

/** What N replicas do for 10,000 chats. */
function predict(costs: Costs): void {
  const { step, row: perRow, token } = costs;
  const many = { sequences: 16, cachePositions: 65_536, prefillChunk: 128, prefillBeside: 32 };
  const chats: Load = { clients: 10_000, turns: 4, promptTokens: 200, answerTokens: 100, pause: 60 };
  console.log(
    `\n${chats.clients} chats, simulated: each prompt ${chats.promptTokens} tokens longer than the last, answers of ` +
      `${chats.answerTokens}, ${chats.turns} turns, about ${chats.pause} s between them; a replica has ${many.sequences} sequences ` +
      `and ${many.cachePositions} positions of KV cache\n`,
  );
  row(["replicas", "balancer", "tokens/s", "found in the cache", "first token p50, ms", "p99"]);
  row(["---", "---", "---", "---", "---", "---"]);
  // As many as the work of the steps takes when prefixes are found and the steps are full; and more.
  const turn = chats.answerTokens * (step / many.sequences + perRow) + chats.promptTokens * token;
  const least = Math.ceil((chats.clients * turn) / (chats.pause + turn));
  for (const replicas of [1.25, 1.5, 2, 3].map((factor) => Math.ceil(factor * least))) {
    for (const policy of policies) {
      const { tokensPerSecond, cached, firstToken } = simulate(replicas, policy, many, chats, costs);
      const cells = [tokensPerSecond.toFixed(0), `${(100 * cached).toFixed(0)} %`];
      row([replicas, policy, ...cells, milliseconds(firstToken.p50), milliseconds(firstToken.p99)]);
    }
  }
}

if (values.costs === undefined) predict(await check());
else {
  const [step, perRow, token, request] = values.costs.split(",").map((text) => Number(text) / 1000);
  const costs: Costs = { step: step!, row: perRow!, token: token!, request: request! };
  await compare(costs, []);
  predict(costs);
}
