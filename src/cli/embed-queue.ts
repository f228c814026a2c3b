// cria embed --queue: files of texts become jobs of a queue, and the jobs' results the output. Nothing is computed here.

import type { QueuedEmbedOptions } from "../adapters/bullmq/index.js";
import { CriaError } from "../errors.js";
import type { OptionValues } from "./command.js";
import type { EmbeddingWriter } from "./embed-output.js";
import { interruptible } from "./interrupt.js";
import { loadOptions, type planOptions } from "./model-options.js";
import { modelPath, type sourceOptions } from "./model-source.js";
import type { Output } from "./output-file.js";
import { identityOf, queueModule, type queueOptions, queuePlace } from "./queue-options.js";
import { type FileText, textsOfFiles } from "./text-files.js";

type Values = OptionValues<typeof queueOptions & typeof sourceOptions & typeof planOptions>;

/** How many failures are told one by one. */
const TOLD = 10;

/** @throws CriaError TEXTS_FAILED when everything is written, where texts have no vector */
export async function embedByQueue(
  url: string,
  files: readonly string[],
  values: Values & { readonly keep?: number },
  options: QueuedEmbedOptions,
  output: Output,
  writer: EmbeddingWriter,
): Promise<void> {
  const { openQueue } = await queueModule();
  await interruptible(async (signal) => {
    const place = queuePlace(url, values);
    const queue = await openQueue({ ...place, model: await wantedModel(values, signal), keepSeconds: values.keep });
    const begin = performance.now();
    const told: FileText[] = [];
    let texts = 0;
    let failed = 0;
    const bar = counter();
    try {
      for await (const { vector, error } of queue.embedEach(textsOf(files, told), { ...options, signal })) {
        const { id, place } = told.shift()!;
        if (error === undefined) await output.write(writer.next(vector, id));
        else {
          const message = error.message;
          if (writer.failed === undefined) throw new CriaError(error.code, `${place}: ${message}`, { cause: error });
          if (failed++ < TOLD) process.stderr.write(`${bar.clear()}cria: ${place}: ${message}\n`);
          await output.write(writer.failed(message, id));
        }
        bar.show(++texts);
      }
      await output.write(writer.end());
      await output.finish(writer.head?.());
      const { submitted, found } = queue.stats;
      const seconds = ((performance.now() - begin) / 1000).toFixed(1);
      const before = found > 0 ? `; ${found} were there before` : "";
      process.stderr.write(
        `${bar.clear()}${counted(texts, "text")} in ${seconds} s: ${counted(submitted, "job")}${before}\n`,
      );
    } finally {
      await queue.close();
    }
    if (failed > 0) throw new CriaError("TEXTS_FAILED", `${failed} of ${texts} texts have no vector`);
  });
}

/** The model that -m names, by its file. undefined: the one that the workers have. */
async function wantedModel(values: Values, signal: AbortSignal): Promise<string | undefined> {
  if (values.model === undefined && values.hubRepo === undefined) return undefined;
  const path = await modelPath(values, signal);
  return identityOf(path, await loadOptions(path, values), signal);
}

/** Texts, on their way to the queue; `told` keeps where they are from until their vectors come, in the same order. */
async function* textsOf(files: readonly string[], told: FileText[]): AsyncGenerator<string> {
  for await (const one of textsOfFiles(files)) {
    told.push(one);
    yield one.text;
  }
}

/** Counts on the terminal, ten times a second at most. */
function counter(): { show(texts: number): void; clear(): string } {
  if (!process.stderr.isTTY) return { show: () => undefined, clear: () => "" };
  let last = 0;
  return {
    show(texts) {
      const now = performance.now();
      if (now - last < 100) return;
      last = now;
      process.stderr.write(`\r${texts} texts`);
    },
    clear: () => "\r\x1b[K",
  };
}

const counted = (count: number, word: string) => `${count} ${word}${count === 1 ? "" : "s"}`;
