// cria serve: models behind HTTP, for any number of clients. The server is src/server; here are its options and its end.

import { readFileSync } from "node:fs";
import { loadOptionNames } from "../api/load/load-options.js";
import { openGguf } from "../gguf/index.js";
import type { LoadOptions, PoolOptions } from "../index.js";
import { availableMemory } from "../machine/cpu/available-memory.js";
import { readModel } from "../model/architectures/table.js";
import { idleOption, optionsOf } from "../options.js";
import { planServed } from "../server/planned.js";
import { command } from "./command.js";
import { UsageError } from "./failure.js";
import { interruptible } from "./interrupt.js";
import { mebibytes } from "./mebibytes.js";
import { loadOptions, modelOptions, planOptions } from "./model-options.js";
import { demoModel, localPath, offlineOption } from "./model-source.js";
import { sizeOf } from "./plan.js";
import { speculationOptions, toSpeculation } from "./speculation-options.js";

/** A model of the command line or of --models: what it is called, where it is, and how it is loaded. */
interface Wanted {
  readonly name: string;
  readonly source: string;
  readonly options: LoadOptions;
  readonly instances?: PoolOptions["instances"];
}

const list = (flags: readonly string[], value: string, help: string) => ({ flags, type: "list", value, help }) as const;
const text = (flags: readonly string[], value: string, help: string) =>
  ({ flags, type: "string", value, help }) as const;
const number = (flags: readonly string[], value: string, help: string) =>
  ({ flags, type: "number", value, help }) as const;
const flag = (flags: readonly string[], help: string) => ({ flags, type: "boolean", help }) as const;

export const serve = command({
  usage: "[options]",
  about: `Serves models over HTTP: OpenAI's routes (/v1/chat/completions, /v1/completions, /v1/embeddings), reranking, Ollama's
routes, /metrics for Prometheus; and a page for people at /. Several models share the processors. Ctrl-C and SIGTERM let what
runs come to its end.`,
  options: {
    model: list(
      ["-m", "--model"],
      "[NAME=]FILE",
      "a model and its name: a file, hf:user/repo[:quant] or an https: URL; several times for several",
    ),
    models: text(
      ["--models"],
      "FILE",
      "many models: JSON or YAML, an object of name to file, or to { model, instances, and options of loadModel }",
    ),
    ...offlineOption,
    host: text(["--host"], "ADDRESS", "where to listen (default: 127.0.0.1, which only this machine reaches)"),
    port: number(["--port"], "N", "which port; 0: a free one (default: 8080)"),
    sequences: number(["-np", "--parallel"], "N", "texts that each model evaluates side by side (default: 4)"),
    instances: text(
      ["--instances"],
      "N",
      "load each model so many times, in parts of the machine: a number, l3, node or auto (default: once, on all of it)",
    ),
    ...planOptions,
    ...{ pin: modelOptions.pin, tuned: modelOptions.tuned, ignoreMemory: modelOptions.ignoreMemory },
    memory: text(
      ["--memory"],
      "SIZE",
      "what all models may take together, such as 8G: beyond it the one used longest ago goes (default: what is free)",
    ),
    ...speculationOptions,
    lazy: flag(["--lazy"], "load each model when it is first asked"),
    idle: text(
      ["--idle"],
      "TIME",
      "unload a model that nobody has asked for so long, such as 10m or 30s (default: never)",
    ),
    queue: number(["--queue"], "N", "requests that may wait for each model (default: 64)"),
    apiKey: list(["--api-key"], "KEY", "refuse requests without this key; several times for several"),
    apiKeyFile: text(["--api-key-file"], "FILE", "the keys, one on each line"),
    allowedHost: list(["--allowed-host"], "NAME", "a further name by which the server may be called"),
    cors: list(["--cors"], "ORIGIN", "let pages of this origin use the server; *: of all"),
    ping: number(
      ["--sse-ping-interval"],
      "SECONDS",
      "how often a stream that waits for its first token gives a sign of life (default: 10)",
    ),
    maxBody: number(["--max-body"], "BYTES", "the largest body of a request (default: 16777216)"),
    drain: number(["--drain"], "SECONDS", "how long requests may go on at the end (default: 30)"),
    log: flag(["--log"], "a line of JSON on stdout for each request and each change of a model; never a text"),
  },
  async run(values, positionals) {
    if (positionals.length > 0) throw new UsageError(`"${positionals[0]}": a model is named with -m`);
    const instances = values.instances === undefined ? undefined : instancesOf(values.instances);
    if (instances !== undefined && values.pin !== undefined) {
      throw idleOption("--pin", "each of a model's instances has processors of its own");
    }
    const memoryBytes = values.memory === undefined ? undefined : sizeOf("--memory", values.memory);
    const speculate = await interruptible((signal) => toSpeculation(values, values.offline, signal));
    const models = await modelsOf(values, instances, async (source) => ({
      ...(await loadOptions(source, values)),
      ...((await generates(source)) && { speculate }),
      ...{ sequences: values.sequences ?? 4, pin: values.pin, tune: values.tuned, ignoreMemory: values.ignoreMemory },
    }));
    const keys = values.apiKeyFile === undefined ? [] : linesOf(values.apiKeyFile);
    if (values.apiKeyFile !== undefined && keys.length === 0) throw new UsageError(`${values.apiKeyFile} has no keys`);
    const idleMinutes = values.idle === undefined ? undefined : minutesOf(values.idle);
    const { startServer } = await serverModule();
    await printPlan(models, memoryBytes);
    const { asked, end, listen } = ending();
    const server = await startServer({
      ...{ models, host: values.host, port: values.port, preload: values.lazy !== true, idleMinutes, memoryBytes },
      ...{ queue: values.queue, pingSeconds: values.ping, onShutdown: end },
      apiKeys: [...(values.apiKey ?? []), ...keys],
      ...{ allowedHosts: values.allowedHost, cors: values.cors, maxBodyBytes: values.maxBody },
      onEvent:
        values.log === true
          ? (event) => process.stdout.write(`${JSON.stringify({ time: new Date(), ...event })}\n`)
          : undefined,
    });
    listen();
    process.stderr.write(`cria serves ${models.map(({ name }) => name).join(", ")} at ${server.url}\n`);
    await asked;
    process.stderr.write("closing: requests that run come to their end; once more to end at once\n");
    await server.close({ drainSeconds: values.drain });
  },
});

