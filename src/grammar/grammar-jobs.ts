// What the grammar worker is asked, and what it answers.

import type { PostedError } from "../posted-error.js";
import type { CompiledGrammar, GrammarSource } from "./grammar-source.js";
import type { TokenBytes, VocabularyTables } from "./vocabulary.js";

/** Each kind of job: what it is given, and what comes of it. */
export interface GrammarJobs {
  readonly compile: {
    readonly given: { readonly source: GrammarSource; readonly controls: ReadonlyMap<string, number> };
    readonly result: CompiledGrammar;
  };
  /** The tables of a vocabulary, in shared memory. */
  readonly vocabulary: { readonly given: TokenBytes; readonly result: VocabularyTables };
}

export type GrammarJobName = keyof GrammarJobs;

/** A message to the worker. */
export type GrammarJob = {
  readonly [Name in GrammarJobName]: {
    readonly id: number;
    readonly name: Name;
    readonly given: GrammarJobs[Name]["given"];
  };
}[GrammarJobName];

/** A message from it. */
export type GrammarAnswer =
  | { readonly id: number; readonly result: GrammarJobs[GrammarJobName]["result"] }
  | { readonly id: number; readonly error: PostedError };
