// Architectures beside llama.cpp, on models of random weights: logits of causal models, vectors of encoders.
//
//   F32    relative rms of the difference to llama.cpp's result
//   Q8_0   relative rms of the difference to one's own F32 result with the same weights: at most 1.1 times what llama.cpp's is
//
// and each architecture's bits, which depend neither on threads, chunks and neighbours in a step nor on how many memories it lies in.
//
// llama.cpp's results are in test/fixtures/oracle. They are recorded where bench/peers is installed and built
// (`cd bench/peers && npm ci && npm run build`), those of one architecture by
//
//   CRIA_RECORD_ORACLE=NAME npx vitest run test/teams/numbers/oracle.test.ts -t NAME

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { KvCacheType, LoraOptions, Model } from "cria";
import { describe, expect, it } from "vitest";
import type { OracleCase, OracleCases } from "../../oracles/architectures/case.js";
import { randomIds } from "../../support/fixture-model.js";
import { fastestBuild, loadWith } from "../../support/kernel-builds.js";
import { loraAdapter } from "../../support/lora-adapter.js";
import { oracleArchitectures, oracleModel } from "../../support/oracle-cases.js";
import { relativeError } from "../../support/reference/relative-error.js";
import { loadInShards } from "../../support/shards.js";
import { temporaryFolder } from "../../support/temporary-folder.js";

const VOCAB = 512;
const [BOS, EOS] = [496, 505];

/** What llama.cpp gave. */
interface Recorded {
  /** SHA-256 of the F32 model, and of its LoRA adapters. */
  readonly model: string;
  /** Base64 of f32: the logits of `comparedRows`, or all vectors. */
  readonly values: string;
  /** In Q8_0: how far from its own F32 result. */
  readonly distance: number;
}

const folder = temporaryFolder();
const fixture = (name: string) => fileURLToPath(new URL(`../../fixtures/oracle/${name}.json`, import.meta.url));
const native = fileURLToPath(new URL("../../../bench/peers/build/logits.js", import.meta.url));
const recording = process.env["CRIA_RECORD_ORACLE"];

/** As `loadModel` takes them. */
function loraOf(file: Uint8Array, { lora = [] }: OracleCase): Promise<(LoraOptions & { path: Uint8Array })[]> {
  return Promise.all(lora.map(async ({ scale, ...shape }) => ({ path: await loraAdapter(file, shape), scale })));
}

async function digestOf(file: Uint8Array, one: OracleCase): Promise<string> {
  const hash = createHash("sha256").update(file);
  for (const { path } of await loraOf(file, one)) hash.update(path);
  return hash.digest("hex");
}

/** Text without a pattern: the same in every run. */
const textOf = (tokens: number, seed: number): number[] =>
  Array.from({ length: tokens }, (_, i) => (i * i * 31 + i * 97 * seed + 11) % BOS);

const logitsText = ({ tokens = 40 }: OracleCase) => textOf(tokens, 1);
const vectorTexts = ({ tokens = 40 }: OracleCase) =>
  [tokens, 8, 3].map((length, i) => [BOS, ...textOf(length - 2, i + 1), EOS]);

/** Rows near the beginning, in the middle and at the end. */
const comparedRows = ({ tokens = 40 }: OracleCase) => [Math.floor(tokens / 8), Math.floor(tokens / 2), tokens - 1];

const chosenRows = (logits: Float32Array, one: OracleCase) =>
  join(comparedRows(one).map((row) => logits.subarray(row * VOCAB, (row + 1) * VOCAB)));

function join(parts: readonly Float32Array[]): Float32Array {
  const whole = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Vectors of length 1. */
const normalised = (vector: Float32Array) => {
  const size = Math.hypot(...vector);
  return vector.map((value) => value / size);
};

/** One thread is enough: bits do not depend on it, as the second test of each case shows. */
async function ours(one: OracleCase, file: Uint8Array<ArrayBuffer>, kvCache: KvCacheType): Promise<Float32Array> {
  const lora = await loraOf(file, one);
  const model = await loadWith(fastestBuild, file, { threads: 1, kvCache, contextSize: 256, lora });
  try {
    if (one.encoder) return join(await model.embed(vectorTexts(one)));
    return chosenRows(await model.createSequence().evaluate(logitsText(one), { logits: "all" }), one);
  } finally {
    await model.dispose();
  }
}

async function theirs(one: OracleCase, file: Uint8Array, kvCache: KvCacheType): Promise<Float32Array> {
  const [model, output] = [folder.path("model.gguf"), folder.path("output.f32")];
  writeFileSync(model, file);
  const subject = one.encoder ? { texts: vectorTexts(one) } : { ids: logitsText(one) };
  const lora = (await loraOf(file, one)).map(({ path, scale }, i) => {
    const filePath = folder.path(`lora-${i}.gguf`);
    writeFileSync(filePath, path);
    return { filePath, scale };
  });
  const question = { model, ...subject, lora, output, kvCache: kvCache.toUpperCase() };
  execFileSync(process.execPath, [native, JSON.stringify(question)], { stdio: "pipe" });
  const values = floats(readFileSync(output));
  if (!one.encoder) return chosenRows(values, one);
  const width = values.length / vectorTexts(one).length;
  return join(vectorTexts(one).map((_, i) => normalised(values.slice(i * width, (i + 1) * width))));
}

const floats = (bytes: Uint8Array) =>
  new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer);

