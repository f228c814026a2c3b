// Names on the left, amounts to the right: bars, and the repetitions of each row around its median.

import * as Plot from "@observablehq/plot";
import type { BarsFigure, SpreadFigure } from "../report.js";
import { byteTicks, colourScale, common, short, shortBytes, textWidth } from "./style.js";

const ROW = 22;
/** Pixels of an axis for each of its marks, at least. */
const TICK = 75;

/** Names at the left, as wide as they are; on narrow pages shortened. */
const marginOf = (names: readonly string[], width: number) =>
  Math.min(Math.round(0.42 * width), 16 + Math.max(...names.map(textWidth)));

const shortened = (margin: number) => (name: string) => {
  const characters = Math.floor((margin - 16) / 7);
  return name.length <= characters ? name : `${name.slice(0, characters - 1)}…`;
};

export function bars({ x, bars, caption }: BarsFigure, width: number): Element {
  const format = x.format === "bytes" ? shortBytes : short;
  const groups = [...new Set(bars.map(({ group }) => group))];
  const names = [...new Set(bars.map(({ name }) => name))];
  const margin = marginOf(names, width);
  const most = Math.max(...bars.map(({ value }) => value));
  const marginRight = 30 + textWidth(format(most));
  const ticks = Math.max(1, Math.min(4, Math.floor((width - margin - marginRight) / TICK)));
  return Plot.plot({
    ...common(width, 70 + ROW * names.length, caption),
    marginLeft: margin,
    marginRight,
    x: {
      label: x.label,
      labelAnchor: "center",
      labelArrow: "none",
      tickFormat: format,
      ticks: x.format === "bytes" ? byteTicks(most, ticks) : Math.min(3, ticks),
      grid: true,
      zero: true,
    },
    y: { domain: names, label: null, tickFormat: shortened(margin), tickSize: 0 },
    color: colourScale(groups),
    marks: [
      Plot.barX(bars, { x: "value", y: "name", fill: "group", title: "title", className: "points" }),
      Plot.text(bars, {
        x: "value",
        y: "name",
        text: ({ value }: { value: number }) => format(value),
        textAnchor: "start",
        dx: 5,
        fill: "currentColor",
      }),
      Plot.ruleX([0], { stroke: "var(--axis)" }),
    ],
  });
}

export function spread({ x, rows, caption }: SpreadFigure, width: number): Element {
  const names = rows.map(({ name }) => name);
  const margin = marginOf(names, width);
  const kinds = ["undisturbed", "disturbed"];
  const dots = rows.flatMap(({ name, values, disturbed }) =>
    values.map((value) => ({ name, value, kind: kinds[disturbed ? 1 : 0]! })),
  );
  const most = Math.max(1, ...dots.map(({ value }) => Math.abs(value))) * 1.1;
  const marginRight = 20;
  return Plot.plot({
    ...common(width, 70 + ROW * rows.length, caption),
    marginLeft: margin,
    marginRight,
    x: {
      domain: [-most, most],
      label: x.label,
      labelAnchor: "center",
      labelArrow: "none",
      tickFormat: short,
      ticks: Math.max(1, Math.min(5, Math.floor((width - margin - marginRight) / TICK))),
      grid: true,
    },
    y: { domain: names, label: null, tickFormat: shortened(margin), tickSize: 0, type: "point" },
    color: { ...colourScale(kinds), range: ["var(--colour-0)", "var(--colour-1)"] },
    marks: [
      Plot.ruleX([0], { stroke: "var(--axis)" }),
      Plot.dot(dots, { x: "value", y: "name", stroke: "kind", r: 3.5, strokeWidth: 1.5, className: "points" }),
    ],
  });
}
