// The panel of the engine: what the model is, and how it runs now: speed, KV cache, workers, and a roofline. Drawn from what /live says
// twice a second.

import type { LiveLoad, LiveModel } from "../live.js";
import { byId, drawn, element } from "./element.js";
import { rate } from "./numbers.js";
import { closeButton } from "./settings.js";

/** A moment: when it was, ms, and what had been computed by then. */
interface Moment {
  readonly time: number;
  readonly total: LiveLoad["total"];
}

/** What one model has shown while the page was open. */
interface History {
  readonly moments: Moment[];
  /** Tokens in one step, and tokens a second while it computed: the best of each kind of step, by powers of the square root of two. */
  readonly best: Map<number, { readonly rows: number; readonly rate: number }>;
}

/** A minute of moments. */
const KEPT = 120;
/** Moments over which speeds are means. */
const SMOOTH = 4;
/** Steps that take less together say little. */
const LEAST_MILLISECONDS = 40;

const histories = new Map<string, History>();

/** Writes down what a model says of itself. */
export function remember({ name, load }: LiveModel): void {
  if (load === undefined) {
    histories.delete(name);
    return;
  }
  const history: History = histories.get(name) ?? { moments: [], best: new Map() };
  histories.set(name, history);
  const { moments, best } = history;
  const last = moments.at(-1);
  if (last !== undefined && load.total.steps < last.total.steps) moments.length = 0; // it was loaded again
  moments.push({ time: performance.now(), total: load.total });
  if (moments.length > KEPT) moments.shift();
  const now = stepsOf(moments.at(-2), moments.at(-1));
  if (now === undefined || now.milliseconds < LEAST_MILLISECONDS) return;
  const kind = Math.round(2 * Math.log2(now.rows));
  if (now.rate > (best.get(kind)?.rate ?? 0)) best.set(kind, { rows: now.rows, rate: now.rate });
}

/** Tokens in a step, tokens a second while it computed and in all, and the share of the time in which it computed. */
function stepsOf(before: Moment | undefined, after: Moment | undefined) {
  if (before === undefined || after === undefined) return undefined;
  const steps = after.total.steps - before.total.steps;
  const rows = after.total.rows - before.total.rows;
  const milliseconds = after.total.milliseconds - before.total.milliseconds;
  if (steps <= 0 || milliseconds <= 0) return undefined;
  const wall = after.time - before.time;
  return {
    ...{ rows: rows / steps, milliseconds, rate: (1000 * rows) / milliseconds },
    ...{ speed: (1000 * rows) / wall, computing: Math.min(1, milliseconds / wall) },
  };
}

/** Tokens a second now, of prompts and answers; 0 where nothing runs. */
export function speedNow(name: string): number {
  const moments = histories.get(name)?.moments ?? [];
  return stepsOf(moments.at(-1 - SMOOTH) ?? moments[0], moments.at(-1))?.speed ?? 0;
}

const section = (id: string, title: string) =>
  element(
    "section",
    { "aria-labelledby": `${id}-title` },
    element("h3", { id: `${id}-title` }, title),
    element("div", { id }),
  );

/** Makes the panel, empty. */
export function drawEngine(close: () => void): void {
  byId("engine").replaceChildren(
    element("div", { class: "panel-head" }, element("h2", {}, "Engine"), closeButton(close)),
    element("p", { id: "engine-none", class: "note" }, "The model is not loaded. It is loaded by the first request."),
    element(
      "div",
      { id: "engine-parts" },
      section("engine-model", "Model"),
      section("engine-speed", "Speed"),
      section("engine-cache", "KV cache"),
      section("engine-workers", "Workers"),
      section("engine-roofline", "Roofline"),
    ),
  );
}

/** Shows a model in the panel. */
export function showEngine(model: LiveModel): void {
  const { info, load } = model;
  byId("engine-none").hidden = info !== undefined;
  byId("engine-parts").hidden = info === undefined;
  if (info === undefined || load === undefined) return;
  const { moments, best } = histories.get(model.name)!;
  const recent = stepsOf(moments.at(-1 - SMOOTH) ?? moments[0], moments.at(-1));
  showModel(model, info);
  showSpeed(model, moments, recent?.speed ?? 0);
  showCache(load);
  showWorkers(load, recent?.computing ?? 0);
  showRoofline(load, best, recent);
}