async function record(architecture: string, cases: OracleCases): Promise<void> {
  const recorded: Record<string, Recorded> = {};
  for (const [name, one] of Object.entries(cases)) {
    const file = await oracleModel(architecture, one);
    const exact = await theirs(one, await oracleModel(architecture, one, "Q8_0 in F32"), "f32");
    const rounded = await theirs(one, await oracleModel(architecture, one, "Q8_0"), "f16");
    recorded[name] = {
      model: await digestOf(file, one),
      values: Buffer.from((await theirs(one, file, "f32")).buffer).toString("base64"),
      distance: Number(relativeError(exact, rounded).toPrecision(4)),
    };
  }
  writeFileSync(fixture(architecture), `${JSON.stringify(recorded, null, 2)}\n`);
}

/**
 * What must not depend on how a text is evaluated: its logits, `cuts` says in which chunks; those after a detour, in a fork, and of a text
 * that begins alike.
 */
async function outcomes(model: Model, cuts: readonly number[]): Promise<unknown> {
  if (!model.info.generates) {
    const texts = [70, 1, 17].map((length, i) => randomIds(length, VOCAB, i));
    return cuts.length === 0
      ? Promise.all(texts.map((text) => model.embed([text])))
      : (await model.embed(texts)).map((one) => [one]);
  }
  const ids = randomIds(140, VOCAB);
  const sequence = model.createSequence();
  const chunks: Float32Array[] = [];
  for (const [i, cut] of [...cuts, ids.length].entries()) {
    chunks.push(await sequence.evaluate(ids.slice(cuts[i - 1] ?? 0, cut), { logits: "all" }));
  }
  sequence.truncate(100);
  const fork = sequence.fork();
  const others = await Promise.all([
    sequence.evaluate(randomIds(20, VOCAB, 2), { logits: "all" }),
    fork.evaluate(ids.slice(100), { logits: "all" }),
    model.complete([...ids.slice(0, 70), 5], { maxTokens: 6, temperature: 0 }).then(({ tokens }) => tokens),
  ]);
  for (const one of [sequence, fork]) one.dispose();
  return [join(chunks), ...others];
}

describe.each(oracleArchitectures)("$name", ({ name: architecture, cases }) => {
  if (recording === architecture) it("is recorded", () => record(architecture, cases), 600_000);

  describe.each(Object.entries(cases))("%s", (name, one) => {
    it("has the numbers of llama.cpp", async () => {
      const file = await oracleModel(architecture, one);
      const recorded: Record<string, Recorded> = existsSync(fixture(architecture))
        ? JSON.parse(readFileSync(fixture(architecture), "utf8"))
        : {};
      // Another model than the recorded one says nothing about the engine.
      expect(await digestOf(file, one)).toBe(recorded[name]?.model);
      const { values, distance } = recorded[name]!;
      const error = relativeError(floats(Buffer.from(values, "base64")), await ours(one, file, "f32"));
      const exact = await ours(one, await oracleModel(architecture, one, "Q8_0 in F32"), "f32");
      const rounded = relativeError(exact, await ours(one, await oracleModel(architecture, one, "Q8_0"), "f16"));
      console.log(`${architecture}, ${name}: F32 ${error.toExponential(2)}, Q8_0 ${(rounded / distance).toFixed(3)}`);
      expect(error).toBeLessThan(one.bar ?? 2e-5);
      expect(rounded).toBeLessThan(1.1 * distance);
    });

    it("has the same bits however it is evaluated", async () => {
      const file = await oracleModel(architecture, one, "Q8_0");
      const options = { contextSize: 192, sequences: 3, lora: await loraOf(file, one) };
      const model = await loadWith(fastestBuild, file, { ...options, threads: 2 });
      const expected = await outcomes(model, []);
      expect(await outcomes(model, [1, 75])).toEqual(expected); // from what the cache still has
      await model.dispose();
      for (const [shards, threads] of [
        [1, 1],
        [3, 2],
      ] as const) {
        const other = await loadInShards(shards, file, { ...options, threads });
        expect(other.info.memory.shards.length).toBeGreaterThanOrEqual(Math.min(shards, 2));
        expect(await outcomes(other, [64, 65, 66, 131])).toEqual(expected);
        await other.dispose();
      }
    });
  });
});
