// `cria serve` as a user starts it, in a process of its own.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

const program = fileURLToPath(new URL("../../dist/bin/main.js", import.meta.url));

export interface ServeProcess {
  /** Such as http://127.0.0.1:40123. */
  readonly url: string;
  readonly pid: number;
  /** What it has written to stderr so far. */
  readonly said: () => string;
  /** Its exit code, when it has ended. */
  readonly ended: Promise<number>;
  /** Ends it as SIGTERM does. @returns its exit code */
  readonly stop: () => Promise<number>;
}

/** Starts a server on a free port; it is there when it says where it listens. @throws Error when it ends before */
export async function serveProcess(given: readonly string[]): Promise<ServeProcess> {
  const child = spawn(process.execPath, [program, "serve", "--port", "0", ...given], {
    stdio: ["ignore", "inherit", "pipe"],
  });
  let said = "";
  const ended = once(child, "exit").then(([code]) => code as number);
  const url = await new Promise<string>((resolve, reject) => {
    child.stderr.setEncoding("utf8").on("data", (piece: string) => {
      said += piece;
      const found = / at (http:\/\/\S+)\n/.exec(said)?.[1];
      if (found !== undefined) resolve(found);
    });
    void ended.then((code) => reject(new Error(`cria serve ended with ${code}: ${said}`)));
  });
  const stop = () => {
    child.kill("SIGTERM");
    return ended;
  };
  return { url, pid: child.pid!, said: () => said, ended, stop };
}
