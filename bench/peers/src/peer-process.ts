// The driver's end of a peer's process.

import { type ChildProcess, fork } from "node:child_process";
import type { Answer, Request } from "./child.js";
import { type Subject, type Test, Unavailable } from "./peer.js";

type Measured = Exclude<Answer, { error: string } | { unavailable: string }>;

export class PeerProcess {
  readonly #child: ChildProcess;
  /** What the last answer said. */
  last!: Measured;
  loadSeconds = 0;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  /** Starts `module` of peers/ under a Node binary, and prepares it. @throws Unavailable */
  static async start(module: string, node: string, subject: Subject): Promise<PeerProcess> {
    const child = fork(new URL("./child.js", import.meta.url), [module], {
      execPath: node,
      execArgv: [],
      stdio: ["ignore", "ignore", "pipe", "ipc"],
    });
    const peer = new PeerProcess(child);
    try {
      peer.loadSeconds = (await peer.#ask({ prepare: subject })) as number;
    } catch (error) {
      await peer.stop();
      throw error;
    }
    return peer;
  }

  /** Runs a test once; its rate. */
  run(test: Test): Promise<number> {
    return this.#ask({ run: test }) as Promise<number>;
  }

  /** The vectors of texts. */
  embed(texts: readonly string[]): Promise<number[][]> {
    return this.#ask({ embed: texts }) as Promise<number[][]>;
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = new Promise((resolve) => this.#child.once("exit", resolve));
    this.#child.disconnect();
    await exited;
  }

  #ask(request: Request): Promise<Measured["value"]> {
    return new Promise((resolve, reject) => {
      let messages = "";
      const onText = (text: Buffer) => {
        messages = (messages + text).slice(-2000);
      };
      const settle = () => {
        this.#child.off("exit", onExit).off("message", onMessage);
        this.#child.stderr!.off("data", onText);
      };
      const onExit = (code: number | null) => {
        settle();
        reject(new Error(`the peer's process ended with code ${code}: ${messages}`));
      };
      const onMessage = (message: unknown) => {
        settle();
        const answer = message as Answer;
        if ("unavailable" in answer) return reject(new Unavailable(answer.unavailable));
        if ("error" in answer) return reject(new Error(answer.error));
        this.last = answer;
        resolve(answer.value);
      };
      this.#child.on("exit", onExit).on("message", onMessage);
      this.#child.stderr!.on("data", onText);
      this.#child.send(request);
    });
  }
}
