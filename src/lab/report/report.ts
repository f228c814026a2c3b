// What a report says, as data: bench-report.ts and kernel-report.ts make it, html.ts writes it into a page, and page/ draws its figures in
// the reader's browser. Every axis has a name with its unit.

/** A page. */
export interface Report {
  readonly title: string;
  /** Under the title: what was measured, on what, when. */
  readonly lines: readonly string[];
  readonly sections: readonly Section[];
}

export interface Section {
  /** Of the heading, for links: "roofline". */
  readonly id: string;
  readonly title: string;
  /** Paragraphs. */
  readonly text: readonly string[];
  readonly figures: readonly Figure[];
  readonly tables: readonly Table[];
}

export interface Table {
  readonly columns: readonly { readonly name: string; readonly numeric?: boolean }[];
  readonly rows: readonly (readonly string[])[];
}

interface Axis {
  /** With its unit: "decode (tokens/s)". */
  readonly label: string;
  /** "log2": 1, 2, 4, 8 at equal distances. */
  readonly scale?: "linear" | "log2" | "log";
  /** Where marks belong; default: where they fit. */
  readonly ticks?: readonly number[];
  /** "bytes": marks read 32 KiB, 1 MiB. */
  readonly format?: "bytes";
}

interface Common {
  readonly id: string;
  readonly caption: string;
  /** Takes the width of the page, not half of it. */
  readonly wide?: boolean;
}

/** A point of a line, with the least and the most of its repetitions. */
export interface LinePoint {
  readonly x: number;
  readonly y: number;
  readonly low?: number;
  readonly high?: number;
  /** What a pointer shows. */
  readonly title: string;
}

export interface Series {
  readonly name: string;
  /** A limit: dashed, in the colour of the series that it is the limit of, and not in the legend. */
  readonly limitOf?: string;
  readonly points: readonly LinePoint[];
}

/** Values over a number: speed by threads, by depth, by working set. */
export interface LinesFigure extends Common {
  readonly kind: "lines";
  readonly x: Axis;
  readonly y: Axis;
  readonly series: readonly Series[];
  /** Upright lines with a name: where a cache ends. */
  readonly marks?: readonly { readonly x: number; readonly name: string }[];
}

/** Operations a second over operations a byte, under what the machine can do. */
export interface RooflineFigure extends Common {
  readonly kind: "roofline";
  readonly roofs: readonly { readonly name: string; readonly bandwidth: number; readonly peak: number }[];
  readonly points: readonly {
    /** Of the row, as the tables number it. */
    readonly label: string;
    /** Operations for each byte. */
    readonly intensity: number;
    readonly operationsPerSecond: number;
    readonly group: string;
    readonly title: string;
  }[];
}

/** What each worker did when, in milliseconds. */
export interface TimelineFigure extends Common {
  readonly kind: "timeline";
  readonly lanes: readonly string[];
  readonly begin: number;
  readonly end: number;
  /** A lane, a kind of work, from, to. */
  readonly spans: readonly (readonly [lane: number, kind: number, from: number, to: number])[];
  readonly kinds: readonly string[];
}

/** An amount for each name. */
export interface BarsFigure extends Common {
  readonly kind: "bars";
  readonly x: Axis;
  readonly bars: readonly {
    readonly name: string;
    readonly value: number;
    readonly group: string;
    readonly title: string;
  }[];
}

/** Of every row its repetitions, or what was predicted, by the distance from the row's median. */
export interface SpreadFigure extends Common {
  readonly kind: "spread";
  readonly x: Axis;
  readonly rows: readonly { readonly name: string; readonly values: readonly number[]; readonly disturbed: boolean }[];
}

export type Figure = LinesFigure | RooflineFigure | TimelineFigure | BarsFigure | SpreadFigure;
