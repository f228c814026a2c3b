// The kernel module: which of its builds this host can run, and what it exports. It is compiled once, on the thread that loads a model,
// and posted to the workers. Beside it there may be a wide module (load-kernels.ts), whose exports then stand for those of the same name.

import { CriaError, UnsupportedError } from "../errors.js";
import { checkChoice } from "../options.js";
import { sharesMemory } from "../sharing.js";
import { allocateMemory } from "./shared-memory.js";
import { unsharedModule } from "./unshared-module.js";

/**
 * The builds of one source: `simd` uses the baseline only, `relaxed` relaxed SIMD, and `vnni` and `dotprod` relaxed SIMD where its 8-bit
 * dot product is the processor's own: of x86 with AVX-VNNI (in V8 of Node 24 and later), or of ARM with the dot product extension.
 */
export type KernelBuild = "simd" | "relaxed" | "vnni" | "dotprod";

/** All builds, the fastest first. */
export const kernelBuilds: readonly KernelBuild[] = ["vnni", "dotprod", "relaxed", "simd"];

/** The builds that this kind of processor may run, the fastest first: those that need an instruction of another kind are not even asked. */
export function candidateBuilds(): readonly KernelBuild[] {
  const arch = typeof process === "undefined" ? undefined : process.arch;
  const foreign = arch === "x64" ? "dotprod" : arch === "arm64" ? "vnni" : undefined;
  return kernelBuilds.filter((build) => build !== foreign);
}

/** A build, or `wide`: the fastest build with wide kernels beside it where these run (docs/kernels.md), which have the same bits. */
export type KernelChoice = KernelBuild | "wide";

/** What may be asked for. */
export const kernelChoices: readonly KernelChoice[] = ["wide", ...kernelBuilds];

/** What runs: a build, by itself or with the wide kernels that belong to it. */
export type KernelName = KernelBuild | "wide-relaxed" | "wide-vnni";

/** What a host that cannot run a build lacks. */
export const lackingFor: Readonly<Record<KernelBuild, string>> = {
  vnni: "no VNNI dot product",
  dotprod: "no ARM dot product",
  relaxed: "no relaxed SIMD",
  simd: "no 128-bit SIMD or no threads",
};

/** A compiled kernel module and which build it is. */
export interface KernelModule {
  readonly module: WebAssembly.Module;
  readonly build: KernelBuild;
  /** The wide module beside it, if there is one. */
  readonly wide?: WebAssembly.Module | undefined;
  /** What is in the way of wide kernels that were asked for; undefined: nothing. */
  readonly problem?: string | undefined;
}

/** What runs, in one word. */
export function kernelNameOf({ build, wide }: KernelModule): KernelName {
  return wide === undefined || build === "simd" || build === "dotprod" ? build : `wide-${build}`;
}

/** What the module exports. Pointers are byte offsets in the shared memory; assembly/ documents each kernel. */
export interface Kernels {
  teamJoin(control: number, index: number, workers: number, regulars: number): void;
  barrier(vote: number): number;
  announceStep(workers: number): void;
  awaitStep(last: number): number;
  ticket(cell: number, worker: number, count: number): number;
  resetTickets(cell: number): void;

  /** 1 where the vnni build's dot product takes unsigned 8-bit weights and does not saturate. */
  dotIsUnsigned(): number;
  /** 1 where the dotprod build's dot product takes signed 8-bit weights without overflow. */
  dotIsSigned(): number;
  formatActivation(type: number): number;
  formatBlockWeights(type: number): number;
  formatBlockBytes(type: number): number;
  packRows(
    type: number,
    source: number,
    first: number,
    rows: number,
    columns: number,
    destination: number,
    job: number,
  ): void;
  unpackRow(type: number, source: number, row: number, columns: number, destination: number, job: number): void;
  dequantizeRow(type: number, source: number, columns: number, destination: number, job: number): void;

  formatLargest(type: number): number;
  quantizeScratchBytes(): number;
  quantizeRow(type: number, source: number, columns: number, destination: number, scratch: number): number;

  activationBytes(kind: number, columns: number): number;
  encodeActivations(
    kind: number,
    source: number,
    stride: number,
    tokens: number,
    columns: number,
    destination: number,
  ): void;
  matmulScratchBytes(tokens: number): number;
  matmul(
    type: number,
    weights: number,
    firstGroup: number,
    lastGroup: number,
    columns: number,
    x: number,
    tokens: number,
    y: number,
    stride: number,
    accumulate: number,
    scratch: number,
  ): void;

  shortConvolution(
    bcx: number,
    stride: number,
    rows: number,
    channels: number,
    first: number,
    end: number,
    weight: number,
    width: number,
    before: number,
    after: number,
    y: number,
    yStride: number,
    scratch: number,
  ): void;

