// What `cria tune` prints for people: lines of at most 80 characters.

import { printable } from "../gguf/index.js";
import type { Axis, BatchRow, ComparedSpeed, TuneRow, Tuning } from "../lab/index.js";
import { tunedFlags } from "../lab/tune/tuned-flags.js";

const COLUMNS = 80;

export function tuneLines(tuning: Tuning, simulated: boolean): readonly string[] {
  const { model, machine, axes, rows, batch } = tuning;
  const title = [...folded(printable(model, 60), ""), ...folded(printable(machine, 200), "")];
  if (simulated) return [...title, "", "what would be tried, and why", ...axes.flatMap(axisLines)];
  return [
    ...title,
    "",
    `${"".padEnd(16)}${"decode tokens/s".padStart(31)}${"prompts tokens/s".padStart(31)}`,
    ...axes.flatMap(({ name }) =>
      rowLines(
        name,
        rows.filter(({ axis }) => axis === name),
      ),
    ),
    ...batchLines(batch),
    "",
    ...adviceLines(tuning),
  ];
}

/** An axis that would be tried. */
function axisLines({ name, values, reason }: Axis): string[] {
  return [...folded(values.join(", "), `  ${name.padEnd(15)}`), ...folded(reason, " ".repeat(17))];
}

function rowLines(name: string, rows: readonly TuneRow[]): string[] {
  if (rows.length === 0) return [];
  return [
    name,
    ...rows.map(({ value, decode, prefill, chosen }) => {
      return `${chosen ? "*" : " "} ${value.padEnd(14)}${speed(decode)}${speed(prefill)}`.trimEnd();
    }),
  ];
}

/** "112.3   1.04 times +- 1.2 %" */
function speed(compared: ComparedSpeed | undefined): string {
  if (compared === undefined) return "".padStart(31);
  const { rate, ratio, error, rounds } = compared;
  const margin = Number.isFinite(error) && rounds > 1 && error > 0 ? ` +- ${(100 * error).toFixed(1)} %` : "";
  const beside = ratio === 1 && error === 0 ? "" : `${ratio.toFixed(2)}x${margin}`;
  return `${number(rate).padStart(14)}  ${beside.padEnd(15)}`;
}

function batchLines(batch: readonly BatchRow[]): string[] {
  if (batch.length === 0) return [];
  const one = batch[0]!.tokensPerSecond;
  return [
    "texts side by side",
    ...batch.map(({ texts, tokensPerSecond, milliseconds }) => {
      const times = `${(tokensPerSecond / one).toFixed(2)}x`;
      return `  ${`${texts}`.padEnd(14)}${number(tokensPerSecond).padStart(14)}  ${times.padEnd(15)}${`${number(milliseconds)} ms a token of each`.padStart(31)}`;
    }),
  ];
}

function adviceLines({ recommendations, settings, gain, seconds, noise, notKept }: Tuning): string[] {
  const flags = tunedFlags(settings);
  const times =
    gain === undefined
      ? ""
      : `${gain.decode === undefined ? "" : `decode ${gain.decode.toFixed(2)}, `}prompts ${gain.prefill.toFixed(2)}`;
  return [
    ...recommendations.flatMap(({ axis, value, reason }) => folded(`${value}: ${reason}`, `${axis.padEnd(15)}`)),
    "",
    flags === "" ? "load it with the defaults: nothing here is faster" : `load it with ${flags}`,
    ...(times === "" ? [] : [`times as fast as the defaults: ${times}`]),
    ...(noise.length === 0 ? [] : folded(`${noise.join("; ")}: tune again while nothing else runs`, "disturbed: ")),
    notKept === undefined
      ? `tuned in ${seconds.toFixed(0)} s`
      : `tuned in ${seconds.toFixed(0)} s, and not kept: ${printable(notKept)}`,
  ];
}

/** A text behind a name, in lines of at most 80 characters. */
function folded(text: string, name: string): string[] {
  const lines: string[] = [];
  let line = name;
  for (const word of text.split(" ")) {
    if (line.length + word.length >= COLUMNS && line.trim() !== "" && line !== name) {
      lines.push(line.trimEnd());
      line = " ".repeat(name.length);
    }
    line += `${word} `;
  }
  return [...lines, line.trimEnd()];
}

function number(rate: number): string {
  if (rate < 1) return rate.toFixed(2);
  return rate < 100 ? rate.toFixed(1) : rate.toFixed(0);
}
