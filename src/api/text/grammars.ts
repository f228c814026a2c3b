// Compiles grammars on the caller's thread: from what a caller wrote to what the leader follows. Recently used grammars are kept
// compiled.

import { GrammarError, printable } from "../../errors.js";
import {
  type AddressedNotation,
  type AnswerStart,
  type Automaton,
  afterThoughts,
  type ControlIds,
  compileGrammar,
  controlBytes,
  grammarOfSchema,
  type JsonSchema,
  messageGrammar,
  parseGbnf,
  type SchemaGrammar,
  type ThoughtMarks,
  type TokenBytes,
  type ToolNotation,
  toolGrammar,
} from "../../grammar/index.js";
import { checkText, idleOption, invalidOption, namesOf, readable } from "../../options.js";
import type { GrammarRequest } from "../../protocol/messages.js";
import type { Tokenizer } from "../../tokenizer/index.js";
import type { ToolSet } from "./tools.js";

/** What the text of a generation must match. */
export interface GrammarOptions {
  /** A grammar in GBNF, llama.cpp's notation: the text is one that its rule `root` matches. */
  readonly grammar?: string;
  /** A JSON Schema: the text is JSON that is valid by it. `true`: any JSON. */
  readonly jsonSchema?: JsonSchema;
}

export const grammarOptionNames = namesOf<GrammarOptions>({ grammar: true, jsonSchema: true });

/** Compiled grammars that are kept. */
const KEPT = 16;
/** Values of the largest schema. Far smaller ones are refused later, as too large grammars. */
const MOST_VALUES = 2 ** 22;
/** Tokens whose bytes are collected in one go, which takes a few milliseconds. */
const TOKENS_AT_A_TIME = 8192;

/** The thoughts that may come before what a grammar holds for. */
export interface Thoughts {
  readonly marks: ThoughtMarks;
  readonly start: AnswerStart;
}

/** What the answer to a conversation may be. */
export interface AnswerForm {
  readonly thoughts?: Thoughts | undefined;
  /** How the model writes answers in messages, if it does; then thoughts are among them. */
  readonly messages?: AddressedNotation | undefined;
  /** What may be called, and how. */
  readonly calls?: { readonly tools: ToolSet; readonly notation: ToolNotation } | undefined;
}

/** A grammar as it is kept. */
interface Compiled {
  readonly key: number;
  readonly automaton: Automaton;
  /** What was ignored in its schemas: a sentence for each word. */
  readonly diagnostics: readonly string[];
}

/** The grammars for one tokenizer. */
export class Grammars {
  readonly #tokenizer: Tokenizer;
  readonly #controlIds: ControlIds;
  readonly #kept = new Map<string, Compiled>();
  #vocabulary: Promise<TokenBytes> | undefined;
  #nextKey = 0;

  constructor(tokenizer: Tokenizer) {
    this.#tokenizer = tokenizer;
    this.#controlIds = (text) => controlIdOf(tokenizer, text);
  }

  /**
   * What the leader needs to know, and what was ignored. Without a request, any text will do.
   *
   * @param form tools may be called unless the options say what the text must be; thoughts come before either
   * @throws GrammarError, UnsupportedError, CriaError INVALID_OPTION
   */
  async request(
    { grammar, jsonSchema }: GrammarOptions,
    form: AnswerForm = {},
  ): Promise<{ readonly request: GrammarRequest | undefined; readonly diagnostics: readonly string[] }> {
    const { calls } = form;
    if (grammar === undefined && jsonSchema === undefined && calls === undefined) {
      return { request: undefined, diagnostics: [] };
    }
    if ((grammar !== undefined || jsonSchema !== undefined) && calls?.tools.count.least === 1) {
      throw idleOption(grammar !== undefined ? "grammar" : "jsonSchema", "the answer must call a tool");
    }
    if (grammar !== undefined && jsonSchema !== undefined) {
      throw idleOption("grammar", "jsonSchema is set too: a text can follow only one of them");
    }
    let compiled: Compiled;
    if (grammar !== undefined) compiled = this.#ofGbnf(grammar, form);
    else if (jsonSchema !== undefined) compiled = this.#ofSchema(jsonSchema, form);
    else compiled = this.#ofTools(form);
    this.#vocabulary ??= tokenBytesOf(this.#tokenizer);
    const { key, automaton, diagnostics } = compiled;
    return { request: { key, automaton, vocabulary: await this.#vocabulary }, diagnostics };
  }

  #ofGbnf(grammar: unknown, form: AnswerForm) {
    const gbnf = checkText("grammar", grammar);
    return this.#compiled(`GBNF ${gbnf}`, form, () => ({ grammar: parseGbnf(gbnf), ignored: new Map() }));
  }

  #ofSchema(jsonSchema: unknown, form: AnswerForm) {
    const text = readable("jsonSchema", jsonSchema, () => schemaText(jsonSchema));
    const schema = text === undefined ? undefined : JSON.parse(text);
    return this.#compiled(`schema ${text}`, form, () => grammarOfSchema(schema));
  }

