// `cria/kernels`: every kernel, called as a reader of its documentation would, against plain float64.

import { type KernelBuild, type KernelLab, openKernels } from "cria/kernels";
import { beforeAll, describe, expect, it } from "vitest";
import { KV_F16, KV_F32, KV_Q8_0 } from "../../dist/abi.js";
import { dequantize, formatNames } from "../support/dequantize.js";
import { runnableBuilds } from "../support/kernel-module.js";
import { stored } from "../support/kernels/attention-twin.js";
import { plainEncoders } from "../support/kernels/plain-encoders.js";

const builds = runnableBuilds;
const labs = {} as Record<KernelBuild, KernelLab>;
beforeAll(async () => {
  for (const build of builds) labs[build] = await openKernels({ build });
});

/** Numbers of (-1, 1), the same every time. */
function noise(count: number, seed: number): Float32Array {
  let state = seed;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
}

/** |a - b| / |b|, as vectors. */
function distance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let [difference, size] = [0, 0];
  for (let i = 0; i < b.length; i++) {
    difference += (a[i]! - b[i]!) ** 2;
    size += b[i]! ** 2;
  }
  return Math.sqrt(difference / size);
}

// What rounding activations to 8 or 16 bits, or nothing but f32, may cost.
const matmulBounds = { q8_32: 0.01, centred_q8_32: 0.01, q8_256: 0.015, q16_32: 1e-4, f32: 1e-6 } as const;

const encodable = ["BF16", "F16", "F32", ...Object.keys(plainEncoders)].sort();
const kinds = { f32: KV_F32, f16: KV_F16, q8_0: KV_Q8_0 } as const;

