// What the text worker is asked, and what it answers.

import type { PostedError } from "../posted-error.js";
import type { TemplateInput } from "./jinja/render.js";
import type { TokenBreakers } from "./sequence-breakers.js";
import type { TokenizerTables } from "./tables.js";
import type { PromptPart } from "./tokenizer.js";

/** A text that a template made, and the ranges of it that messages, tools or documents said: start, end, start, end. */
export interface Rendered {
  readonly text: string;
  readonly marks: readonly number[];
}

/** A tokenizer that lies with whoever asks; the worker knows it again by its key. */
export interface KeyedTables {
  readonly key: number;
  readonly tables: TokenizerTables;
}

/** Each kind of job: what it is given, and what comes of it. */
export interface TextJobs {
  readonly render: { readonly given: TemplateInput; readonly result: Rendered };
  /** The metadata of a file's tokenizer to tables in shared memory. */
  readonly tables: {
    readonly given: readonly (readonly [key: string, value: unknown])[];
    readonly result: TokenizerTables;
  };
  /** `Tokenizer.encode` */
  readonly encode: {
    readonly given: { readonly tokenizer: KeyedTables; readonly text: string };
    readonly result: Int32Array;
  };
  /** `Tokenizer.encodeParts` */
  readonly encodeParts: {
    readonly given: { readonly tokenizer: KeyedTables; readonly parts: readonly PromptPart[] };
    readonly result: Int32Array;
  };
  readonly breakers: {
    readonly given: { readonly tokenizer: KeyedTables; readonly texts: readonly string[] };
    readonly result: TokenBreakers;
  };
}

export type TextJobName = keyof TextJobs;

/** A message to the worker. */
export type TextJob = {
  readonly [Name in TextJobName]: { readonly name: Name; readonly given: TextJobs[Name]["given"] };
}[TextJobName];

/** A message from it. */
export type TextAnswer =
  | { readonly type: "ready" }
  | { readonly type: "done"; readonly result: TextJobs[TextJobName]["result"] }
  | { readonly type: "failed"; readonly error: PostedError };