function showModel({ state }: LiveModel, info: NonNullable<LiveModel["info"]>): void {
  const { architecture, parameters, format, contextSize, generates, dimensions, threads, threadsReason, kernels } =
    info;
  const rows: readonly (readonly [string, string, string?])[] = [
    ["State", state],
    ["Architecture", architecture],
    ["Weights", `${count(parameters)} in ${format}`],
    generates ? ["Context", `${contextSize.toLocaleString("en")} tokens`] : ["Vectors", `${dimensions} numbers`],
    ["Memory", bytes(info.memory.total)],
    ["Threads", String(threads), threadsReason],
    ["Kernels", kernels],
    ...(info.instances === undefined ? [] : [["Instances", String(info.instances)] as const]),
  ];
  update(
    "engine-model",
    element(
      "dl",
      {},
      ...rows.flatMap(([name, value, title]) => [element("dt", {}, name), element("dd", { title }, value)]),
    ),
  );
}

const WIDE = 280;
const SPARK = 56;

function showSpeed({ running, waiting }: LiveModel, moments: readonly Moment[], speed: number): void {
  const speeds = moments.map((moment, i) => stepsOf(moments[Math.max(0, i - SMOOTH)], moment)?.speed ?? 0);
  const most = Math.max(1, ...speeds);
  const x = (i: number) => WIDE - ((speeds.length - 1 - i) * WIDE) / (KEPT - 1);
  const points = speeds.map(
    (value, i) => `${x(i).toFixed(1)},${(SPARK - 2 - (value / most) * (SPARK - 6)).toFixed(1)}`,
  );
  const line = points.join(" ");
  update(
    "engine-speed",
    element("p", { class: "figure" }, element("strong", {}, rate(speed)), " tokens/s"),
    drawn(
      "svg",
      {
        viewBox: `0 0 ${WIDE} ${SPARK}`,
        role: "img",
        "aria-label": `Tokens a second in the last minute, at most ${rate(most)}`,
      },
      points.length > 1 && drawn("polygon", { class: "area", points: `${x(0)},${SPARK} ${line} ${WIDE},${SPARK}` }),
      drawn("polyline", { class: "line", points: line }),
    ),
    element("p", { class: "note" }, `${running} running, ${waiting} waiting. Prompts and answers, in the last minute.`),
  );
}

/** A bar of shares, one after another, each with a class. */
function bar(shares: readonly (readonly [string, number])[], label: string): SVGElement {
  let at = 0;
  const parts = shares.map(([name, share]) => {
    const part = drawn("rect", { class: name, x: at * WIDE, y: 0, width: Math.max(0, share * WIDE), height: 10 });
    at += share;
    return part;
  });
  const attributes = {
    viewBox: `0 0 ${WIDE} 10`,
    preserveAspectRatio: "none",
    class: "bar",
    role: "img",
    "aria-label": label,
  };
  return drawn("svg", attributes, drawn("rect", { class: "track", width: WIDE, height: 10 }), ...parts);
}

function showCache({ cache: { pages, used, cached } }: LiveLoad): void {
  if (pages === 0) {
    update("engine-cache", element("p", { class: "note" }, "Nothing has run yet."));
    return;
  }
  const text = `${used} of ${pages} pages in use, ${cached} keep earlier texts`;
  update(
    "engine-cache",
    bar(
      [
        ["a", used / pages],
        ["b", cached / pages],
      ],
      text,
    ),
    element("p", { class: "note" }, `${text}. A page has 64 tokens.`),
  );
}

function showWorkers({ workers, disturbance }: LiveLoad, computing: number): void {
  if (workers.length === 0) {
    update("engine-workers", element("p", { class: "note" }, "Nothing has run yet."));
    return;
  }
  const rows = workers.map(({ atBarriers = 0, waiting = 0 }, i) => {
    // Who waits for others may have no processor meanwhile: that is counted once.
    const stopped = computing * waiting;
    const waits = (computing - stopped) * atBarriers;
    const works = computing - stopped - waits;
    const label = `Worker ${i}: computes ${percent(works)}, waits for others ${percent(waits)}, for a processor ${percent(stopped)}`;
    return element(
      "li",
      { title: label },
      element("span", {}, i === 0 ? "leader" : String(i)),
      bar(
        [
          ["a", works],
          ["b", waits],
          ["c", stopped],
        ],
        label,
      ),
      element("span", { class: "number", "aria-hidden": true }, percent(works)),
    );
  });
  const key = (name: string, text: string) => element("span", { class: "key" }, element("i", { class: name }), text);
  update(
    "engine-workers",
    element("ul", { class: "workers" }, ...rows),
    element(
      "p",
      { class: "note" },
      key("a", "computes"),
      key("b", "waits for others"),
      key("c", "waits for a processor"),
    ),
    disturbance !== undefined && element("p", { class: "note warn" }, `Disturbed by ${disturbance}`),
  );
}

