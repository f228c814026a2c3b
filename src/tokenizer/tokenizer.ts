// The tokenizer of a model file: text to ids and back, of whichever kind the file has.

import { CriaError, UnsupportedError } from "../errors.js";
import { checkBoolean, checkText, invalidOption, namesOf, optionsOf, readable } from "../options.js";
import { bpeEncoder, LONGEST_WORD, wordBpeEncoder } from "./bpe.js";
import { characterBpeEncoder } from "./character-bpe.js";
import { cleanUpSpaces, createDecoder, type Decoder, decodeAll, tokenBytes } from "./decode.js";
import type { TokenizerMetadata } from "./metadata.js";
import { PieceTable } from "./piece-table.js";
import { preTokenizerNamed } from "./pretokenizers.js";
import { type FragmentEncoder, SpecialTokens } from "./special-tokens.js";
import { spmEncoder } from "./spm.js";
import { type TokenizerModel, type TokenizerTables, tokenizerTables } from "./tables.js";
import { unigramEncoder } from "./unigram.js";
import { CONTROL, UNKNOWN, type Vocabulary } from "./vocabulary.js";
import { wordPieceEncoder } from "./wordpiece.js";

/** How to make ids of text. */
export interface EncodeOptions {
  /** Whether control tokens that are written in the text, such as `<|eot_id|>`, become those tokens. Default false. */
  readonly special?: boolean;
  /**
   * true: BOS first, and EOS last where the file's flags say so. false: neither. Default: both by the file's flags. A "bert"
   * tokenizer has [CLS] and [SEP] in these roles and puts them in any case unless false.
   */
  readonly bos?: boolean;
}

/** How to make text of ids. */
export interface DecodeOptions {
  /** Whether control tokens are written out. Default false: they are hidden. */
  readonly special?: boolean;
}

/** How to make text of ids that come one by one. */
export interface DecoderOptions extends DecodeOptions {
  /** Whether the ids go on from text before them, so that a space at their start stays. Default false. */
  readonly continues?: boolean;
}

/** A part of a prompt; only in parts with `special` are control tokens recognised. */
export interface PromptPart {
  readonly text: string;
  readonly special: boolean;
}

const encodeOptionNames = namesOf<EncodeOptions>({ special: true, bos: true });
const decodeOptionNames = namesOf<DecodeOptions>({ special: true });
const decoderOptionNames = namesOf<DecoderOptions>({ special: true, continues: true });

// With the flag u, two halves that belong together are one character and do not match.
const LONE_SURROGATES = /[\ud800-\udfff]+/gu;

/**
 * The tokenizer that the metadata of a GGUF file describes.
 *
 * @throws GgufError (TOKENIZER_...) if the vocabulary is malformed, UnsupportedError for kinds of tokenizers and
 * pre-tokenizers that are not known.
 */
export function tokenizerFrom(metadata: TokenizerMetadata): Tokenizer {
  return new Tokenizer(tokenizerTables(metadata));
}

/** Text to ids and back, over tables that other threads may read, too. Use `tokenizerFrom`. */
export class Tokenizer {
  readonly model: TokenizerModel;
  readonly vocabularySize: number;
  /** The token that begins a text: BOS, or [CLS]. */
  readonly bosId: number | undefined;
  /** The token that ends a text. */
  readonly eosId: number | undefined;
  readonly unknownId: number | undefined;
  /** [SEP] of a "bert" tokenizer. */
  readonly separatorId: number | undefined;
  readonly padId: number | undefined;
  readonly maskId: number | undefined;
  /** Whether `encode` puts BOS first unless told otherwise. */
  readonly addsBos: boolean;
  /** Whether `encode` puts EOS last unless told otherwise. */
  readonly addsEos: boolean;
  /** Every token after which a generation is over: end of text, of turn, of message. */
  readonly endOfGenerationIds: ReadonlySet<number>;
  /** What the file does not say of its tokenizer, and what was taken in its place: a sentence each. */
  readonly warnings: readonly string[];
  readonly #vocabulary: Vocabulary;
  readonly #specialTokens: SpecialTokens;
  readonly #encodeFragment: FragmentEncoder;
  readonly #stripsSpace: boolean;
  readonly #firstIds: readonly number[];
  readonly #lastIds: readonly number[];

