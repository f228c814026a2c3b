// GGUF files with damaged structure: the reader, the tokenizer and the plan must end in a result or a typed error.

import { type Gguf, GgufError, openGguf } from "cria/gguf";
import type { Random } from "../../bench/synthetic/random.js";
import { planModel } from "../../dist/api/load/plan-model.js";
import { compileKernels, type KernelModule } from "../../dist/machine/kernels.js";
import { tokenizerFrom } from "../../dist/tokenizer/index.js";
import { file, pair, tensor, text, u32, u64 } from "../support/gguf-bytes.js";
import { microArchitectures, microBytes, microModel } from "../support/micro-model.js";
import { type Field, fieldsOf, mutated } from "./mutate.js";
import { codeOf, outcomeOf, target } from "./target.js";

const key = "general.alignment";

/** Files of some hundred bytes: parsing one takes microseconds. */
const tiny: readonly Uint8Array[] = [
  file(),
  file({ pairs: [pair("a", 4, u32(1)), pair("b", 8, text("text")), pair("c", 7, [1])] }),
  file({ pairs: [pair("a", 9, u32(8), u64(3), text("x"), text(""), text("yz")), pair("f", 6, u32(0x7fc00000))] }),
  file({ pairs: [pair("n", 9, u32(9), u64(2), u32(4), u64(1), u32(7), u32(9), u64(0))] }),
  file({
    pairs: [pair(key, 4, u32(64))],
    tensors: [tensor(), tensor({ name: "v", offset: 64 })],
    data: 128,
    alignment: 64,
  }),
  file({ tensors: [tensor({ type: 2, shape: [32, 2] }), tensor({ name: "s", shape: [], offset: 64 })], data: 68 }),
  file({ pairs: [pair("split.no", 2, [0, 0]), pair("split.count", 2, [1, 0])], tensors: [tensor()], data: 32 }),
  file({ pairs: [pair("general.architecture", 8, text("llama"))], tensors: [tensor()], data: 40 }),
  ...[0, 1, 2, 3, 4, 5, 6, 7, 10, 11, 12].map((type) =>
    file({ pairs: [pair("k", 9, u32(type), u64(2), new Uint8Array(16))] }),
  ),
];

// The first byte of an input says how the others are read.
export const gguf = target({
  name: "gguf",
  executes: "a mutated file parsed in a random window; if accepted: its tokenizer, and a memory plan",
  perBuild: false,
  perProcess: 400_000,
  milliseconds: 1000,
  open: async () => {
    const models: Uint8Array[] = [];
    for (const architecture of microArchitectures) models.push(await microBytes(await microModel(architecture)));
    const known: readonly (readonly [Uint8Array, readonly Field[]])[] = [...tiny, ...models].map((bytes) => [
      bytes,
      fieldsOf(bytes),
    ]);
    const others = known.map(([bytes]) => bytes);
    const kernels = await compileKernels();
    return {
      make: (random: Random) => {
        const index = random.below(32) === 0 ? tiny.length + random.below(models.length) : random.below(tiny.length);
        const [bytes, fields] = known[index]!;
        const changed = mutated(random, bytes, fields, others);
        const input = new Uint8Array(changed.length + 1);
        input[0] = random.below(256);
        input.set(changed, 1);
        return input;
      },
      run: (input: Uint8Array) => parse(input[0]!, input.subarray(1), kernels),
    };
  },
});

const windows = [8, 9, 16, 31, 64, 1000, 2 ** 18, 2 ** 18];

async function parse(how: number, bytes: Uint8Array, kernels: KernelModule): Promise<string> {
  const source = how >= 248 ? new Blob([bytes as Uint8Array<ArrayBuffer>]) : bytes;
  let opened: Gguf;
  try {
    opened = await openGguf(source, { windowBytes: windows[how % windows.length]! });
  } catch (error) {
    if (!(error instanceof GgufError)) throw error;
    return codeOf(error);
  }
  const { metadata } = opened;
  for (const [name, value] of metadata) {
    if (!Object.is(metadata.get(name), value) || metadata.typeOf(name) === undefined)
      throw new Error("a key that is not there");
    for (const read of ["getNumber", "getString", "getStrings", "getNumbers", "getBoolean"] as const) {
      const outcome = await outcomeOf(() => metadata[read](name));
      if (outcome !== "ok" && outcome !== "GGUF_METADATA_TYPE") throw new Error(outcome);
    }
  }
  for (const each of opened.tensors) {
    if (!opened.hasData || each.bytes > 2 ** 20) continue;
    const read = await opened.readTensor(each);
    if (read.length !== each.bytes) throw new Error("a tensor of another length");
  }
  await opened.close();
  if (!metadata.has("tokenizer.ggml.model") && !metadata.has("general.architecture")) return "ok";
  const tokenizer = await outcomeOf(() => tokenizerFrom(metadata).encode("ab a"));
  const plan = await outcomeOf(() => planModel(opened, { threads: 1 }, kernels));
  return tokenizer === "ok" ? plan : tokenizer;
}
