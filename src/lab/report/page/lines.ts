// Lines: values over a number, each point with the spread of its repetitions.

import * as Plot from "@observablehq/plot";
import type { LinesFigure } from "../report.js";
import { colourScale, common, short, shortBytes, textWidth } from "./style.js";

type Axis = LinesFigure["x"];

export function lines({ x, y, series, marks = [], caption }: LinesFigure, width: number): Element {
  const names = series.filter(({ limitOf }) => limitOf === undefined).map(({ name }) => name);
  const points = series.flatMap(({ name, limitOf, points }) =>
    points.map((point) => ({ ...point, line: name, name: limitOf ?? name, dashed: limitOf !== undefined })),
  );
  const solid = points.filter(({ dashed }) => !dashed);
  const high = Math.max(...points.map((point) => point.high ?? point.y));
  const marginLeft = 24 + textWidth(formatOf(y)(high));
  const common_ = common(width, Math.max(240, Math.min(340, Math.round(width * 0.6))), caption);
  return Plot.plot({
    ...common_,
    marginLeft,
    marginRight: 20,
    x: { ...scaleOf(x), label: x.label, labelAnchor: "center", labelArrow: "none", insetLeft: 6, insetRight: 6 },
    y: {
      ...scaleOf(y),
      label: y.label,
      labelArrow: "none",
      grid: true,
      nice: true,
      ...(y.scale === undefined && { zero: true }),
    },
    color: colourScale(names),
    marks: [
      ...(y.scale === undefined ? [Plot.ruleY([0], { stroke: "var(--axis)" })] : []),
      Plot.ruleX(marks, { x: "x", stroke: "var(--axis)", strokeDasharray: "2,3" }),
      Plot.text(marks, {
        x: "x",
        text: "name",
        frameAnchor: "top",
        dy: -8,
        fill: "var(--muted)",
        textAnchor: "middle",
      }),
      Plot.line(points, {
        x: "x",
        y: "y",
        stroke: "name",
        z: "line",
        strokeWidth: 2,
        filter: ({ dashed }: { dashed: boolean }) => !dashed,
      }),
      Plot.line(points, {
        x: "x",
        y: "y",
        stroke: "name",
        z: "line",
        strokeWidth: 1.5,
        strokeDasharray: "5,4",
        filter: ({ dashed }: { dashed: boolean }) => dashed,
      }),
      Plot.ruleX(
        solid.filter(({ low, high }) => low !== undefined && high !== undefined),
        { x: "x", y1: "low", y2: "high", stroke: "name", strokeWidth: 1.5 },
      ),
      Plot.dot(solid, { x: "x", y: "y", fill: "name", r: 3.5, className: "points" }),
      Plot.tip(solid, Plot.pointer({ x: "x", y: "y", title: "title", fill: "var(--paper)" })),
    ],
  });
}

const formatOf = ({ format }: Axis) => (format === "bytes" ? shortBytes : short);

function scaleOf(axis: Axis): Plot.ScaleOptions {
  const ticks = axis.ticks === undefined ? {} : { ticks: [...axis.ticks] };
  const scale = axis.scale ?? "linear";
  const type: Plot.ScaleOptions = scale === "linear" ? {} : { type: "log", base: scale === "log2" ? 2 : 10 };
  return { ...type, ...ticks, tickFormat: formatOf(axis) };
}
