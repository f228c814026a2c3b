// The results of `cria bench` in llama-bench's formats. Its keys and columns keep their names and their order where they have a
// meaning here; our own follow them.

import { cpus } from "node:os";
import type { BenchResult } from "../lab/bench.js";
import { costOf, money, type Price } from "../lab/price.js";
import { mean, median, standardDeviation } from "../lab/statistics.js";
import { STEP_ROWS } from "../model/plan/memory-plan.js";
import { version } from "./version.js";
import { wrapped } from "./wrap.js";

/** How results are written: something before the first, each by itself as it comes, something after the last. */
export interface BenchFormat {
  header(): string;
  result(result: BenchResult): string;
  footer(): string;
}

/** The options that have columns of their own. */
export interface Columns {
  readonly batch: boolean;
  readonly kvCache: boolean;
  readonly price?: Price | undefined;
  /** Characters of a line of a table; undefined: any. */
  readonly most?: number | undefined;
}

/** What the tokens of a result cost at their median speed. */
function costOfResult(price: Price, { tokensPerSecond, threads, generates, prompt }: BenchResult) {
  const documentTokens = generates ? undefined : prompt;
  return costOf(price, { tokensPerSecond: median(tokensPerSecond), cores: threads, documentTokens });
}

type Value = string | number;

/** As llama-bench has it: "llama 1.24B Q4_K". */
function modelType({ architecture, parameters, format }: BenchResult): string {
  return `${architecture} ${count(parameters).replace(" ", "")} ${format}`;
}

/** One result by llama-bench's keys. */
function fields(result: BenchResult, price: Price | undefined): Record<string, Value> {
  const { nanoseconds, tokensPerSecond, roofline, limit } = result;
  return {
    build_commit: `cria ${version()}`,
    cpu_info: cpus()[0]?.model.trim() ?? "",
    backends: backend(result),
    model_filename: result.model,
    model_type: modelType(result),
    model_size: result.modelBytes,
    model_n_params: result.parameters,
    n_batch: result.batch,
    n_ubatch: STEP_ROWS,
    n_threads: result.threads,
    type_k: result.kvCache,
    type_v: result.kvCache,
    n_prompt: result.prompt,
    n_gen: result.generate,
    n_depth: result.depth,
    test_time: `${result.time.toISOString().slice(0, 19)}Z`,
    avg_ns: Math.round(mean(nanoseconds)),
    stddev_ns: Math.round(standardDeviation(nanoseconds)),
    avg_ts: mean(tokensPerSecond),
    stddev_ts: standardDeviation(tokensPerSecond),

    test: result.name,
    n_parallel: result.parallel,
    node: process.versions.node,
    median_ts: median(tokensPerSecond),
    limit_ts: limit.tokensPerSecond,
    limit_share: limit.share,
    bound_by: limit.boundBy,
    weight_bytes: result.weightBytes,
    table_us: result.tableMicroseconds,
    read_bytes_per_second: Math.round(roofline.bandwidth),
    int8_operations_per_second: Math.round(roofline.peaks.int8),
    int16_operations_per_second: Math.round(roofline.peaks.int16),
    f32_operations_per_second: Math.round(roofline.peaks.f32),
    noise: result.noise.join("; "),
    work_bytes: Math.round(result.work.bytes),
    work_operations: Math.round(Object.values(result.work.operations).reduce((sum, one) => sum + one, 0)),
    memory_bytes: result.memory.total,
    ...(price === undefined ? {} : priceFields(price, result)),
  };
}

function priceFields(price: Price, result: BenchResult): Record<string, Value> {
  const { tokensPerCoreHour, perMillionTokens, perThousandDocuments } = costOfResult(price, result);
  return {
    price_per_hour: price.perHour,
    currency: price.currency,
    tokens_per_core_hour: tokensPerCoreHour,
    price_per_million_tokens: perMillionTokens,
    ...(perThousandDocuments === undefined ? {} : { price_per_thousand_documents: perThousandDocuments }),
  };
}

function withSamples(result: BenchResult, price: Price | undefined) {
  return { ...fields(result, price), samples_ns: result.nanoseconds, samples_ts: result.tokensPerSecond };
}

function backend({ build }: BenchResult): string {
  return `WASM ${build}`;
}

const json = ({ price }: Columns): BenchFormat => {
  let between = "";
  return {
    header: () => "[\n",
    result: (result) => {
      const text = `${between}${JSON.stringify(withSamples(result, price), null, 2).replace(/^/gm, "  ")}`;
      between = ",\n";
      return text;
    },
    footer: () => "\n]\n",
  };
};

