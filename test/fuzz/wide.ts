// Wide kernels, as V8 makes them where its flag joins pairs of operations, over random shapes against the plain kernels: bit for bit, and
// nothing written beside the results.

import { randomBlocks } from "../../bench/synthetic/blocks.js";
import { Random } from "../../bench/synthetic/random.js";
import { GROUP_ROWS, KV_F16, KV_F32, KV_Q8_0, PAGE, TILE_TOKENS } from "../../dist/abi.js";
import { type TensorTypeName, tensorTypeByName } from "../../dist/gguf/index.js";
import { instantiateKernels, type Kernels } from "../../dist/machine/kernels.js";
import { compileWide, lockManager } from "../../dist/machine/wide/compile.js";
import { blockOf, formatNames } from "../support/dequantize.js";
import { compiled, kernelBytes, runnableBuilds } from "../support/kernel-module.js";
import { pick, target } from "./target.js";

/** Whether V8 joins pairs here: Node has locks from 24.5 on, and V8 the pass from some version before, on x64 only. */
export const canBeWide = lockManager() !== undefined && process.arch === "x64";

interface Matmul {
  readonly kernel: "matmul";
  readonly format: string;
  readonly groups: number;
  readonly blocks: number;
  readonly tokens: number;
  readonly accumulate: number;
  readonly cut: number;
  readonly seed: number;
}

interface Attention {
  readonly kernel: "attention" | "textAttention";
  readonly cache: "F32" | "F16" | "Q8_0";
  readonly headDim: number;
  readonly positions: number;
  readonly rows: number;
  readonly heads: number;
  readonly window: number;
  readonly softcap: number;
  readonly hasSinks: boolean;
  readonly hasSlopes: boolean;
  readonly seed: number;
}

interface Gelu {
  readonly kernel: "gelu";
  readonly count: number;
  readonly rows: number;
  readonly hasBias: boolean;
  readonly seed: number;
}

type Case = Matmul | Attention | Gelu;

const BYTES = 2 ** 25;
const GUARD = 64;
const UNTOUCHED = 0xff; // four of them are a NaN, two are one in f16 and bf16
const kinds = { F32: KV_F32, F16: KV_F16, Q8_0: KV_Q8_0 } as const;

export const wide = target({
  name: "wide",
  executes: "a wide kernel over a random shape against the plain one, bit for bit",
  perBuild: false,
  perProcess: 20_000,
  milliseconds: 5000,
  open: async () => {
    const build = runnableBuilds.includes("vnni") ? "vnni" : "relaxed";
    const bench = new Bench(compiled(build), await compileWide(kernelBytes(`wide-${build}`)));
    return {
      make: (random: Random): Case => {
        const kernel = pick(random, ["matmul", "matmul", "attention", "attention", "textAttention", "gelu"] as const);
        const seed = random.bits();
        if (kernel === "gelu") {
          const count = 4 * (1 + random.below(200));
          return { kernel, count, rows: 1 + random.below(5), hasBias: random.below(2) === 0, seed };
        }
        if (kernel === "matmul") {
          const groups = 1 + random.below(pick(random, [2, 5, 9]));
          return {
            kernel,
            format: pick(random, formatNames),
            groups,
            blocks: 1 + random.below(pick(random, [2, 6, 12])),
            tokens: 1 + random.below(pick(random, [2, 6, 18, 70])),
            accumulate: random.below(2),
            cut: random.below(groups),
            seed,
          };
        }
        const cache = pick(random, ["F32", "F16", "Q8_0"] as const);
        const positions = 1 + random.below(pick(random, [8, 70, 300, 600]));
        return {
          kernel,
          cache,
          headDim: cache === "Q8_0" ? 32 * (1 + random.below(5)) : 4 * (1 + random.below(pick(random, [4, 20, 34]))),
          positions,
          rows: 1 + random.below(Math.min(16, positions)),
          heads: 1 + random.below(pick(random, [4, 9])),
          window: pick(random, [0, 0, 1 + random.below(300)]),
          softcap: pick(random, [0, 0, 20]),
          hasSinks: random.below(3) === 0,
          hasSlopes: random.below(3) === 0,
          seed,
        };
      },
      run: (input: Case) => {
        const random = new Random(input.seed);
        if (input.kernel === "matmul") bench.multiply(input, random);
        else if (input.kernel === "gelu") bench.gelu(input, random);
        else if (input.kernel === "attention") bench.attend(input, random);
        else bench.attendWithin(input, random);
        return "ok";
      },
    };
  },
});