  rmsNorm(x: number, weight: number, y: number, columns: number, epsilon: number): void;
  layerNorm(x: number, weight: number, bias: number, y: number, columns: number, epsilon: number): void;
  meanRows(x: number, stride: number, rows: number, columns: number, y: number): void;
  swiGlu(gate: number, up: number, count: number, scratch: number): void;
  clampedSwiGlu(gate: number, up: number, count: number, scratch: number): void;
  geGlu(gate: number, up: number, count: number, scratch: number): void;
  gelu(x: number, count: number, scratch: number): void;
  sigmoid(x: number, y: number, count: number, scratch: number): void;
  softcap(x: number, cap: number, count: number, scratch: number): void;
  sigmoidGate(x: number, gate: number, count: number, scratch: number): void;
  scale(x: number, factor: number, count: number): void;
  addBias(y: number, bias: number, count: number): void;
  addBiasRows(y: number, stride: number, rows: number, bias: number, count: number): void;
  geluRows(y: number, stride: number, rows: number, bias: number, count: number, scratch: number): void;
  chooseExperts(
    logits: number,
    count: number,
    used: number,
    amongChosen: number,
    ids: number,
    weights: number,
    scratch: number,
  ): void;
  addWeightedRows(
    y: number,
    rows: number,
    stride: number,
    indices: number,
    weights: number,
    terms: number,
    count: number,
  ): void;
  siluConvolution(
    x: number,
    stride: number,
    rows: number,
    channels: number,
    first: number,
    end: number,
    weight: number,
    width: number,
    before: number,
    after: number,
    scratch: number,
  ): void;
  deltaRuleScratchBytes(dims: number): number;
  deltaRule(
    q: number,
    k: number,
    v: number,
    stride: number,
    rows: number,
    dims: number,
    alpha: number,
    beta: number,
    gateStride: number,
    dt: number,
    a: number,
    epsilon: number,
    before: number,
    after: number,
    out: number,
    outStride: number,
    scratch: number,
  ): void;
  ropeTable(
    frequencies: number,
    pairs: number,
    headDim: number,
    position: number,
    magnitude: number,
    table: number,
    scratch: number,
  ): void;
  rope(x: number, heads: number, headDim: number, table: number): void;
  ropeHalves(x: number, heads: number, headDim: number, pairs: number, table: number): void;

  kvTileBytes(kind: number, headDim: number): number;
  storeKv(kind: number, k: number, v: number, headDim: number, kTile: number, vTile: number, slot: number): void;
  attentionScratchBytes(headDim: number, queries: number): number;
  attentionPartBytes(headDim: number, queries: number): number;
  attention(
    kind: number,
    q: number,
    qStride: number,
    rows: number,
    position: number,
    heads: number,
    headDim: number,
    scale: number,
    softcap: number,
    pages: number,
    kv: number,
    pageBytes: number,
    window: number,
    ahead: number,
    end: number,
    sinks: number,
    slopes: number,
    segment: number,
    out: number,
    outStride: number,
    scratch: number,
  ): void;
  mergeAttention(
    parts: number,
    segments: number,
    rows: number,
    heads: number,
    headDim: number,
    sinks: number,
    out: number,
    outStride: number,
    scratch: number,
  ): void;

  textAttentionScratchBytes(headDim: number, queries: number): number;
  textAttention(
    q: number,
    k: number,
    v: number,
    out: number,
    stride: number,
    kvStride: number,
    length: number,
    first: number,
    rows: number,
    heads: number,
    headDim: number,
    scale: number,
    softcap: number,
    window: number,
    ahead: number,
    sinks: number,
    slopes: number,
    scratch: number,
  ): void;

  readBandwidth(from: number, bytes: number): number;
  peakInt8(operands: number, rounds: number): number;
  peakInt16(operands: number, rounds: number): number;
  peakF32(operands: number, rounds: number): number;
}

/** Instantiates the kernels over a shared memory. @param wide a module whose exports stand for those of the same name */
export function instantiateKernels(
  module: WebAssembly.Module,
  memory: WebAssembly.Memory,
  wide?: WebAssembly.Module | undefined,
): Kernels {
  const exports = [module, wide].map((one) => one && new WebAssembly.Instance(one, { env: { memory } }).exports);
  return (wide === undefined ? exports[0] : Object.assign({}, ...exports)) as Kernels;
}

/**
 * Compiles the fastest build that this host can run, without wide kernels. Where threads share no memory, it takes one that is not shared.
 * @param assets where the .wasm files lie, for bundled programs; by default beside this package's code
 * @param choice the build that is wanted; by default what `CRIA_KERNELS=simd|relaxed|vnni|dotprod` says
 * @throws UnsupportedError when the host has no WASM SIMD or threads, or cannot run the build that was asked for
 */
