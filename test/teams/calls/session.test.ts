// Saved sessions: a sequence and a conversation go on in another process as if nothing had happened. Bytes that are not a session, or
// another model's, are refused by name.

import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath, pathToFileURL } from "node:url";
import { ContextError, loadModel, type Model, SessionError } from "cria";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import fc from "../../support/fast-check.js";
import { fixtureModel, randomIds } from "../../support/fixture-model.js";
import { temporaryFolder } from "../../support/temporary-folder.js";

const demo = fileURLToPath(new URL("../../../models/cria-demo-Q4_K_S.gguf", import.meta.url));
const folder = temporaryFolder();
const settings = { contextSize: 256 } as const;

let model: Model;
let other: Model;
beforeAll(async () => {
  model = await loadModel(demo, { ...settings, threads: 2 });
  other = await loadModel(demo, { ...settings, threads: 1, sequences: 2 });
});
afterAll(() => Promise.all([model.dispose(), other.dispose()]));

const ids = randomIds(150, 512, 1);
const next = randomIds(20, 512, 2);

/** A session of `ids`, and the logits of `next` after it. */
async function saved(path?: string) {
  const sequence = model.createSequence();
  await sequence.evaluate(ids);
  const session = await sequence.save(path);
  const logits = await sequence.evaluate(next, { logits: "all" });
  sequence.dispose();
  return { session, logits };
}

describe("a sequence", () => {
  it("goes on from its bytes, a path or a URL, in another model of the same file", async () => {
    const path = folder.path("sequence.session");
    const { session, logits } = await saved(path);
    expect(new Uint8Array(readFileSync(path))).toEqual(session);
    expect(readdirSync(folder.path("."))).toEqual(["sequence.session"]);
    for (const source of [session, path, pathToFileURL(path)]) {
      const restored = await other.restoreSequence(source);
      expect(restored.position).toBe(150);
      expect(await restored.evaluate(next, { logits: "all" })).toEqual(logits);
      restored.dispose();
    }
  });

  it("may be empty, shorter than a page, forked, saved again, and restored where there is no room", async () => {
    const sequence = model.createSequence();
    const empty = await other.restoreSequence(await sequence.save());
    expect(empty.position).toBe(0);
    await sequence.evaluate(ids.slice(0, 10));
    const short = await other.restoreSequence(await sequence.save());
    expect(await short.evaluate(next)).toEqual(await sequence.evaluate(next));

    const { session, logits } = await saved();
    const crowd = await Promise.all(Array.from({ length: 5 }, () => other.restoreSequence(session)));
    const forks = crowd.map((one) => one.fork());
    for (const one of [...crowd, ...forks]) {
      const again = await other.restoreSequence(await one.save()); // with what the cache still holds
      expect(await again.evaluate(next, { logits: "all" })).toEqual(logits);
      expect(await one.evaluate(next, { logits: "all" })).toEqual(logits);
      again.dispose();
    }
    for (const one of [sequence, empty, short, ...crowd, ...forks]) one.dispose();
  });

  it("is not saved while it works, and holds nothing that is not its own", async () => {
    const sequence = model.createSequence();
    const working = sequence.evaluate(ids);
    await expect(sequence.save()).rejects.toMatchObject({ code: "SEQUENCE_BUSY" });
    await working;
    const session = await sequence.save();
    const { kvCache } = model.info.memory;
    const pageBytes = kvCache / 4; // 256 positions
    const rest = session.length - 2 * pageBytes; // of 150 tokens, two pages are full
    expect(rest).toBeGreaterThan(4 * 150);
    expect(rest).toBeLessThan(4 * 150 + 1024);
    sequence.dispose();
    await expect(sequence.save()).rejects.toBeInstanceOf(ContextError);
  });

  it("passes nothing from a file on to other texts", async () => {
    const { session } = await saved();
    const forged = session.slice();
    forged.fill(0x11, forged.length - 4096, forged.length - 32); // values of the last page
    seal(forged);
    const restored = await other.restoreSequence(forged);
    await restored.evaluate([...next, ...randomIds(60, 512, 3)]);
    const expected = await model.complete([...ids, 1], { temperature: 0, maxTokens: 5, logprobs: true });
    const clean = await other.complete([...ids, 1], { temperature: 0, maxTokens: 5, logprobs: true });
    expect([clean.tokens, clean.logprobs]).toEqual([expected.tokens, expected.logprobs]);
    restored.dispose();
  });
});

describe("a conversation", () => {
  it("goes on with its messages and its cache", async () => {
    const options = { temperature: 1, seed: 7, maxTokens: 40, logprobs: true } as const;
    const chat = model.chat({ system: "You are a llama." });
    await chat.ask("Tell me a story of a fox and a bear.", { ...options, maxTokens: 60 });
    const path = folder.path("chat.session");
    await chat.save(path);
    const restored = await other.restoreChat(path);
    expect(restored.messages).toEqual(chat.messages);
    const [expected, answer] = [await chat.ask("And then?", options), await restored.ask("And then?", options)];
    expect([answer.text, answer.logprobs]).toEqual([expected.text, expected.logprobs]);
    expect(answer.usage.cachedTokens).toBe(Math.floor(expected.usage.cachedTokens / 64) * 64);
    const again = await model.restoreChat(await restored.save());
    expect(again.messages).toHaveLength(5);
    for (const one of [chat, restored, again]) one.dispose();
  });

  it("is not saved in the middle of an answer", async () => {
    const chat = model.chat();
    const answer = chat.ask("Hello", { maxTokens: 5 });
    await expect(chat.save()).rejects.toMatchObject({ code: "CHAT_BUSY" });
    await answer;
    await expect(chat.save()).resolves.toBeInstanceOf(Uint8Array);
    chat.dispose();
    await expect(chat.save()).rejects.toMatchObject({ code: "SEQUENCE_DISPOSED" });
  });
});

