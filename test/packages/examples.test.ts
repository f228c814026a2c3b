// The examples, each as its reader runs it: a process of its own, on the demo model.

import { spawn, spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { runProgram } from "../support/run-program.js";

const folder = new URL("../../examples/", import.meta.url);
const vectorLine = /^a vector of 256 elements\n/m;

/** A story with a beginning, at least four whole sentences, and an end. */
const wholeStory =
  /^Once upon a time, there was an? \w+ \w+ named \w+ who lived in an? \w+\. (?:[A-Z"][^\n]+?[.!?]"? ){4,}[^\n]+\.\n/;

/** What each prints, beside other things. The server has a test of its own. */
const outputs: Readonly<Record<string, RegExp[]>> = {
  "abort.mjs": [/^AbortError after: .{50}/],
  "ai-sdk.mjs": [/^3 \+ 4 = 7\.\n\d+ tokens\n/, vectorLine],
  "batch.mjs": [
    /^A baby bear is called a cub\.\nA baby cat is called a kitten\.\nA baby cow is called a calf\.\n/,
    /^A baby llama is called a cria\.\n8 answers, \d+ tokens in \d+ ms\n$/m,
  ],
  "chat.mjs": [/^cria: 3 \+ 4 = 7\.\n/m, /^cria: A baby llama is called a cria\.\n/m],
  "generate.mjs": [wholeStory, /^\d+ tokens, \d+ per second\n/m],
  "json.mjs": [/^\{ name: 'Mia', home: 'forest' \}\n\d+ tokens\n$/],
  "langchain.mjs": [/^3 \+ 4 = 7\.\n/, vectorLine],
  "openai.mjs": [/^3 \+ 4 = 7\.\n/, vectorLine],
  "sampling.mjs": [/^Once upon a time, there was a (\w+) .+\nOnce upon a time, there was a (?!\1 ).+\n$/],
  // The best of each question is the one that was meant.
  "search.mjs": [
    /^Which animal says moo\?\n {2}0\.\d{3} {2}What does the cow say\?\n/,
    /^What is 2 \+ 5\?\n {2}0\.\d{3} {2}What is 3 \+ 4\?\n/m,
    /^Tell a tale of a fox\.\n {2}0\.\d{3} {2}Tell me a story\.\n(?: {2}0\.\d{3} {2}.+\n){3}$/m,
  ],
  "stream.mjs": [wholeStory, /\n\(stop after \d+ tokens\)\n$/],
};

it.each(Object.entries(outputs))("%s", (name, patterns) => {
  const { stdout, stderr } = runProgram(new URL(name, folder));
  for (const pattern of patterns) expect(stdout).toMatch(pattern);
  expect(stderr).toBe("");
});

it.each([
  [["--help"], 0],
  [["--nowhere"], 2],
  [["--port", "many"], 2],
] as const)("browser/serve.mjs %o says how it is used, and ends", (args, code) => {
  const program = fileURLToPath(new URL("browser/serve.mjs", folder));
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...args], { encoding: "utf8" });
  expect([status, stderr]).toEqual([code, code === 0 ? "" : expect.stringMatching(/^(?!.*\n {4}at ).*--p/s)]);
  expect(code === 0 ? stdout : stderr).toContain("node examples/browser/serve.mjs [--plain] [--port 8080]\n");
});

it("http.mjs answers, refuses what is not a question, and ends by itself", async () => {
  const server = spawn(process.execPath, [fileURLToPath(new URL("http.mjs", folder))], {
    env: { ...process.env, NODE_OPTIONS: "", PORT: "0" },
    stdio: ["ignore", "pipe", "inherit"],
  });
  try {
    const address = await new Promise<string>((resolve, reject) => {
      createInterface(server.stdout).once("line", resolve);
      server.once("exit", (code) => reject(new Error(`the server ended with ${code}`)));
    });
    const ask = (body: string) => fetch(address, { method: "POST", body });
    const answers = await Promise.all([1, 2, 3].map((n) => ask(JSON.stringify({ question: `What is ${n} + 4?` }))));
    for (const answer of answers) expect(await answer.text()).toMatch(/^.*\d/);
    expect((await ask("{")).status).toBe(400);
    const ended = new Promise((resolve) => server.once("exit", resolve));
    server.kill("SIGTERM");
    expect(await ended).toBe(0);
  } finally {
    server.kill("SIGKILL");
  }
});

it("all of them are run here, and tell how", () => {
  const names = readdirSync(folder).filter((name) => name.endsWith(".mjs"));
  expect(names).toEqual([...Object.keys(outputs), "http.mjs"].sort());
  for (const name of names) expect(readFileSync(new URL(name, folder), "utf8")).toContain(`node examples/${name}`);
});
