// What runs in the reader's browser: draws every figure of the report that the page holds, again whenever the page's width changes.
// Colours are variables of the page's style sheet, so that dark, light and print need no drawing of their own.

import type { Figure, Report } from "../report.js";
import { bars, spread } from "./bars.js";
import { lines } from "./lines.js";
import { roofline } from "./roofline.js";
import { timeline } from "./timeline.js";

function draw(figure: Figure, width: number): Element {
  switch (figure.kind) {
    case "lines":
      return lines(figure, width);
    case "roofline":
      return roofline(figure, width);
    case "timeline":
      return timeline(figure, width);
    case "bars":
      return bars(figure, width);
    case "spread":
      return spread(figure, width);
  }
}

const report = JSON.parse(document.getElementById("report")!.textContent!) as Report;
const widths = new Map<Element, number>();

const observer = new ResizeObserver((entries) => {
  for (const { target, contentRect } of entries) redraw(target, Math.floor(contentRect.width));
});

function redraw(place: Element, width: number): void {
  const figure = figures.get(place.id);
  if (figure === undefined || width <= 0 || widths.get(place) === width) return;
  widths.set(place, width);
  place.replaceChildren(draw(figure, width));
}

const figures = new Map(report.sections.flatMap((section) => section.figures).map((figure) => [figure.id, figure]));
for (const id of figures.keys()) {
  const place = document.getElementById(id)!;
  redraw(place, Math.floor(place.getBoundingClientRect().width));
  observer.observe(place);
}
document.documentElement.dataset["drawn"] = String(figures.size);
