// The roofline: both axes by powers of ten; a point for every row, with its number beside it.

import * as Plot from "@observablehq/plot";
import type { RooflineFigure } from "../report.js";
import { colourScale, common, short, textWidth } from "./style.js";

const HEIGHT = 12;

export function roofline({ roofs, points, caption }: RooflineFigure, width: number): Element {
  const intensities = [
    ...points.map(({ intensity }) => intensity),
    ...roofs.map(({ peak, bandwidth }) => peak / bandwidth),
  ];
  const [least, most] = [Math.min(...intensities) / 2.5, Math.max(...intensities) * 2.5];
  const lines = roofs.flatMap(({ name, bandwidth, peak }) =>
    [least, peak / bandwidth, most].map((x) => ({ name, x, y: Math.min(peak, x * bandwidth) / 1e9 })),
  );
  // The highest roof's name stands above it, that of others below.
  const ends = lines.filter((_, i) => i % 3 === 2).sort((a, b) => b.y - a.y);
  const dyOf = (i: number) => (i === 0 ? -8 : 9);
  const dots = points.map((point) => ({ ...point, y: point.operationsPerSecond / 1e9 }));
  const speeds = [...dots.map(({ y }) => y), ...lines.map(({ y }) => y)];
  const plot = Plot.plot({
    ...common(width, Math.max(300, Math.min(460, Math.round(width * 0.5))), caption),
    marginLeft: 56,
    marginRight: 20,
    x: {
      type: "log",
      domain: [least, most],
      label: "arithmetic intensity (operations/byte)",
      labelAnchor: "center",
      labelArrow: "none",
      tickFormat: short,
      ticks: Math.max(3, Math.round(width / 120)),
    },
    y: {
      type: "log",
      domain: [Math.min(...speeds) / 2, Math.max(...speeds) * 1.6],
      label: "speed (GOP/s)",
      labelArrow: "none",
      grid: true,
      tickFormat: short,
      ticks: 5,
    },
    color: colourScale([...new Set(points.map(({ group }) => group))]),
    marks: [
      Plot.line(lines, { x: "x", y: "y", z: "name", stroke: "var(--axis)", strokeWidth: 1.5 }),
      ...ends.map((end, i) =>
        Plot.text([end], { x: "x", y: "y", text: "name", textAnchor: "end", dy: dyOf(i), fill: "var(--muted)" }),
      ),
      Plot.dot(dots, { x: "intensity", y: "y", fill: "group", r: 4, className: "points" }),
      Plot.tip(dots, Plot.pointer({ x: "intensity", y: "y", title: "title", fill: "var(--paper)" })),
    ],
  });
  const [x, y] = [plot.scale("x")!, plot.scale("y")!];
  const taken: Box[] = [
    ...dots.map((dot) => around(x.apply(dot.intensity), y.apply(dot.y), 4)),
    ...ends.map((line, i) => {
      const [right, middle] = [x.apply(line.x), y.apply(line.y) + dyOf(i)];
      return { left: right - textWidth(line.name), right, top: middle - HEIGHT / 2, bottom: middle + HEIGHT / 2 };
    }),
  ];
  const svg = plot.tagName === "svg" ? plot : plot.querySelector(":scope > svg:last-of-type")!;
  const layer = document.createElementNS("http://www.w3.org/2000/svg", "g");
  layer.setAttribute("class", "labels");
  layer.setAttribute("fill", "currentColor");
  for (const { labels, intensity, y: speed } of merged(dots)) {
    const text = labels.join(", ");
    const box = place(x.apply(intensity), y.apply(speed), textWidth(text), width, taken);
    if (box === undefined) continue; // the tables and the pointer say what is here
    taken.push(box);
    const element = document.createElementNS("http://www.w3.org/2000/svg", "text");
    element.setAttribute("x", String((box.left + box.right) / 2));
    element.setAttribute("y", String(box.bottom - 2));
    element.setAttribute("text-anchor", "middle");
    element.textContent = text;
    layer.append(element);
  }
  svg.append(layer);
  return plot;
}

interface Box {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

const around = (x: number, y: number, by: number): Box => ({
  left: x - by,
  right: x + by,
  top: y - by,
  bottom: y + by,
});

/** Points at the same place have one label. */
function merged<Dot extends { label: string; intensity: number; y: number }>(dots: readonly Dot[]) {
  const groups = new Map<string, { labels: string[]; intensity: number; y: number }>();
  for (const { label, intensity, y } of dots) {
    const key = `${Math.round(20 * Math.log2(intensity))} ${Math.round(20 * Math.log2(y))}`;
    const group = groups.get(key) ?? { labels: [], intensity, y };
    group.labels.push(label);
    groups.set(key, group);
  }
  return groups.values();
}

/** The first free place for a label around a point, nearest first. */
function place(x: number, y: number, wide: number, width: number, taken: readonly Box[]): Box | undefined {
  for (let distance = 7; distance < 60; distance += 6) {
    for (const [dx, dy] of [
      [1, 0],
      [-1, 0],
      [0, -1],
      [0, 1],
      [0.8, -0.8],
      [-0.8, 0.8],
      [-0.8, -0.8],
      [0.8, 0.8],
    ] as const) {
      const [centre, middle] = [x + dx * (distance + wide / 2), y + dy * (distance + HEIGHT / 2)];
      const box = {
        left: centre - wide / 2,
        right: centre + wide / 2,
        top: middle - HEIGHT / 2,
        bottom: middle + HEIGHT / 2,
      };
      const free = taken.every(
        (other) => box.right < other.left || box.left > other.right || box.bottom < other.top || box.top > other.bottom,
      );
      if (free && box.left > 60 && box.right < width - 4 && box.top > 24) return box;
    }
  }
  return undefined;
}
