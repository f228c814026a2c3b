// Lines: values over a number, each point with the spread of its repetitions.

import * as Plot from "@observablehq/plot";
import type { LinesFigure } from "../report.js";
import { colourScale, common, short, shortBytes, textWidth } from "./style.js";

type Axis = LinesFigure["x"];

const MARGIN = 20;
/** Pixels between the marks of an axis, at least. */
const GAP = 8;

export function lines({ x, y, series, marks = [], caption }: LinesFigure, width: number): Element {
  const names = series.filter(({ limitOf }) => limitOf === undefined).map(({ name }) => name);
  const points = series.flatMap(({ name, limitOf, points }) =>
    points.map((point) => ({ ...point, line: name, name: limitOf ?? name, dashed: limitOf !== undefined })),
  );
  const solid = points.filter(({ dashed }) => !dashed);
  const high = Math.max(...points.map((point) => point.high ?? point.y));
  const marginLeft = 24 + textWidth(formatOf(y)(high));
  return Plot.plot({
    ...common(width, Math.max(240, Math.min(340, Math.round(width * 0.6))), caption),
    marginLeft,
    // The names of upright lines stand below the name of the axis.
    ...(marks.length > 0 && { marginTop: 44 }),
    marginRight: MARGIN,
    x: {
      ...scaleOf(x),
      ...(x.ticks !== undefined && { ticks: fitting(x, points, width - marginLeft - MARGIN) }),
      label: x.label,
      labelAnchor: "center",
      labelArrow: "none",
      insetLeft: 6,
      insetRight: 6,
    },
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
        lineAnchor: "bottom",
        dy: -4,
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

/** Of the ticks of an axis of so many pixels those that have room; the last one always has. */
function fitting(axis: Axis, points: readonly { readonly x: number }[], pixels: number): number[] {
  const place = axis.scale === undefined || axis.scale === "linear" ? (x: number) => x : Math.log;
  const all = points.map((point) => place(point.x));
  const [from, to] = [Math.min(...all), Math.max(...all)];
  const format = formatOf(axis);
  const chosen: number[] = [];
  let free = Number.POSITIVE_INFINITY;
  for (const tick of [...axis.ticks!].sort((a, b) => b - a)) {
    const middle = (pixels * (place(tick) - from)) / (to - from || 1);
    const half = textWidth(format(tick)) / 2;
    if (middle + half + GAP > free) continue;
    chosen.unshift(tick);
    free = middle - half;
  }
  return chosen;
}