const jsonl = ({ price }: Columns): BenchFormat => ({
  header: () => "",
  result: (result) => `${JSON.stringify(withSamples(result, price))}\n`,
  footer: () => "",
});

const csv = ({ price }: Columns): BenchFormat => {
  let named = false;
  const quoted = (value: Value) => `"${String(value).replaceAll('"', '""')}"`;
  return {
    header: () => "",
    result: (result) => {
      const row = fields(result, price);
      const names = named ? "" : `${Object.keys(row).join(",")}\n`;
      named = true;
      return `${names}${Object.values(row).map(quoted).join(",")}\n`;
    },
    footer: () => "",
  };
};

/** Tokens a second, and how far repetitions differ. */
function speed({ tokensPerSecond }: BenchResult, decimals: number): string {
  const spread = tokensPerSecond.length > 1 ? standardDeviation(tokensPerSecond).toFixed(decimals) : "?";
  return `${mean(tokensPerSecond).toFixed(decimals)} ± ${spread}`;
}

interface MarkdownColumn {
  readonly name: string;
  /** Characters; negative: to the left. */
  readonly width: number;
  readonly value: (result: BenchResult) => string;
}

function markdownColumns({ batch, kvCache, price }: Columns): readonly MarkdownColumn[] {
  return [
    { name: "model", width: -30, value: modelType },
    { name: "size", width: 10, value: (result) => binarySize(result.modelBytes) },
    { name: "params", width: 10, value: (result) => count(result.parameters) },
    { name: "backend", width: -17, value: backend },
    { name: "threads", width: 7, value: (result) => `${result.threads}` },
    ...(batch ? [{ name: "n_batch", width: 7, value: (result: BenchResult) => `${result.batch}` }] : []),
    ...(kvCache ? [{ name: "type_k", width: 6, value: (result: BenchResult) => result.kvCache }] : []),
    { name: "test", width: 16, value: (result) => result.name },
    {
      name: "t/s",
      width: 20,
      value: (result) => speed(result, 2),
    },
    { name: "of limit", width: 8, value: ({ limit }) => `${(100 * limit.share).toFixed(0)} %` },
    { name: "bound by", width: -8, value: ({ limit }) => limit.boundBy },
    ...(price === undefined
      ? []
      : [
          {
            name: `${price.currency || "money"}/1M tokens`,
            width: 14,
            value: (result: BenchResult) => money(price, costOfResult(price, result).perMillionTokens),
          },
        ]),
    { name: "noise", width: -25, value: ({ noise }) => noise.join("; ") },
  ];
}

/** The table as llama-bench has it, or one that fits a narrow terminal. */
const markdown = (shown: Columns): BenchFormat => {
  const columns = markdownColumns(shown);
  const footer = new TableFooter(shown);
  const isNarrow = shown.most !== undefined && tableWidth(columns) > shown.most;
  return isNarrow ? narrowMarkdown(shown, footer) : wideMarkdown(columns, footer);
};

function wideMarkdown(columns: readonly MarkdownColumn[], footer: TableFooter): BenchFormat {
  return {
    header: () => tableHead(columns),
    result: (result) => {
      footer.add(result);
      return tableRow(columns, result);
    },
    footer: () => `\n${footer.text()}`,
  };
}

/** Columns of what changes from row to row; the rest stands above them. Disturbances are notes below. */
function narrowMarkdown({ batch, kvCache }: Columns, footer: TableFooter): BenchFormat {
  const notes = new Map<string, string>();
  const noteOf = ({ noise }: BenchResult) => {
    const text = noise.join("; ");
    if (text !== "" && !notes.has(text)) notes.set(text, noteName(notes.size));
    return notes.get(text) ?? "";
  };
  const columns = [
    ...markdownColumns({ batch: false, kvCache: false })
      .filter(({ name }) => NARROW_COLUMNS.includes(name))
      .map((column) => (column.name === "t/s" ? { ...column, width: NARROW_SPEED, value: narrowSpeed } : column)),
    { name: "noise", width: -5, value: noteOf },
  ];
  let last: string | undefined;
  return {
    header: () => "",
    result: (result) => {
      footer.add(result);
      const about = [
        `${modelType(result)}, ${binarySize(result.modelBytes)}, ${backend(result)}`,
        ...(batch ? [`n_batch ${result.batch}`] : []),
        ...(kvCache ? [`type_k ${result.kvCache}`] : []),
      ].join(", ");
      const head = about === last ? "" : `${last === undefined ? "" : "\n"}${about}\n\n${tableHead(columns)}`;
      last = about;
      return head + tableRow(columns, result);
    },
    footer: () => {
      const told = [...notes].map(([text, name]) => `noise ${name}: ${text}\n`).join("");
      return `\n${told}${footer.text()}`;
    },
  };
}