describe.each(builds)("cria/kernels, %s", (build) => {
  it("lists the formats that it multiplies", () => {
    const lab = labs[build];
    expect(lab.build).toBe(build);
    expect(lab.formats.map((format) => format.name).sort()).toEqual([...formatNames].sort());
    expect(lab.format("Q4_K")).toEqual({
      name: "Q4_K",
      type: 12,
      blockWeights: 256,
      blockBytes: 144,
      activation: "q8_256",
      largest: labs[build].open({}).kernels.formatLargest(12),
    });
    expect(
      lab.formats
        .filter(({ largest }) => largest > 0)
        .map(({ name }) => name)
        .sort(),
    ).toEqual(encodable);
  });

  it.each(formatNames)("dequantizes %s, bit for bit", (format) => {
    const lab = labs[build];
    const weights = lab.randomWeights(format, 3, 512, 7);
    const kernel = lab.dequantize({ format, rows: 3, columns: 512 }).setWeights(weights);
    kernel.run();
    expect(kernel.result).toEqual(dequantize(format, weights, 3 * 512));
    expect(kernel.bytes).toBe(weights.length + 3 * 512 * 4);
  });

  it.each(encodable)("quantizes to %s", (format) => {
    const x = noise(3 * 512, 5);
    const kernel = labs[build].quantize({ format, rows: 3, columns: 512 }).setInput(x);
    kernel.run();
    const weights = kernel.result;
    expect(kernel.bytes).toBe(3 * 512 * 4 + weights.length);
    const plain = plainEncoders[format]?.(x);
    const bound = plain === undefined ? 2 ** -8 : distance(plain, x);
    expect(distance(dequantize(format, weights, 3 * 512), x)).toBeLessThan(bound);
    // Row by row: each is what it is by itself.
    const last = labs[build].quantize({ format, columns: 512 }).setInput(x.subarray(1024));
    last.run();
    expect(weights.subarray((weights.length / 3) * 2)).toEqual(last.result);
  });

  it.each(formatNames)("packs %s, and unpacks it", (format) => {
    const shape = { format, rows: 11, columns: 512 };
    const weights = labs[build].randomWeights(format, 11, 512, 3);
    const pack = labs[build].pack(shape).setWeights(weights);
    pack.run();
    expect(pack.result).toHaveLength((16 / 11) * weights.length);
    expect(pack.result.subarray(0, weights.length)).not.toEqual(weights);
    const unpack = labs[build].unpack(shape).setPacked(pack.result);
    unpack.run();
    expect(unpack.result).toEqual(weights);
    expect([pack.bytes, unpack.bytes]).toEqual([2 * weights.length, 2 * weights.length]);
  });

  it.each(formatNames.flatMap((format) => [[format, 1] as const, [format, 3] as const, [format, 9] as const]))(
    "multiplies %s by %i tokens",
    (format, tokens) => {
      const lab = labs[build];
      const [rows, columns] = [19, 768];
      const weights = lab.randomWeights(format, rows, columns);
      const x = noise(tokens * columns, tokens);
      const kernel = lab.matmul({ format, rows, columns, tokens }).setWeights(weights).setActivations(x);
      kernel.run();
      const w = dequantize(format, weights, rows * columns);
      const exact = Array.from({ length: tokens * rows }, (_, i) => {
        const [token, row] = [Math.floor(i / rows), i % rows];
        let sum = 0;
        for (let k = 0; k < columns; k++) sum += w[row * columns + k]! * x[token * columns + k]!;
        return sum;
      });
      expect(kernel.result).toHaveLength(tokens * rows);
      expect(distance(kernel.result, exact)).toBeLessThan(matmulBounds[kernel.format.activation]);
      const first = kernel.result;
      kernel.run();
      expect(kernel.result).toEqual(first);
    },
  );

  it.each([
    ["f32", 1e-6],
    ["f16", 5e-4],
    ["q8_0", 1e-2],
  ] as const)("attends over a cache of %s", (kvCache, bound) => {
    for (const { positions, rows, window, softcap } of [
      { positions: 150, rows: 1, window: 0, softcap: 0 },
      { positions: 150, rows: 37, window: 0, softcap: 0 },
      { positions: 200, rows: 5, window: 70, softcap: 0 },
      { positions: 200, rows: 5, window: 70, softcap: 2 },
    ]) {
      const [heads, kvHeads, headDim] = [6, 2, 32];
      const k = noise(positions * kvHeads * headDim, 1);
      const v = noise(positions * kvHeads * headDim, 2);
      const q = noise(rows * heads * headDim, 3).map((x) => x * 3);
      const kernel = labs[build]
        .attention({ kvCache, heads, kvHeads, headDim, positions, rows, window, softcap })
        .setCache(k, v)
        .setQueries(q);
      kernel.run();
      const exact = new Float64Array(rows * heads * headDim);
      let products = 0;
      for (let row = 0; row < rows; row++) {
        const here = positions - rows + row;
        const first = window === 0 ? 0 : Math.max(0, here - window + 1);
        products += heads * (here - first + 1) * 2 * headDim;
        for (let head = 0; head < heads; head++) {
          const at = (row * heads + head) * headDim;
          const kv = (position: number) => (position * kvHeads + Math.floor(head / 3)) * headDim;
          const scores = Array.from({ length: here - first + 1 }, (_, i) => {
            let dot = 0;
            for (let d = 0; d < headDim; d++) dot += q[at + d]! * k[kv(first + i) + d]!;
            const score = dot / Math.sqrt(headDim);
            return softcap === 0 ? score : softcap * Math.tanh(score / softcap);
          });
          const weights = scores.map((score) => Math.exp(score));
          const sum = weights.reduce((a, b) => a + b);
          for (let d = 0; d < headDim; d++) {
            exact[at + d] = weights.reduce((total, w, i) => total + (w / sum) * v[kv(first + i) + d]!, 0);
          }
        }
      }
      expect(distance(kernel.result, exact)).toBeLessThan(bound);
      expect(kernel.operations).toBe(2 * products);
    }
  });

  it.each(["f32", "f16", "q8_0"] as const)("stores keys and values as %s", (kvCache) => {
    // From slot 61 on, five rows end in the second page.
    const shape = { kvCache, kvHeads: 2, headDim: 32, rows: 5, slot: 61 };
    const [k, v] = [noise(5 * 64, 1), noise(5 * 64, 2)];
    const kernel = labs[build].storeKv(shape).setInput(k, v);
    kernel.run();
    const { result, tileBytes } = kernel;
    expect(result).toHaveLength(2 * 2 * 2 * tileBytes);
    const view = new DataView(result.buffer);
    const read = { f32: at32, f16: at16, q8_0: at8 }[kvCache];
    for (let row = 0; row < 5; row++) {
      for (let head = 0; head < 2; head++) {
        const tile = (Math.floor((61 + row) / 64) * 2 + head) * 2 * tileBytes;
        const slot = (61 + row) % 64;
        const from = row * 64 + head * 32;
        const dims = Array.from({ length: 32 }, (_, d) => d);
        const keys = dims.map((d) => read(view, tile, d * 64 + slot, slot));
        const values = dims.map((d) => read(view, tile + tileBytes, slot * 32 + d, slot));
        // int8 has no -0.
        const expected = (x: Float32Array) =>
          [...stored(kinds[kvCache], x.subarray(from, from + 32))].map((y) => y + 0);
        expect(keys).toEqual(expected(k));
        expect(values).toEqual(expected(v));
      }
    }
    expect(kernel.bytes).toBe(5 * 2 * 2 * (32 * 4 + { f32: 128, f16: 64, q8_0: 36 }[kvCache]));
  });

  it("normalises", () => {
    const lab = labs[build];
    const x = noise(2 * 102, 5).map((value) => value + 2);
    const [weight, bias] = [noise(102, 6), noise(102, 7)];
    const rows = [x.subarray(0, 102), x.subarray(102)];
    const mean = (values: Float32Array) => values.reduce((sum, value) => sum + value, 0) / 102;

    const rms = lab.rmsNorm({ rows: 2, columns: 102, epsilon: 1e-3 }).setInput(x, weight);
    rms.run();
    const scaled = rows.flatMap((row) => {
      const size = Math.sqrt(row.reduce((sum, value) => sum + value ** 2, 0) / 102 + 1e-3);
      return Array.from(row, (value, i) => (value / size) * weight[i]!);
    });
    expect(distance(rms.result, scaled)).toBeLessThan(1e-6);
    expect(rms.bytes).toBe(8 * 2 * 102 + 4 * 102);

    const layer = lab.layerNorm({ rows: 2, columns: 102, epsilon: 1e-3 }).setInput(x, weight, bias);
    layer.run();
    const centred = rows.flatMap((row) => {
      const deviation = Math.sqrt(row.reduce((sum, value) => sum + (value - mean(row)) ** 2, 0) / 102 + 1e-3);
      return Array.from(row, (value, i) => ((value - mean(row)) / deviation) * weight[i]! + bias[i]!);
    });
    expect(distance(layer.result, centred)).toBeLessThan(1e-6);
    expect(layer.bytes).toBe(8 * 2 * 102 + 8 * 102);
  });

  it("takes the mean of rows", () => {
    const x = noise(3 * 102, 5);
    const mean = labs[build].meanRows({ rows: 3, columns: 102 }).setInput(x);
    mean.run();
    expect(mean.result).toEqual(Float32Array.from({ length: 102 }, (_, i) => (x[i]! + x[102 + i]! + x[204 + i]!) / 3));
    expect(mean.bytes).toBe(4 * 4 * 102);
  });

  it("rotates neighbours, and halves", () => {
    const x = noise(3 * 2 * 12, 7);
    const shape = { heads: 2, headDim: 12, rows: 3, position: 11, base: 500 };
    for (const pairs of [undefined, "neighbours", "halves"] as const) {
      const rope = labs[build].rope({ ...shape, pairs }).setInput(x);
      rope.run();
      const rotated = Array.from(x, (value, i) => {
        const d = i % 12;
        const [pair, isFirst, apart] = pairs === "halves" ? [d % 6, d < 6, 6] : [d >> 1, d % 2 === 0, 1];
        const angle = (11 + Math.floor(i / 24)) * 500 ** (-pair / 6);
        const [cosine, sine] = [Math.cos(angle), Math.sin(angle)];
        return isFirst ? value * cosine - x[i + apart]! * sine : x[i - apart]! * sine + value * cosine;
      });
      expect(distance(rope.result, rotated)).toBeLessThan(1e-6);
    }
  });

  it("makes the tables of a rotation", () => {
    const frequencies = Float64Array.of(1, 0.1, 0.001);
    const shape = { headDim: 10, pairs: 3, rows: 4, position: 1000 };
    const kernel = labs[build].ropeTable(shape).setFrequencies(frequencies, 1.25);
    kernel.run();
    const tables = Array.from({ length: 4 }, (_, row) => {
      const angles = [...frequencies].map((frequency) => (1000 + row) * frequency);
      const cosines = angles.flatMap((angle) => [1.25 * Math.cos(angle), 1.25 * Math.cos(angle)]);
      const sines = angles.flatMap((angle) => [-1.25 * Math.sin(angle), 1.25 * Math.sin(angle)]);
      return [...cosines, 1, 1, 1, 1, ...sines, 0, 0, 0, 0];
    });
    expect(distance(kernel.result, tables.flat())).toBeLessThan(1e-7);
    expect(kernel.bytes).toBe(3 * 8 + 4 * 20 * 4);
  });

  it("activates and gates", () => {
    const lab = labs[build];
    const x = noise(64, 8).map((value) => value * 10);
    const up = noise(64, 9);
    const silu = Array.from(x, (value) => value / (1 + Math.exp(-value)));
    const gelu = Array.from(
      x,
      (value) => value / (1 + Math.exp(-1.5957691216057308 * value - 0.07135481627260025 * value ** 3)),
    );
    for (const [gate, activated] of [
      ["swiGlu", silu],
      ["geGlu", gelu],
    ] as const) {
      const gated = lab[gate]({ columns: 32, rows: 2 }).setInput(x, up);
      gated.run();
      expect(gated.kernel).toBe(gate);
      expect(gated.bytes).toBe(8 * 64);
      expect(
        distance(
          gated.result,
          activated.map((value, i) => value * up[i]!),
        ),
      ).toBeLessThan(1e-6);
    }
    const alone = lab.gelu({ columns: 32, rows: 2 }).setInput(x);
    alone.run();
    expect(alone.bytes).toBe(4 * 64);
    expect(distance(alone.result, gelu)).toBeLessThan(1e-6);
  });

  it("gates with limits, hard and soft, and takes the sigmoid", () => {
    const lab = labs[build];
    const x = noise(64, 8).map((value) => value * 10);
    const up = noise(64, 9).map((value) => value * 10);
    const gated = lab.clampedSwiGlu({ columns: 32, rows: 2 }).setInput(x, up);
    gated.run();
    expect(gated.kernel).toBe("clampedSwiGlu");
    const exact = Array.from(x, (gate, i) => {
      const least = Math.min(gate, 7);
      return (least / (1 + Math.exp(-1.702 * least))) * (Math.max(-7, Math.min(7, up[i]!)) + 1);
    });
    expect(distance(gated.result, exact)).toBeLessThan(1e-6);
    const weighed = lab.sigmoidGate({ columns: 32, rows: 2 }).setInput(up, x);
    weighed.run();
    const exactly = Array.from(x, (value, i) => up[i]! / (1 + Math.exp(-value)));
    expect(distance(weighed.result, exactly)).toBeLessThan(1e-6);
    const sigmoid = lab.sigmoid({ columns: 32, rows: 2 }).setInput(x);
    sigmoid.run();
    expect(sigmoid.bytes).toBe(8 * 64);
    expect(
      distance(
        sigmoid.result,
        Array.from(x, (value) => 1 / (1 + Math.exp(-value))),
      ),
    ).toBeLessThan(1e-6);
    const capped = lab.softcap({ columns: 32, rows: 2 }).setInput(x, 3);
    capped.run();
    expect(capped.bytes).toBe(4 * 64);
    expect(
      distance(
        capped.result,
        Array.from(x, (value) => 3 * Math.tanh(value / 3)),
      ),
    ).toBeLessThan(1e-6);
    expect(() => lab.softcap({ columns: 4 }).setInput(x.subarray(0, 4), 0)).toThrow(
      /cap must be a number in .*; it is 0/,
    );
  });

  it("chooses experts, and adds their results", () => {
    const lab = labs[build];
    const logits = Float32Array.of(0, 3, 1, 2, 5, 4, 4, 5);
    const chosen = lab.chooseExperts({ rows: 2, experts: 4, used: 2 }).setInput(logits);
    chosen.run();
    const e = Math.E;
    expect(distance(chosen.result, [e / (e + 1), 1 / (e + 1), 0.5, 0.5])).toBeLessThan(1e-6);
    expect(chosen.bytes).toBe(4 * 2 * (4 + 2 * 2));
    const all = lab.chooseExperts({ experts: 4, used: 2, amongChosen: 0 }).setInput(logits.subarray(4));
    all.run();
    expect(distance(all.result, [e / (2 * e + 2), e / (2 * e + 2)])).toBeLessThan(1e-6);
    expect(() => lab.chooseExperts({ experts: 4, used: 5 })).toThrow(/used must be an integer in 1 .. 4; it is 5/);

    const y = noise(2 * 20, 10);
    const terms = noise(2 * 3 * 20, 11);
    const weights = noise(2 * 3, 12);
    const sum = lab.addWeightedRows({ rows: 2, columns: 20, terms: 3 }).setInput(y, terms, weights);
    sum.run();
    const exact = Array.from(y, (value, i) => {
      const row = Math.floor(i / 20);
      return [0, 1, 2].reduce(
        (total, t) => total + weights[row * 3 + t]! * terms[(row * 3 + t) * 20 + (i % 20)]!,
        value,
      );
    });
    expect(distance(sum.result, exact)).toBeLessThan(1e-6);
    expect(sum.operations).toBe(2 * 2 * 3 * 20);
  });

  it("convolves, and takes silu of it", () => {
    const lab = labs[build];
    const all = noise((3 + 5) * 8, 13);
    const weight = noise(8 * 4, 14);
    const kernel = lab.siluConvolution({ rows: 5, channels: 8 });
    kernel.setInput(all.subarray(3 * 8), weight, all.subarray(0, 3 * 8)).run();
    const exact = Array.from({ length: 5 * 8 }, (_, at) => {
      const sum = [0, 1, 2, 3].reduce((total, i) => total + weight[(at % 8) * 4 + i]! * all[at + i * 8]!, 0);
      return sum / (1 + Math.exp(-sum));
    });
    expect(distance(kernel.result, exact)).toBeLessThan(1e-6);
    expect([kernel.bytes, kernel.operations]).toEqual([4 * 8 * (5 + 4 + 6), 2 * 5 * 8 * 4]);
    expect(() => lab.siluConvolution({ channels: 8, width: 1 })).toThrow(
      /width must be an integer in 2 .. 256; it is 1/,
    );
  });

  it("follows the gated delta rule", () => {
    const rule = labs[build].deltaRule({ rows: 2, heads: 1, dims: 16 });
    const one = (at: number) => Float32Array.from({ length: 32 }, (_, i) => (i % 16 === at ? 2 : 0));
    const values = noise(32, 15);
    // Both tokens have the same key: the first value is learned whole, then half of what the second is beyond half of it.
    rule.setInput(one(3), one(3), values);
    rule.setGates(Float32Array.of(-100, 0), Float32Array.of(100, 0), Float32Array.of(0), Float32Array.of(-1)).run();
    const exact = Array.from(values, (value, i) => (i < 16 ? value : (values[i - 16]! / 2 + value) / 2) / 4);
    expect(distance(rule.result, exact)).toBeLessThan(1e-6);
    expect(rule.operations).toBe(7 * 2 * 16 * 16);
  });

  it("adds a bias, and multiplies by a factor, once for each run", () => {
    const x = noise(3 * 20, 10);
    const bias = noise(20, 11);
    const added = labs[build].addBias({ rows: 3, columns: 20 }).setInput(x, bias);
    added.run();
    added.run();
    expect(added.result).toEqual(x.map((value, i) => Math.fround(value + bias[i % 20]!) + bias[i % 20]!));
    expect(added.bytes).toBe(4 * 60 + 4 * 20);

    const scaled = labs[build].scale({ rows: 3, columns: 20 }).setInput(x, 1.7);
    scaled.run();
    scaled.run();
    const factor = Math.fround(1.7);
    expect(scaled.result).toEqual(x.map((value) => Math.fround(value * factor) * factor));
    expect(scaled.bytes).toBe(4 * 60);
  });

  it("encodes activations", () => {
    const lab = labs[build];
    const x = noise(5 * 32, 4);
    const kernel = lab.encode({ activation: "f32", columns: 32, tokens: 5 }).setInput(x);
    kernel.run();
    // A tile holds four tokens side by side; the fifth has one of its own.
    const encoded = new Float32Array(kernel.result.buffer);
    expect([...encoded.subarray(0, 4)]).toEqual([x[0], x[32], x[64], x[96]]);
    expect([...encoded.subarray(128, 160)]).toEqual([...x.subarray(128, 160)]);
    const bytes = lab.encode({ activation: "q16_32", columns: 32 }).setInput(x.subarray(0, 32));
    bytes.run();
    const view = new DataView(bytes.result.buffer);
    const scale = view.getFloat32(64, true);
    for (let i = 0; i < 32; i++) expect(view.getInt16(2 * i, true) * scale).toBeCloseTo(x[i]!, 4);
  });

  it("opens buffers for kernels that are called by address", () => {
    const { at, kernels, memory } = labs[build].open({ y: 32, bias: 32 });
    const y = new Float32Array(memory.buffer, at.y, 8).fill(1);
    new Float32Array(memory.buffer, at.bias, 8).set([0, 1, 2, 3, 4, 5, 6, 7]);
    kernels.addBias(at.y, at.bias, 8);
    expect([...y]).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  });

  it("makes random weights: the same for a seed, of a sane size", () => {
    const lab = labs[build];
    expect(lab.randomWeights("Q6_K", 5, 512, 3)).toEqual(lab.randomWeights("Q6_K", 5, 512, 3));
    expect(lab.randomWeights("Q6_K", 5, 512, 3)).not.toEqual(lab.randomWeights("Q6_K", 5, 512, 4));
    for (const { name } of lab.formats) {
      const weights = dequantize(name, lab.randomWeights(name, 40, 512), 40 * 512);
      const deviation = Math.sqrt(weights.reduce((sum, w) => sum + w * w, 0) / weights.length);
      expect(deviation).toBeGreaterThan(0.002);
      expect(deviation).toBeLessThan(0.125);
    }
  });
});

