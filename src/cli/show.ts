// cria show: what a model is, from its header. `cria inspect` has every key and tensor.

import { planModel } from "../api/load/plan-model.js";
import { CriaError } from "../errors.js";
import { type Gguf, openGguf, printable } from "../gguf/index.js";
import { isRemote, openHeader, withoutAlias } from "../hub/index.js";
import { loadKernels } from "../machine/load-kernels.js";
import { cardOf, type ModelCard } from "../server/model-cards.js";
import { command } from "./command.js";
import { UsageError } from "./failure.js";
import { interruptible } from "./interrupt.js";
import { sizeText } from "./mebibytes.js";
import { offlineOption } from "./model-source.js";
import { factLines } from "./table.js";
import { outputText } from "./terminal-text.js";

export const show = command({
  usage: "[options] NAME | FILE",
  about: `Prints what a model is: its architecture, size, context, licence and files. The model is an alias, hf:user/repo[:quant], an
https: URL, or a file. Of a model on the network that is not in the cache, only the header is read. cria inspect has every key and
tensor of a file.`,
  options: {
    template: { flags: ["--template"], type: "boolean", help: "print the chat template only" },
    json: { flags: ["--json"], type: "boolean", help: "print JSON" },
    ...offlineOption,
  },
  async run({ template, json, offline }, positionals) {
    const [name] = positionals;
    if (name === undefined || positionals.length > 1) throw new UsageError("show takes one model");
    const source = await withoutAlias(name);
    const gguf = await interruptible((signal) =>
      isRemote(source) ? openHeader(source, { offline, signal }) : openGguf(source),
    );
    try {
      const card = cardOf(gguf);
      if (template === true) process.stdout.write(`${outputText(card.template ?? "")}\n`);
      else if (json === true) process.stdout.write(`${JSON.stringify({ source, ...card, files: filesOf(gguf) })}\n`);
      else process.stdout.write(`${linesOf(source, card, gguf, await memoryText(gguf)).join("\n")}\n`);
    } finally {
      await gguf.close();
    }
  },
});

const filesOf = ({ parts }: Gguf) => parts.map(({ name, path, size }) => ({ name, path, bytes: size }));

/** What it takes in memory as it is loaded by default, or why cria does not run it. */
async function memoryText(gguf: Gguf): Promise<string> {
  try {
    const { plan, contextSize } = await planModel(gguf, {}, await loadKernels());
    return `${sizeText(plan.total)} with ${contextSize} positions (cria plan has more)`;
  } catch (error) {
    if (!(error instanceof CriaError)) throw error;
    return `cria does not run it: ${printable(error.message, 200)}`;
  }
}

function linesOf(source: string, card: ModelCard, gguf: Gguf, memory: string): string[] {
  const { architecture, title, parameters, format, contextLength, embeddingLength, template, licence } = card;
  const text = (value: unknown) => printable(String(value), 200);
  const known = (name: string, value: unknown): (readonly [string, string])[] =>
    value === undefined ? [] : [[name, text(value)]];
  return [
    text(source),
    ...factLines([
      ...known("name", title),
      ["architecture", text(architecture)],
      ["parameters", parametersText(parameters)],
      ["format", text(format)],
      ...known("context", contextLength),
      ...known("embedding", embeddingLength),
      ["can", card.capabilities.join(", ")],
      ["chat template", template === undefined ? "none" : `${template.length} characters (--template)`],
      ...known("licence", licence),
      ["in memory", memory],
    ]),
    ...(gguf.parts.length === 1 ? [] : [`${gguf.parts.length} files, ${sizeText(card.bytes)}`]),
    ...factLines(gguf.parts.map(({ name, path, size }) => [sizeText(size), text(path ?? name)])),
  ];
}

/** Such as 8.0 B or 134.5 M. */
function parametersText(count: number): string {
  return count >= 1e9 ? `${(count / 1e9).toFixed(1)} B` : `${(count / 1e6).toFixed(1)} M`;
}