export async function compileKernels(assets?: URL, choice?: KernelChoice): Promise<KernelModule> {
  const chosen = choice ?? kernelChoiceFromEnvironment();
  const wanted = chosen === "wide" ? undefined : chosen;
  for (const one of wanted === undefined ? candidateBuilds() : [wanted]) {
    const bytes = await readAsset(assetOf(one, assets));
    const module = await compileBuild(one, sharesMemory() ? bytes : unsharedModule(bytes));
    if (module !== undefined) return { module, build: one };
  }
  throw new UnsupportedError(
    "UNSUPPORTED_HOST",
    wanted === undefined
      ? `this host's WebAssembly has ${lackingFor.simd}`
      : `the ${wanted} build is asked for, but this host's WebAssembly has ${lackingFor[wanted]}`,
  );
}

/** Each `new URL` has a literal path, because bundlers look for those. */
function assetOf(build: KernelBuild, assets: URL | undefined): URL {
  if (assets !== undefined) return new URL(`kernels.${build}.wasm`, assets);
  if (build === "vnni") return new URL("../assets/kernels.vnni.wasm", import.meta.url);
  if (build === "dotprod") return new URL("../assets/kernels.dotprod.wasm", import.meta.url);
  if (build === "relaxed") return new URL("../assets/kernels.relaxed.wasm", import.meta.url);
  return new URL("../assets/kernels.simd.wasm", import.meta.url);
}

async function compileBuild(build: KernelBuild, bytes: Uint8Array<ArrayBuffer>) {
  if (build === "simd") return WebAssembly.validate(bytes) ? WebAssembly.compile(bytes) : undefined;
  const module = await compileRelaxed(bytes);
  if (module === undefined || build === "relaxed") return module;
  const memory = allocateMemory(1, "a look at the kernels");
  const kernels = instantiateKernels(module, memory);
  return (build === "vnni" ? kernels.dotIsUnsigned() : kernels.dotIsSigned()) === 1 ? module : undefined;
}

/** What `CRIA_KERNELS` asks for; undefined: nothing. */
export function kernelChoiceFromEnvironment(): KernelChoice | undefined {
  const wanted = (typeof process === "undefined" ? undefined : process.env["CRIA_KERNELS"]) || undefined;
  return wanted === undefined ? undefined : checkChoice("CRIA_KERNELS", wanted, kernelChoices);
}

/**
 * Node 20 has relaxed SIMD behind a V8 flag that may be set at run time and is read when a module is compiled. It is process-wide,
 * so it is set only for as long as the compilation takes. Another thread that compiles at the same time may clear it in between, so a
 * module that does not compile is tried again.
 */
async function compileRelaxed(bytes: Uint8Array<ArrayBuffer>): Promise<WebAssembly.Module | undefined> {
  if (WebAssembly.validate(bytes)) {
    const module = await WebAssembly.compile(bytes).catch(orNoModule);
    if (module !== undefined) return module;
  }
  if (typeof process === "undefined" || process.versions?.node === undefined) return undefined;
  const { setFlagsFromString } = await import("node:v8");
  for (let attempt = 0; attempt < FLAG_ATTEMPTS; attempt++) {
    try {
      setFlagsFromString("--experimental-wasm-relaxed-simd");
    } catch {
      return undefined; // a host that embeds Node without V8's flags: the simd build runs
    }
    try {
      return new WebAssembly.Module(bytes);
    } catch (error) {
      orNoModule(error);
    } finally {
      setFlagsFromString("--no-experimental-wasm-relaxed-simd");
    }
  }
  return undefined;
}

const FLAG_ATTEMPTS = 20;

/** A module that this host cannot compile counts as missing. Any other failure is thrown. */
function orNoModule(error: unknown): undefined {
  if (!(error instanceof WebAssembly.CompileError)) throw error;
}

/** The bytes of a file of this package. @throws CriaError ASSET_MISSING */
export async function readAsset(url: URL): Promise<Uint8Array<ArrayBuffer>> {
  if (url.protocol === "file:") {
    const { readFile } = await import("node:fs/promises");
    try {
      return new Uint8Array(await readFile(url));
    } catch (cause) {
      throw new CriaError("ASSET_MISSING", `${url.href}: ${(cause as Error).message}`, { cause });
    }
  }
  const response = await fetch(url).catch((cause) => {
    throw new CriaError("ASSET_MISSING", `${url.href}: ${(cause as Error).message}`, { cause });
  });
  if (!response.ok) throw new CriaError("ASSET_MISSING", `${url.href}: HTTP status ${response.status}`);
  return new Uint8Array(await response.arrayBuffer());
}
