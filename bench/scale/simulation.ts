// N replicas of a chat server behind a balancer, simulated step by step. A replica has the scheduler's habits: up to `sequences`
// conversations at once, each step one token for all that are writing and up to `prefillChunk` tokens of prompts (fewer while others write), and the texts of the
// conversations that it has seen last in its KV cache.
//
//   step of a replica = costs.step + costs.row x conversations that write + costs.token x tokens of prompts
//
// Clients take turns: a prompt that begins with all of their last one, an answer, a pause.

import { Random } from "../synthetic/random.js";

/** Seconds. */
export interface Costs {
  /** Of a step, whatever is in it. */
  readonly step: number;
  /** Of each conversation that writes. */
  readonly row: number;
  /** Of each token of a prompt that is not in the cache. */
  readonly token: number;
  /** Of a request, outside the steps. */
  readonly request: number;
}

export interface Replica {
  readonly sequences: number;
  /** Positions of the KV cache, of which conversations that have ended keep what the others leave. */
  readonly cachePositions: number;
  /** Tokens of prompts in a step, at most; and in one in which others write. */
  readonly prefillChunk: number;
  readonly prefillBeside: number;
}

export interface Load {
  readonly clients: number;
  readonly turns: number;
  /** Tokens by which each prompt is longer than the one before. */
  readonly promptTokens: number;
  readonly answerTokens: number;
  /** Seconds between an answer and the next prompt: the mean of times between half and one and a half of it. */
  readonly pause: number;
}

/** round-robin: the next replica; least-busy: the one with the fewest requests; prefix: always the same for a conversation. */
export type Policy = "round-robin" | "least-busy" | "prefix";
export const policies: readonly Policy[] = ["round-robin", "least-busy", "prefix"];

export interface Outcome {
  readonly seconds: number;
  /** Of answers, of all replicas together. */
  readonly tokensPerSecond: number;
  /** Share of prompt tokens that were in the cache. */
  readonly cached: number;
  /** Seconds, by percentile. */
  readonly firstToken: { readonly p50: number; readonly p99: number };
  readonly betweenTokens: { readonly p50: number; readonly p99: number };
}

/** Tokens of a page: of a prefix, whole pages are found again. */
const PAGE = 64;

interface Request {
  readonly client: number;
  readonly prompt: number;
  readonly begin: number;
  toEvaluate: number;
  toWrite: number;
  lastToken: number;
}

interface ReplicaState {
  readonly waiting: Request[];
  readonly running: Request[];
  /** Tokens that are kept of each conversation, the one unused for the longest time first. */
  readonly kept: Map<number, number>;
  /** Requests on the way, that wait and that run: what a balancer knows. */
  busy: number;
  stepping: boolean;
}

