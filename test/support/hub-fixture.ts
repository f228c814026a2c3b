// A hub on this machine for the tests of a file, an empty cache for each of them, and what they ask of both.

import { readdirSync, readFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { dirname, join } from "node:path";
import { type DownloadOptions, downloadModel } from "cria";
import { afterAll, beforeAll, beforeEach } from "vitest";
import { COMMIT, HubServer, sha256 } from "./hub-server.js";
import { temporaryFolder } from "./temporary-folder.js";

const names = [
  "HF_ENDPOINT",
  "HF_HOME",
  "HF_HUB_CACHE",
  "HF_TOKEN",
  "HF_HUB_OFFLINE",
  "HF_HUB_DOWNLOAD_TIMEOUT",
  "CRIA_CACHE",
];

/** The hub. Set before each test. */
export let hub: HubServer;
/** The folder of all caches. Set before each test. */
export let home: string;

/** Lets the environment name a hub on this machine and empty caches, in each test of the calling file. */
export function useHub(): void {
  const folder = temporaryFolder();
  const before = Object.fromEntries(names.map((name) => [name, process.env[name]]));
  let count = 0;
  beforeAll(async () => {
    hub = await HubServer.start();
  });
  afterAll(async () => {
    await hub.stop();
    for (const [name, value] of Object.entries(before)) setVariable(name, value);
  });
  beforeEach(() => {
    home = folder.path(`home-${count++}`);
    for (const name of names) setVariable(name, undefined);
    process.env["HF_ENDPOINT"] = hub.origin;
    process.env["HF_HOME"] = home;
    process.env["CRIA_CACHE"] = join(home, "urls");
    hub.repositories.clear();
    hub.files.clear();
    hub.seen.length = 0;
    hub.commit = COMMIT;
    hub.fault = () => undefined;
    hub.listed = (_, row) => row;
  });
}

function setVariable(name: string, value: string | undefined): void {
  if (value === undefined) delete process.env[name];
  else process.env[name] = value;
}

/** A repository with these files. */
export function repository(name: string, files: Readonly<Record<string, Uint8Array>>): void {
  hub.repositories.set(name, new Map(Object.entries(files)));
}

/** Something of `bytes` bytes that begins as a model does. */
export function fakeModel(bytes: number, seed = 1): Uint8Array {
  const content = new Uint8Array(bytes);
  let state = seed;
  for (let i = 0; i < bytes; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    content[i] = state >>> 24;
  }
  content.set(Buffer.from("GGUF"));
  return content;
}

/** The file at a path, as a digest: shows in a failing test what a megabyte does not. */
export const digestAt = (path: string) => sha256(readFileSync(path));
export const repoFolder = () => join(home, "hub", "models--user--repo");
export const leftovers = (path: string) =>
  readdirSync(dirname(path)).filter((name) => name.includes("cria-") || name.endsWith(".tmp"));

/** The download's error. */
export async function failure(source: string, options: DownloadOptions = {}) {
  const error: unknown = await downloadModel(source, options).then(
    (path) => new Error(`${path} was brought`),
    (error) => error,
  );
  const { name, code, status, message } = error as { name: string; code: string; status?: number; message: string };
  return { name, code, status, message };
}

/** A port of this machine on which nobody listens. */
export async function unusedPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
