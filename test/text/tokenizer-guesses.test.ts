// What a file does not say of its tokenizer: the ids of special tokens above all. No id is made up, and every guess is told.

import { describe, expect, it } from "vitest";
import { tokenizerFrom } from "../../dist/tokenizer/index.js";
import { byteLevel, CONTROL, metadataOf, sentencePiece, wordPiece } from "../support/synthetic-vocabularies.js";

const NO_TOKEN = 0xffffffff;
const TYPES = "tokenizer.ggml.token_type";

function without(metadata: Map<string, unknown>, ...names: string[]): Map<string, unknown> {
  for (const name of names) metadata.delete(`tokenizer.ggml.${name}`);
  return metadata;
}

const ids = { bos_token_id: 1, eos_token_id: 2, unknown_token_id: 0 };
const end = [["<|end|>", CONTROL]] as const;

describe("special ids", () => {
  it("a byte-level vocabulary has those that its file names, and no others", () => {
    const tokenizer = tokenizerFrom(byteLevel(["a b"]));
    expect([tokenizer.bosId, tokenizer.eosId, tokenizer.unknownId]).toEqual([undefined, undefined, undefined]);
    expect(tokenizer.endOfGenerationIds.size).toBe(0);
    expect(tokenizer.warnings).toEqual([expect.stringContaining("no token that ends a text")]);
  });

  it.each(["llama-bpe", "tekken"])("%s without a BOS begins texts without one, and says so", (pre) => {
    const tokenizer = tokenizerFrom(byteLevel([], end, { pre }));
    expect(tokenizer.addsBos).toBe(false);
    expect([...tokenizer.encode("a")]).toEqual([97]);
    expect(tokenizer.warnings).toEqual([expect.stringContaining("begin without BOS")]);
    expect(() => tokenizerFrom(byteLevel([], end, { pre, add_bos_token: true }))).toThrowError(
      expect.objectContaining({ code: "TOKENIZER_ID_MISSING" }),
    );
  });

  it('an explicit "no token" is none, in every role and family', () => {
    for (const metadata of [
      byteLevel([], end, { bos_token_id: NO_TOKEN, eos_token_id: NO_TOKEN, add_bos_token: false }),
      sentencePiece([], { bos_token_id: NO_TOKEN, eos_token_id: NO_TOKEN, unknown_token_id: NO_TOKEN }),
    ]) {
      const tokenizer = tokenizerFrom(metadata);
      expect([tokenizer.bosId, tokenizer.eosId, tokenizer.unknownId]).toEqual([undefined, undefined, undefined]);
      expect(tokenizer.addsBos).toBe(false);
    }
    const bert = tokenizerFrom(wordPiece(["a"], { unknown_token_id: NO_TOKEN, mask_token_id: NO_TOKEN }));
    expect([bert.unknownId, bert.maskId]).toEqual([undefined, undefined]);
    expect([...bert.encode("zzz", { bos: false })]).toEqual([]);
  });

  it("where SentencePiece and BERT vocabularies name none, the ids of their families are taken, and told", () => {
    const llama = tokenizerFrom(sentencePiece(["a"]));
    expect([llama.bosId, llama.eosId, llama.unknownId]).toEqual([1, 2, 0]);
    expect(llama.warnings).toEqual(
      ["bos", "eos", "unknown"].map((role) => expect.stringMatching(`^tokenizer.ggml.${role}_token_id is missing`)),
    );
    expect(tokenizerFrom(sentencePiece(["a"], ids)).warnings).toEqual([]);
    const bert = without(
      wordPiece(Array.from({ length: 200 }, (_, i) => `w${i}`)),
      "bos_token_id",
      "seperator_token_id",
    );
    const tokenizer = tokenizerFrom(bert);
    expect([tokenizer.bosId, tokenizer.separatorId, tokenizer.warnings.length]).toEqual([101, 102, 2]);
  });

  it("cls_token_id is BERT's BOS where the file has no other", () => {
    const tokenizer = tokenizerFrom(without(wordPiece(["a"], { cls_token_id: 2 }), "bos_token_id"));
    expect([...tokenizer.encode("a")]).toEqual([2, 5, 3]);
    expect(tokenizer.warnings).toEqual([]);
  });

  it("a padding or mask token beyond the vocabulary does not exist, and is told", () => {
    const tokenizer = tokenizerFrom(sentencePiece(["a"], { ...ids, padding_token_id: 32000 }));
    expect(tokenizer.padId).toBeUndefined();
    expect(tokenizer.warnings).toEqual([expect.stringContaining("padding_token_id is 32000")]);
  });
});

describe("other guesses are told", () => {
  it.each<[string, Map<string, unknown>, RegExp]>([
    ["no pre-tokenizer", without(byteLevel([], end), "pre"), /tokenizer\.ggml\.pre is missing.*"default"/],
    ["an empty pre-tokenizer", byteLevel([], end, { pre: "" }), /tokenizer\.ggml\.pre is missing/],
    ["no scores", without(sentencePiece(["a"], ids), "scores"), /scores is missing/],
    [
      "no types of tokens",
      without(metadataOf("llama", [["<unk>"], ["<s>"], ["x"], ["a"]], ids), "token_type"),
      /all tokens/,
    ],
    ["an end that is text", byteLevel([], [["<|im_end|>"]]), /taken for control tokens.*"<\|im_end\|>"/],
    [
      "a map of characters",
      sentencePiece([], { ...ids, precompiled_charsmap: new Uint8Array(4) }),
      /charsmap is not applied/,
    ],
    ["tokens to suppress", sentencePiece([], { ...ids, suppress_tokens: [3] }), /suppress_tokens is not applied/],
    [
      "white space to remove",
      sentencePiece([], { ...ids, remove_extra_whitespaces: true }),
      /whitespaces is not applied/,
    ],
    [
      "a name that means strips",
      sentencePiece([], { ...ids, "general.name": "Phi-3 mini" }),
      /general\.name says Phi-3/,
    ],
  ])("%s", (_name, metadata, warning) => {
    expect(tokenizerFrom(metadata).warnings).toEqual([expect.stringMatching(warning)]);
  });

  it("a file that says everything has no warnings", () => {
    for (const metadata of [byteLevel(["a b"], end), sentencePiece(["a"], ids), wordPiece(["a"])]) {
      expect(metadata.has(TYPES)).toBe(true);
      expect(tokenizerFrom(metadata).warnings).toEqual([]);
    }
  });
});
