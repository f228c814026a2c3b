// From what a caller wrote to what the leader follows: the grammar worker compiles it, so that neither this thread nor the leader stalls.
// Recently used grammars are kept compiled, by what they say.

import { printable } from "../../errors.js";
import type { AnswerSource, CompiledGrammar, GrammarSource } from "../../grammar/grammar-source.js";
import { type GrammarThread, grammarThread } from "../../grammar/grammar-thread.js";
import {
  type AddressedNotation,
  type AnswerStart,
  controlBytes,
  type JsonForm,
  type JsonSchema,
  jsonForms,
  jsonSchemaOf,
  type StandardJsonSchema,
  type ThoughtMarks,
  type TokenBytes,
  type ToolNotation,
  tokenTexts,
} from "../../grammar/index.js";
import { checkChoice, checkText, idleOption, invalidOption, namesOf, readable } from "../../options.js";
import type { GrammarRequest } from "../../protocol/messages.js";
import { bufferForThreads } from "../../sharing.js";
import type { Tokenizer } from "../../tokenizer/index.js";
import type { ToolSet } from "./tools.js";

/** What the text of a generation must match. */
export interface GrammarOptions {
  /** A grammar in GBNF, llama.cpp's notation: the text is one that its rule `root` matches. */
  readonly grammar?: string;
  /** A JSON Schema, or a schema of Zod and its like: the text is JSON that is valid by it. `true`: any JSON. */
  readonly jsonSchema?: JsonSchema | StandardJsonSchema;
  /**
   * What comes of all that is valid by the schema. `"schema"`, by default: keys in the schema's order, and no properties that a schema with
   * properties does not speak of. `"any"`: keys in any order, and all properties that the schema does not forbid.
   */
  readonly jsonForm?: JsonForm;
}

export const grammarOptionNames = namesOf<GrammarOptions>({ grammar: true, jsonSchema: true, jsonForm: true });

/** Compiled grammars that are kept. */
const KEPT = 64;
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
interface Kept extends CompiledGrammar {
  readonly key: number;
}

/** What is known of a tokenizer's tokens, once for all grammars. */
interface KnownTokens {
  readonly vocabulary: GrammarRequest["vocabulary"];
  /** The ids of control tokens, by their texts. */
  readonly controls: ReadonlyMap<string, number>;
}

/** The grammars for one tokenizer. */
export class Grammars {
  readonly #tokenizer: Tokenizer;
  readonly #thread: GrammarThread;
  readonly #kept = new Map<string, Promise<Kept>>();
  #tokens: Promise<KnownTokens> | undefined;
  #nextKey = 0;

  /** @param assets the folder in which grammar-worker.js lies, by default this package's own */
  constructor(tokenizer: Tokenizer, assets?: URL) {
    this.#tokenizer = tokenizer;
    this.#thread = grammarThread(assets);
  }