  constructor({ size, pieces, attributes, ids, encoder, warnings }: TokenizerTables) {
    const vocabulary: Vocabulary = { size, attributes, pieces: new PieceTable(pieces) };
    const isBert = encoder.model === "bert";
    this.model = encoder.model;
    this.#vocabulary = vocabulary;
    this.vocabularySize = vocabulary.size;
    this.bosId = ids.bosId;
    this.eosId = ids.eosId;
    this.unknownId = ids.unknownId;
    this.separatorId = ids.separatorId;
    this.padId = ids.padId;
    this.maskId = ids.maskId;
    this.addsBos = ids.addsBos || isBert;
    this.addsEos = ids.addsEos || isBert;
    this.endOfGenerationIds = ids.endOfGenerationIds;
    this.warnings = warnings;
    this.#firstIds = listOf(ids.bosId);
    this.#lastIds = this.addsEos ? listOf(isBert ? ids.separatorId : ids.eosId) : [];
    this.#specialTokens = new SpecialTokens(vocabulary);
    this.#stripsSpace = prefixesSpace(encoder);
    this.#encodeFragment = encoderOf(vocabulary, encoder);
  }

  /**
   * The ids of a text. Half a surrogate pair counts as U+FFFD.
   * @throws CriaError INVALID_OPTION, UnsupportedError UNSUPPORTED_TEXT_LENGTH
   */
  encode(text: string, options?: EncodeOptions): Int32Array {
    return Int32Array.from(this.#ids(text, "encode", options));
  }

  /** How many ids a text has: the length of what `encode` gives. @throws as `encode` does */
  count(text: string, options?: EncodeOptions): number {
    return this.#ids(text, "count", options).length;
  }

  /**
   * The ids of a prompt made of parts: those that `encode` gives for the whole text, but control tokens are recognised only within
   * parts that are `special`. BOS goes first if the file's flags say so and the prompt does not begin with it; no EOS goes last,
   * because an answer follows.
   *
   * @throws CriaError INVALID_OPTION, UnsupportedError UNSUPPORTED_TEXT_LENGTH
   */
  encodeParts(parts: Iterable<PromptPart>): Int32Array {
    const joined: { text: string; special: boolean }[] = [];
    for (const { text, special } of partsOf(parts)) {
      const last = joined.at(-1);
      if (text === "") continue;
      if (last?.special === special) last.text += text;
      else joined.push({ text, special });
    }
    const output: number[] = [];
    this.#append(joined, output);
    if (this.addsBos && this.bosId !== undefined && output[0] !== this.bosId) output.unshift(this.bosId);
    return Int32Array.from(output);
  }

  /**
   * The text of ids. Bytes that are not UTF-8 become U+FFFD.
   * @throws CriaError INVALID_OPTION, INVALID_TOKEN
   */
  decode(ids: Iterable<number>, options?: DecodeOptions): string {
    const { special = false } = optionsOf("decode", options, decodeOptionNames);
    checkBoolean("special", special);
    const text = decodeAll(
      listed("ids", ids, "an iterable of token ids") as Iterable<number>,
      this.#bytesOf(special),
      this.#stripsSpace,
    );
    return this.model === "bert" ? cleanUpSpaces(text) : text;
  }

  /** A decoder for ids that come one by one; all that it gives together is what `decode` gives ("bert": without clean-up). */
  decoder(options?: DecoderOptions): Decoder {
    const { special = false, continues = false } = optionsOf("decoder", options, decoderOptionNames);
    checkBoolean("special", special);
    checkBoolean("continues", continues);
    return createDecoder(this.#bytesOf(special), this.#stripsSpace && !continues);
  }

  /** The text of a token as the vocabulary writes it, such as "▁the", "Ġthe" or "<0x0A>". */
  tokenText(id: number): string {
    this.#check(id);
    return new TextDecoder("utf-8", { ignoreBOM: true }).decode(this.#vocabulary.pieces.bytesOf(id).slice());
  }

  /** The bytes for which a token stands in a text; together with its neighbours they are UTF-8. */
  tokenBytes(id: number): Uint8Array {
    this.#check(id);
    return tokenBytes(this.#vocabulary, this.model === "gpt2", id).slice();
  }

  /** Whether a token is a control or unknown token, which `decode` hides. */
  isSpecial(id: number): boolean {
    this.#check(id);
    return (this.#vocabulary.attributes[id]! & (CONTROL | UNKNOWN)) !== 0;
  }

  /** The id of the control or user-defined token with exactly this text. */
  idOf(text: string): number | undefined {
    checkText("text", text);
    return this.#specialTokens.idOf(text);
  }

  #bytesOf(special: boolean): (id: number) => Uint8Array {
    const byteLevel = this.model === "gpt2";
    const hidden = new Uint8Array(0);
    return (id) => (this.isSpecial(id) && !special ? hidden : tokenBytes(this.#vocabulary, byteLevel, id));
  }

  #ids(text: string, call: string, options: EncodeOptions | undefined): number[] {
    checkText("text", text);
    const { special = false, bos } = optionsOf(call, options, encodeOptionNames);
    checkBoolean("special", special);
    if (bos !== undefined) checkBoolean("bos", bos);
    const output: number[] = (bos ?? this.addsBos) ? [...this.#firstIds] : [];
    this.#append([{ text, special }], output);
    if (bos !== false) output.push(...this.#lastIds);
    return output;
  }

  /** Special tokens are found part by part; the texts between them go on over the edges of parts. */
  #append(parts: readonly PromptPart[], output: number[]): void {
    let text = "";
    let afterSpecial = true;
    const flush = () => {
      if (text.length > LONGEST_WORD) {
        throw new UnsupportedError(
          "UNSUPPORTED_TEXT_LENGTH",
          `A text must have at most ${LONGEST_WORD} characters; it has ${text.length}`,
        );
      }
      if (text !== "") this.#encodeFragment(text, afterSpecial, output);
      afterSpecial = text === "" && afterSpecial;
      text = "";
    };
    for (const part of parts) {
      const wellFormed = part.text.replace(LONE_SURROGATES, (lone) => "\ufffd".repeat(lone.length));
      for (const fragment of this.#specialTokens.fragments(wellFormed, part.special)) {
        if (fragment.id === undefined) {
          text += wellFormed.slice(fragment.start, fragment.end);
        } else {
          flush();
          output.push(fragment.id);
          afterSpecial = true;
        }
      }
    }
    flush();
  }

  #check(id: number): void {
    if (Number.isInteger(id) && id >= 0 && id < this.vocabularySize) return;
    const { message } = invalidOption("the token id", `an integer in 0 .. ${this.vocabularySize - 1}`, id);
    throw new CriaError("INVALID_TOKEN", message);
  }
}

/** What an iterable that is the caller's gives. A string is refused: its characters are not meant. */
function listed(name: string, value: unknown, what: string): Iterable<unknown> {
  if (readable(name, value, () => value instanceof Int32Array)) return value as Int32Array;
  const isIterable = readable(name, value, () => {
    const given = value as Partial<Iterable<unknown>> | null | undefined;
    return typeof given === "object" && typeof given?.[Symbol.iterator] === "function";
  });
  if (!isIterable) throw invalidOption(name, what, value);
  return readable(name, value, () => [...(value as Iterable<unknown>)]);
}

function partsOf(parts: unknown): readonly PromptPart[] {
  return Array.from(listed("parts", parts, "an iterable of { text, special }"), (part, i) => {
    if (typeof part !== "object" || part === null) throw invalidOption(`parts[${i}]`, "{ text, special }", part);
    return readable(`parts[${i}]`, part, () => {
      const { text, special } = part as PromptPart;
      return {
        text: checkText(`parts[${i}].text`, text),
        special: checkBoolean(`parts[${i}].special`, special ?? false),
      };
    });
  });
}

function encoderOf(vocabulary: Vocabulary, table: TokenizerTables["encoder"]): FragmentEncoder {
  switch (table.model) {
    case "gpt2":
      return bpeEncoder(vocabulary, table.merges, preTokenizerNamed(table.preTokenizer));
    case "llama":
      return spmEncoder(vocabulary, table.spm, table.addSpacePrefix);
    case "bert":
      return wordPieceEncoder(vocabulary, table.wordPiece);
    case "t5":
      return unigramEncoder(table.unigram);
    case "gemma4":
      return characterBpeEncoder(vocabulary, table.characters);
    case "whitespace":
      return wordBpeEncoder(vocabulary, table.merges, table.lowercase);
  }
}

/** Whether the encoder puts a space before a text, which decoding takes away again. */
function prefixesSpace(table: TokenizerTables["encoder"]): boolean {
  if (table.model === "t5") return table.unigram.addSpacePrefix;
  return table.model === "llama" && table.addSpacePrefix;
}

function listOf(id: number | undefined): readonly number[] {
  return id === undefined ? [] : [id];
}
