// Which tokens have a role: begin, end, unknown and so on, and which ones end a generation. Files name some of them by id;
// the rest is known by text, as in llama.cpp.

import { GgufError, printable } from "../errors.js";
import { NO_TOKEN, readBoolean, readId, type TokenizerMetadata } from "./metadata.js";
import { CONTROL, findToken, NORMAL, USER_DEFINED, type Vocabulary, type Warn } from "./vocabulary.js";

/** The ids by role, and whether texts begin and end with a token of their own. */
export interface SpecialIds {
  readonly bosId: number | undefined;
  readonly eosId: number | undefined;
  readonly unknownId: number | undefined;
  readonly separatorId: number | undefined;
  readonly padId: number | undefined;
  readonly maskId: number | undefined;
  readonly addsBos: boolean;
  readonly addsEos: boolean;
  readonly endOfGenerationIds: ReadonlySet<number>;
}

/** What holds for a kind of tokenizer where the file does not say otherwise. A role without an id has none. */
export interface SpecialDefaults {
  readonly bos?: number;
  readonly eos?: number;
  readonly unknown?: number;
  readonly separator?: number;
  readonly pad?: number;
  readonly mask?: number;
  readonly addsBos: boolean;
  /** Whether texts begin with BOS even if the file says that they do not. */
  readonly alwaysBos?: true;
  readonly addsEos?: true;
  /** Whether `cls_token_id` is another name of `bos_token_id`. */
  readonly bosIsCls?: true;
}

const END_OF_TURN = [
  "<|eot_id|>",
  "<|im_end|>",
  "<|end|>",
  "<end_of_turn>",
  "<|endoftext|>",
  "<|end_of_text|>",
  "<EOT>",
  "_<EOT>",
  "[EOT]",
  "<｜end▁of▁sentence｜>",
  "<end_of_utterance>",
];
const END_OF_MESSAGE = ["<|eom_id|>"];

/** Tokens of code models after which nothing of the answer follows. */
const FILL_IN_ENDS: readonly (readonly [string, readonly string[]])[] = [
  ["fim_pad", ["<|fim_pad|>", "<fim-pad>", "<fim_pad>", "<PAD>", "[PAD]"]],
  ["fim_rep", ["<|fim_repo|>", "<|repo_name|>", "<fim-repo>", "<REPO>", "<reponame>"]],
  ["fim_sep", ["<|file_sep|>"]],
];

/** Tokens of code models that are not text, though some files say that they are. */
const FILL_IN_MARKS: readonly (readonly [string, readonly string[]])[] = [
  [
    "fim_pre",
    [
      "<|fim_prefix|>",
      "<fim-prefix>",
      "<fim_prefix>",
      "<｜fim▁begin｜>",
      "<PRE>",
      "▁<PRE>",
      "<|code_prefix|>",
      "<|prefix|>",
    ],
  ],
  [
    "fim_suf",
    [
      "<|fim_suffix|>",
      "<fim-suffix>",
      "<fim_suffix>",
      "<｜fim▁hole｜>",
      "<SUF>",
      "▁<SUF>",
      "<|code_suffix|>",
      "<|suffix|>",
    ],
  ],
  [
    "fim_mid",
    [
      "<|fim_middle|>",
      "<fim-middle>",
      "<fim_middle>",
      "<｜fim▁end｜>",
      "<MID>",
      "▁<MID>",
      "<|code_middle|>",
      "<|middle|>",
    ],
  ],
];

const ENDS = [
  ...END_OF_TURN,
  ...END_OF_MESSAGE,
  "<|return|>",
  "<|call|>",
  "<|flush|>",
  "<|calls|>",
  "</s>",
  "[EOS]",
  "<eos>",
  "<turn|>",
  "<|tool_response>",
  "[e~[",
];

/** Tokens of the harmony format that a reader of the text wants to see. */
const VISIBLE = ["<|channel|>", "<|message|>", "<|start|>", "<|constrain|>"];