/** Corrects the digest. */
function seal(session: Uint8Array): void {
  const end = session.length - 32;
  session.set(createHash("sha256").update(session.subarray(0, end)).digest(), end);
}

describe("what is refused", () => {
  const codeOf = (target: Model, session: Uint8Array) =>
    target.restoreSequence(session).then(
      (sequence) => {
        sequence.dispose();
        return "none";
      },
      (error: unknown) => {
        if (error instanceof SessionError || error instanceof ContextError) return error.code;
        throw error;
      },
    );

  it("another model, another cache, other kernels, another kind, a shorter context", async () => {
    const { session } = await saved();
    const shape = { dim: 128, layers: 2, heads: 4, kvHeads: 2, ffn: 256, vocab: 512, format: () => "Q8_0" as const };
    const stranger = await loadModel(await fixtureModel(shape), { threads: 1 });
    const twin = await loadModel(await fixtureModel({ ...shape, keys: { "rope.freq_base": 5000 } }), { threads: 1 });
    expect(await codeOf(stranger, session)).toBe("SESSION_MODEL_MISMATCH");
    expect(await codeOf(twin, await stranger.createSequence().save())).toBe("SESSION_MODEL_MISMATCH");
    await stranger.dispose();
    await twin.dispose();

    const wide = await loadModel(demo, { threads: 1, contextSize: 256, kvCache: "f32" });
    expect(await codeOf(wide, session)).toBe("SESSION_CACHE_MISMATCH");
    await wide.dispose();

    const short = await loadModel(demo, { threads: 1, contextSize: 128 });
    expect(await codeOf(short, session)).toBe("CONTEXT_FULL");
    await short.dispose();

    await expect(model.restoreChat(session)).rejects.toMatchObject({ code: "SESSION_KIND" });
    const chat = model.chat();
    expect(await codeOf(model, await chat.save())).toBe("SESSION_KIND");
    chat.dispose();

    const kernels = new TextDecoder("latin1").decode(session).indexOf(`"kernels":"`) + 11;
    const renamed = session.slice();
    renamed[kernels]! ^= 1;
    seal(renamed);
    expect(await codeOf(model, renamed)).toBe("SESSION_KERNELS_MISMATCH");
  });

  it("what is not a session at all", async () => {
    for (const bytes of [new Uint8Array(), new Uint8Array(100), new Uint8Array(readFileSync(demo).subarray(0, 5000))]) {
      expect(await codeOf(model, bytes)).toBe("SESSION_CORRUPT");
    }
    await expect(model.restoreSequence(folder.path("absent"))).rejects.toMatchObject({ code: "ENOENT" });
    await expect(model.restoreSequence(5 as unknown as string)).rejects.toMatchObject({ code: "INVALID_OPTION" });
  });

  it("another version", async () => {
    const { session } = await saved();
    session[8] = 2;
    expect(await codeOf(model, session)).toBe("SESSION_VERSION");
  });

  it("sessions that were cut off, flipped or written by hand, without a trace of them left", async () => {
    const { session, logits } = await saved();
    const digits = [8, 12, 16, 20]; // where the counts are
    const edit = fc.oneof(
      fc.record({ cut: fc.integer({ min: 1, max: session.length }) }),
      fc.record({ flip: fc.nat(session.length - 1), seal: fc.constant(false) }),
      fc.record({ at: fc.constantFrom(...digits), value: fc.nat(2 ** 32 - 1), seal: fc.boolean() }),
      fc.record({ at: fc.integer({ min: 24, max: 800 }), value: fc.nat(2 ** 32 - 1), seal: fc.constant(true) }),
    );
    await fc.assert(
      fc.asyncProperty(edit, async (edit) => {
        const bytes = session.slice(0, "cut" in edit ? session.length - edit.cut : session.length);
        if ("flip" in edit) bytes[edit.flip]! ^= 1 << (edit.flip % 8);
        if ("at" in edit) new DataView(bytes.buffer).setUint32(edit.at, edit.value, true);
        if ("seal" in edit && edit.seal) seal(bytes);
        const code = await codeOf(model, bytes);
        const unchanged = bytes.length === session.length && bytes.every((byte, i) => byte === session[i]);
        if (unchanged) expect(code).toBe("none");
        else if (!("at" in edit) || edit.at < 24) expect(code).toMatch(/^(SESSION_|CONTEXT_)/);
      }),
      { numRuns: 150 },
    );
    const restored = await model.restoreSequence(session);
    expect(await restored.evaluate(next, { logits: "all" })).toEqual(logits);
    restored.dispose();
  });
});
