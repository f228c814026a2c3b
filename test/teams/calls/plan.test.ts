// What `plan` says is what a model takes: to the byte, for every way of loading it. And the chunk of prompts changes no bit.

import { existsSync, readdirSync } from "node:fs";
import { demoModel, loadModel } from "cria";
import { plan } from "cria/lab";
import { describe, expect, it } from "vitest";
import { hasReferenceData, referenceData } from "../../support/reference-data.js";

const demo = demoModel;

describe("planned equals used", () => {
  it.each([
    {},
    { contextSize: 256, sequences: 5 },
    { kvCache: "q8_0" },
    { kvCache: "f32", prefillChunk: 512 },
    { threads: 1, threadsBatch: 2 },
    { prefillChunk: 32 },
  ] as const)("the demo model, %j", async (options) => {
    const { need } = await plan(demo, { ...options, predict: false });
    const model = await loadModel(demo, options);
    try {
      expect(model.info.memory).toEqual(need.memory);
      expect(model.info.contextSize).toBe(need.contextSize);
    } finally {
      await model.dispose();
    }
  });

  const models = ["micro", "architectures", "stories260k", "babyllama"].flatMap((folder) => {
    const path = referenceData(folder);
    if (!existsSync(path)) return [];
    const names = readdirSync(path, { recursive: true, encoding: "utf8" });
    return names.filter((name) => name.endsWith(".gguf")).map((name) => `${folder}/${name}`);
  });
  it.skipIf(!hasReferenceData).each(models.length > 0 ? models : ["no model"])("%s", async (name) => {
    const path = referenceData(name);
    const model = await loadModel(path, { threads: 1 }).catch(() => undefined);
    if (model === undefined) {
      await expect(plan(path, { threads: 1, predict: false })).rejects.toThrow();
      return;
    }
    try {
      expect((await plan(path, { threads: 1, predict: false })).need.memory).toEqual(model.info.memory);
    } finally {
      await model.dispose();
    }
  });
});

describe("prefillChunk", () => {
  it("has the same bits, whatever it is", async () => {
    const ids = Int32Array.from({ length: 300 }, (_, i) => (i * 37) % 500);
    const logitsOf = async (prefillChunk: number) => {
      const model = await loadModel(demo, { threads: 2, prefillChunk });
      try {
        return await model.createSequence().evaluate(ids);
      } finally {
        await model.dispose();
      }
    };
    const usual = await logitsOf(128);
    expect(await logitsOf(32)).toEqual(usual);
    expect(await logitsOf(100)).toEqual(usual);
    expect(await logitsOf(1024)).toEqual(usual);
  });

  it("serves more texts at once than a step has rows", async () => {
    const model = await loadModel(demo, { threads: 1, prefillChunk: 32, sequences: 8 });
    try {
      const texts = Array.from({ length: 40 }, (_, i) => model.complete(`Text ${i}`, { maxTokens: 3, temperature: 0 }));
      const tokens = (await Promise.all(texts)).map((one) => one.tokens.length);
      expect(tokens.every((count) => count >= 1)).toBe(true);
    } finally {
      await model.dispose();
    }
  });

  it.each([31, 1025, 64.5, "128"])("%j is refused", async (prefillChunk) => {
    await expect(loadModel(demo, { prefillChunk: prefillChunk as number })).rejects.toMatchObject({
      code: "INVALID_OPTION",
      message: expect.stringMatching(/^prefillChunk must be an integer in 32 \.\. 1024; it is/),
    });
  });
});