export function simulate(replicas: number, policy: Policy, replica: Replica, load: Load, costs: Costs): Outcome {
  const states: ReplicaState[] = Array.from({ length: replicas }, () => ({
    ...{ waiting: [], running: [], kept: new Map(), busy: 0, stepping: false },
  }));
  const events = new Events();
  const random = new Random(1);
  const first: number[] = [];
  const between: number[] = [];
  let next = 0;
  let prompts = 0;
  let found = 0;
  let last = 0;

  const choose = (client: number): ReplicaState => {
    if (policy === "round-robin") return states[next++ % replicas]!;
    if (policy === "prefix") return states[client % replicas]!;
    return states.reduce((least, state) => (state.busy < least.busy ? state : least));
  };

  const ask = (client: number, turn: number, now: number): void => {
    const state = choose(client);
    state.busy++;
    const prompt = (turn + 1) * load.promptTokens;
    const request = { client, prompt, begin: now, toEvaluate: 0, toWrite: load.answerTokens, lastToken: 0 };
    events.add(now + costs.request, (time) => {
      state.waiting.push(request);
      if (!state.stepping) step(state, time);
    });
  };

  const admit = (state: ReplicaState): void => {
    while (state.running.length < replica.sequences && state.waiting.length > 0) {
      const request = state.waiting.shift()!;
      const kept = state.kept.get(request.client) ?? 0;
      state.kept.delete(request.client);
      // At least one token is evaluated, for its logits.
      const cached = Math.min(Math.floor(kept / PAGE) * PAGE, request.prompt - 1);
      request.toEvaluate = request.prompt - cached;
      prompts += request.prompt;
      found += cached;
      state.running.push(request);
    }
    let positions = [...state.kept.values()].reduce((sum, kept) => sum + kept, 0);
    for (const { prompt } of state.running) positions += prompt + load.answerTokens;
    for (const [client, kept] of state.kept) {
      if (positions <= replica.cachePositions) break;
      state.kept.delete(client);
      positions -= kept;
    }
  };

  const step = (state: ReplicaState, now: number): void => {
    admit(state);
    if (state.running.length === 0) {
      state.stepping = false;
      return;
    }
    state.stepping = true;
    const writing = state.running.filter(({ toEvaluate }) => toEvaluate === 0);
    const most = writing.length === 0 ? replica.prefillChunk : replica.prefillBeside;
    let room = most;
    const evaluate = (request: Request, tokens: number) => {
      const some = Math.min(room, tokens, request.toEvaluate);
      request.toEvaluate -= some;
      room -= some;
    };
    // One half for the oldest prompt, the other for the shortest ones.
    const reading = state.running.filter(({ toEvaluate }) => toEvaluate > 0);
    if (reading.length > 0) evaluate(reading[0]!, most >> 1);
    for (const request of reading.toSorted((a, b) => a.toEvaluate - b.toEvaluate)) evaluate(request, room);
    const evaluated = reading.filter(({ toEvaluate }) => toEvaluate === 0);
    const seconds = costs.step + costs.row * writing.length + costs.token * (most - room);
    events.add(now + seconds, (end) => {
      for (const request of evaluated) first.push(end - request.begin);
      for (const request of writing) between.push(end - request.lastToken);
      for (const request of [...evaluated, ...writing]) {
        request.lastToken = end;
        request.toWrite--;
        if (request.toWrite > 0) continue;
        state.busy--;
        state.running.splice(state.running.indexOf(request), 1);
        state.kept.set(request.client, request.prompt);
        last = end;
        const turn = request.prompt / load.promptTokens;
        if (turn < load.turns)
          events.add(end + load.pause * (0.5 + random.below(1000) / 1000), (time) => ask(request.client, turn, time));
      }
      step(state, end);
    });
  };

  // Clients begin one after another within one pause, as those who have talked for a while are.
  for (let client = 0; client < load.clients; client++) {
    events.add((client / load.clients) * load.pause, (time) => ask(client, 0, time));
  }
  events.run();
  return {
    seconds: last,
    tokensPerSecond: (load.clients * load.turns * load.answerTokens) / last,
    cached: found / prompts,
    firstToken: percentiles(first),
    betweenTokens: percentiles(between),
  };
}

export function percentiles(values: readonly number[]): { readonly p50: number; readonly p99: number } {
  const sorted = Float64Array.from(values).sort();
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
  return { p50: at(0.5), p99: at(0.99) };
}

type Action = (time: number) => void;

/** What happens when: a binary heap by time, and by order where times are equal. */
class Events {
  readonly #heap: { readonly time: number; readonly order: number; readonly action: Action }[] = [];
  #order = 0;

  add(time: number, action: Action): void {
    const heap = this.#heap;
    const event = { time, order: this.#order++, action };
    let at = heap.length;
    for (; at > 0; at = (at - 1) >> 1) {
      const parent = heap[(at - 1) >> 1]!;
      if (before(parent, event)) break;
      heap[at] = parent;
    }
    heap[at] = event;
  }

  run(): void {
    const heap = this.#heap;
    while (heap.length > 0) {
      const { time, action } = heap[0]!;
      const moved = heap.pop()!;
      if (heap.length > 0) {
        let at = 0;
        for (;;) {
          let child = 2 * at + 1;
          if (child >= heap.length) break;
          if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child++;
          if (before(moved, heap[child]!)) break;
          heap[at] = heap[child]!;
          at = child;
        }
        heap[at] = moved;
      }
      action(time);
    }
  }
}

function before(
  a: { readonly time: number; readonly order: number },
  b: { readonly time: number; readonly order: number },
) {
  return a.time < b.time || (a.time === b.time && a.order < b.order);
}