/**
 * Reads the roles, and completes `vocabulary.attributes` by what the texts of tokens say.
 *
 * @param warn is told what the file does not say and what is taken in its place
 * @throws GgufError TOKENIZER_ID_RANGE, TOKENIZER_ID_MISSING
 */
export function readSpecialIds(
  metadata: TokenizerMetadata,
  vocabulary: Vocabulary,
  defaults: SpecialDefaults,
  warn: Warn,
): SpecialIds {
  const { attributes } = vocabulary;
  const named = new NamedIds(metadata, vocabulary, warn);
  const idOf = (text: string): number | undefined => findToken(vocabulary, text);
  const written: number[] = []; // tokens that the file has as text
  const markControl = (id: number): void => {
    if ((attributes[id]! & CONTROL) === 0) written.push(id);
    attributes[id]! |= CONTROL;
  };

  /** The id that the file names, or the first of the texts that is a token, which then is a control token. */
  const namedOrKnown = (id: number | typeof NO_TOKEN | undefined, texts: readonly string[]): number | undefined => {
    if (id !== undefined) return id === NO_TOKEN ? undefined : id;
    const known = texts.map(idOf).find((found) => found !== undefined);
    if (known !== undefined) markControl(known);
    return known;
  };

  const statedBos = named.needed(defaults.bosIsCls && !metadata.has(keyOf("bos")) ? "cls" : "bos");
  const bosId = named.orDefault("bos", statedBos, defaults.bos);
  const eosId = named.orDefault("eos", named.needed("eos"), defaults.eos);
  const ends = new Set<number>();
  for (const [role, texts] of FILL_IN_MARKS) namedOrKnown(named.unneeded(role), texts);
  const turnIds = [namedOrKnown(named.needed("eot"), END_OF_TURN), namedOrKnown(named.needed("eom"), END_OF_MESSAGE)];
  for (const [role, texts] of FILL_IN_ENDS) addTo(ends, namedOrKnown(named.unneeded(role), texts));
  for (const id of ENDS.map(idOf)) {
    if (id === undefined) continue;
    ends.add(id);
    markControl(id);
  }
  for (const id of VISIBLE.map(idOf)) if (id !== undefined) attributes[id] = USER_DEFINED;
  for (const id of [eosId, ...turnIds]) addTo(ends, id);
  keepMiddles(ends, attributes, idOf);
  if (written.length > 0) {
    const shown = written.slice(0, 3).map((id) => shownToken(vocabulary, id));
    const more = written.length > shown.length ? ` and ${written.length - shown.length} more` : "";
    warn(
      `tokens that the file has as text are taken for control tokens, as they are written: ${shown.join(", ")}${more}`,
    );
  }

  const fileAddsBos = readBoolean(metadata, "tokenizer.ggml.add_bos_token");
  const addsEos = readBoolean(metadata, "tokenizer.ggml.add_eos_token") ?? defaults.addsEos === true;
  // Whether texts begin with BOS is the file's word, or else the habit of the family, which a file without a BOS does not follow.
  const hasNoBos = bosId === undefined && (statedBos === NO_TOKEN || defaults.bos === undefined);
  const addsBos = (defaults.alwaysBos && bosId !== undefined) || (fileAddsBos ?? (defaults.addsBos && !hasNoBos));
  if (addsBos && fileAddsBos === false) {
    warn("tokenizer.ggml.add_bos_token is false: texts begin with BOS all the same, as such vocabularies ask for it");
  }
  if (fileAddsBos === undefined && defaults.addsBos && hasNoBos) {
    warn(
      "tokenizer.ggml.bos_token_id and add_bos_token are missing: texts begin without BOS, unlike in such vocabularies",
    );
  }
  if (addsBos && bosId === undefined) throw missing("add_bos_token", "bos_token_id");
  if (addsEos && eosId === undefined) throw missing("add_eos_token", "eos_token_id");
  return {
    bosId,
    eosId,
    unknownId: named.orDefault("unknown", named.needed("unknown"), defaults.unknown),
    separatorId: named.orDefault("seperator", named.needed("seperator"), defaults.separator), // the format misspells it
    padId: named.orDefault("padding", named.unneeded("padding"), defaults.pad),
    maskId: named.orDefault("mask", named.unneeded("mask"), defaults.mask),
    addsBos,
    addsEos,
    endOfGenerationIds: ends,
  };
}

