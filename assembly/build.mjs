// Compiles every build of the kernels, side by side: `node assembly/build.mjs`. The targets are those of asconfig.json and, of the wide
// module, asconfig.wide.json.

import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const asc = fileURLToPath(new URL("../node_modules/assemblyscript/bin/asc.js", import.meta.url));

const compile = (config, target) =>
  new Promise((resolve, reject) => {
    const compiler = spawn(process.execPath, [asc, "--config", config, "--target", target], { cwd: root, stdio: "inherit" });
    compiler.on("error", reject);
    compiler.on("close", (code) => (code === 0 ? resolve() : reject(new Error(`asc --target ${target} ended with ${code}`))));
  });

const builds = ["asconfig.json", "asconfig.wide.json"].flatMap((config) => {
  const { targets } = JSON.parse(readFileSync(new URL(`../${config}`, import.meta.url), "utf8"));
  return Object.keys(targets).map((target) => compile(config, target));
});
await Promise.all(builds);