/** `asked` resolves when the process is asked to end: by `end`, or by signals from `listen` on. Asked again, it ends at once. */
function ending(): { readonly asked: Promise<void>; readonly end: () => void; readonly listen: () => void } {
  let resolve: () => void;
  const asked = new Promise<void>((done) => {
    resolve = done;
  });
  let times = 0;
  const end = () => (times++ === 0 ? resolve() : process.exit(130));
  const listen = () => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, end);
  };
  return { asked, end, listen };
}

/** A number, or what loadPool divides the machine by: it checks that. */
function instancesOf(text: string): PoolOptions["instances"] {
  return /^\d+$/.test(text) ? Number(text) : (text as "l3" | "node" | "auto");
}

/** The server's packages are optional: who never serves does not need them. */
async function serverModule() {
  try {
    return await import("../server/index.js");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ERR_MODULE_NOT_FOUND") throw error;
    throw new UsageError(
      "cria serve needs packages that are not installed: npm install hono @hono/node-server prom-client",
    );
  }
}

/** The models that were asked for, downloaded. @throws UsageError */
async function modelsOf(
  { model = [], models: file, offline }: { model?: readonly string[]; models?: string; offline?: boolean },
  instances: PoolOptions["instances"],
  loadingOf: (source: string) => Promise<LoadOptions>,
): Promise<readonly Wanted[]> {
  const named = model.map((word) => {
    const [, name, source] = /^([^=/\\:]+)=(.+)$/s.exec(word) ?? [];
    return { name: name ?? nameOf(word), source: source ?? word, options: {} };
  });
  const all: readonly Wanted[] = [...named, ...(file === undefined ? [] : await modelsIn(file))];
  const wanted = all.length > 0 ? all : [{ name: "cria-demo", source: demoModel, options: {} }];
  const models: Wanted[] = [];
  for (const { name, source, options, instances: own = instances } of wanted) {
    const path = await interruptible((signal) => localPath(source, options.offline ?? offline, signal));
    const loading = { ...(await loadingOf(path)), ...options };
    models.push({ name, source: path, options: loading, ...(own !== undefined && { instances: own }) });
  }
  return models;
}

