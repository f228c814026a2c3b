// The command line as a user has it: the real binary, its output, its one-line errors, its exit codes.

import { execFile, spawn, spawnSync } from "node:child_process";
import { closeSync, existsSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Completion, loadModel, type Model } from "cria";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { visible } from "../../dist/cli/terminal-text.js";
import { fixtureModel } from "../support/fixture-model.js";

const entry = fileURLToPath(new URL("../../dist/bin/main.js", import.meta.url));
const demo = fileURLToPath(new URL("../../models/cria-demo-Q4_K_S.gguf", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "cria-cli-"));

let model: Model;
beforeAll(async () => {
  model = await loadModel(demo);
});
afterAll(async () => {
  await model.dispose();
  rmSync(folder, { recursive: true });
});

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Runs the command to its end. */
function cria(args: readonly string[], input = "", node: readonly string[] = []): Promise<Ended> {
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [...node, entry, ...args], (_, out, err) => {
      resolve({ code: child.exitCode, out, err });
    });
    child.stdin!.on("error", () => undefined); // a command that fails at once does not read it
    child.stdin!.end(input);
  });
}

/** The same, several times at once: a process that starts keeps one core busy. */
const criaEach = (...calls: readonly Parameters<typeof cria>[]) => Promise.all(calls.map((call) => cria(...call)));

