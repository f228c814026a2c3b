// Compiles the kernels again, in another folder, and holds them against those of the build, byte for byte:
// `node test/reproducible.mjs [target ...]` (default: all). The compiler is pinned in package-lock.json.

import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const configs = ["asconfig.json", "asconfig.wide.json"];
/** Each build: its target, the file that has it, and what it writes. */
const builds = configs.flatMap((config) => {
  const { targets } = JSON.parse(readFileSync(join(root, config), "utf8"));
  return Object.entries(targets).map(([target, { outFile }]) => ({ config, target, outFile }));
});
const wanted = process.argv.slice(2);
const digest = (path) => createHash("sha256").update(readFileSync(path)).digest("hex");

const folder = mkdtempSync(join(tmpdir(), "cria-reproducible-"));
try {
  for (const name of ["assembly", ...configs, "package.json"]) {
    cpSync(join(root, name), join(folder, name), { recursive: true });
  }
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"), "junction");
  const asc = join(folder, "node_modules", "assemblyscript", "bin", "asc.js");
  await Promise.all(
    builds
      .filter(({ target }) => wanted.length === 0 || wanted.includes(target))
      .map(async ({ config, target, outFile }) => {
        const args = [asc, "--config", config, "--target", target];
        const compiler = spawn(process.execPath, args, { cwd: folder, stdio: "inherit" });
        const [code] = await once(compiler, "close");
        if (code !== 0) throw new Error(`asc --target ${target} ended with ${code}`);
        const [built, again] = [root, folder].map((place) => digest(join(place, outFile)));
        if (built !== again)
          throw new Error(`${outFile} is not reproducible: sha256 ${built} in the build, ${again} again`);
        console.log(`${outFile} is reproducible: sha256 ${built}`);
      }),
  );
} finally {
  rmSync(folder, { recursive: true, force: true });
}
