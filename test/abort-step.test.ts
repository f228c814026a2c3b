// A step by itself, on one worker that counts its pieces: an abort ends it before the next piece, wherever it is.

import { openGguf } from "cria/gguf";
import { expect, it } from "vitest";
import { planModel } from "../dist/engine/load-model.js";
import { Member, StepAborted } from "../dist/machine/member.js";
import { llama } from "../dist/model/llama.js";
import { loadShare } from "../dist/model/loading.js";
import { Run } from "../dist/model/run.js";
import { writeStep } from "../dist/model/step.js";
import { fixtureModel, randomIds } from "./fixture-model.js";
import { compiled } from "./kernel-module.js";

const VOCAB = 512;
/** Rows that all want logits. */
const ROWS = 32;
const shape = { dim: 64, layers: 2, heads: 2, kvHeads: 1, ffn: 96, vocab: VOCAB };

it("an abort leaves the rest of a matmul or of attention, and the next step is whole", async () => {
  const file = await fixtureModel({ ...shape, format: () => "Q8_0" });
  const module = compiled("simd");
  const { hyperparameters, layout, pool, plan } = await planModel(
    await openGguf(file),
    { threads: 1, contextSize: 64 },
    { module, build: "simd" },
  );
  const pages = plan.total / 65536;
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  const member = new Member({ module, memory, control: layout.control, index: 0, workers: 1, regulars: 1 });
  const bytes = new SharedArrayBuffer(file.length);
  new Uint8Array(bytes).set(file);
  await loadShare(member, layout, { kind: "bytes", parts: [bytes] });

  let calls: string[] = [];
  let abortAt = Number.POSITIVE_INFINITY;
  const counted =
    <Arguments extends number[]>(name: string, kernel: (...numbers: Arguments) => void) =>
    (...numbers: Arguments) => {
      calls.push(name);
      kernel(...numbers);
    };
  const { matmul, attention } = member.kernels;
  Object.assign(member, {
    kernels: {
      ...member.kernels,
      matmul: counted("matmul", matmul),
      attention: counted("attention", attention),
    },
  });
  member.wantsAbort = () => calls.length >= abortAt;
  const run = new Run(member, { hyperparameters, layout, pool, ropeMagnitudes: [1] });
  const rows = Array.from({ length: ROWS }, (_, row) => row);
  const step = () => {
    calls = [];
    const words = new Int32Array(memory.buffer, layout.step);
    const tokens = randomIds(ROWS, VOCAB);
    writeStep(words, [{ tokens, position: 0, pageTable: layout.pageTables, logits: rows, hidden: [] }]);
    member.announceStep(1);
    llama.forward(run);
    const { logits, logitStride } = layout.buffers;
    return rows.map((row) => new Float32Array(memory.buffer, logits + row * logitStride, VOCAB).slice());
  };

  const whole = step();
  const all = calls;
  expect(all.slice(-6)).toEqual(new Array(6).fill("matmul")); // the output matrix
  expect(all.filter((name) => name === "attention").length).toBeGreaterThan(2);
  let more = 0;
  for (abortAt = 0; abortAt < all.length; abortAt++) {
    expect(step).toThrow(StepAborted);
    more += calls.length - abortAt;
  }
  expect(more).toBe(shape.layers * 6); // a piece of the gated matmul is two products, which are done together
  abortAt = Number.POSITIVE_INFINITY;
  expect(step()).toEqual(whole);
});
