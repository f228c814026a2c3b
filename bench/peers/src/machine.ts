// The machine that the figures were taken on, and the versions that were measured.

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { arch, cpus, platform, totalmem } from "node:os";

// Instruction sets that decide how fast the peers are.
const telling = ["avx2", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm"];

/** Processor, its instruction sets, memory: nothing that names one machine. */
export function describeMachine(): string {
  const [cpu] = cpus();
  const info = existsSync("/proc/cpuinfo") ? readFileSync("/proc/cpuinfo", "utf8") : "";
  const flags = new Set(/^(?:flags|Features)\s*:(.*)$/m.exec(info)?.[1]?.split(" "));
  const number = (key: string) => new RegExp(`^${key}\\s*: (\\d+)$`, "m").exec(info)?.[1];
  const family = number("cpu family") === undefined ? "" : `, family ${number("cpu family")} model ${number("model")}`;
  const sets = telling.filter((flag) => flags.has(flag)).join(" ");
  const memory = `${Math.round(totalmem() / 2 ** 30)} GiB`;
  return `${cpu!.model.trim()}${family} (${sets}), ${cpus().length} logical processors, ${memory}, ${platform()} ${arch()}`;
}

/** The version that a Node binary gives, without its v. */
export function nodeVersion(binary: string): string {
  return execFileSync(binary, ["--version"], { encoding: "utf8" }).trim().slice(1);
}

/** The first digits of the SHA-256 of cria's kernels, all builds: whose figures these are. */
export function kernelDigest(): string {
  const folder = new URL("../../../dist/", import.meta.url);
  const hash = createHash("sha256");
  const names = readdirSync(folder).filter((name) => /^kernels\..*\.wasm$/.test(name));
  for (const name of names.sort()) hash.update(readFileSync(new URL(name, folder)));
  return hash.digest("hex").slice(0, 12);
}