/** Number `i` of a tile of 64 positions by 32 dimensions: with q8_0, a position's numbers have one scale. */
const at32 = (view: DataView, tile: number, i: number) => view.getFloat32(tile + 4 * i, true);
const at16 = (view: DataView, tile: number, i: number) =>
  dequantize("F16", new Uint8Array(view.buffer, tile + 2 * i, 2), 1)[0]!;
const at8 = (view: DataView, tile: number, i: number, slot: number) =>
  Math.fround(view.getInt8(tile + i) * view.getFloat32(tile + 64 * 32 + 4 * slot, true));

describe("cria/kernels refuses", () => {
  it("what it does not know, by name", async () => {
    const lab = labs.simd;
    expect(() => lab.matmul({ format: "IQ2_XXS", rows: 8, columns: 256 })).toThrow(
      /"IQ2_XXS"; supported: F32, F16, Q4_0/,
    );
    await expect(openKernels({ build: "avx" as "simd" })).rejects.toMatchObject({ code: "INVALID_OPTION" });
    await expect(openKernels({ builds: "simd" } as object)).rejects.toMatchObject({ code: "INVALID_OPTION" });
  });

  it.each([
    [{ format: "Q4_K", rows: 8, columns: 300 }, "INVALID_SHAPE"],
    [{ format: "Q4_0", rows: 0, columns: 32 }, "INVALID_OPTION"],
    [{ format: "Q4_0", rows: 8, columns: 32, tokens: 1.5 }, "INVALID_OPTION"],
    [{ format: "F32", rows: 2 ** 16, columns: 2 ** 16 }, "MEMORY_PLAN"],
  ])("a matmul of %o: %s", (shape, code) => {
    expect(() => labs.simd.matmul(shape)).toThrow(expect.objectContaining({ code }));
  });

  it("weights that no encoder takes", () => {
    const lab = labs.simd;
    expect(() => lab.quantize({ format: "IQ4_NL", columns: 32 })).toThrow(
      expect.objectContaining({ code: "UNSUPPORTED_FORMAT", message: expect.stringMatching(/"IQ4_NL"/) }),
    );
    const kernel = lab.quantize({ format: "F16", columns: 4 });
    for (const bad of [Number.NaN, Number.NEGATIVE_INFINITY, 65536]) {
      expect(() => kernel.setInput(Float32Array.of(0, 0, bad, 0))).toThrow(
        expect.objectContaining({
          code: "INVALID_OPTION",
          message: `x[2] must be a number in -65504 .. 65504; it is ${bad}`,
        }),
      );
    }
  });

  it("shapes that do not go together, and data of another length", () => {
    const lab = labs.simd;
    const attention = { kvCache: "q8_0", heads: 4, headDim: 48, positions: 64 } as const;
    expect(() => lab.attention(attention)).toThrow(expect.objectContaining({ code: "INVALID_SHAPE" }));
    expect(() => lab.attention({ ...attention, headDim: 64, kvHeads: 3 })).toThrow(
      /heads must be a multiple of 3, the number of kvHeads; it is 4/,
    );
    expect(() => lab.attention({ ...attention, headDim: 64, rows: 65 })).toThrow(
      /rows must be an integer in 1 .. 64; it is 65/,
    );
    expect(() => lab.rope({ heads: 1, headDim: 6 })).toThrow(/headDim must be a multiple of 4; it is 6/);
    expect(() => lab.rope({ heads: 1, headDim: 8, pairs: "thirds" as "halves" })).toThrow(
      /pairs must be one of neighbours, halves; it is "thirds"/,
    );
    expect(() => lab.rope({ heads: 1, headDim: 8, base: -2 })).toThrow(/base must be a number in .*; it is -2/);
    expect(() => lab.rmsNorm({ columns: 8, epsilon: Number.NaN })).toThrow(
      /epsilon must be a number in 0 .. 1; it is NaN/,
    );
    for (const kernel of [
      "swiGlu",
      "clampedSwiGlu",
      "geGlu",
      "gelu",
      "geluRows",
      "sigmoid",
      "softcap",
      "addBias",
      "addBiasRows",
      "scale",
    ] as const) {
      expect(() => lab[kernel]({ columns: 6 })).toThrow(/columns must be a multiple of 4; it is 6/);
    }
    expect(() => lab.ropeTable({ headDim: 7 })).toThrow(/headDim must be a multiple of 2; it is 7/);
    expect(() => lab.ropeTable({ headDim: 8, pairs: 5 })).toThrow(/pairs must be an integer in 1 .. 4; it is 5/);
    const table = lab.ropeTable({ headDim: 4 });
    expect(() => table.setFrequencies(Float64Array.of(1))).toThrow(/frequencies must have 2 f64; it has 1/);
    expect(() => table.setFrequencies(Float64Array.of(1, Number.NaN))).toThrow(
      /frequencies\[1\] must be a number in .*; it is NaN/,
    );
    expect(() => table.setFrequencies(Float64Array.of(1, 1), Number.POSITIVE_INFINITY)).toThrow(
      /magnitude must be a number in .*; it is Inf/,
    );
    const storeKv = { kvCache: "f16", kvHeads: 2, headDim: 8 } as const;
    expect(() => lab.storeKv({ ...storeKv, kvCache: "q8_0" })).toThrow(
      /headDim must be a multiple of 32 with a cache of q8_0; it is 8/,
    );
    expect(() => lab.storeKv({ ...storeKv, kvCache: "f64" as "f32" })).toThrow(
      /kvCache must be one of f16, f32, q8_0; it is "f64"/,
    );
    expect(() => lab.storeKv({ ...storeKv, slot: 64 })).toThrow(/slot must be an integer in 0 .. 63; it is 64/);
    const cache = lab.storeKv(storeKv);
    expect(() => cache.setInput(new Float32Array(16), new Float32Array(8))).toThrow(/v must have 16 f32; it has 8/);
    const pack = { format: "Q8_0", rows: 3, columns: 32 };
    expect(() => lab.pack(pack).setWeights(new Uint8Array(101))).toThrow(/weights must have 102 bytes; it has 101/);
    expect(() => lab.unpack(pack).setPacked(new Uint8Array(102))).toThrow(/packed must have 272 bytes; it has 102/);
    expect(() => lab.unpack({ ...pack, columns: 33 })).toThrow(
      /columns must be a multiple of 32, the weights of one block of Q8_0; it is 33/,
    );
    const scale = lab.scale({ columns: 4 });
    expect(() => scale.setInput(new Float32Array(4), Number.NaN)).toThrow(/factor must be a number in .*; it is NaN/);
    expect(() => scale.setInput(new Float32Array(4), 1e39)).toThrow(/factor must be a number in .*; it is 1e\+39/);
    const addBias = lab.addBias({ columns: 4, rows: 2 });
    expect(() => addBias.setInput(new Float32Array(8), new Float32Array(8))).toThrow(/bias must have 4 f32; it has 8/);
    const norm = lab.layerNorm({ columns: 8 });
    const eight = new Float32Array(8);
    expect(() => norm.setInput(eight, eight, new Float32Array(7))).toThrow(/bias must have 8 f32; it has 7/);
    expect(() => lab.meanRows({ rows: 2, columns: 8 }).setInput(eight)).toThrow(/x must have 16 f32; it has 8/);
    expect(() => lab.encode({ activation: "q8_256", columns: 128 })).toThrow(
      /columns must be a multiple of 256 with q8_256; it is 128/,
    );
    const matmul = lab.matmul({ format: "Q4_0", rows: 8, columns: 32 });
    expect(() => matmul.setWeights(new Uint8Array(143))).toThrow(/weights must have 144 bytes; it has 143/);
    expect(() => matmul.setActivations(new Float32Array(33))).toThrow(/activations must have 32 f32; it has 33/);
  });
});
