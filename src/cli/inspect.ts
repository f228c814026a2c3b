// cria inspect: what is in a GGUF file, and how much memory running it would take. Works on any GGUF file; of one that cria does not
// run it says why.

import { quantizedInfo, warningsOf } from "../api/load/describe.js";
import { checkLora, closeLoras, openLoras } from "../api/load/lora-files.js";
import { memoryRefusal } from "../api/load/memory-check.js";
import { type PlannedModel, planModel } from "../api/load/plan-model.js";
import { CriaError } from "../errors.js";
import { type Gguf, type GgufArray, type GgufValue, openGguf, printable, StringTable } from "../gguf/index.js";
import type { LoadOptions, MemoryPlan } from "../index.js";
import { availableMemory } from "../machine/cpu/available-memory.js";
import { kernelChoices, kernelNameOf } from "../machine/kernels.js";
import { loadKernels } from "../machine/load-kernels.js";
import type { Lora } from "../model/plan/lora.js";
import { checkChoice } from "../options.js";
import { tokenizerFrom } from "../tokenizer/index.js";
import { command, type OptionValues } from "./command.js";
import { UsageError } from "./failure.js";
import { interruptible } from "./interrupt.js";
import { mebibytes } from "./mebibytes.js";
import { loadOptions, planOptions } from "./model-options.js";
import { modelPath, sourceOptions } from "./model-source.js";

/** Elements of an array that are shown. */
const SHOWN = 6;

export const inspect = command({
  usage: "[options] file | -m file | -hf user/repo[:quant]",
  about: `Prints what is in a GGUF file: metadata, tensors (row length first), and how much shared memory it takes with the
given options and what the file leaves to guesses, or why cria does not run it.`,
  options: {
    ...sourceOptions,
    model: { ...sourceOptions.model, help: "the file, instead of an argument; hf:user/repo[:quant] or an https: URL" },
    ...planOptions,
  },
  takesModel: true,
  async run(values, positionals) {
    const path = await interruptible((signal) => modelPath(withArgument(values, positionals), signal));
    const gguf = await openGguf(path);
    let loras: readonly Lora[] = [];
    try {
      const options = await loadOptions(path, values);
      loras = await interruptible((signal) => {
        return openLoras(checkLora(options.lora), { offline: values.offline, signal });
      });
      const plan = await planLines(gguf, options, loras);
      const sections = [fileLines(gguf), metadataLines(gguf), tensorLines(gguf), plan];
      process.stdout.write(sections.map((lines) => `${lines.join("\n")}\n`).join("\n"));
    } finally {
      await Promise.all([gguf.close(), closeLoras(loras)]);
    }
  },
});

/** The model as options name it: an argument is one, too. @throws UsageError where there is none, or more than one */
function withArgument(values: OptionValues<typeof sourceOptions>, positionals: readonly string[]) {
  const { model, hubRepo } = values;
  const named = [...positionals, ...[model, hubRepo].filter((one) => one !== undefined)];
  if (named.length !== 1) throw new UsageError("inspect takes one file, as an argument, with -m or with -hf");
  return { ...values, model: positionals[0] ?? model };
}

function fileLines(gguf: Gguf): string[] {
  const { parts, version, alignment } = gguf;
  return parts.map(
    ({ name, size }) =>
      `${printable(name, Number.POSITIVE_INFINITY)}: GGUF version ${version}, ${size} bytes (${mebibytes(size)}), alignment ${alignment}`,
  );
}

function metadataLines({ metadata }: Gguf): string[] {
  const rows = [...metadata].map(([key, value]) => {
    const type = metadata.typeOf(key)!;
    // A float32 has seven digits; as the double it becomes it would show 17.
    const shown = type === "float32" ? Number((value as number).toPrecision(7)) : value;
    return [printable(key), type, shownValue(shown)];
  });
  return [`metadata: ${metadata.size} keys`, ...table(rows)];
}

function tensorLines({ tensors, hasData }: Gguf): string[] {
  const byType = new Map<string, number>();
  let elements = 0;
  let bytes = 0;
  const rows = tensors.map((tensor) => {
    const count = tensor.shape.reduce((product, n) => product * n, 1);
    elements += count;
    bytes += tensor.bytes;
    byType.set(tensor.type, (byType.get(tensor.type) ?? 0) + 1);
    return [printable(tensor.name), tensor.type, `(${tensor.shape.join(", ")})`, `${tensor.bytes} bytes`];
  });
  const types = [...byType].map(([type, count]) => `${count} ${type}`).join(", ");
  const total = tensors.length === 0 ? "" : `, ${elements} weights in ${bytes} bytes (${mebibytes(bytes)}): ${types}`;
  return [`tensors: ${tensors.length}${total}${hasData ? "" : "; the file has no data"}`, ...table(rows)];
}

