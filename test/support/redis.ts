// A Redis server of a test's own: on a free port, with its files in a folder of its own.

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { Redis } from "ioredis";

/** Whether this machine has one. Debian's package is redis-server; .ci/run installs it. */
export const hasRedis = spawnSync("redis-server", ["--version"]).status === 0;

export class RedisServer {
  readonly port: number;
  readonly #folder: string;
  readonly #durable: boolean;
  #process: ChildProcess | undefined;

  private constructor(port: number, folder: string, durable: boolean) {
    this.port = port;
    this.#folder = folder;
    this.#durable = durable;
  }

  /** `durable`: whether a restart finds what was there. */
  static async start(folder: string, durable = true): Promise<RedisServer> {
    const probe = createServer().listen(0, "127.0.0.1");
    await once(probe, "listening");
    const { port } = probe.address() as AddressInfo;
    probe.close();
    await once(probe, "close");
    const server = new RedisServer(port, folder, durable);
    await server.begin();
    return server;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  /** Starts it, after `kill`. Resolves when it answers. */
  async begin(): Promise<void> {
    const place = ["--port", String(this.port), "--bind", "127.0.0.1", "--dir", this.#folder];
    const files = ["--save", "", "--appendonly", this.#durable ? "yes" : "no", "--appendfsync", "always"];
    this.#process = spawn("redis-server", [...place, ...files], { stdio: "ignore" });
    const client = this.client();
    await client.ping();
    client.disconnect();
  }

  /** A client, which waits for the server. */
  client(): Redis {
    const client = new Redis(this.port, "127.0.0.1", { maxRetriesPerRequest: null, retryStrategy: () => 20 });
    client.on("error", () => undefined);
    return client;
  }

  /** Ends it without a warning. */
  async kill(): Promise<void> {
    const running = this.#process;
    if (running === undefined || running.exitCode !== null) return;
    running.kill("SIGKILL");
    await once(running, "exit");
  }
}

/** Waits until something holds. @throws what it was, when it does not hold in time */
export async function until(what: string, holds: () => boolean | Promise<boolean>, seconds = 20): Promise<void> {
  const end = performance.now() + 1000 * seconds;
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`not within ${seconds} s: ${what}`);
    await sleep(10);
  }
}
