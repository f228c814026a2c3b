// Every public function that takes options, ready to be called with any; and what options each has, as its own error says.

import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { downloadModel, loadModel, loadPool, type Model, streamResponse } from "cria";
import { openGguf } from "cria/gguf";
import { openKernels } from "cria/kernels";
import { createFetch } from "cria/openai";
import { quantizeModel } from "cria/quantize";
import { microBytes, microModel, microTemplate } from "./micro-model.js";

/** A call with these options. What it gives is read to its end and ended. */
export type PublicCall = (options: unknown) => Promise<unknown>;

export interface PublicCalls {
  readonly calls: ReadonlyMap<string, PublicCall>;
  readonly close: () => Promise<void>;
}

// Options are what these tests are about; types would not let them be wrong.
type Any = never;

export async function publicCalls(): Promise<PublicCalls> {
  const folder = mkdtempSync(join(tmpdir(), "cria-options-"));
  // A hub that has nothing.
  const hub = createServer((_, response) => response.writeHead(404).end()).listen(0, "127.0.0.1");
  await once(hub, "listening");
  const place = {
    HF_HOME: folder,
    CRIA_CACHE: folder,
    HF_ENDPOINT: `http://127.0.0.1:${(hub.address() as AddressInfo).port}`,
  };
  const before = Object.keys(place).map((name) => [name, process.env[name]] as const);
  Object.assign(process.env, place);
  const llama = await microBytes(await microModel("llama"));
  // It knows tools, by their notation.
  const template = {
    type: "string",
    value: `{% for t in tools or [] %}<tool_call>{{ t | tojson }}{% endfor %}${microTemplate}`,
  } as const;
  const teaches = await microBytes(await microModel("llama"), { "tokenizer.chat_template": template });
  const path = join(folder, "model.gguf");
  writeFileSync(path, llama);
  const model = await loadModel(teaches, { threads: 1, sequences: 4 });
  const encoder = await loadModel(await microBytes(await microModel("bert")), { threads: 1 });
  const bert = await microModel("bert");
  const head = [
    ["cls.weight", [8, 8]],
    ["cls.bias", [8]],
    ["cls.output.weight", [8, 1]],
    ["cls.output.bias", [1]],
  ] as const;
  const tensors = head.map(([name, shape]) => {
    return [name, { shape, data: new Uint8Array(shape.reduce((product: number, n) => product * n, 4)) }] as const;
  });
  const pooling = { "bert.pooling_type": { type: "uint32", value: 4 } } as const;
  const ranks = await microBytes({ ...bert, tensors: new Map([...bert.tensors, ...tensors]) }, pooling);
  const reranker = await loadModel(ranks, { threads: 1 });
  const messages = [{ role: "user", content: "ab" }];
  const sequence = model.createSequence();
  const given = { maxTokens: 2 };
  // Few tokens, unless the option that is tried says otherwise; the context has 64.
  const few = (options: unknown) => (isPlain(options) ? { ...given, ...options } : options);

  const calls = new Map<string, PublicCall>([
    ["loadModel", async (options) => dispose(await loadModel(llama, withOne(options) as Any))],
    ["loadPool", async (options) => dispose(await loadPool(llama, withOne(options) as Any))],
    ["generate", (options) => drain(model.generate("ab", few(options) as Any))],
    ["complete", (options) => model.complete("ab", few(options) as Any)],
    ["completeJson", (options) => model.completeJson("ab", true, few(options) as Any)],
    ["streamResponse", async (options) => (await streamResponse(model.generate("ab", given), options as Any)).text()],
    ["generateChat", (options) => drain(model.generateChat(messages, few(options) as Any))],
    ["completeChat", (options) => model.completeChat(messages, few(options) as Any)],
    ["chat", async (options) => model.chat(options as Any).dispose()],
    [
      "send",
      async (options) => {
        const chat = model.chat();
        try {
          await drain(chat.send("ab", few(options) as Any));
        } finally {
          chat.dispose();
        }
      },
    ],
    [
      "evaluate",
      async (options) => {
        sequence.truncate(0);
        await sequence.evaluate([1, 2], options as Any);
      },
    ],
    ["embed", (options) => encoder.embed(["ab"], options as Any)],
    ["rerank", (options) => reranker.rerank("ab", ["a"], options as Any)],
    ["downloadModel", (options) => downloadModel("hf:user/repo/file.gguf", offline(options) as Any)],
    ["quantizeModel", (options) => quantizeModel(path, join(folder, "out.gguf"), typed(options) as Any)],
    ["openKernels", (options) => openKernels(options as Any)],
    ["createFetch", async (options) => createFetch(model, options as Any)],
    ["openGguf", async (options) => (await openGguf(llama, options as Any)).close()],
  ]);
  return {
    calls,
    close: async () => {
      await Promise.all([model, encoder, reranker].map(dispose));
      hub.close();
      hub.closeAllConnections();
      for (const [name, value] of before) {
        if (value === undefined) delete process.env[name];
        else process.env[name] = value;
      }
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** The options of a call: those that its error for an unknown one lists. */
export async function optionsOf(call: PublicCall): Promise<readonly string[]> {
  try {
    await call({ "not an option": 1 });
  } catch (error) {
    const list = /has no option "not an option"; it has (.*)$/.exec((error as Error).message)?.[1];
    if (list !== undefined) return list.split(", ");
  }
  return [];
}

/** What an object literal gives: more options can stand beside its own. */
const isPlain = (options: unknown): options is object => {
  try {
    return typeof options === "object" && options !== null && Object.getPrototypeOf(options) === Object.prototype;
  } catch {
    return false; // a proxy that is revoked
  }
};

const withOne = (options: unknown) => (isPlain(options) ? { threads: 1, ...options } : options);
const offline = (options: unknown) => (isPlain(options) ? { offline: true, ...options } : options);
const typed = (options: unknown) => (isPlain(options) ? { type: "Q8_0", threads: 1, ...options } : options);

async function drain(parts: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of parts);
}

async function dispose(model: Model): Promise<void> {
  await model.dispose();
}
