// What was measured of whole models, as a report.

import type { BenchResult } from "../bench.js";
import { type Cost, costOf, money, type Price } from "../price.js";
import { median, standardDeviation } from "../statistics.js";
import type { TokenTrace } from "../trace.js";
import { disturbanceSection, memorySection, priceSection } from "./plan-sections.js";
import { predictionSection } from "./prediction-section.js";
import type { Report, Section } from "./report.js";
import { figures, isDecode, latency, type Row, shortNames } from "./rows.js";
import { batchSection, depthSection, rooflineSection, threadsSection } from "./speed-sections.js";
import { timelineSection } from "./timeline-section.js";
import { type Tunings, tuningSection } from "./tuning-section.js";

/** All that a report is made of. */
export interface BenchReportParts {
  readonly results: readonly BenchResult[];
  /** What `cria cpu` says of the machine. */
  readonly machine: readonly string[];
  readonly price?: Price | undefined;
  readonly trace?: TokenTrace | undefined;
  /** Of the models, by their paths. */
  readonly tunings?: Tunings | undefined;
  /** Whether the models were loaded with their tunings. */
  readonly tuned?: boolean | undefined;
  /** Predicted tokens per second, one for each result. */
  readonly predictions?: readonly number[] | undefined;
  /** Of cria and of Node. */
  readonly versions: string;
  readonly time: Date;
}

export function benchReport(parts: BenchReportParts): Report {
  const { results, machine, price, trace, tunings, tuned = false, predictions, versions, time } = parts;
  const names = shortNames(results.map(({ model }) => model));
  const rows = results.map((result, i): Row => {
    const middle = median(result.tokensPerSecond);
    return {
      ...result,
      number: i + 1,
      label: names.get(result.model)!,
      median: middle,
      cost: price === undefined ? undefined : costOfRow(price, result, middle),
    };
  });
  const models = [...names.values()];
  const sections = [
    measured(rows, price),
    rooflineSection(rows),
    threadsSection(rows),
    batchSection(rows),
    depthSection(rows),
    ...(tunings === undefined ? [] : [tuningSection(rows, tunings, tuned)]),
    ...(predictions === undefined ? [] : [predictionSection(rows, predictions)]),
    ...(trace === undefined ? [] : [timelineSection(trace)]),
    memorySection(rows),
    disturbanceSection(rows),
    ...(price === undefined ? [] : [priceSection(rows, price)]),
    machineSection(machine),
  ].filter((section): section is Section => section !== undefined);
  return {
    title: `cria bench: ${models.join(", ")}`,
    lines: [modelLine(machine), `${versions}; ${time.toISOString().slice(0, 16).replace("T", " ")} UTC`],
    sections,
  };
}

const modelLine = (machine: readonly string[]) => machine[0]?.replace(/^model\s+/, "") ?? "";

function costOfRow(price: Price, { threads, generates, prompt }: BenchResult, tokensPerSecond: number): Cost {
  return costOf(price, { tokensPerSecond, cores: threads, documentTokens: generates ? undefined : prompt });
}

function measured(rows: readonly Row[], price: Price | undefined): Section {
  const priced = price === undefined ? [] : [{ name: `${price.currency || "money"} / 1M tokens`, numeric: true }];
  return {
    id: "measured",
    title: "What was measured",
    text: [
      "pp512: a prompt of 512 tokens. tg32: 32 tokens, one step each; np8: for 8 sequences at once, the tokens of all together; " +
        "d2048: behind 2048 tokens that are in the cache. Medians, with the standard deviation of the repetitions.",
      "The limit is what this machine could do at most: its bandwidth and its peaks, measured in turns with each test.",
    ],
    figures: [],
    tables: [
      {
        columns: [
          { name: "#", numeric: true },
          { name: "model" },
          { name: "kernels" },
          { name: "threads", numeric: true },
          { name: "test" },
          { name: "tokens/s", numeric: true },
          { name: "±", numeric: true },
          { name: "ms/token", numeric: true },
          { name: "of limit", numeric: true },
          { name: "bound by" },
          ...priced,
          { name: "disturbed by" },
        ],
        rows: rows.map((row) => [
          `${row.number}`,
          row.label,
          row.build,
          `${row.threads}`,
          row.name,
          figures(row.median),
          row.tokensPerSecond.length > 1 ? figures(standardDeviation(row.tokensPerSecond)) : "?",
          isDecode(row) ? figures(latency(row)) : "",
          `${(100 * row.limit.share).toFixed(0)} %`,
          row.limit.boundBy,
          ...(price === undefined ? [] : [money(price, row.cost!.perMillionTokens)]),
          row.noise.join("; "),
        ]),
      },
    ],
  };
}

function machineSection(machine: readonly string[]): Section {
  let name = "";
  const rows = machine.map((line) => {
    const [head, text] = [line.slice(0, 13).trim(), line.slice(13)];
    const shown = head === name ? "" : head;
    if (head !== "") name = head;
    return [shown, text];
  });
  return {
    id: "machine",
    title: "The machine",
    text: [],
    figures: [],
    tables: [{ columns: [{ name: "" }, { name: "as cria cpu says" }], rows }],
  };
}