/** A text file with this content. */
function file(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

describe("text on a terminal", () => {
  const hostile = "\x1b[2J\x07\ta\r\nb\r\u202e\u2066\x9b\u00ad\ufeff\x7f\n\u{e0041}👩\u200d👩";
  const shown = "\\u{1b}[2J\\u{7}\ta\r\nb\\u{d}\\u{202e}\\u{2066}\\u{9b}\\u{ad}\\u{feff}\\u{7f}\n\\u{e0041}👩\u200d👩";

  it("has its control characters visible, except for newlines and tabs", () => {
    expect(visible(hostile)).toBe(shown);
    expect(visible("héllo 世界\n\t\r\n")).toBe("héllo 世界\n\t\r\n");
  });

  it("that a model writes is raw where it is piped, and cannot steer a terminal", async () => {
    // A grammar that makes the model write it.
    const bytes = [..."\x1b[2J\ta\nb\u202ec\x07"]
      .map((c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`)
      .join("");
    const grammar = `root ::= "${bytes}"`;
    const run = ["run", "Once", "--no-display-prompt", "--grammar", grammar, "-n", "60"];
    const asTerminal = ["--import", "data:text/javascript,process.stdout.isTTY=true"];
    const [piped, terminal] = await Promise.all([cria(run), cria(run, "", asTerminal)]);
    expect(piped.out).toBe("\x1b[2J\ta\nb\u202ec\x07\n");
    expect(terminal.out).toBe("\\u{1b}[2J\ta\nb\\u{202e}c\\u{7}\n");
    const chat = await cria(["chat", "--grammar", grammar, "-n", "60"], "Hello\n", asTerminal);
    expect(chat.out).toContain("\\u{1b}[2J\ta\nb\\u{202e}c\\u{7}\n");
    expect(chat.out).not.toContain("\x1b[2J");
  });
});

describe("cria run", () => {
  let story: Completion;
  beforeAll(async () => {
    story = await model.complete("Once upon a time", { temperature: 0, maxTokens: 24 });
  });

  it("streams what the library generates, and prints timings on stderr", async () => {
    const { code, out, err } = await cria(["run", "Once upon a time", "--temp", "0", "-n", "24"]);
    expect(code).toBe(0);
    expect(out.trimEnd()).toBe(story.text);
    expect(err).toMatch(
      /^load +[\d.]+ ms .*\nprefill +[\d.]+ ms \/ +5 tokens +[\d.]+ tokens\/s\ndecode .*\nseed +\d+$/m,
    );
  });

  it("takes the prompt from a file and from stdin, too", async () => {
    const options = ["--temp", "0", "-n", "24"];
    const path = file("prompt.txt", "Once upon a time");
    const both = await criaEach([["run", "-f", path, ...options]], [["run", ...options], "Once upon a time"]);
    for (const { out } of both) expect(out.trimEnd()).toBe(story.text);
  });

  it("gives the same text for the same seed, at any thread count", async () => {
    const options = ["run", "One day", "-n", "20", "-s", "7", "-t"];
    const [one, three] = await criaEach([[...options, "1"]], [[...options, "3"]]);
    expect(one!.out).toBe(three!.out);
    expect(one!.out.length).toBeGreaterThan(10);
  });

  it("samples as the library does with the same options, under llama.cpp's names", async () => {
    const penalties = ["--dry-multiplier", "1", "--dry-base", "2", "--dry-sequence-breaker", "none"];
    const truncation = ["--top-nsigma", "2", "--xtc-probability", "0.5", "--xtc-threshold", "0.2"];
    const order = ["--samplers", "dry;xtc;top_n_sigma;temperature", "--dynatemp-range", "0.5", "--dynatemp-exp", "2"];
    const aim = ["--mirostat", "2", "--mirostat-ent", "2", "--mirostat-lr", "0.5"];
    const options = ["run", "One day", "-n", "20", "-s", "7"];
    const [chosen, aimed] = await criaEach(
      [[...options, ...penalties, ...truncation, ...order]],
      [[...options, ...aim]],
    );
    const same = await model.complete("One day", {
      ...{ maxTokens: 20, seed: 7, samplers: ["dry", "xtc", "topNSigma", "temperature"] },
      dry: { multiplier: 1, base: 2, sequenceBreakers: [] },
      ...{ xtc: { probability: 0.5, threshold: 0.2 }, topNSigma: 2, dynamicTemperature: { range: 0.5, exponent: 2 } },
    });
    expect(chosen!.out.trimEnd()).toBe(same.text.trimEnd());
    const surprising = await model.complete("One day", { maxTokens: 20, seed: 7, mirostat: { tau: 2, eta: 0.5 } });
    expect(aimed!.out.trimEnd()).toBe(surprising.text.trimEnd());
  });

  it("ends quietly when nobody reads on", async () => {
    const child = spawn(process.execPath, [entry, "run", "Once upon a time", "--temp", "0"]);
    child.stdout.once("data", () => child.stdout.destroy());
    let err = "";
    child.stderr.on("data", (data) => {
      err += data;
    });
    const code = await new Promise((resolve) => child.on("exit", resolve));
    expect([code, err.includes("Error")]).toEqual([0, false]);
  });

  it.skipIf(process.platform === "win32")("Ctrl-C ends it with code 130 and no error", async () => {
    const child = spawn(process.execPath, [entry, "run", "Once upon a time", "-n", "400", "--temp", "2"]);
    child.stdout.once("data", () => child.kill("SIGINT"));
    let err = "";
    child.stderr.on("data", (data) => {
      err += data;
    });
    const code = await new Promise((resolve) => child.on("exit", resolve));
    expect(code).toBe(130);
    expect(err).not.toMatch(/error/i);
  });
});

describe("cria chat", () => {
  it("answers each line of a pipe", async () => {
    const questions = "What is 3 + 4?\nWhich animal says moo?\nWhat is a baby llama called?\n";
    const { code, out } = await cria(["chat", "--temp", "0"], questions);
    expect(code).toBe(0);
    expect(out.trim().split("\n")).toEqual(["3 + 4 = 7.", "The cow says moo.", "A baby llama is called a cria."]);
  });
});

describe("cria embed", () => {
  it("writes the library's vectors as JSON, of arguments and of lines", async () => {
    const [fox, bear] = await model.embed(["a fox", "a bear"]);
    const rows = (out: string) => (JSON.parse(out) as number[][]).map((row) => Float32Array.from(row));
    const lines = "a fox\na bear";
    const path = file("lines.txt", lines);
    const all = await criaEach([["embed", "a fox", "a bear"]], [["embed", "-f", path]], [["embed"], lines]);
    for (const { out } of all) expect(rows(out)).toEqual([fox, bear]);
  });

  it("writes them in every format, with the options that the library has", async () => {
    const [fox, bear] = await model.embed(["a fox", "a bear"], { dimensions: 5, pooling: "cls", normalize: false });
    const options = ["--dimensions", "5", "--pooling", "cls", "--embd-normalize", "-1"];
    const formats = ["jsonl", "raw", "base64"].map((format): [string[]] => {
      return [["embed", "a fox", "a bear", ...options, "--embd-output-format", format]];
    });
    const [jsonl, raw, base64] = (await criaEach(...formats)).map(({ out }) => out.trimEnd().split("\n"));
    expect(jsonl!.map((line) => Float32Array.from(JSON.parse(line) as number[]))).toEqual([fox, bear]);
    expect(raw!.map((line) => Float32Array.from(line.split(" "), Number))).toEqual([fox, bear]);
    const decoded = base64!.map((line) => {
      const bytes = Buffer.from(line, "base64");
      return Float32Array.from({ length: bytes.length / 4 }, (_, i) => bytes.readFloatLE(4 * i));
    });
    expect(decoded).toEqual([fox, bear]);
  });

  it("writes a vector for each token with --pooling none", async () => {
    const [tokens] = await model.embed(["a fox"], { pooling: "none" });
    const { out } = await cria(["embed", "a fox", "--pooling", "none", "--embd-output-format", "jsonl"]);
    expect((JSON.parse(out) as number[][]).map((row) => Float32Array.from(row))).toEqual(tokens);
  });

  it("cuts a text that does not fit if asked to, and refuses it otherwise", async () => {
    const long = "a fox ".repeat(400);
    const [refused, cut, chunked, unknown] = await criaEach(
      [["embed", long]],
      [["embed", long, "--overlong", "truncate"]],
      [["embed", long, "--overlong", "chunk-mean"]],
      [["embed", "a fox", "--purpose", "query"]],
    );
    expect(refused!.err).toMatch(/^cria: input 0 has \d+ tokens; the context has room for 512/);
    expect([cut!.code, chunked!.code]).toEqual([0, 0]);
    expect(unknown!.err).toMatch(/^cria: what .+ wants before a query is not known/);
  });

  it("puts the given prompt before a text", async () => {
    const [query] = await model.embed(["query: a fox"]);
    const options = ["--purpose", "query", "--query-prompt", "query: ", "--embd-output-format", "jsonl"];
    const [given, refused] = await criaEach(
      [["embed", "a fox", ...options]],
      [["embed", "a fox", "--document-prompt", "x"]],
    );
    expect(Float32Array.from(JSON.parse(given!.out))).toEqual(query);
    expect(refused!.err).toMatch(/^cria: prompts is set, but purpose is not/);
  });

  it("has OpenAI's shape with --embd-output-format json+, and similarities", async () => {
    const { out } = await cria(["embed", "a fox", "a fox", "--embd-output-format", "json+"]);
    const { data, cosineSimilarity } = JSON.parse(out) as {
      data: { index: number; embedding: number[] }[];
      cosineSimilarity: number[][];
    };
    expect(data.map(({ index, embedding }) => [index, embedding.length])).toEqual([
      [0, model.info.dim],
      [1, model.info.dim],
    ]);
    expect(cosineSimilarity).toEqual([
      [1, 1],
      [1, 1],
    ]);
  });
});

describe("cria inspect", () => {
  it("prints metadata, tensors and the plan that a loaded model has", async () => {
    const { code, out } = await cria(["inspect", demo]);
    expect(code).toBe(0);
    expect(out).toMatch(/general\.architecture +string +"llama"/);
    expect(out).toMatch(/blk\.0\.attn_q\.weight +Q4_K +\(256, 256\) +36864 bytes/);
    const { memory } = model.info;
    const parts = { weights: memory.weights, "KV cache": memory.kvCache, scratch: memory.scratch, total: memory.total };
    for (const [name, bytes] of Object.entries(parts))
      expect(out).toMatch(new RegExp(`^ +${name} +${bytes} bytes`, "m"));
    expect(out).toContain(`memory plan: context 512, KV cache f16, ${model.info.threadsReason}`);
    expect(model.info.warnings).toEqual([]);
    expect(out).not.toContain("warnings:");
  });

  it("takes its file with -m, too, and -c changes the plan", async () => {
    const [argument, option] = await criaEach([["inspect", demo, "-c", "128"]], [["inspect", "-m", demo, "-c", "128"]]);
    expect(option).toEqual(argument);
    expect(option!.out).toContain("memory plan: context 128,");
  });

  it("prints what was guessed, which a loaded model says, too", async () => {
    const shape = { dim: 64, layers: 1, heads: 2, kvHeads: 1, ffn: 64, vocab: 512, format: () => "F32" as const };
    const bytes = await fixtureModel({ ...shape, metadata: { "tokenizer.ggml.pre": "" }, keys: { my_note: 1 } });
    const guessed = await loadModel(bytes, { threads: 1 });
    const { warnings } = guessed.info;
    await guessed.dispose();
    expect(warnings).toEqual([
      expect.stringContaining("llama.rope.freq_base is missing"),
      expect.stringContaining("llama.my_note is not a key"),
      expect.stringContaining("tokenizer.ggml.pre is missing"),
    ]);
    const { out } = await cria(["inspect", file("guessed.gguf", bytes), "-t", "1"]);
    expect(out).toContain(`\nwarnings:\n${warnings.map((warning) => `  ${warning}\n`).join("")}`);
  });
});

describe("cria perplexity", () => {
  it("scores the second half of each window, as a direct computation does", async () => {
    const text = Array.from({ length: 12 }, (_, i) => `A fox named Mia lives in a forest. It is day ${i % 10}.`).join(
      "\n",
    );
    const size = 64;
    const { out, code } = await cria(["perplexity", "-f", file("text.txt", text), "-c", String(size)]);
    expect(code).toBe(0);
    const { tokenizer } = model;
    const ids = [tokenizer.bosId!, ...tokenizer.encode(text, { bos: false })];
    let sum = 0;
    let count = 0;
    for (let at = 0; at + size <= ids.length; at += size) {
      const window = [tokenizer.bosId!, ...ids.slice(at + 1, at + size)];
      const sequence = model.createSequence();
      const logits = await sequence.evaluate(window, { logits: "all" });
      sequence.dispose();
      for (let i = size / 2; i < size - 1; i++) {
        const row = logits.subarray(i * model.info.vocabularySize, (i + 1) * model.info.vocabularySize);
        const most = row.reduce((a, b) => Math.max(a, b));
        sum += Math.log(row.reduce((total, logit) => total + Math.exp(logit - most), 0)) - row[window[i + 1]!]! + most;
        count++;
      }
    }
    expect(out).toContain(`Final estimate: PPL = ${Math.exp(sum / count).toFixed(4)} +/- `);
  });
});

describe("mistakes", () => {
  const cases: readonly (readonly [string, readonly string[], number, RegExp])[] = [
    ["no such command", ["sing"], 2, /unknown command sing/],
    ["help for no such command", ["help", "sing"], 2, /unknown command sing/],
    ["a command of other programs", ["ls"], 2, /unknown command ls; did you mean list\?/],
    ["a mistyped --version", ["--versoin"], 2, /unknown option --versoin; did you mean --version\?/],
    ["a repository without hf: that is to be brought", ["pull", "user/repo"], 2, /; did you mean hf:user\/repo\?/],
    ["no such option", ["run", "--heat", "1", "hi"], 2, /unknown option --heat/],
    ["a flag of llama.cpp's", ["run", "-fa", "on", "hi"], 2, /-fa is a flag of llama\.cpp's; .*leave it out/],
    [
      "a model in a prompt's place",
      ["run", demo],
      2,
      /is a model, and a model is named with -m: cria run -m .* "prompt"/,
    ],
    ["a model that is not there", ["chat", "none.gguf"], 2, /named with -m: cria chat -m none\.gguf/],
    ["variables that are not JSON", ["chat", "--chat-template-kwargs", "{"], 2, /--chat-template-kwargs is not JSON/],
    ["a model in a command's place", [demo], 2, /a command comes first: cria run -m .* "prompt"/],
    ["a flag in a command's place", ["-m", demo], 2, /unknown option -m; a command comes first, as in cria run -m/],
    ["another name than the library's", ["run", "-c", "0.5", "hi"], 2, /cria: -c must be an integer in .*; it is 0\.5/],
    ["not a number", ["run", "-t", "two", "hi"], 2, /-t must be a number; it is "two"/],
    ["out of range", ["run", "--temp", "-1", "hi"], 2, /cria: --temp must be a number in 0 \.\. 100; it is -1/],
    [
      "no such sampler",
      ["run", "--samplers", "top_k;luck", "hi"],
      2,
      /a name in --samplers must be one of penalties, dry, .*temp; it is "luck"/,
    ],
    ["mirostat 1", ["run", "--mirostat", "1", "hi"], 2, /--mirostat must be 0 \(off\) or 2; it is 1/],
    [
      "half an option",
      ["run", "--dry-base", "2", "hi"],
      2,
      /--dry-base is set, but does nothing without --dry-multiplier/,
    ],
    ["no such file", ["run", "-m", "nothing.gguf", "hi"], 1, /nothing\.gguf does not exist$/m],
    [
      "a repository without hf:",
      ["run", "-m", "user/repo:Q4_K_M", "hi"],
      1,
      /user\/repo:Q4_K_M does not exist; a model of the Hugging Face hub is named hf:user\/repo:Q4_K_M$/m,
    ],
    ["two files", ["inspect", demo, "-m", demo], 2, /inspect takes one file, as an argument, with -m or with -hf/],
    ["no such colour", ["run", "--color", "on", "hi"], 2, /--color must be one of auto, always, never; it is "on"/],
    ["a folder", ["inspect", tmpdir()], 1, /is a directory/],
    ["not a model", ["run", "-m", entry, "hi"], 1, /not a GGUF file/],
    ["a missing text", ["perplexity"], 2, /-f FILE/],
    [
      "no such format",
      ["embed", "--embd-output-format", "xml", "hi"],
      2,
      /array, json, json\+, jsonl, raw, npy, base64/,
    ],
    [
      "one vector of many",
      ["embed", "--embd-output-format", "json+", "--pooling", "none", "hi"],
      2,
      /one for each token/,
    ],
    ["a model that does not rank", ["rerank", "a query", "a document"], 1, /no ranking head/],
    ["a missing query", ["rerank"], 2, /a query is missing/],
    ["a cache that does not exist", ["run", "-ctk", "q2", "hi"], 2, /f16, f32, q8_0/],
  ];

  it.each(cases)("%s: one line, and the exit code", async (_, args, code, message) => {
    const result = await cria(args);
    expect(result.code).toBe(code);
    expect(result.err).toMatch(message);
    expect(result.err.trimEnd().split("\n")).toHaveLength(1);
    expect(result.err).toMatch(/^cria: /);
    expect(result.out).toBe("");
  });
});

describe("help", () => {
  it("lists the commands, and each command's options", async () => {
    const names = ["run", "chat", "embed", "rerank", "inspect", "perplexity", "quantize"];
    const [all, version, ...each] = await criaEach(
      [["--help"]],
      [["--version"]],
      ...names.map((name): [string[]] => [[name, "--help"]]),
    );
    expect(all!.code).toBe(0);
    for (const [i, name] of names.entries()) {
      expect(all!.out).toContain(name);
      expect(each[i]!.out).toMatch(new RegExp(`^usage: cria ${name} `));
    }
    const [plain, coloured] = await criaEach([["run", "--help"]], [["run", "--color", "always", "--help"]]);
    expect(plain!.out).not.toContain("\x1b");
    expect(coloured!.out).toContain("\x1b[1m-h, --help\x1b[22m");
    expect(version!.out).toMatch(/^cria \d+\.\d+\.\d+\n$/);
  });
});

describe("an output that cannot be written", () => {
  /** Runs the command with these as stdout and stderr. */
  async function criaInto(out: number | "pipe", err: number | "pipe"): Promise<{ code: number | null; err: string }> {
    const child = spawn(process.execPath, [entry, "run", "Once", "-n", "3"], { stdio: ["ignore", out, err] });
    let said = "";
    child.stderr?.on("data", (bytes) => {
      said += bytes;
    });
    child.stdout?.resume();
    const code = await new Promise<number | null>((resolve) => child.on("close", resolve));
    return { code, err: said };
  }

  // A device of Linux on which every write fails.
  it.skipIf(!existsSync("/dev/full"))("is one line, and an exit code; timings may be lost", async () => {
    const full = openSync("/dev/full", "w");
    const [out, err] = await Promise.all([criaInto(full, "pipe"), criaInto("pipe", full)]);
    closeSync(full);
    expect(out.code).toBe(1);
    expect(out.err).toMatch(/^cria: the output cannot be written: ENOSPC.*\n$/);
    expect(err.code).toBe(0);
  });
});

describe("cria completion", () => {
  const has = (shell: string) => spawnSync(shell, ["-c", "exit 0"]).status === 0;
  const scripts: Record<string, string> = {};
  beforeAll(async () => {
    const shells = ["bash", "zsh", "fish"];
    const all = await criaEach(...shells.map((shell): [string[]] => [["completion", shell]]));
    for (const [i, shell] of shells.entries()) scripts[shell] = file(`cria.${shell}`, all[i]!.out);
  });

  /** What bash answers where the cursor is behind these words. */
  function bash(...words: string[]): string[] {
    const ask = `source ${scripts["bash"]}; COMP_WORDS=("$@"); COMP_CWORD=$(($#-1)); _cria; printf '%s\\n' "\${COMPREPLY[@]}"`;
    const { stdout, stderr } = spawnSync("bash", ["-c", ask, "bash", ...words], { encoding: "utf8" });
    expect(stderr).toBe("");
    return stdout.split("\n").filter((word) => word !== "");
  }

  it.skipIf(!has("bash"))("of bash: commands, options, values", () => {
    expect(bash("cria", "r")).toEqual(["run", "rerank", "rm"]);
    expect(bash("cria", "run", "--temp")).toEqual(["--temp", "--temperature"]);
    expect(bash("cria", "run", "--col")).toEqual(["--color"]);
    expect(bash("cria", "run", "-ctk", "f")).toEqual(["f16", "f32"]);
    expect(bash("cria", "embed", "--pooling", "")).toEqual(["mean", "cls", "last", "none", "rank"]);
    expect(bash("cria", "completion", "")).toEqual(["bash", "zsh", "fish"]);
    expect(bash("cria", "help", "quant")).toEqual(["quantize"]);
    expect(bash("cria", "run", "-m", "")).toEqual([]); // files, by bash's own default
  });

  it.skipIf(!has("fish"))("of fish", () => {
    const fish = (line: string) => {
      const ask = `source ${scripts["fish"]}; complete -C "${line}"`;
      const { stdout, stderr } = spawnSync("fish", ["--no-config", "-c", ask], { encoding: "utf8" });
      expect(stderr).toBe("");
      return stdout.trimEnd().split("\n");
    };
    expect(fish("cria quant")).toEqual(["quantize\tmake a smaller model"]);
    expect(fish("cria run --temp").map((line) => line.split("\t")[0])).toEqual(["--temp", "--temperature"]);
    expect(fish("cria run -ctk q").map((line) => line.split("\t")[0])).toEqual(["q8_0"]);
  });

  it.skipIf(!has("zsh"))("of zsh: what _arguments and _describe are given", () => {
    // Completion itself needs a terminal. Here its functions print their arguments.
    const ask = `_arguments() { print -rl -- "$@" }; _describe() { print -rl -- "\${(@P)2}" }; compdef() { };
      source ${scripts["zsh"]}; words=("$@"); CURRENT=$#; _cria`;
    const zsh = (...words: string[]) => {
      const { stdout, stderr } = spawnSync("zsh", ["-f", "-c", ask, "zsh", ...words], { encoding: "utf8" });
      expect(stderr).toBe("");
      return stdout.trimEnd().split("\n");
    };
    expect(zsh("cria", "")).toContain("quantize:make a smaller model");
    const specs = zsh("cria", "run", "");
    expect(specs.filter((spec) => spec.includes(")-ctk["))).toEqual([
      "(-ctk --cache-type-k)-ctk[element type of the KV cache: f16, f32, q8_0 (default: f16)]:TYPE:(f16 f32 q8_0)",
    ]);
    expect(specs.at(-1)).toBe("*:file:_files");
    expect(zsh("cria", "completion", "").at(-1)).toBe("1:word:(bash zsh fish)");
  });

  it("of another shell, or of none, is refused", async () => {
    const [other, none] = await criaEach([["completion", "tcsh"]], [["completion"]]);
    expect(other!.err).toMatch(/^cria: the shell must be one of bash, zsh, fish; it is "tcsh"/);
    expect([other!.code, none!.code]).toEqual([2, 2]);
  });
});