/** A memory that both kinds of kernels run on. What nobody has written is NaN. */
class Bench {
  readonly #plain: Kernels;
  readonly #wide: Kernels;
  readonly #bytes: Uint8Array;
  #top = 64;

  constructor(plain: WebAssembly.Module, joined: WebAssembly.Module) {
    const memory = new WebAssembly.Memory({ initial: BYTES / 65536, maximum: BYTES / 65536, shared: true });
    this.#plain = instantiateKernels(plain, memory);
    this.#wide = instantiateKernels(plain, memory, joined);
    this.#bytes = new Uint8Array(memory.buffer).fill(UNTOUCHED);
  }

  multiply({ format, groups, blocks, tokens, accumulate, cut }: Matmul, random: Random): void {
    this.#clear();
    const { weights } = blockOf(format);
    const type = tensorTypeByName(format as TensorTypeName)!.id;
    const columns = weights === 1 ? blocks * 100 - random.below(100) : blocks * weights;
    const rows = groups * GROUP_ROWS;
    const source = this.#place(randomBlocks(format as TensorTypeName, (rows * columns) / weights, random));
    const packed = this.#room(this.#top - source);
    const x = this.#noise(random, tokens * columns);
    const kind = this.#plain.formatActivation(type);
    const tokenBytes = this.#plain.activationBytes(kind, columns);
    const encoded = this.#room((tokens + TILE_TOKENS) * tokenBytes);
    const scratch = this.#room(this.#plain.matmulScratchBytes(tokens));
    const stride = 4 * rows + 64;
    const y = this.#room(tokens * stride);
    this.#plain.packRows(type, source, 0, rows, columns, packed, scratch);
    for (let t = 0; t < tokens; t += TILE_TOKENS) {
      const count = Math.min(TILE_TOKENS, tokens - t);
      const from = x + 4 * t * columns;
      this.#plain.encodeActivations(kind, from, 4 * columns, count, columns, encoded + t * tokenBytes);
    }
    this.#compare(y, tokens * stride, 1, ({ matmul }) => {
      matmul(type, packed, 0, cut, columns, encoded, tokens, y, stride, accumulate, scratch);
      matmul(type, packed, cut, groups, columns, encoded, tokens, y, stride, accumulate, scratch);
    });
  }

  attend(shape: Attention, random: Random): void {
    this.#clear();
    const { cache, headDim, positions, rows, heads, window, softcap } = shape;
    const kind = kinds[cache];
    const tile = this.#plain.kvTileBytes(kind, headDim);
    const pageBytes = 2 * tile + 64;
    const count = Math.ceil(positions / PAGE);
    const kv = this.#room(count * pageBytes);
    const pages = this.#place(Int32Array.from({ length: count }, (_, page) => count - 1 - page));
    const vectors = this.#noise(random, 2 * headDim * positions);
    for (let p = 0; p < positions; p++) {
      const at = kv + (count - 1 - Math.floor(p / PAGE)) * pageBytes;
      const k = vectors + 8 * headDim * p;
      this.#plain.storeKv(kind, k, k + 4 * headDim, headDim, at, at + tile, p % PAGE);
    }
    const [q, sinks, slopes] = this.#operands(shape, rows, random);
    const stride = 4 * headDim * heads;
    const scratch = this.#room(this.#plain.attentionScratchBytes(headDim, rows * heads));
    const out = this.#room(rows * stride);
    this.#compare(out, rows * stride, UNTOUCHED, ({ attention }) =>
      attention(
        ...([kind, q, stride, rows, positions - rows, heads, headDim, 0.2, softcap, pages, kv, pageBytes] as const),
        ...([window, 0, positions, sinks, slopes, -1, out, stride, scratch] as const),
      ),
    );
  }

  attendWithin(shape: Attention, random: Random): void {
    this.#clear();
    const { headDim, positions, heads, window, softcap } = shape;
    const stride = 4 * headDim * heads;
    const [q, sinks, slopes] = this.#operands(shape, positions, random);
    const k = this.#noise(random, positions * headDim);
    const v = this.#noise(random, positions * headDim);
    const scratch = this.#room(this.#plain.textAttentionScratchBytes(headDim, positions * heads));
    const out = this.#room(positions * stride);
    const ahead = window === 0 ? positions : window;
    this.#compare(out, positions * stride, UNTOUCHED, ({ textAttention }) =>
      textAttention(
        ...([q, k, v, out, stride, 4 * headDim, positions, 0, positions, heads, headDim, 0.2, softcap] as const),
        ...([window, ahead, sinks, slopes, scratch] as const),
      ),
    );
  }

  gelu({ count, rows, hasBias }: Gelu, random: Random): void {
    this.#clear();
    const x = this.#noise(random, rows * count);
    const up = this.#noise(random, count);
    const bias = hasBias ? this.#noise(random, count) : 0;
    const scratch = this.#room(16);
    const out = this.#room(4 * rows * count);
    this.#compare(out, 4 * rows * count, UNTOUCHED, ({ geluRows, geGlu }) => {
      this.#bytes.copyWithin(out, x, x + 4 * rows * count);
      geluRows(out, 4 * count, rows, bias, count, scratch);
      geGlu(out, up, count, scratch);
    });
  }

  /** Queries of `rows` rows, and the heads' sinks and slopes. */
  #operands({ heads, headDim, hasSinks, hasSlopes }: Attention, rows: number, random: Random) {
    const q = this.#noise(random, rows * heads * headDim);
    const sinks = hasSinks ? this.#noise(random, heads) : 0;
    return [q, sinks, hasSlopes ? this.#noise(random, heads) : 0] as const;
  }

  /** Expects the same bytes from both, at `out` and beside it. `before`: what each byte there is before. */
  #compare(out: number, size: number, before: number, run: (kernels: Kernels) => void): void {
    const [plain, joined] = [this.#plain, this.#wide].map((kernels) => {
      this.#bytes.fill(UNTOUCHED, out - GUARD, out + size + GUARD).fill(before, out, out + size);
      run(kernels);
      return this.#bytes.slice(out - GUARD, out + size + GUARD);
    });
    const at = plain!.findIndex((byte, i) => byte !== joined![i]);
    if (at >= 0) throw new Error(`byte ${at - GUARD} of ${size} is ${joined![at]}, not ${plain![at]}`);
  }

  #clear(): void {
    this.#bytes.fill(UNTOUCHED, 0, this.#top);
    this.#top = 64;
  }

  /** Room between two guards. */
  #room(bytes: number): number {
    const at = this.#top + GUARD;
    this.#top = at + Math.ceil(bytes / 64) * 64 + GUARD;
    if (this.#top > BYTES) throw new Error(`${BYTES} bytes are too few`);
    return at;
  }

  #place(values: Uint8Array | Int32Array | Float32Array): number {
    const at = this.#room(values.byteLength);
    this.#bytes.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), at);
    return at;
  }

  #noise(random: Random, count: number): number {
    return this.#place(Float32Array.from({ length: count }, () => random.normal() * (random.below(50) === 0 ? 20 : 1)));
  }
}
