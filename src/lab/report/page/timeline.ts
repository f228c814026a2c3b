// The timeline: a lane for each worker, a bar for everything it did.

import * as Plot from "@observablehq/plot";
import type { TimelineFigure } from "../report.js";
import { colourScale, common, short, textWidth } from "./style.js";

const LANE = 34;

export function timeline({ lanes, begin, end, spans, kinds, caption }: TimelineFigure, width: number): Element {
  const bars = spans.map(([lane, kind, from, to]) => ({
    lane: lanes[lane]!,
    kind: kinds[kind]!,
    from: from - begin,
    to: to - begin,
    title: `${kinds[kind]}\n${lanes[lane]}, from ${(from - begin).toFixed(3)} ms, ${((to - from) * 1000).toFixed(0)} us`,
  }));
  return Plot.plot({
    ...common(width, 70 + LANE * lanes.length, caption),
    marginLeft: 14 + Math.max(...lanes.map(textWidth)),
    marginRight: 14,
    x: {
      domain: [0, end - begin],
      label: "time (ms)",
      labelAnchor: "center",
      labelArrow: "none",
      tickFormat: short,
      ticks: Math.max(3, Math.round(width / 110)),
    },
    y: { domain: [...lanes], label: null, padding: 0.15 },
    color: colourScale(kinds),
    marks: [
      Plot.barX(bars, { x1: "from", x2: "to", y: "lane", fill: "kind", inset: 0, className: "points" }),
      Plot.tip(
        bars,
        Plot.pointer({
          x: (bar: { from: number; to: number }) => (bar.from + bar.to) / 2,
          y: "lane",
          title: "title",
          fill: "var(--paper)",
        }),
      ),
    ],
  });
}
