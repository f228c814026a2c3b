// Which tokens have a role: begin, end, unknown and so on, and which ones end a generation. Files name some of them by id;
// the rest is known by text, as in llama.cpp.

import { GgufError } from "../errors.js";
import { readBoolean, readId, type TokenizerMetadata } from "./metadata.js";
import { CONTROL, LEFT_STRIP, NORMAL, RIGHT_STRIP, UNKNOWN, USER_DEFINED, type Vocabulary } from "./vocabulary.js";

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

/** What holds for a kind of tokenizer where the file does not say otherwise. */
export interface SpecialDefaults {
  readonly bos?: number;
  readonly eos?: number;
  readonly unknown?: number;
  readonly separator?: number;
  readonly pad?: number;
  readonly mask?: number;
  readonly addsBos: boolean;
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

/** Reads the roles, and completes `vocabulary.attributes` by what the texts of tokens say. */
export function readSpecialIds(
  metadata: TokenizerMetadata,
  vocabulary: Vocabulary,
  defaults: SpecialDefaults,
): SpecialIds {
  const { attributes, size } = vocabulary;
  const idOf = (text: string): number | undefined => findToken(vocabulary, text);
  const named = (role: string, fallback?: number): number | undefined =>
    readId(metadata, `tokenizer.ggml.${role}_token_id`, size) ??
    (fallback !== undefined && fallback < size ? fallback : undefined);

  /** The id that the file names, or the first of the texts that is a token, which then is a control token. */
  const namedOrKnown = (role: string, texts: readonly string[]): number | undefined => {
    const id = named(role);
    if (id !== undefined) return id;
    const known = texts.map(idOf).find((found) => found !== undefined);
    if (known !== undefined) attributes[known]! |= CONTROL;
    return known;
  };

  const bosId = named("bos", defaults.bos);
  const eosId = named("eos", defaults.eos);
  const ends = new Set<number>();
  for (const [role, texts] of FILL_IN_MARKS) namedOrKnown(role, texts);
  const turnIds = [namedOrKnown("eot", END_OF_TURN), namedOrKnown("eom", END_OF_MESSAGE)];
  for (const [role, texts] of FILL_IN_ENDS) addTo(ends, namedOrKnown(role, texts));
  for (const id of ENDS.map(idOf)) {
    if (id === undefined) continue;
    ends.add(id);
    attributes[id]! |= CONTROL;
  }
  for (const id of VISIBLE.map(idOf)) if (id !== undefined) attributes[id] = USER_DEFINED;
  for (const id of [eosId, ...turnIds]) addTo(ends, id);
  keepMiddles(ends, attributes, idOf);
  markStrips(metadata, vocabulary, idOf);

  const addsBos = readBoolean(metadata, "tokenizer.ggml.add_bos_token") ?? defaults.addsBos;
  const addsEos = readBoolean(metadata, "tokenizer.ggml.add_eos_token") ?? false;
  if (addsBos && bosId === undefined) throw missing("add_bos_token", "bos_token_id");
  if (addsEos && eosId === undefined) throw missing("add_eos_token", "eos_token_id");
  return {
    bosId,
    eosId,
    unknownId: named("unknown", defaults.unknown),
    separatorId: named("seperator", defaults.separator), // the misspelt key is the format's
    padId: named("padding", defaults.pad),
    maskId: named("mask", defaults.mask),
    addsBos,
    addsEos,
    endOfGenerationIds: ends,
  };
}

function addTo(ids: Set<number>, id: number | undefined): void {
  if (id !== undefined) ids.add(id);
}

function missing(flag: string, role: string): GgufError {
  return new GgufError("TOKENIZER_ID_MISSING", `${flag} is set, but there is no ${role}`, {
    subject: `tokenizer.ggml.${role}`,
  });
}

function findToken({ pieces }: Vocabulary, text: string): number | undefined {
  const bytes = new TextEncoder().encode(text);
  const id = pieces.find(bytes, 0, bytes.length);
  return id >= 0 ? id : undefined;
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

/** GGUF has no strip attributes: they follow from the names of model, architecture and pre-tokenizer. */
function markStrips(
  metadata: TokenizerMetadata,
  { attributes }: Vocabulary,
  idOf: (text: string) => number | undefined,
): void {
  const textOf = (key: string): string => String(metadata.get(key) ?? "");
  const preTokenizer = textOf("tokenizer.ggml.pre");
  const architecture = textOf("general.architecture");
  const name = textOf("general.name").toLowerCase();
  const mark = (text: string, bit: number): void => {
    const id = idOf(text);
    if (id !== undefined) attributes[id]! |= bit;
  };
  if (/jina-v2-(?:de|es|code)/.test(preTokenizer) || /nomic-bert-moe|jina-bert-v3/.test(architecture)) {
    mark("<mask>", LEFT_STRIP);
  } else if (/phi-?3/.test(name)) {
    for (let id = 0; id < attributes.length; id++) {
      if ((attributes[id]! & (CONTROL | USER_DEFINED | UNKNOWN)) !== 0) attributes[id]! |= RIGHT_STRIP;
    }
    mark("</s>", RIGHT_STRIP);
    for (const text of ["<unk>", "<s>", "<|endoftext|>"]) {
      const id = idOf(text);
      if (id !== undefined) attributes[id]! &= ~RIGHT_STRIP;
    }
  } else if (name.includes("modern-bert")) {
    mark("[MASK]", LEFT_STRIP);
  }
}
