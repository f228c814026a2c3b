// cria chat as a person has it: at a pseudo terminal, which `script` of util-linux makes.

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, it } from "vitest";

const entry = fileURLToPath(new URL("../../dist/bin/main.js", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "cria-chat-"));
const history = join(folder, "cria", "chat-history");
// The programs of this name on macOS and BSD take other arguments.
const hasScript = /util-linux/.test(spawnSync("script", ["--version"], { encoding: "utf8" }).stdout ?? "");

const UP = "\x1b[A";
const CTRL_C = "\x03";
/** Nothing is typed yet: the cursor goes behind the prompt. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they move the cursor
const PROMPT = /> \r\u001b\[2C$/;
const CTRL_D = "\x04";
const paste = (text: string) => `\x1b[200~${text.replaceAll("\n", "\r")}\x1b[201~`;

/** A conversation at a terminal. */
class Session {
  readonly #child: ChildProcess;
  readonly ended: Promise<number | null>;
  /** What the terminal has been sent. */
  output = "";
  #seen = 0;

  constructor(args: readonly string[] = [], state = folder) {
    const quoted = [process.execPath, entry, "chat", "-t", "1", ...args].map((word) => `'${word}'`).join(" ");
    this.#child = spawn("script", ["-qefc", quoted, "/dev/null"], {
      env: { ...process.env, NODE_OPTIONS: "", XDG_STATE_HOME: state, TERM: "xterm", COLUMNS: "80", NO_COLOR: "1" },
      stdio: ["pipe", "pipe", "inherit"],
    });
    this.#child.stdout!.on("data", (data) => {
      this.output += data;
    });
    this.ended = new Promise((resolve) => this.#child.on("exit", resolve));
  }

  type(keys: string): void {
    this.#child.stdin!.write(keys);
  }

  /** Waits until something is on the screen that was not there when it was last waited for. */
  async sees(pattern: RegExp): Promise<void> {
    for (const end = Date.now() + 8000; ; ) {
      const match = pattern.exec(this.output.slice(this.#seen));
      if (match !== null) {
        this.#seen += match.index + match[0].length;
        return;
      }
      if (Date.now() > end) throw new Error(`${pattern} did not come; there is ${JSON.stringify(this.output)}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  kill(): void {
    this.#child.kill("SIGKILL");
  }
}

let session: Session | undefined;
afterEach(() => session?.kill());
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));

describe.skipIf(!hasScript)("cria chat at a terminal", () => {
  it("keeps what is typed while it loads, and takes lines, pastes and commands", async () => {
    session = new Session(["--temp", "0"]);
    session.type("What is 3 + 4?\r"); // at once: the model is not there yet
    await session.sees(/3 \+ 4 = 7\./);
    session.type(paste("Which animal\nsays moo?\n"));
    await session.sees(/says moo\?/);
    session.type("\r");
    await session.sees(PROMPT);
    session.type("What is a baby\\\rllama called?\r");
    await session.sees(PROMPT);
    session.type("/sing\r");
    await session.sees(/there is no \/sing; \/help lists what there is/);
    session.type("/system Be kind.\r");
    await session.sees(/follows the new system message/);
    const saved = join(folder, "saved.json");
    session.type(`/save ${saved}\r`);
    await session.sees(/7 messages in /);
    const { messages } = JSON.parse(readFileSync(saved, "utf8")) as { messages: { role: string; content: string }[] };
    expect(messages.filter(({ role }) => role !== "assistant").map(({ content }) => content)).toEqual([
      "Be kind.",
      "What is 3 + 4?",
      "Which animal\nsays moo?",
      "What is a baby\nllama called?",
    ]);
    session.type("/clear\r");
    await session.sees(/begins anew/);
    session.type(`/load ${entry}\r`);
    await session.sees(/is not a conversation: JSON with "messages"/);
    session.type(`/load ${saved}\r`);
    await session.sees(/7 messages of /);
    session.type("/stats\r");
    await session.sees(/context \d+ of 512 tokens, 7 messages/);
    session.type(`/save ${entry}\r`);
    await session.sees(/exists, and is not a conversation/);
    session.type("\x1b[200~half a "); // its end never comes
    await session.sees(/half a /);
    session.type("line");
    await session.sees(/half a line/);
    session.type(CTRL_C);
    await session.sees(/\^C/);
    session.type(CTRL_C);
    await session.sees(/Ctrl-C once more, or Ctrl-D, leaves/);
    session.type(CTRL_C);
    expect(await session.ended, session.output).toBe(0);
    // The terminal no longer marks pastes.
    expect(session.output.lastIndexOf("\x1b[?2004l")).toBeGreaterThan(session.output.lastIndexOf("\x1b[?2004h"));
    expect(statSync(history).mode & 0o777).toBe(0o600);
  });

  // Node's own mkdir, with `recursive`, would never return there.
  it.skipIf(process.platform !== "linux")(
    "goes on without a history where its folder cannot be made, and says so once",
    async () => {
      session = new Session(["--temp", "0"], "/proc/nowhere");
      await session.sees(PROMPT);
      session.type("What is 3 + 4?\r");
      await session.sees(/the history of messages is not kept: \/proc\/nowhere\/cria\/chat-history: ENOENT/);
      await session.sees(/3 \+ 4 = 7\./);
      await session.sees(PROMPT);
      session.type("What is 3 + 4?\r");
      await session.sees(/7\./);
      await session.sees(PROMPT);
      session.type(CTRL_D);
      expect(await session.ended, session.output).toBe(0);
      expect(session.output.match(/is not kept/g)).toHaveLength(1);
    },
  );

  it("says why an answer has no end", async () => {
    session = new Session(["--temp", "0", "--no-history", "-c", "64"]);
    session.type("Tell me a story\r");
    await session.sees(/cut off: the context of 64 tokens is full; \/clear begins anew/);
    session.type(CTRL_D);
    expect(await session.ended).toBe(0);
    session = new Session(["--temp", "0", "--no-history", "-n", "5"]);
    session.type("Tell me a story\r");
    await session.sees(/cut off after 5 tokens; -n sets how many/);
    session.type(CTRL_D);
    expect(await session.ended).toBe(0);
  });

  it("calls messages of the last time back, and keeps none where that is not wanted", async () => {
    const before = readFileSync(history, "utf8");
    expect(before).toContain('"What is a baby\\nllama called?"\n');
    session = new Session(["--no-history"]);
    await session.sees(PROMPT);
    session.type(`${UP}private${CTRL_C}`);
    await session.sees(/> private[\s\S]*\^C/);
    session.type(CTRL_D);
    expect(await session.ended, session.output).toBe(0);
    expect(readFileSync(history, "utf8")).toBe(before);
    session = new Session();
    await session.sees(PROMPT);
    session.type(UP);
    await session.sees(/> \/save /);
    session.type(`${CTRL_C}${CTRL_D}`);
    expect(await session.ended, session.output).toBe(0);
  });

  it("Ctrl-C stops the answer, which stays as far as it came, and the conversation goes on", async () => {
    session = new Session(["--grammar", 'root ::= "b" "a"{4000}', "-c", "8192"]);
    await session.sees(PROMPT);
    session.type("Go\r");
    await session.sees(/baaa/);
    session.type(CTRL_C);
    await session.sees(/stopped; Ctrl-C once more leaves/);
    const saved = join(folder, "stopped.json");
    session.type(`/save ${saved}\r`);
    await session.sees(/2 messages in /);
    expect(readFileSync(saved, "utf8")).toMatch(/"content": "baaa+"/);
    session.type("Again\r");
    await session.sees(/baaa/);
    session.type(CTRL_C);
    await session.sees(/stopped/);
    session.type(CTRL_C);
    expect(await session.ended, session.output).toBe(0);
  });
});