/** The ids that a file names by their roles. */
class NamedIds {
  readonly #metadata: TokenizerMetadata;
  readonly #vocabulary: Vocabulary;
  readonly #warn: Warn;

  constructor(metadata: TokenizerMetadata, vocabulary: Vocabulary, warn: Warn) {
    this.#metadata = metadata;
    this.#vocabulary = vocabulary;
    this.#warn = warn;
  }

  /** The id of a role on which texts and answers depend. */
  needed(role: string): number | typeof NO_TOKEN | undefined {
    const id = readId(this.#metadata, keyOf(role));
    if (id === undefined || id === NO_TOKEN || this.#isToken(id)) return id;
    throw new GgufError("TOKENIZER_ID_RANGE", `Token id ${id} is outside the vocabulary of ${this.#vocabulary.size}`, {
      subject: keyOf(role),
    });
  }

  /** The id of a role that no text depends on. Files exist whose padding token is one that was never added to the vocabulary. */
  unneeded(role: string): number | typeof NO_TOKEN | undefined {
    const id = readId(this.#metadata, keyOf(role));
    if (id === undefined || id === NO_TOKEN || this.#isToken(id)) return id;
    this.#warn(`${keyOf(role)} is ${id}, outside the vocabulary of ${this.#vocabulary.size}: there is no such token`);
    return NO_TOKEN;
  }

  /** The id that a file names, or the one that its family has in this role. */
  orDefault(role: string, id: number | typeof NO_TOKEN | undefined, otherwise: number | undefined): number | undefined {
    if (id !== undefined) return id === NO_TOKEN ? undefined : id;
    if (otherwise === undefined || !this.#isToken(otherwise)) return undefined;
    const token = shownToken(this.#vocabulary, otherwise);
    this.#warn(`${keyOf(role)} is missing: it is taken to be ${otherwise} (${token}), as in other such vocabularies`);
    return otherwise;
  }

  #isToken(id: number): boolean {
    return Number.isInteger(id) && id >= 0 && id < this.#vocabulary.size;
  }
}

function keyOf(role: string): string {
  return `tokenizer.ggml.${role}_token_id`;
}

function shownToken({ pieces }: Vocabulary, id: number): string {
  return JSON.stringify(printable(new TextDecoder().decode(pieces.bytesOf(id).slice()), 24));
}

function addTo(ids: Set<number>, id: number | undefined): void {
  if (id !== undefined) ids.add(id);
}

function missing(flag: string, role: string): GgufError {
  return new GgufError("TOKENIZER_ID_MISSING", `${flag} is set, but there is no ${role}`, {
    subject: `tokenizer.ggml.${role}`,
  });
}

/** Formats with several channels use an end token of others in the middle of an answer. */
function keepMiddles(ends: Set<number>, attributes: Uint8Array, idOf: (text: string) => number | undefined): void {
  const has = (text: string): boolean => ends.has(idOf(text) ?? -1);
  const drop = (text: string, attribute: number): void => {
    const id = idOf(text);
    if (id !== undefined && ends.delete(id)) attributes[id] = attribute;
  };
  const calls = has("<|call|>") || has("<|calls|>");
  if (calls && (has("<|return|>") || has("<|flush|>"))) drop("<|end|>", USER_DEFINED);
  if (has("<|tool_response>")) drop("</s>", NORMAL);
}
