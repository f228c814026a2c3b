// Kernels over random shapes, offsets and extremes, against their plain versions: bit for bit, and nothing written beside the results.

import { randomBlocks } from "../../bench/synthetic/blocks.js";
import { Random } from "../../bench/synthetic/random.js";
import { GROUP_ROWS } from "../../dist/abi.js";
import { type TensorTypeName, tensorTypeByName } from "../../dist/gguf/index.js";
import { type KernelBuild, kernelBuilds } from "../../dist/machine/kernels.js";
import { blockOf, dequantize, formatNames } from "../support/dequantize.js";
import { Arena } from "../support/kernels/arena.js";
import { type Matrix, multiply, pack, plain } from "../support/kernels/matmul-case.js";
import { pick, target } from "./target.js";

interface Case {
  readonly kernel: "matmul" | "dequantize" | "scale" | "addBias";
  readonly format: string;
  readonly rows: number;
  readonly blocks: number;
  readonly tokens: number;
  readonly seed: number;
  /** Whether the activations have subnormals, zeros of both signs and numbers near the ends of f32. */
  readonly extremes: boolean;
}

const ARENA_BYTES = 2 ** 22;
// Products and sums of these stay finite; beyond, `matmul-limits.test.ts` says what holds.
const extremes = [0, -0, 1e-45, -1e-45, 1e-38, 1.17e-38, -1e-30, 1e15, -1e15, 1, -1, 1e-7];
const ends = [...extremes, 3.4e38, -3.4e38, Infinity, -Infinity, Number.NaN];

function floats(random: Random, count: number, odd: readonly number[] | undefined): Float32Array {
  return Float32Array.from({ length: count }, () => {
    if (odd !== undefined && random.below(4) === 0) return pick(random, odd);
    return random.normal() * (random.below(50) === 0 ? 20 : 1);
  });
}

export const kernels = target({
  name: "kernels",
  executes: "a kernel over a random shape against its plain version: matmul of all formats, dequantize, scale, addBias",
  perBuild: true,
  perProcess: 20_000,
  milliseconds: 1500,
  open: async () => {
    const build = kernelBuilds.find((one: KernelBuild) => one === process.env["CRIA_KERNELS"]) ?? "simd";
    const arena = new Arena(build, ARENA_BYTES);
    return {
      make: (random: Random): Case => ({
        kernel: pick(random, ["matmul", "matmul", "matmul", "dequantize", "scale", "addBias"]),
        format: pick(random, formatNames),
        rows: 1 + random.below(pick(random, [4, 12, 40])),
        blocks: 1 + random.below(pick(random, [2, 5, 20])),
        tokens: 1 + random.below(pick(random, [1, 4, 9, 20])),
        seed: random.bits(),
        extremes: random.below(2) === 0,
      }),
      run: (input: Case) => {
        const random = new Random(input.seed);
        if (input.kernel === "matmul") compareMatmul(arena, input, random);
        else if (input.kernel === "dequantize") compareDequantize(arena, input, random);
        else compareElements(arena, input, random);
        arena.clear();
        return "ok";
      },
    };
  },
});

function compareMatmul(arena: Arena, { format, rows, blocks, tokens, extremes: odd }: Case, random: Random): void {
  const { weights } = blockOf(format);
  const columns = weights === 1 ? blocks * 7 - random.below(7) : blocks * weights;
  const bytes = randomBlocks(format as TensorTypeName, (rows * columns) / weights, random);
  const matrix: Matrix = { name: format, rows, columns, bytes };
  const x = Array.from({ length: tokens }, () => floats(random, columns, odd ? extremes : undefined));
  const groups = Math.ceil(rows / GROUP_ROWS);
  const cuts = groups > 1 && random.below(2) === 0 ? [1 + random.below(groups - 1)] : [];
  const results = multiply(arena, matrix, pack(arena, matrix), x, cuts);
  for (const [t, wanted] of plain(arena, matrix, x, results).entries()) same(results[t]!, wanted, `token ${t}`);
}

function compareDequantize(arena: Arena, { format, blocks }: Case, random: Random): void {
  const { weights } = blockOf(format);
  const type = format as TensorTypeName;
  const count = weights === 1 ? blocks * 8 : blocks * weights;
  const bytes = randomBlocks(type, count / weights, random);
  const to = arena.room(4 * count);
  arena.kernels.dequantizeRow(tensorTypeByName(type)!.id, arena.place(bytes), count, to, arena.room(20));
  same(arena.floats(to, count), dequantize(format, bytes, count), format);
}

function compareElements(arena: Arena, { kernel, blocks, extremes: odd }: Case, random: Random): void {
  const count = 4 * blocks;
  const x = floats(random, count, odd ? ends : undefined);
  const other = floats(random, count, odd ? ends : undefined);
  const at = arena.place(x);
  if (kernel === "scale") arena.kernels.scale(at, other[0]!, count);
  else arena.kernels.addBias(at, arena.place(other), count);
  const wanted = x.map((value, i) => (kernel === "scale" ? value * other[0]! : value + other[i]!));
  same(arena.floats(at, count), wanted, kernel);
}

function same(got: Float32Array, wanted: Float32Array, what: string): void {
  const wrong = got.findIndex((value, i) => !Object.is(value, wanted[i]));
  if (wrong >= 0) throw new Error(`${what}: element ${wrong} is ${got[wrong]}, expected ${wanted[wrong]}`);
}
