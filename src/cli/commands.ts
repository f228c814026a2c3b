// The commands: one row each. Their modules are imported when they are called, so that `cria --help` is quick.

import type { CommandTable } from "./command.js";

export const commands: CommandTable = {
  run: { summary: "continue a text", load: async () => (await import("./run.js")).run },
  chat: { summary: "talk", load: async () => (await import("./chat.js")).chat },
  serve: {
    summary: "models over HTTP, as OpenAI's and Ollama's clients know them",
    load: async () => (await import("./serve.js")).serve,
  },
  ps: { summary: "the models of a running cria serve", load: async () => (await import("./ps.js")).ps },
  stop: {
    summary: "unload models of a running cria serve, or end it",
    load: async () => (await import("./stop.js")).stop,
  },
  embed: { summary: "vectors of texts, as JSON", load: async () => (await import("./embed.js")).embed },
  worker: {
    summary: "compute the jobs of a queue: bulk embedding and reranking",
    load: async () => (await import("./worker.js")).worker,
  },
  rerank: {
    summary: "documents in the order in which they answer a query",
    load: async () => (await import("./rerank.js")).rerank,
  },
  inspect: {
    summary: "metadata, tensors and memory plan of a file",
    load: async () => (await import("./inspect.js")).inspect,
  },
  perplexity: {
    summary: "how well a model predicts a text",
    load: async () => (await import("./perplexity.js")).perplexity,
  },
  pull: { summary: "bring a model from the network", load: async () => (await import("./pull.js")).pull },
  list: { summary: "the models in the cache", load: async () => (await import("./list.js")).list },
  show: { summary: "what a model is", load: async () => (await import("./show.js")).show },
  rm: { summary: "remove models from the cache", load: async () => (await import("./rm.js")).rm },
  quantize: { summary: "make a smaller model", load: async () => (await import("./quantize.js")).quantize },
  cpu: {
    summary: "the machine as cria sees it: cores, caches, limits, and the threads and pins that follow",
    load: async () => (await import("./cpu.js")).cpu,
  },
  plan: {
    summary: "what a model takes of this machine's memory, what fits, and few large instances or many small ones",
    load: async () => (await import("./plan.js")).plan,
  },
  tune: {
    summary: "find the fastest way to load a model on this machine, and keep it for --tuned",
    load: async () => (await import("./tune.js")).tune,
  },
  bench: {
    summary: "how fast models run, and how far that is from this machine's limits",
    load: async () => (await import("./bench.js")).bench,
  },
  kernels: {
    summary: "what each kernel reads and multiplies, against this machine's limits",
    load: async () => (await import("./kernels.js")).kernels,
  },
  completion: {
    summary: "what bash, zsh or fish needs to complete commands and options",
    load: async () => (await import("./completion.js")).completion,
  },
};
