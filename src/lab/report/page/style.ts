// What all figures have in common.

import type { PlotOptions, ScaleOptions } from "@observablehq/plot";

/** So many series can be told apart. */
const COLOURS = 8;
export const colours = Array.from({ length: COLOURS }, (_, i) => `var(--colour-${i})`);

/** A scale of colours for names, with a legend where there are several. */
export function colourScale(names: readonly string[]): ScaleOptions & { legend: boolean } {
  const range = names.map((_, i) => colours[i % COLOURS]!);
  return { type: "categorical", domain: [...names], range, legend: names.length > 1 };
}

export const common = (width: number, height: number, label: string): PlotOptions => ({
  width,
  height,
  marginTop: 28,
  marginBottom: 40,
  ariaLabel: label,
  style: { fontFamily: "inherit", fontSize: "12px", background: "none", overflow: "visible" },
});

/** Of a number, as short as it can be read: 0.0042, 3.1, 42, 1,234, 12.3k. */
export function short(value: number): string {
  const size = Math.abs(value);
  if (size === 0) return "0";
  if (size >= 1e6) return `${trim(value / 1e6)}M`;
  if (size >= 1e4) return `${trim(value / 1e3)}k`;
  return trim(value);
}

function trim(value: number): string {
  return `${Number(value.toPrecision(3))}`;
}

const units = ["B", "KiB", "MiB", "GiB", "TiB"];

export function shortBytes(value: number): string {
  let unit = 0;
  let rest = value;
  for (; rest >= 1024 && unit < units.length - 1; unit++) rest /= 1024;
  return `${trim(rest)} ${units[unit]}`;
}

/** How wide a text of this size is, about. */
export const textWidth = (text: string): number => 7 * text.length;

/** Some round numbers of bytes up to the most: 0, 1 MiB, 2 MiB. */
export function byteTicks(most: number, count: number): number[] {
  const step = 2 ** Math.ceil(Math.log2(most / count));
  return Array.from({ length: Math.floor(most / step) + 1 }, (_, i) => i * step);
}
