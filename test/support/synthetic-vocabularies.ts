// Small vocabularies of each kind, as the metadata of a file would have them.

const TOKENS = "tokenizer.ggml.tokens";

export const NORMAL = 1;
export const UNKNOWN = 2;
export const CONTROL = 3;
export const USER_DEFINED = 4;
export const BYTE = 6;

/** A token: its text, its type and its score. */
export type Token = readonly [text: string, type?: number, score?: number];

/** Metadata with a vocabulary and whatever else is given; keys are those of the tokenizer unless they name another place. */
export function metadataOf(
  model: string,
  tokens: readonly Token[],
  more: Record<string, unknown> = {},
): Map<string, unknown> {
  return new Map<string, unknown>([
    ["tokenizer.ggml.model", model],
    [TOKENS, tokens.map(([text]) => text)],
    ["tokenizer.ggml.token_type", Int32Array.from(tokens, ([, type]) => type ?? NORMAL)],
    ["tokenizer.ggml.scores", Float32Array.from(tokens, ([, , score]) => score ?? 0)],
    ...Object.entries(more).map(
      ([key, value]) => [/^(?:general|tokenizer)\./.test(key) ? key : `tokenizer.ggml.${key}`, value] as const,
    ),
  ]);
}

export const byteTokens: readonly Token[] = Array.from({ length: 256 }, (_, byte) => [
  `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`,
  BYTE,
]);

/** SentencePiece: <unk> <s> </s>, 256 bytes from id 3, then `tokens` from id 259 with falling scores. */
export function sentencePiece(tokens: readonly (string | Token)[], more: Record<string, unknown> = {}) {
  const pieces = tokens.map((token, i): Token => (typeof token === "string" ? [token, NORMAL, -i] : token));
  return metadataOf("llama", [["<unk>", UNKNOWN], ["<s>", CONTROL], ["</s>", CONTROL], ...byteTokens, ...pieces], more);
}

/** The letters of byte-level vocabularies, in the order of the bytes. */
export const byteLetters: readonly string[] = (() => {
  let free = 0x100;
  const isPrintable = (b: number) => (b >= 0x21 && b <= 0x7e) || (b >= 0xa1 && b <= 0xff && b !== 0xad);
  return Array.from({ length: 256 }, (_, byte) => String.fromCodePoint(isPrintable(byte) ? byte : free++));
})();

/** Byte-level BPE: ids 0 to 255 are the bytes, then what each merge makes, in order, then `specials`. */
export function byteLevel(
  merges: readonly string[],
  specials: readonly Token[] = [],
  more: Record<string, unknown> = {},
): Map<string, unknown> {
  const made = [...new Set(merges.map((merge) => merge.replace(" ", "")))];
  const tokens: Token[] = [...byteLetters, ...made].map((text) => [text]);
  return metadataOf("gpt2", [...tokens, ...specials], { merges: [...merges], pre: "gpt-2", ...more });
}

/** WordPiece: [PAD] [UNK] [CLS] [SEP] [MASK], then `tokens` from id 5, written as words and ##rests. */
export function wordPiece(tokens: readonly string[], more: Record<string, unknown> = {}): Map<string, unknown> {
  const specials: Token[] = [
    ["[PAD]", CONTROL],
    ["[UNK]", UNKNOWN],
    ["[CLS]", CONTROL],
    ["[SEP]", CONTROL],
    ["[MASK]", CONTROL],
  ];
  const written = tokens.map((text): Token => [text.startsWith("##") ? text.slice(2) : `\u2581${text}`]);
  return metadataOf("bert", [...specials, ...written], {
    bos_token_id: 2,
    unknown_token_id: 1,
    seperator_token_id: 3,
    padding_token_id: 0,
    mask_token_id: 4,
    ...more,
  });
}