const ROOF = 150;
const LEFT = 40;

/**
 * Tokens a second over tokens in a step, both by powers of two. Steps of few tokens read all weights for little work: they are bound by the
 * bandwidth, and twice the tokens take no longer. Steps of many are bound by multiplications.
 */
function showRoofline(
  { bestBandwidth, tokenBytes }: LiveLoad,
  best: History["best"],
  recent: ReturnType<typeof stepsOf>,
): void {
  const points = [...best.values()];
  const peak = Math.max(0, ...points.map((point) => point.rate));
  if (peak === 0) {
    update("engine-roofline", element("p", { class: "note" }, "Nothing has run for long enough yet."));
    return;
  }
  const slope = bestBandwidth === undefined ? undefined : bestBandwidth / tokenBytes;
  const most = 2 ** Math.ceil(Math.log2(Math.max(128, ...points.map(({ rows }) => rows))));
  const high = Math.log2(peak * 1.4);
  const low = Math.log2(Math.min(slope ?? peak, ...points.map((point) => point.rate)) / 1.6);
  const x = (rows: number) => LEFT + (Math.log2(Math.max(1, rows)) / Math.log2(most)) * (WIDE - LEFT - 8);
  const y = (value: number) => ROOF - 28 - ((Math.log2(value) - low) / (high - low)) * (ROOF - 40);
  // Where no step of one token has run, nothing is known of what lies to the left.
  const knee =
    slope === undefined ? Math.min(...points.map(({ rows }) => rows)) : Math.min(most, Math.max(1, peak / slope));
  const roof = [
    slope !== undefined && slope < peak && `${x(1)},${y(slope)}`,
    `${x(knee)},${y(peak)}`,
    `${x(most)},${y(peak)}`,
  ];
  const text = (at: number, down: number, value: string, anchor = "middle") =>
    drawn("text", { x: at, y: down, "text-anchor": anchor }, value);
  const ticks = [1, 8, 64, ...(most > 256 ? [most] : [])].filter((rows) => rows <= most);
  const levels = [...new Set([slope ?? peak, peak])];
  const label = `Roofline: at best ${rate(peak)} tokens a second${slope === undefined ? "" : `, and ${rate(slope)} one at a time`}`;
  update(
    "engine-roofline",
    drawn(
      "svg",
      { viewBox: `0 0 ${WIDE} ${ROOF}`, role: "img", "aria-label": label, class: "roofline" },
      drawn("path", { class: "axis", d: `M${LEFT} 6V${ROOF - 24}H${WIDE - 4}` }),
      ...ticks.map((rows) => text(x(rows), ROOF - 13, String(rows))),
      ...levels.map((value) => text(LEFT - 5, y(value) + 3, rate(value), "end")),
      text((LEFT + WIDE) / 2, ROOF - 3, "tokens in a step"),
      drawn("polyline", { class: "roof", points: roof.filter((point) => point !== false).join(" ") }),
      ...points.map((point) => drawn("circle", { class: "seen", cx: x(point.rows), cy: y(point.rate), r: 2.5 })),
      recent && drawn("circle", { class: "now", cx: x(recent.rows), cy: y(Math.max(2 ** low, recent.rate)), r: 4.5 }),
    ),
    element(
      "p",
      { class: "note" },
      `Tokens a second: the best seen${recent === undefined ? "" : ", and now"}. ` +
        (bestBandwidth === undefined ? "" : `The slope is ${(bestBandwidth / 1e9).toFixed(1)} GB/s of weights.`),
    ),
  );
}

function update(id: string, ...parts: (Node | false)[]): void {
  byId(id).replaceChildren(...parts.filter((part) => part !== false));
}

const percent = (share: number) => `${Math.round(100 * share)} %`;

function count(value: number): string {
  const [size, unit] = value >= 1e9 ? [1e9, "B"] : value >= 1e6 ? [1e6, "M"] : [1e3, "K"];
  return `${Number((value / size).toPrecision(3))}${unit}`;
}

function bytes(value: number): string {
  return value >= 2 ** 30 ? `${(value / 2 ** 30).toFixed(2)} GiB` : `${(value / 2 ** 20).toFixed(1)} MiB`;
}
