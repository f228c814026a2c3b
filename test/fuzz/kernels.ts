// Kernels over random shapes, offsets and extremes, against their plain versions: bit for bit, and nothing written beside the results. And
// every kernel of the lab over random shapes, against the float64 of its declaration.

import { randomBlocks } from "../../bench/synthetic/blocks.js";
import { Random } from "../../bench/synthetic/random.js";
import { GROUP_ROWS } from "../../dist/abi.js";
import { type TensorTypeName, tensorTypeByName } from "../../dist/gguf/index.js";
import { type KernelLab, openKernels } from "../../dist/lab/kernels/index.js";
import { type KernelName, kernelNames, kernelRows } from "../../dist/lab/kernels/table.js";
import { type KernelBuild, kernelBuilds } from "../../dist/machine/kernels.js";
import { blockOf, dequantize, formatNames } from "../support/dequantize.js";
import { Arena } from "../support/kernels/arena.js";
import { type Matrix, multiply, pack, plain } from "../support/kernels/matmul-case.js";
import { codeOf, pick, target } from "./target.js";

interface LabCase {
  readonly kernel: "lab";
  readonly name: KernelName;
  readonly format: string;
  readonly shape: readonly number[];
}

interface PlainCase {
  readonly kernel: "matmul" | "dequantize" | "scale" | "addBias";
  readonly format: string;
  readonly rows: number;
  readonly blocks: number;
  readonly tokens: number;
  readonly seed: number;
  /** Whether the activations have subnormals, zeros of both signs and numbers near the ends of f32. */
  readonly extremes: boolean;
}

type Case = LabCase | PlainCase;

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
  executes: "a kernel over a random shape, with extremes, against its plain version",
  perBuild: true,
  perProcess: 20_000,
  milliseconds: 5000,
  open: async () => {
    const build = kernelBuilds.find((one: KernelBuild) => one === process.env["CRIA_KERNELS"]) ?? "simd";
    const arena = new Arena(build, ARENA_BYTES);
    const lab = await openKernels({ build });
    return {
      make: (random: Random): Case => {
        if (random.below(4) === 0) return labCase(lab, random);
        return {
          kernel: pick(random, ["matmul", "matmul", "matmul", "dequantize", "scale", "addBias"]),
          format: pick(random, formatNames),
          rows: 1 + random.below(pick(random, [4, 12, 40])),
          blocks: 1 + random.below(pick(random, [2, 5, 20])),
          tokens: 1 + random.below(pick(random, [1, 4, 9, 20])),
          seed: random.bits(),
          extremes: random.below(2) === 0,
        };
      },
      run: (input: Case) => {
        if (input.kernel === "lab") return runLabCase(lab, input);
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

/** The limits of the machine compute nothing, and matmul has a case of its own. */
const labNames = kernelNames.filter((name) => !["read", "peak", "matmul"].includes(name));

/** Of a shape of the lab, all dimensions multiplied. */
const MOST_ELEMENTS = 2 ** 15;

/** How far the results of kernels that round to few bits may be from float64; of the others: 1e-5. */
const labBounds: Partial<Record<KernelName, number>> = { attention: 0.03, storeKv: 0.03, encode: 0.03, quantize: 0.6 };

function labCase(lab: KernelLab, random: Random): LabCase {
  const name = pick(random, labNames);
  const row = kernelRows[name];
  const sizes = [1, 2, 3, 4, 7, 8, 12, 16, 31, 32, 64, 96, 128, 256, 512];
  let left = MOST_ELEMENTS;
  const shape = row.dimensions.map(() => {
    const size = pick(
      random,
      sizes.filter((one) => one <= left),
    );
    left /= size;
    return size;
  });
  return { kernel: "lab", name, format: pick(random, row.formats(lab)), shape };
}

/** Shapes that do not go together are refused with an error of their own. */
function runLabCase(lab: KernelLab, { name, format, shape }: LabCase): string {
  let error: number | undefined;
  try {
    const kernel = kernelRows[name].prepare(lab, format, shape);
    kernel.run();
    error = kernel.error?.();
  } catch (refusal) {
    return codeOf(refusal);
  }
  if (error !== undefined && !(error <= (labBounds[name] ?? 1e-5))) {
    throw new Error(`${name} ${format} ${shape.join("x")} is ${error} from float64`);
  }
  return "ok";
}

function compareMatmul(arena: Arena, { format, rows, blocks, tokens, extremes: odd }: PlainCase, random: Random): void {
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

function compareDequantize(arena: Arena, { format, blocks }: PlainCase, random: Random): void {
  const { weights } = blockOf(format);
  const type = format as TensorTypeName;
  const count = weights === 1 ? blocks * 8 : blocks * weights;
  const bytes = randomBlocks(type, count / weights, random);
  const to = arena.room(4 * count);
  arena.kernels.dequantizeRow(tensorTypeByName(type)!.id, arena.place(bytes), count, to, arena.room(20));
  same(arena.floats(to, count), dequantize(format, bytes, count), format);
}

function compareElements(arena: Arena, { kernel, blocks, extremes: odd }: PlainCase, random: Random): void {
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
