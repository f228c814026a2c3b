// What `cria plan` predicts, beside what was measured.

import { median } from "../statistics.js";
import type { Section } from "./report.js";
import { figures, type Row, threadsOf } from "./rows.js";

/** @param predictions tokens per second, one for each row */
export function predictionSection(rows: readonly Row[], predictions: readonly number[]): Section {
  const compared = rows.map((row, i) => ({ row, predicted: predictions[i]!, ratio: predictions[i]! / row.median }));
  const distances = compared.map(({ ratio }) => 100 * Math.abs(ratio - 1));
  const within = distances.filter((distance) => distance <= 15).length;
  return {
    id: "predictions",
    title: "What cria plan predicts",
    text: [
      "Speeds as cria plan predicts them before a model is loaded: from the bytes and products of its steps, and from what this " +
        "machine can do, which was measured once (cria plan --measure does so again). To the left of 0 the prediction was too low, to the right too high.",
      `${within} of ${rows.length} predictions ${within === 1 ? "is" : "are"} within 15 % of what was measured; the median distance is ` +
        `${median(distances).toFixed(1)} %.`,
    ],
    figures: [
      {
        kind: "spread",
        id: "predictions-figure",
        caption: "Predictions, by their distance from what was measured",
        wide: true,
        x: { label: "predicted against measured (%)" },
        rows: compared.map(({ row, ratio }) => ({
          name: `${row.number}: ${row.name} t${row.threads}`,
          values: [100 * (ratio - 1)],
          disturbed: row.noise.length > 0,
        })),
      },
    ],
    tables: [
      {
        columns: [
          { name: "#", numeric: true },
          { name: "model" },
          { name: "test" },
          { name: "loaded with" },
          { name: "measured tokens/s", numeric: true },
          { name: "predicted tokens/s", numeric: true },
          { name: "predicted / measured", numeric: true },
        ],
        rows: compared.map(({ row, predicted, ratio }) => [
          `${row.number}`,
          row.label,
          row.name,
          threadsOf(row.threads),
          figures(row.median),
          figures(predicted),
          ratio.toFixed(2),
        ]),
      },
    ],
  };
}