const NARROW_SPEED = 17;

/** With as many decimals as there is room for. */
function narrowSpeed(result: BenchResult): string {
  const texts = [2, 1, 0].map((decimals) => speed(result, decimals));
  return texts.find((text) => text.length <= NARROW_SPEED) ?? texts.at(-1)!;
}

const NARROW_COLUMNS = ["threads", "test", "t/s", "of limit", "bound by"];

/** a, b, ..., z, a2, b2, ... */
function noteName(index: number): string {
  const letter = String.fromCharCode(97 + (index % 26));
  return index < 26 ? letter : `${letter}${Math.floor(index / 26) + 1}`;
}

const tableLine = (cells: readonly string[]) => `|${cells.map((cell) => ` ${cell} |`).join("")}\n`;
const padded = (text: string, width: number) => (width < 0 ? text.padEnd(-width) : text.padStart(width));

function tableWidth(columns: readonly MarkdownColumn[]): number {
  return columns.reduce((sum, { width }) => sum + Math.abs(width) + 3, 1);
}

function tableHead(columns: readonly MarkdownColumn[]): string {
  const rule = (width: number) => `${"-".repeat(Math.abs(width) - 1)}${width < 0 ? "-" : ":"}`;
  return (
    tableLine(columns.map(({ name, width }) => padded(name, width))) +
    tableLine(columns.map(({ width }) => rule(width)))
  );
}

function tableRow(columns: readonly MarkdownColumn[], result: BenchResult): string {
  return tableLine(columns.map(({ width, value }) => padded(value(result), width)));
}

/** What stands below a table: the arithmetic of prices, the limits of the last test, and what measured. */
class TableFooter {
  readonly #price: Price | undefined;
  readonly #most: number | undefined;
  readonly #arithmetic: string[] = [];
  #last: BenchResult | undefined;

  constructor({ price, most }: Columns) {
    this.#price = price;
    this.#most = most;
  }

  add(result: BenchResult): void {
    this.#last = result;
    if (this.#price === undefined) return;
    const { arithmetic } = costOfResult(this.#price, result);
    const of = `${result.name}, ${result.threads} ${result.threads === 1 ? "thread" : "threads"}`;
    this.#arithmetic.push(...arithmetic.map((line) => `${of}: ${line}\n`));
  }

  text(): string {
    const text =
      `${this.#arithmetic.length === 0 ? "" : `${this.#arithmetic.join("")}\n`}` +
      `${this.#last === undefined ? "" : limits(this.#last)}build: cria ${version()}, Node ${process.versions.node}`;
    const most = this.#most ?? Number.POSITIVE_INFINITY;
    return `${text
      .split("\n")
      .flatMap((line) => wrapped(line, most))
      .join("\n")}\n`;
  }
}

function limits({ roofline, threads, tableMicroseconds, buildProblem }: BenchResult): string {
  const giga = (rate: number) => (rate / 1e9).toFixed(1);
  const { int8, int16, f32 } = roofline.peaks;
  return (
    (buildProblem === undefined ? "" : `${buildProblem}\n`) +
    `limits, measured in turns with the last test, ${threads} thread${threads === 1 ? "" : "s"}: ` +
    `${giga(roofline.bandwidth)} GB/s read; ${giga(int8)} int8, ${giga(int16)} int16, ${giga(f32)} f32 GOP/s\n` +
    (tableMicroseconds > 0 ? `embeddings that stay in the file: ${tableMicroseconds.toFixed(1)} us a token\n` : "")
  );
}

function binarySize(bytes: number): string {
  return bytes < 2 ** 30 ? `${(bytes / 2 ** 20).toFixed(2)} MiB` : `${(bytes / 2 ** 30).toFixed(2)} GiB`;
}

function count(parameters: number): string {
  return parameters < 1e9 ? `${(parameters / 1e6).toFixed(2)} M` : `${(parameters / 1e9).toFixed(2)} B`;
}

/** The formats by llama-bench's names. */
export const benchFormats = { md: markdown, csv, json, jsonl } as const satisfies Readonly<
  Record<string, (shown: Columns) => BenchFormat>
>;

export type BenchFormatName = keyof typeof benchFormats;