/** A file's name without its folder and ending; a repository's without its user. */
const nameOf = (source: string) => source.replace(/^.*[/\\]/, "").replace(/(-\d{5}-of-\d{5})?\.gguf$/i, "");

/** The models of a file. JSON is YAML. @throws UsageError */
async function modelsIn(path: string): Promise<readonly Wanted[]> {
  const { parse } = await import("yaml");
  let content: unknown;
  try {
    content = parse(readFileSync(path, "utf8"));
  } catch (error) {
    throw new UsageError(`--models ${path}: ${(error as Error).message}`);
  }
  if (typeof content !== "object" || content === null || Array.isArray(content)) {
    throw new UsageError(`--models ${path}: must be an object of names to models`);
  }
  return Object.entries(content).map(([name, value]) => {
    const { model, ...rest } = typeof value === "string" ? { model: value } : ((value ?? {}) as { model?: unknown });
    if (typeof model !== "string")
      throw new UsageError(`--models ${path}: ${name} must be a file, or an object with a model`);
    const { instances, ...options } = optionsOf<PoolOptions & LoadOptions>(name, rest, [
      ...loadOptionNames,
      "instances",
    ]);
    return { name, source: model, options, ...(instances !== undefined && { instances }) };
  });
}

function linesOf(path: string): readonly string[] {
  try {
    const lines = readFileSync(path, "utf8").split("\n");
    return lines.map((line) => line.trim()).filter((line) => line !== "" && !line.startsWith("#"));
  } catch (error) {
    throw new UsageError(`--api-key-file: ${(error as Error).message}`);
  }
}

/** @throws UsageError */
function minutesOf(time: string): number {
  const [, count, unit] = /^(\d+(?:\.\d+)?)(s|m|h)$/.exec(time) ?? [];
  if (count === undefined || Number(count) === 0)
    throw new UsageError(`--idle must be a time such as 30s, 10m or 1h; it is ${time}`);
  return Number(count) * { s: 1 / 60, m: 1, h: 60 }[unit as "s" | "m" | "h"];
}

/** Whether a model generates text: what embeds needs no guesses. */
async function generates(source: string): Promise<boolean> {
  const gguf = await openGguf(source);
  try {
    return readModel(gguf).hyperparameters.causal;
  } finally {
    await gguf.close();
  }
}

/** What the models will take, and what there is. */
async function printPlan(models: readonly Wanted[], limit: number | undefined): Promise<void> {
  let sum = 0;
  for (const { name, ...served } of models) {
    const { plans, bytes } = await planServed(served);
    const [{ plan, contextSize, sequences, kvCache }] = plans as [(typeof plans)[0]];
    sum += bytes;
    const each = plans.length === 1 ? "" : `${plans.length} instances, each `;
    process.stderr.write(
      `${name}: ${each}${mebibytes(plan.total)} (weights ${mebibytes(plan.weights)}, KV cache ${mebibytes(plan.kvCache)} for ` +
        `${sequences} x ${contextSize} positions in ${kvCache}` +
        `${plan.draft === undefined ? "" : `, draft model ${mebibytes(plan.draft)}`})\n`,
    );
  }
  const available = await availableMemory();
  const free = available === undefined ? "" : ` of ${mebibytes(available.bytes)} that are free (${available.source})`;
  const most = limit === undefined ? free : ` of ${mebibytes(limit)} that they may take (--memory)`;
  process.stderr.write(`all together, with their workers: ${mebibytes(sum)}${most}\n`);
}
