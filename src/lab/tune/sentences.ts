// How a tuning says what it found.

import type { Standing } from "./race.js";
import type { BatchRow } from "./tuning.js";

export function times({ ratio, error }: Standing): string {
  const margin = Number.isFinite(error) ? ` (+- ${(100 * error).toFixed(error < 0.1 ? 1 : 0)} %)` : "";
  return `${ratio.toFixed(2)} times${margin}`;
}

export function sentence(what: string, standing: Standing, chosen: boolean, how: string): string {
  const said = `${what} are ${times(standing)} as fast, ${how}`;
  if (chosen) return said;
  return `${said}: ${standing.ratio > 1 ? "below the noise, or too little to count: the simpler setting" : "no gain"}`;
}

export function milliseconds(row: BatchRow): string {
  return row.milliseconds.toFixed(row.milliseconds < 10 ? 2 : 0);
}