/** The memory plan and what was guessed, or why cria does not run the file; its tokenizer may be the reason. */
async function planLines(gguf: Gguf, options: LoadOptions, loras: readonly Lora[]): Promise<string[]> {
  if (gguf.metadata.getString("general.type") === "adapter") return adapterLines(gguf);
  try {
    if (options.kernels !== undefined) checkChoice("kernels", options.kernels, kernelChoices);
    const kernels = await loadKernels(undefined, options.kernels);
    const planned = await planModel(gguf, options, kernels, loras);
    const { plan, contextSize, workers } = planned;
    const warnings = warningsOf(gguf, planned, tokenizerFrom(gguf.metadata));
    const rows = [
      ["weights", plan.weights],
      ["KV cache", plan.kvCache],
      ...(plan.recurrentState > 0 ? ([["recurrent state", plan.recurrentState]] as const) : []),
      ["activations", plan.activations],
      ["scratch", plan.scratch],
      ["control", plan.control],
      ["total", plan.total],
      ...(plan.inFile > 0 ? [["embeddings that stay in the file", plan.inFile] as const] : []),
    ] as const;
    const title = `memory plan: context ${contextSize}, KV cache ${options.kvCache ?? "f16"}, ${workers.reason}`;
    const shards = plan.shards.length === 1 ? [] : shardLines(plan.shards);
    const available = await availableMemory();
    const refusal = available && memoryRefusal(planned, available, 0);
    const last = refusal === undefined ? [] : [`too large for this machine now: ${refusal}`];
    return [
      title,
      ...quantizedLines(planned),
      ...table(rows.map(([name, bytes]) => [name, `${bytes} bytes`, mebibytes(bytes)])),
      ...shards,
      ...(kernels.wide === undefined ? [] : [`kernels: ${kernelNameOf(kernels)}`]),
      ...(kernels.problem === undefined ? [] : [kernels.problem]),
      ...last,
      ...(warnings.length > 0 ? ["", "warnings:", ...warnings.map((warning) => `  ${warning}`)] : []),
    ];
  } catch (error) {
    if (!(error instanceof CriaError) || error.code === "INVALID_OPTION") throw error;
    return [`cria cannot run this: ${printable(error.message, Number.POSITIVE_INFINITY)}`];
  }
}

/** What the option `quantize` encodes. */
function quantizedLines(planned: PlannedModel): string[] {
  const quantized = quantizedInfo(planned);
  if (quantized === undefined) return [];
  const { format, tensors, fileBytes, bytes } = quantized;
  return [
    `encoded in ${format} while it is loaded: ${tensors} tensors, ${fileBytes} bytes in the file, ${bytes} in memory`,
  ];
}

/** What a file that is not a model adds to one. */
function adapterLines({ metadata, tensors }: Gguf): string[] {
  const kind = printable(metadata.getString("adapter.type") ?? "unknown");
  const architecture = printable(metadata.getString("general.architecture") ?? "(none)");
  if (kind !== "lora") return [`an adapter for "${architecture}" of the type ${kind}; cria takes LoRA adapters only`];
  const targets = tensors.filter(({ name }) => name.endsWith(".lora_b"));
  const ranks = [...new Set(targets.map(({ shape }) => shape[0] ?? 1))].sort((a, b) => a - b);
  const kinds = new Set(
    targets.map(({ name }) => printable(name.replace(/^blk\.\d+\./, "").replace(/\.weight\.lora_b$/, ""))),
  );
  return [
    `a LoRA adapter for models of the architecture "${architecture}": --lora, or loadModel's option lora, takes it`,
    ...table([
      ["matrices", `${targets.length}: ${[...kinds].join(", ")}`],
      ["rank", ranks.join(", ")],
      ["alpha", String(metadata.getNumber("adapter.lora.alpha") ?? "none")],
    ]),
  ];
}

/** The memories that a model is divided among, where one does not hold it. */
function shardLines(shards: MemoryPlan["shards"]): string[] {
  const rows = shards.map(({ layers, firstLayer, weights, kvCache, recurrentState, total }, i) => [
    `shard ${i}`,
    layers === 0 ? "no layers" : `layers ${firstLayer} .. ${firstLayer + layers - 1}`,
    `weights ${mebibytes(weights)}`,
    `KV cache ${mebibytes(kvCache)}`,
    ...(recurrentState > 0 ? [`recurrent state ${mebibytes(recurrentState)}`] : []),
    `total ${total} bytes`,
    mebibytes(total),
  ]);
  return [`in ${shards.length} shards, each a memory of its own:`, ...table(rows)];
}

function shownValue(value: GgufValue): string {
  if (typeof value === "string") return JSON.stringify(printable(value));
  if (typeof value !== "object") return String(value);
  if (value.length === 0) return "0";
  const shown = shownElements(value);
  return `${value.length}: ${shown.join(", ")}${value.length > shown.length ? ", ..." : ""}`;
}

function shownElements(array: GgufArray): string[] {
  const count = Math.min(array.length, SHOWN);
  return Array.from({ length: count }, (_, i) => {
    if (array instanceof StringTable) return JSON.stringify(printable(array.at(i), 24));
    const element = array[i]!;
    return typeof element === "object"
      ? `${element.value.length} x ${element.type.replace("[]", "")}`
      : String(element);
  });
}

/** Rows of cells as lines, each column as wide as its widest cell. */
function table(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = [];
  for (const row of rows) for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, cell.length);
  return rows.map(
    (row) => `  ${row.map((cell, i) => (i < row.length - 1 ? cell.padEnd(widths[i]!) : cell)).join("  ")}`,
  );
}
