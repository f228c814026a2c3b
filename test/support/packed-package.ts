// The package as npm packs it, unpacked where a program would have it: in a node_modules folder of its own.

import { spawnSync } from "node:child_process";
import { mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));

export interface PackedFile {
  readonly path: string;
  readonly size: number;
}

export interface PackedPackage {
  /** The tarball's path. */
  readonly tarball: string;
  /** Bytes of the tarball. */
  readonly size: number;
  readonly files: readonly PackedFile[];
}

/** Packs the package into a folder, and installs it in the folder's node_modules. What was built before is packed. */
export function installPacked(folder: string): PackedPackage {
  mkdirSync(folder, { recursive: true });
  const packed = run("npm", ["pack", "--ignore-scripts", "--json", "--pack-destination", folder], root);
  const [{ filename, size, files }] = JSON.parse(packed) as [{ filename: string; size: number; files: PackedFile[] }];
  const modules = join(folder, "node_modules");
  mkdirSync(join(modules, "cria"), { recursive: true });
  run("tar", ["-xzf", filename, "--strip-components=1", "-C", join(modules, "cria")], folder);
  for (const dependency of ["@huggingface", "@types", "undici-types", "vite", "esbuild"]) {
    symlinkSync(join(root, "node_modules", dependency), join(modules, dependency), "junction");
  }
  return { tarball: join(folder, filename), size, files };
}

function run(command: string, args: readonly string[], cwd: string): string {
  const windows = process.platform === "win32" && command === "npm";
  const { status, stdout, stderr } = spawnSync(windows ? "npm.cmd" : command, args, {
    cwd,
    encoding: "utf8",
    shell: windows,
  });
  if (status !== 0) throw new Error(`${command} ${args.join(" ")}: ${status}\n${stdout}\n${stderr}`);
  return stdout;
}
