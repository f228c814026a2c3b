// Limits on the address space (ulimit -v): V8 reserves gigabytes for each memory and each worker. What does not fit is a typed error of
// whichever call asked for it, and the process lives.

import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { fixtureModel } from "../../support/fixture-model.js";
import { temporaryFolder } from "../../support/temporary-folder.js";

const folder = temporaryFolder();
const root = fileURLToPath(new URL("../../..", import.meta.url));

/** Tries each call that takes memory, one after the other, in a process of its own; a line for each. */
const program = `
import { readFileSync } from "node:fs";
import { CriaError, demoModel, loadModel } from "cria";
import { openKernels } from "cria/kernels";
import { LabTeam } from "cria/lab";
import { quantizeModel } from "cria/quantize";
const [floats, output] = process.argv.slice(1);
const tries = {
  file: async () => (await loadModel(demoModel, { threads: 2 })).dispose(),
  bytes: async () => (await loadModel(readFileSync(demoModel), { threads: 1 })).dispose(),
  kernels: async () => (await openKernels()).rmsNorm({ columns: 64 }),
  lab: async () => (await LabTeam.open({ threads: 2 })).close(),
  quantize: async () => quantizeModel(floats, output, { type: "Q8_0", threads: 2 }),
};
for (const [name, attempt] of Object.entries(tries)) {
  const said = await attempt().then(() => "ok", (error) => (error instanceof CriaError ? error.code : String(error.stack)));
  console.log(name, said);
}
`;

it.runIf(process.platform === "linux").each([3_000_000, 11_800_000, 12_600_000])(
  "ulimit -v %i: each call answers or is refused with MEMORY_REFUSED",
  async (kilobytes) => {
    const floats = folder.path("floats.gguf");
    writeFileSync(
      floats,
      await fixtureModel({ dim: 64, layers: 1, heads: 2, kvHeads: 1, ffn: 64, vocab: 300, format: () => "F32" }),
    );
    const node = [process.execPath, "--input-type=module", "--eval", program, floats, folder.path("q8.gguf")];
    const limited = ["-c", `ulimit -v ${kilobytes}; exec "$@"`, "sh", ...node];
    const { status, stdout, stderr } = spawnSync("sh", limited, { encoding: "utf8", cwd: root });
    expect(stderr).toBe("");
    const names = ["file", "bytes", "kernels", "lab", "quantize"];
    expect(stdout).toMatch(new RegExp(`^${names.map((name) => `${name} (ok|MEMORY_REFUSED)\n`).join("")}$`));
    // Nodes that give memories without guard regions serve some calls at 3 GB, but no team of two.
    if (kilobytes === 3_000_000) expect(stdout).toMatch(/^file MEMORY_REFUSED$/m);
    expect(status).toBe(0);
  },
);
