// Huge pages: what the machine's setting is, and how much of a memory lies in them.

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { loadModel } from "cria";
import { describe, expect, it } from "vitest";
import { hugeBytesIn, hugePages } from "../../../dist/machine/cpu/huge-pages.js";
import { laptop, withMachine } from "../../support/cpu-machines.js";

const demo = fileURLToPath(new URL("../../../models/cria-demo-Q4_K_S.gguf", import.meta.url));
const folder = "/sys/kernel/mm/transparent_hugepage";

describe("the setting", () => {
  it.each([
    ["[always] madvise never", "always"],
    ["always madvise [never]", "never"],
    ["always", undefined],
  ])("%s", async (line, enabled) => {
    const files = { ...laptop, [`${folder}/enabled`]: `${line}\n`, [`${folder}/hpage_pmd_size`]: "2097152\n" };
    expect(await withMachine(files, (root) => hugePages({ root }))).toEqual({
      enabled,
      defrag: undefined,
      pageBytes: 2 ** 21,
    });
  });

  it("is unknown where there is none", async () => {
    const nothing = { enabled: undefined, defrag: undefined, pageBytes: undefined };
    expect(await withMachine(laptop, (root) => hugePages({ root }))).toEqual(nothing);
  });
});

/** An entry of smaps. */
function mapping(kilobytes: number, huge: number, access = "rw-p"): string {
  return `7f2d34000000-7f2d68900000 ${access} 00000000 00:00 0 
Size:             ${kilobytes} kB
KernelPageSize:        4 kB
Rss:              ${huge} kB
AnonHugePages:    ${huge} kB
VmFlags: rd wr mr mw me dc nr 
`;
}

describe("of a memory", () => {
  const others = mapping(132, 0) + mapping(4096, 2048, "r-xp");

  it("the mapping of its size counts", () => {
    expect(hugeBytesIn(others + mapping(4096, 2048) + mapping(8192, 8192), 4096 * 1024)).toBe(2 ** 21);
  });

  it("of several of its size, the one with the fewest", () => {
    expect(hugeBytesIn(mapping(4096, 4096) + others + mapping(4096, 0), 4096 * 1024)).toBe(0);
  });

  it("is unknown where no mapping has its size, and where there is nothing", () => {
    expect(hugeBytesIn(others, 4096 * 1024)).toBeUndefined();
    expect(hugeBytesIn("", 4096 * 1024)).toBeUndefined();
  });

  it.runIf(process.platform === "linux")("this process's smaps knows a memory of any size", () => {
    const pages = 37 * 16;
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
    new Uint8Array(memory.buffer).fill(1);
    const huge = hugeBytesIn(readFileSync("/proc/self/smaps", "utf8"), memory.buffer.byteLength);
    expect(huge! % 2 ** 21).toBe(0);
    expect(huge).toBeLessThanOrEqual(memory.buffer.byteLength);
  });

  it("a model tells it, and the setting decides", async () => {
    const { enabled } = await hugePages();
    const model = await loadModel(demo);
    const { hugePageBytes, memory } = model.info;
    await model.dispose();
    if (enabled === undefined) expect(hugePageBytes).toBeUndefined();
    else if (enabled !== "always") expect(hugePageBytes).toBe(0);
    else expect(hugePageBytes).toBeLessThanOrEqual(memory.total);
  });
});
