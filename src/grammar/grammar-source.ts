// What a caller asks a text to be, in a form that can be sent to the grammar worker, and from there to the automaton.

import { GrammarError, printable } from "../errors.js";
import type { Automaton } from "./automaton.js";
import { compileGrammar } from "./compile.js";
import { parseGbnf } from "./gbnf.js";
import { grammarOfSchema, type JsonForm, type SchemaGrammar } from "./json-schema/compile-schema.js";
import { type AnswerStart, afterThoughts, type ThoughtMarks } from "./thoughts.js";
import { addressedNotations } from "./tool-calls/addressed-notations.js";
import { messageGrammar, toolGrammar } from "./tool-calls/answer-grammar.js";
import { markedNotations } from "./tool-calls/marked-notations.js";
import type { CallCount, ToolSignature } from "./tool-calls/notation.js";

/** What the text, or the answer in it, must match. */
export type AnswerSource =
  /** `tokens`: the ids of the tokens that it names by their texts; `size`: of the vocabulary. */
  | {
      readonly kind: "gbnf";
      readonly text: string;
      readonly tokens: readonly (readonly [text: string, id: number])[];
      readonly size: number;
    }
  /** A JSON schema as JSON. */
  | { readonly kind: "schema"; readonly json: string | undefined; readonly form: JsonForm }
  /** `json`: the tools' signatures; `notation`: its name. */
  | { readonly kind: "tools"; readonly json: string; readonly notation: string; readonly count: CallCount };

export interface GrammarSource {
  readonly answer: AnswerSource;
  /** The thoughts that may come before the answer. */
  readonly thoughts: { readonly marks: ThoughtMarks; readonly start: AnswerStart } | undefined;
  /** The name of the notation in which the model writes answers as messages, if it does. */
  readonly messages: string | undefined;
}

/** A grammar as a model's leader follows it. */
export interface CompiledGrammar {
  readonly automaton: Automaton;
  /** What was ignored in its schemas: a sentence for each word. */
  readonly diagnostics: readonly string[];
}

/**
 * Compiles what a caller asked for.
 *
 * @param controls the ids of control tokens, by their texts
 * @throws GrammarError, UnsupportedError
 */
export function compileSource(source: GrammarSource, controls: ReadonlyMap<string, number>): CompiledGrammar {
  const controlIds = (text: string) => controls.get(text);
  return withinStack(() => {
    const { messages, thoughts } = source;
    let read = readAnswer(source.answer, controlIds);
    if (messages !== undefined) {
      const notation = addressedNotations.find(({ name }) => name === messages)!;
      read = messageGrammar(read, notation, controlIds);
    } else if (thoughts !== undefined) {
      read = afterThoughts(read, thoughts.marks, thoughts.start, controlIds);
    }
    const diagnostics = [...read.ignored].map(
      ([word, pointer]) => `"${printable(word)}" at ${printable(pointer)} is ignored: JSON Schema does not define it`,
    );
    return { automaton: compileGrammar(read.grammar), diagnostics };
  });
}

function readAnswer(answer: AnswerSource, controlIds: (text: string) => number | undefined): SchemaGrammar {
  switch (answer.kind) {
    case "gbnf": {
      const ids = new Map(answer.tokens);
      const grammar = parseGbnf(answer.text, { size: answer.size, idOf: (text) => ids.get(text) });
      return { grammar, ignored: new Map() };
    }
    case "schema":
      return grammarOfSchema(answer.json === undefined ? undefined : JSON.parse(answer.json), answer.form);
    case "tools": {
      const tools = JSON.parse(answer.json) as ToolSignature[];
      const notation = [...markedNotations, ...addressedNotations].find(({ name }) => name === answer.notation)!;
      return toolGrammar(tools, notation, answer.count, controlIds);
    }
  }
}

/** A grammar whose nested parts or lists overflow the stack is also too large for the automaton. */
function withinStack<Result>(call: () => Result): Result {
  try {
    return call();
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw new GrammarError("GRAMMAR_TOO_LARGE", `the grammar is too large: ${cause.message}`, { cause });
  }
}
