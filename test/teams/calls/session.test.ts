// Saved sessions: a sequence and a conversation go on in another process as if nothing had happened. Bytes that are not a session, or
// another model's, are refused by name.

import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { ContextError, FileError, loadModel, type Model, SessionError } from "cria";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { asUser, withFullDisk } from "../../support/disks.js";
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
  });

  it("tokens that the model does not have, and texts of a stranger that would break a line", async () => {
    const { session } = await saved();
    const h = new DataView(session.buffer).getUint32(12, true);
    const forged = session.slice();
    new DataView(forged.buffer).setInt32(24 + h + 4 * 5, 2 ** 30, true);
    seal(forged);
    await expect(model.restoreSequence(forged)).rejects.toMatchObject({
      code: "SESSION_CORRUPT",
      message: expect.stringMatching(
        /^not a session that cria saved: token 5 must be an integer in 0 \.\. \d+; it is 1073741824$/,
      ),
    });
    const text = new TextDecoder().decode(session.subarray(24, 24 + h));
    const head = new TextEncoder().encode(text.replace(/"kernels":"\w+"/, String.raw`"kernels":"\u001b\n"`));
    const renamed = Buffer.concat([session.subarray(0, 24), head, session.subarray(24 + h)]);
    renamed.writeUInt32LE(head.length, 12);
    seal(renamed);
    await expect(model.restoreSequence(renamed)).rejects.toMatchObject({
      code: "SESSION_KERNELS_MISMATCH",
      message: expect.stringContaining("\\u{1b}\\u{a}"),
    });
  });

  it("another version", async () => {
    const { session } = await saved();
    session[8]!++;
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

describe("files", () => {
  const names = () => readdirSync(folder.path("files"));
  const at = (name: string) => folder.path(join("files", name));
  let session: Uint8Array;
  beforeAll(async () => {
    mkdirSync(folder.path("files/a folder"), { recursive: true });
    mkdirSync(folder.path("files/closed"));
    chmodSync(folder.path("."), 0o755);
    ({ session } = await saved(at("good")));
    for (const name of ["secret", "closed/good"]) writeFileSync(at(name), session);
    chmodSync(at("secret"), 0);
    chmodSync(at("closed/good"), 0o444);
    chmodSync(at("closed"), 0o555);
    chmodSync(at("."), 0o777);
    spawnSync("mkfifo", [at("pipe")]);
  });

  const reading: readonly (readonly [string, string, string, string])[] = [
    ["absent", "FILE_NOT_FOUND", "ENOENT", "does not exist (ENOENT)"],
    ["a folder", "FILE_NOT_A_FILE", "", "is a folder"],
    ["pipe", "FILE_NOT_A_FILE", "", "is a device, a socket or a pipe, not a file"],
    ["good/below", "FILE_UNREADABLE", "ENOTDIR", "cannot be read (ENOTDIR)"],
    ["secret", "FILE_UNREADABLE", "EACCES", "cannot be read (EACCES)"],
    ["n".repeat(300), "FILE_UNREADABLE", "ENAMETOOLONG", "cannot be read (ENAMETOOLONG)"],
  ];
  it.each(reading)("%s is not read: %s", async (name, code, system, message) => {
    const path = at(name);
    for (const source of [path, pathToFileURL(path)]) {
      for (const call of [() => model.restoreSequence(source), () => model.restoreChat(source)]) {
        const error: unknown = await asUser<unknown>(call).catch((error) => error);
        expect(error).toBeInstanceOf(FileError);
        expect(error).toMatchObject({ name: "FileError", code, path, message: expect.stringContaining(message) });
        if (system !== "") expect((error as FileError).cause).toMatchObject({ code: system });
      }
    }
  });

  const writing: readonly (readonly [string, string, string])[] = [
    ["absent/new", "FILE_NOT_FOUND", "cannot be written: its folder does not exist (ENOENT)"],
    ["a folder", "FILE_NOT_A_FILE", "is a folder"],
    ["pipe", "FILE_NOT_A_FILE", "is a device, a socket or a pipe, not a file"],
    ["good/below", "FILE_UNWRITABLE", "cannot be written (ENOTDIR)"],
    ["closed/new", "FILE_UNWRITABLE", "cannot be written (EACCES)"],
    ["closed/good", "FILE_UNWRITABLE", "cannot be written (EACCES)"],
    ["secret", "FILE_UNWRITABLE", "cannot be written (EACCES)"],
    ["n".repeat(300), "FILE_UNWRITABLE", "cannot be written (ENAMETOOLONG)"],
  ];
  it.each(writing)("%s is not written: %s", async (name, code, message) => {
    const before = names();
    const sequence = model.createSequence();
    const chat = model.chat();
    for (const call of [() => sequence.save(at(name)), () => chat.save(pathToFileURL(at(name)))]) {
      const error: unknown = await asUser(call).catch((error) => error);
      expect(error).toMatchObject({
        name: "FileError",
        code,
        path: at(name),
        message: expect.stringContaining(message),
      });
    }
    expect(names()).toEqual(before);
    expect(new Uint8Array(readFileSync(at("closed/good")))).toEqual(session);
    sequence.dispose();
    chat.dispose();
  });

  it("a disk that becomes full costs nothing that was there", async () => {
    const before = names();
    const sequence = model.createSequence();
    await sequence.evaluate(ids);
    for (const name of ["good", "new"]) {
      await expect(withFullDisk(1000, () => sequence.save(at(name)))).rejects.toMatchObject({
        ...{ name: "FileError", code: "FILE_NO_SPACE", path: at(name), cause: { code: "ENOSPC" } },
        message: expect.stringContaining("cannot be written: no space is left on the disk (ENOSPC)"),
      });
    }
    expect(new Uint8Array(readFileSync(at("good")))).toEqual(session);
    expect(names()).toEqual(before);
    sequence.dispose();
  });

  it("a link stays one, and what it names is replaced", async () => {
    symlinkSync(at("good"), at("link"));
    const sequence = model.createSequence();
    const empty = await sequence.save(at("link"));
    expect(readlinkSync(at("link"))).toBe(at("good"));
    expect(new Uint8Array(readFileSync(at("good")))).toEqual(empty);
    sequence.dispose();
  });

  it("what is neither a path nor a file: URL is refused before anything is done", async () => {
    const sequence = model.createSequence();
    const before = names();
    for (const path of [5, {}, Object.create(null), "", "a\0b", new URL("http://u:secret@h/x"), new Uint8Array(3)]) {
      const refused = { name: "CriaError", code: "INVALID_OPTION", message: expect.not.stringContaining("secret") };
      await expect(sequence.save(path as string)).rejects.toMatchObject(refused);
      if (path instanceof Uint8Array) continue;
      await expect(model.restoreSequence(path as string)).rejects.toMatchObject(refused);
      await expect(model.restoreChat(path as string)).rejects.toMatchObject(refused);
    }
    expect(names()).toEqual(before);
    sequence.dispose();
  });

  it("a file larger than any session is refused without being read", async () => {
    truncateSync(at("good"), 2 ** 40);
    await expect(model.restoreSequence(at("good"))).rejects.toMatchObject({
      name: "SessionError",
      code: "SESSION_CORRUPT",
    });
  });
});
