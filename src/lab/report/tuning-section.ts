// What `cria tune` has found for the models of a report, as far as it is kept.

import type { KeptTuning } from "../../api/load/tunings.js";
import { tunedFlags } from "../tune/tuned-flags.js";
import type { LinesFigure, Section } from "./report.js";
import { figures, type Row, threadsOf } from "./rows.js";

/** The tunings of models by their paths; undefined: there is none. */
export type Tunings = ReadonlyMap<string, KeptTuning | undefined>;

/** @param loaded whether the models of the rows were loaded with them */
export function tuningSection(rows: readonly Row[], tunings: Tunings, loaded: boolean): Section {
  const models = [...new Map(rows.map(({ model, label }) => [model, label]))];
  const kept = models.flatMap(([model, label]) => {
    const tuning = tunings.get(model);
    return tuning === undefined ? [] : [{ label, ...tuning }];
  });
  const missing = models.filter(([model]) => tunings.get(model) === undefined);
  const several = kept.length > 1;
  const reasons = kept.flatMap(({ label, findings }) =>
    (findings?.recommendations ?? []).map(({ axis, value, reason }) => [
      ...(several ? [label] : []),
      ...[axis, value, reason],
    ]),
  );
  const columns = [...(several ? ["model"] : []), "of", "chosen", "why"].map((name) => ({ name }));
  return {
    id: "tuning",
    title: "Tuning",
    text: [
      ...kept.flatMap(tuningLines),
      ...(kept.length === 0
        ? []
        : [
            several
              ? `Their rows above were measured ${loaded ? "with" : "without"} them.`
              : `Its rows above were measured ${loaded ? "with" : "without"} it.`,
          ]),
      ...missing.map(([, label]) => `${label} has no tuning on this machine: cria tune makes one, and keeps it.`),
    ],
    figures: batchFigures(kept),
    tables: reasons.length === 0 ? [] : [{ columns, rows: reasons }],
  };
}

type Named = KeptTuning & { readonly label: string };

function tuningLines({ label, settings, instances, threadsOfInstance, time, findings }: Named): readonly string[] {
  const flags = tunedFlags(settings);
  const when = `${new Date(time).toISOString().slice(0, 16).replace("T", " ")} UTC`;
  const gain = findings?.gain;
  const times = gain && [
    ...(gain.decode === undefined ? [] : [`decode ${gain.decode.toFixed(2)} times`]),
    `prompts ${gain.prefill.toFixed(2)} times`,
  ];
  const many = `${instances} ${instances === 1 ? "instance" : "instances"} of ${threadsOf(threadsOfInstance)}`;
  return [
    `${label}, tuned ${when}: ${flags === "" ? "nothing is faster than the defaults" : `load it with ${flags}`}` +
      `${times === undefined ? "" : `, ${times.join(" and ")} as fast as with the defaults`}. ` +
      `For many clients, ${many} ${instances === 1 ? "does" : "do"} the most.`,
  ];
}

/** Texts side by side, as the tunings measured them. */
function batchFigures(kept: readonly Named[]): readonly LinesFigure[] {
  const curves = kept.flatMap(({ label, findings }) => {
    const batch = findings?.batch ?? [];
    return batch.length < 2 ? [] : [{ name: label, batch }];
  });
  if (curves.length === 0) return [];
  const ticks = [...new Set(curves.flatMap(({ batch }) => batch.map(({ texts }) => texts)))];
  const x = { label: "texts side by side", scale: "log2", ticks } as const;
  const series = (y: "tokensPerSecond" | "milliseconds") =>
    curves.map(({ name, batch }) => ({
      name,
      points: batch.map((row) => ({
        x: row.texts,
        y: row[y],
        title: `${name}, ${row.texts} side by side\n${figures(row.tokensPerSecond)} tokens/s of all, ${figures(row.milliseconds)} ms a token of each`,
      })),
    }));
  return [
    {
      kind: "lines",
      id: "tuning-batch",
      caption: "All together, by texts side by side, as tuned",
      x,
      y: { label: "tokens of all (tokens/s)" },
      series: series("tokensPerSecond"),
    },
    {
      kind: "lines",
      id: "tuning-latency",
      caption: "What one of them waits",
      x,
      y: { label: "token to token of one text (ms)" },
      series: series("milliseconds"),
    },
  ];
}