  /**
   * What the leader needs to know, and what was ignored. Without a request, any text will do.
   *
   * @param form tools may be called unless the options say what the text must be; thoughts come before either
   * @throws GrammarError, UnsupportedError, CriaError INVALID_OPTION
   */
  async request(
    { grammar, jsonSchema, jsonForm }: GrammarOptions,
    form: AnswerForm = {},
  ): Promise<{ readonly request: GrammarRequest | undefined; readonly diagnostics: readonly string[] }> {
    const { calls } = form;
    if (jsonForm !== undefined) checkChoice("jsonForm", jsonForm, jsonForms);
    if (jsonForm !== undefined && jsonSchema === undefined) throw idleOption("jsonForm", "there is no jsonSchema");
    if (grammar === undefined && jsonSchema === undefined && calls === undefined) {
      return { request: undefined, diagnostics: [] };
    }
    if ((grammar !== undefined || jsonSchema !== undefined) && calls?.tools.count.least === 1) {
      throw idleOption(grammar !== undefined ? "grammar" : "jsonSchema", "the answer must call a tool");
    }
    if (grammar !== undefined && jsonSchema !== undefined) {
      throw idleOption("grammar", "jsonSchema is set too: a text can follow only one of them");
    }
    this.#tokens ??= this.#knownTokens();
    const kept = this.#compiled({
      answer: this.#answerOf({ grammar, jsonSchema, jsonForm }, form),
      thoughts: form.thoughts,
      // Calls in messages are messages by themselves.
      messages: grammar === undefined && jsonSchema === undefined ? undefined : form.messages?.name,
    });
    const [{ key, automaton, diagnostics }, { vocabulary }] = await Promise.all([kept, this.#tokens]);
    return { request: { key, automaton, vocabulary }, diagnostics };
  }

  #answerOf({ grammar, jsonSchema, jsonForm = "schema" }: GrammarOptions, { calls }: AnswerForm): AnswerSource {
    if (grammar !== undefined) {
      const text = checkText("grammar", grammar);
      return { kind: "gbnf", text, tokens: this.#tokensIn(text), size: this.#tokenizer.vocabularySize };
    }
    if (jsonSchema !== undefined) {
      const json = readable("jsonSchema", jsonSchema, () => schemaText(jsonSchemaOf("jsonSchema", jsonSchema)));
      return { kind: "schema", json, form: jsonForm };
    }
    const { tools, notation } = calls!;
    return { kind: "tools", json: JSON.stringify(tools.signatures), notation: notation.name, count: tools.count };
  }

  /** The ids of the tokens that a grammar in GBNF names. What is not one token is left out, and refused where the grammar is read. */
  #tokensIn(gbnf: string): readonly (readonly [string, number])[] {
    return tokenTexts(gbnf).flatMap((text) => {
      const special = this.#tokenizer.idOf(text);
      const ids = special === undefined ? this.#tokenizer.encode(text, { bos: false }) : [special];
      return ids.length === 1 ? [[text, ids[0]!] as const] : [];
    });
  }

  /** The grammar, which is compiled once as long as it is kept. */
  #compiled(source: GrammarSource): Promise<Kept> {
    const name = JSON.stringify(source);
    const compiled = this.#kept.get(name) ?? this.#compile(source);
    this.#kept.delete(name);
    this.#kept.set(name, compiled); // the most recently used one goes last
    for (const oldest of this.#kept.keys()) if (this.#kept.size > KEPT) this.#kept.delete(oldest);
    compiled.catch(() => {
      if (this.#kept.get(name) === compiled) this.#kept.delete(name);
    });
    return compiled;
  }

  async #compile(source: GrammarSource): Promise<Kept> {
    const { controls } = await this.#tokens!;
    return { key: this.#nextKey++, ...(await this.#thread.run("compile", { source, controls })) };
  }

  async #knownTokens(): Promise<KnownTokens> {
    const { text, controls } = await tokensOf(this.#tokenizer);
    return { vocabulary: { text, tables: await this.#thread.run("vocabulary", text) }, controls };
  }
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

/** The id of the control token with this text: a mark that does not show in what a model says. */
export function controlIdOf(tokenizer: Tokenizer, text: string): number | undefined {
  const id = text === "" ? undefined : tokenizer.idOf(text);
  return id !== undefined && tokenizer.isSpecial(id) ? id : undefined;
}

/**
 * For what all tokens stand in a grammar, in memory shared with the leader: the bytes of a text, which a control token does not have in
 * common with any other; and the ids of control tokens, by their texts. Other work of this thread goes on meanwhile.
 */
async function tokensOf(
  tokenizer: Tokenizer,
): Promise<{ readonly text: TokenBytes; readonly controls: ReadonlyMap<string, number> }> {
  const controls = new Map<string, number>();
  const size = tokenizer.vocabularySize;
  const offsets = new Uint32Array(bufferForThreads(4 * (size + 1)));
  const pieces: Uint8Array[] = [];
  for (let id = 0; id < size; id++) {
    if (id % TOKENS_AT_A_TIME === 0) await new Promise((resolve) => setTimeout(resolve, 0));
    if (tokenizer.isSpecial(id)) {
      const control = tokenizer.tokenText(id);
      if (controlIdOf(tokenizer, control) === id) controls.set(control, id);
    }
    const piece = tokenizer.isSpecial(id) ? controlBytes(id) : textBytes(tokenizer.tokenBytes(id));
    pieces.push(piece);
    offsets[id + 1] = offsets[id]! + piece.length;
  }
  const bytes = new Uint8Array(bufferForThreads(offsets[size]!));
  for (const [id, piece] of pieces.entries()) bytes.set(piece, offsets[id]);
  return { text: { bytes, offsets }, controls };
}

/** The bytes of a token, unless no text has them. */
function textBytes(bytes: Uint8Array): Uint8Array {
  return bytes.includes(0xff) ? new Uint8Array(0) : bytes;
}