  #ofTools({ calls, thoughts }: AnswerForm) {
    const { tools, notation } = calls!;
    const { signatures, count } = tools;
    const source = `tools ${notation.name} ${count.least} ${count.most} ${JSON.stringify(signatures)}`;
    return this.#compiled(source, { thoughts }, () => toolGrammar(signatures, notation, count, this.#controlIds));
  }

  /** The grammar of an answer, with what the form has before it. */
  #compiled(answer: string, { thoughts, messages }: AnswerForm, readAnswer: () => SchemaGrammar): Compiled {
    let source = answer;
    let read = readAnswer;
    if (messages !== undefined) {
      source = `${messages.name} ${answer}`;
      read = () => messageGrammar(readAnswer(), messages, this.#controlIds);
    } else if (thoughts !== undefined) {
      source = `${thoughts.start} ${thoughts.marks.begin} ${answer}`;
      read = () => afterThoughts(readAnswer(), thoughts.marks, thoughts.start, this.#controlIds);
    }
    const compiled = this.#kept.get(source) ?? { key: this.#nextKey++, ...withinStack(() => compile(read())) };
    this.#kept.delete(source);
    this.#kept.set(source, compiled); // the most recently used one goes last
    for (const oldest of this.#kept.keys()) if (this.#kept.size > KEPT) this.#kept.delete(oldest);
    return compiled;
  }
}

function compile({ grammar, ignored }: SchemaGrammar): Omit<Compiled, "key"> {
  const diagnostics = [...ignored].map(
    ([word, pointer]) => `"${printable(word)}" at ${printable(pointer)} is ignored: JSON Schema does not define it`,
  );
  return { automaton: compileGrammar(grammar), diagnostics };
}

/** A schema as JSON, as its own `toJSON` gives it. What JSON would leave out or change is refused. */
function schemaText(jsonSchema: unknown): string | undefined {
  let values = 0;
  return JSON.stringify(jsonSchema, (key, value: unknown) => {
    const isJson =
      value === undefined || ["string", "boolean", "object"].includes(typeof value) || Number.isFinite(value);
    if (!isJson) throw invalidOption(key === "" ? "jsonSchema" : `"${printable(key)}" in jsonSchema`, "JSON", value);
    values++;
    if (values > MOST_VALUES) throw invalidOption("jsonSchema", `JSON of at most ${MOST_VALUES} values`, jsonSchema);
    return value;
  });
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

/** The id of the control token with this text: a mark that does not show in what a model says. */
export function controlIdOf(tokenizer: Tokenizer, text: string): number | undefined {
  const id = text === "" ? undefined : tokenizer.idOf(text);
  return id !== undefined && tokenizer.isSpecial(id) ? id : undefined;
}

/**
 * For what all tokens stand in a grammar, in memory shared with the leader: the bytes of a text, which a control token does not have in
 * common with any other. Other work of this thread goes on meanwhile.
 */
async function tokenBytesOf(tokenizer: Tokenizer): Promise<TokenBytes> {
  const size = tokenizer.vocabularySize;
  const offsets = new Uint32Array(new SharedArrayBuffer(4 * (size + 1)));
  const pieces: Uint8Array[] = [];
  for (let id = 0; id < size; id++) {
    if (id % TOKENS_AT_A_TIME === 0) await new Promise((resolve) => setTimeout(resolve, 0));
    const piece = tokenizer.isSpecial(id) ? controlBytes(id) : textBytes(tokenizer.tokenBytes(id));
    pieces.push(piece);
    offsets[id + 1] = offsets[id]! + piece.length;
  }
  const bytes = new Uint8Array(new SharedArrayBuffer(offsets[size]));
  for (const [id, piece] of pieces.entries()) bytes.set(piece, offsets[id]);
  return { bytes, offsets };
}

/** The bytes of a token, unless no text has them. */
function textBytes(bytes: Uint8Array): Uint8Array {
  return bytes.includes(0xff) ? new Uint8Array(0) : bytes;
}
