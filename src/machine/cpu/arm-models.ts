// Names of ARM server cores. Their /proc/cpuinfo has no "model name", only numbers (MIDR_EL1), which util-linux's lscpu knows by the same
// tables:
//
//   CPU implementer : 0x41
//   CPU part        : 0xd0c

const arm: Readonly<Record<number, string>> = {
  3331: "Cortex-A53",
  3333: "Cortex-A55",
  3335: "Cortex-A57",
  3336: "Cortex-A72",
  3337: "Cortex-A73",
  3338: "Cortex-A75",
  3339: "Cortex-A76",
  3340: "Neoverse-N1",
  3341: "Cortex-A77",
  3392: "Neoverse-V1",
  3393: "Cortex-A78",
  3396: "Cortex-X1",
  3398: "Cortex-A510",
  3399: "Cortex-A710",
  3400: "Cortex-X2",
  3401: "Neoverse-N2",
  3402: "Neoverse-E1",
  3407: "Neoverse-V2",
  3459: "Neoverse-V3AE",
  3460: "Neoverse-V3",
  3470: "Neoverse-N3",
};
const ampere: Readonly<Record<number, string>> = { 2755: "Ampere-1", 2756: "Ampere-1A" };
const huawei: Readonly<Record<number, string>> = { 3329: "TaiShan-v110", 3330: "TaiShan-v120" };

const implementers: Readonly<Record<number, { readonly name: string; readonly parts: typeof arm }>> = {
  65: { name: "ARM", parts: arm },
  72: { name: "HiSilicon", parts: huawei },
  192: { name: "Ampere", parts: ampere },
};

/** Such as "ARM Neoverse-N1"; undefined where the numbers are not in the tables. */
export function armModel(implementer: string | undefined, part: string | undefined): string | undefined {
  const known = implementers[Number(implementer)];
  const name = known?.parts[Number(part)];
  return known === undefined || name === undefined ? undefined : `${known.name} ${name}`;
}
