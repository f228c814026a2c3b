// Checks types, lints and format; runs the suite on this Node, what depends on Node also on the current one, which the npm package `node`
// brings; and sums up: `node test/run.mjs`. The current Node is installed once, into build/; the package must have been built.

import { spawn, spawnSync } from "node:child_process";
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const CURRENT = "26.10.0";
const root = fileURLToPath(new URL("..", import.meta.url));
const npm = process.platform === "win32" ? "npm.cmd" : "npm";

/** The binary of the current Node, installed if need be. */
function currentNode() {
  const folder = join(root, "build", `node-${CURRENT}`);
  const binary = join(folder, "node_modules", "node", "bin", process.platform === "win32" ? "node.exe" : "node");
  if (existsSync(binary)) return binary;
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "package.json"), "{}\n");
  const flags = ["--no-audit", "--no-fund", "--loglevel=error"];
  spawnSync(npm, ["install", ...flags, `node@${CURRENT}`], { cwd: folder, stdio: "inherit" });
  if (existsSync(binary)) return binary;
  // Where install scripts are switched off, the package that the script would have fetched.
  const name = `node-${process.platform}-${process.arch}`;
  spawnSync(npm, ["install", ...flags, `${name}@${CURRENT}`], { cwd: folder, stdio: "inherit" });
  const direct = join(folder, "node_modules", name, "bin", "node");
  if (existsSync(direct)) return direct;
  throw new Error(`could not install node@${CURRENT} into ${folder}`);
}

/** Installs the clients that test/packages/clients.test.ts drives, if need be. @returns the exit code, when it is done */
async function installClients() {
  const folder = join(root, "test", "clients");
  if (existsSync(join(folder, "node_modules"))) return 0;
  const flags = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
  const [code] = await once(spawn(npm, ["ci", ...flags], { cwd: folder, stdio: "inherit" }), "close");
  return code;
}

// The second Node runs what depends on the Node (vitest.config.ts tells what and why). Models it runs on the fastest build of the kernels:
// on this Node they have run on all that it has, and node-versions.test.ts holds the builds to the same bits on both.
const onTheSecond = {
  args: ["kernels", "text", "teams/node", "teams/clock"]
    .flatMap((lane) => ["--project", lane])
    .concat("--passWithNoTests")
    // The first run starts this Node for them.
    .concat("--exclude", "test/teams/node/wide-kernels.test.ts")
    // What takes time from a model is told by the operating system, and reckoned in steps: no Node has a say in it.
    .concat("--exclude", "test/teams/clock/disturbance.test.ts"),
  env: { CRIA_TEST_BUILDS: "fastest" },
};

/** Runs vitest with a Node binary; returns its counts. */
function run(binary, { args = [], env = {} } = {}) {
  const version = spawnSync(binary, ["--version"], { encoding: "utf8" }).stdout.trim();
  console.log(`\n=== the suite on Node ${version}`);
  const report = join(root, "build", `tests-${version}.json`);
  const vitest = resolve(root, "node_modules/vitest/vitest.mjs");
  const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${report}`];
  const result = spawnSync(binary, [vitest, "run", ...reporters, ...args, ...process.argv.slice(2)], {
    cwd: root,
    stdio: "inherit",
    env: { ...process.env, ...env },
  });
  const {
    numPassedTests: passed,
    numFailedTests: failed,
    numTotalTests: total,
  } = JSON.parse(readFileSync(report, "utf8"));
  // A file that does not even load has no failed test, and fails the run.
  return {
    version,
    passed,
    failed: failed === 0 && result.status !== 0 ? 1 : failed,
    skipped: total - passed - failed,
  };
}

/** Half a minute of the fuzzer; its output comes when it ends. @returns its exit code */
async function fuzz(number) {
  const inputs = String((Number(process.env["CRIA_TEST_SEED"]) + number) % 2 ** 32);
  const args = ["run", "--silent", "fuzz", "--", "--minutes", "0.5", "--seed", inputs];
  const child = spawn(npm, args, { cwd: root, stdio: ["ignore", "pipe", "inherit"] });
  const output = [];
  child.stdout.on("data", (bytes) => output.push(bytes));
  const [code] = await once(child, "close");
  process.stdout.write(Buffer.concat(output));
  return code;
}

// Random cases are the same on both Nodes, and new in the next run.
process.env["CRIA_TEST_SEED"] ??= String(randomInt(2 ** 32));
const seed = `CRIA_TEST_SEED=${process.env["CRIA_TEST_SEED"]}`;
console.log(seed);

mkdirSync(join(root, "build"), { recursive: true });
const check = spawn(npm, ["run", "--silent", "check"], { cwd: root, stdio: "inherit" });
const checked = once(check, "close");
// One build stands for all three: they differ in flags of the same compiler.
const again = spawn(process.execPath, [join(root, "test", "reproducible.mjs"), "simd"], {
  cwd: root,
  stdio: "inherit",
});
const compiled = once(again, "close");
const clients = installClients();
const current = currentNode(); // meanwhile
const [code] = await checked;
if (code !== 0) {
  console.error("npm run check failed");
  process.exit(1);
}
const [codeAgain] = await compiled;
if (codeAgain !== 0) {
  console.error("the kernels are not reproducible");
  process.exit(1);
}
if ((await clients) !== 0) {
  console.error("the clients in test/clients could not be installed");
  process.exit(1);
}
const counts = [run(process.execPath, { env: { CRIA_OTHER_NODE: current } }), run(current, onTheSecond)];
// A minute of the fuzzer, divided between two of them, unless only some tests were asked for.
const fuzzed = process.argv.length > 2 || (await Promise.all([1, 2].map(fuzz))).every((code) => code === 0);
if (!fuzzed) console.error("the fuzzer has found something");
console.log(`\n${seed}`);
for (const { version, passed, failed, skipped } of counts) {
  console.log(`Node ${version}: ${passed} passed, ${failed} failed, ${skipped} skipped`);
}
const sum = (name) => counts.reduce((total, count) => total + count[name], 0);
console.log(`${sum("passed")} passed, ${sum("failed")} failed, ${sum("skipped")} skipped`);
process.exitCode = sum("failed") === 0 && fuzzed ? 0 : 1;
