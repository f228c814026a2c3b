// The limits that kernels are compared with, in the form of kernels: reading memory, and multiplying (assembly/kernels/probe.ts).

import { checkChoice } from "../../options.js";
import type { KernelRow, PeakName } from "./declaration.js";
import { shareOf } from "./measuring.js";
import { openWorkspace } from "./workspace.js";

const READ_UNIT = 128;
const ROUNDS = 1000;
// What one round of a peak multiplies, see assembly/kernels/probe.ts.
const products: Readonly<Record<PeakName, number>> = { int8: 2048, int16: 1024, f32: 288 };

export const read: KernelRow = {
  dimensions: ["bytes"],
  formats: () => ["v128"],
  shapes: (_lab, _format, { cachedBytes, streamedBytes }) => [[cachedBytes], [streamedBytes]],
  check: () => undefined,
  share: shareOf(0, READ_UNIT),
  peak: () => undefined,
  prepare: (lab, _, [bytes = 0]) => {
    const whole = Math.ceil(bytes / READ_UNIT) * READ_UNIT;
    const { at, kernels, memory } = openWorkspace(lab, { buffer: whole });
    // All pages that were never written are one and the same page of zeros.
    new Uint8Array(memory.buffer, at.buffer, whole).fill(1);
    return { run: () => void kernels.readBandwidth(at.buffer, whole), bytes: whole, operations: 0 };
  },
};

export const peak: KernelRow = {
  dimensions: ["rounds"],
  formats: () => Object.keys(products),
  shapes: () => [[ROUNDS]],
  check: () => undefined,
  // Every worker does all of it: more workers multiply more.
  share: (shape) => shape,
  peak: (_, format) => checkChoice("format", format, Object.keys(products) as PeakName[]),
  prepare: (lab, format, [rounds = 0]) => {
    const name = checkChoice("format", format, Object.keys(products) as PeakName[]);
    const { at, kernels } = openWorkspace(lab, { operands: 512 });
    const run = {
      int8: () => void kernels.peakInt8(at.operands, rounds),
      int16: () => void kernels.peakInt16(at.operands, rounds),
      f32: () => void kernels.peakF32(at.operands, rounds),
    }[name];
    return { run, bytes: 0, operations: 2 * products[name] * rounds };
  },
};
