// What the tokenizer does, on vocabularies small enough to check by hand.

import { describe, expect, it } from "vitest";
import { tokenizerFrom } from "../../dist/tokenizer/index.js";
import fc from "../support/fast-check.js";
import {
  byteLevel,
  byteTokens,
  CONTROL,
  metadataOf,
  NORMAL,
  sentencePiece,
  UNKNOWN,
  USER_DEFINED,
  wordPiece,
} from "../support/synthetic-vocabularies.js";

const plain = { special: false, bos: false } as const;

describe("SentencePiece", () => {
  const pieces = ["▁a", "ab", "▁", "a", "b", "▁▁", "▁ab"];
  const id = (piece: string) => 259 + pieces.indexOf(piece);

  it("merges the best score first, the leftmost among equals", () => {
    const tokenizer = tokenizerFrom(sentencePiece(pieces));
    expect([...tokenizer.encode("ab", plain)]).toEqual([id("▁ab")]);
    const equal = sentencePiece(
      [
        ["a", NORMAL, -9],
        ["aa", NORMAL, -1],
        ["▁", NORMAL, -9],
      ],
      { add_space_prefix: false },
    );
    expect([...tokenizerFrom(equal).encode("aaa", plain)]).toEqual([260, 259]);
  });

  it("puts a space before the first text and after special tokens, and nowhere else", () => {
    const tokenizer = tokenizerFrom(sentencePiece(pieces));
    expect([...tokenizer.encode("a</s>a", { special: true, bos: false })]).toEqual([id("▁a"), 2, id("▁a")]);
    expect([...tokenizer.encode("", { bos: true })]).toEqual([1]);
    const without = tokenizerFrom(sentencePiece(pieces, { add_space_prefix: false }));
    expect([...without.encode("a</s>a", { special: true, bos: false })]).toEqual([id("a"), 2, id("a")]);
  });

  it("writes what is not a token as bytes", () => {
    const tokenizer = tokenizerFrom(sentencePiece(pieces, { add_space_prefix: false }));
    expect([...tokenizer.encode("é", plain)]).toEqual([3 + 0xc3, 3 + 0xa9]);
    expect(tokenizer.decode([3 + 0xc3, 3 + 0xa9])).toBe("é");
  });

  it("writes unknown where a byte has no token", () => {
    const few = metadataOf("llama", [
      ["<unk>", UNKNOWN],
      ["<s>", CONTROL],
      ["</s>", CONTROL],
      ...byteTokens.slice(0, 0xc4),
    ]);
    expect([...tokenizerFrom(few).encode("é", { bos: false })].slice(-2)).toEqual([3 + 0xc3, 3 + 0xa9]);
    expect([...tokenizerFrom(few).encode("ſ", { bos: false })].slice(-2)).toEqual([0, 3 + 0xbf]);
  });

  it("takes away the space that it put in front, once, unless the ids go on from other text", () => {
    const tokenizer = tokenizerFrom(sentencePiece(pieces));
    expect(tokenizer.decode(tokenizer.encode(" ab"))).toBe(" ab");
    expect(tokenizer.decode([id("▁a"), id("▁a")])).toBe("a a");
    expect(tokenizer.decoder({ continues: true }).push(id("▁a"))).toBe(" a");
    expect(tokenizer.decoder().push(id("▁a"))).toBe("a");
  });

  it("merges as a search for the best pair over the whole text does", () => {
    const scored = ["a", "b", "c", "▁", "ab", "bc", "ca", "abc", "▁a", "c▁", "▁▁", "aa", "aab"];
    const tokenizer = tokenizerFrom(
      sentencePiece(
        scored.map((text, i) => [text, NORMAL, -((i * 7) % 5)] as const),
        { add_space_prefix: false },
      ),
    );
    const scoreOf = new Map(scored.map((text, i) => [text, -((i * 7) % 5)]));
    const naive = (text: string): string[] => {
      const symbols = [...text.replaceAll(" ", "▁")];
      for (;;) {
        let best = -1;
        const score = (i: number) => scoreOf.get(symbols[i]! + symbols[i + 1]!) ?? Number.NEGATIVE_INFINITY;
        for (let i = 0; i + 1 < symbols.length; i++) {
          if (score(i) > (best < 0 ? Number.NEGATIVE_INFINITY : score(best))) best = i;
        }
        if (best < 0) return symbols;
        symbols.splice(best, 2, symbols[best]! + symbols[best + 1]!);
      }
    };
    fc.assert(
      fc.property(fc.array(fc.constantFrom("a", "b", "c", " "), { maxLength: 90 }), (letters) => {
        const text = letters.join("");
        expect([...tokenizer.encode(text, plain)].map((i) => tokenizer.tokenText(i))).toEqual(naive(text));
      }),
      { numRuns: 500 },
    );
  });
});

describe("byte-level BPE", () => {
  it("merges by rank, whatever the length of the word", () => {
    const tokenizer = tokenizerFrom(byteLevel(["b c", "a b", "a a", "aa aa"]));
    const texts = (text: string) => [...tokenizer.encode(text, plain)].map((id) => tokenizer.tokenText(id));
    expect(texts("abc")).toEqual(["a", "bc"]);
    expect(texts("aaaaa")).toEqual(["aaaa", "a"]);
    expect(texts("a".repeat(403))).toEqual([...Array.from({ length: 100 }, () => "aaaa"), "aa", "a"]);
  });

  it("takes a word that is a token at once where the pre-tokenizer says so", () => {
    const tokens = [["abc", NORMAL]] as const;
    const llama3 = tokenizerFrom(byteLevel(["b c"], tokens, { pre: "llama-bpe", bos_token_id: 0 }));
    expect([...llama3.encode("abc", plain)]).toEqual([257]);
    expect([...tokenizerFrom(byteLevel(["b c"], tokens)).encode("abc", plain)]).toEqual([97, 256]);
  });

  it("merges through pieces that are not tokens, and writes the bytes of those that stay", () => {
    const metadata = byteLevel(["a b", "ab c"]);
    const tokens = metadata.get("tokenizer.ggml.tokens") as string[];
    tokens[256] = "unrelated"; // where "ab" was
    const tokenizer = tokenizerFrom(metadata);
    expect([...tokenizer.encode("abc", plain)]).toEqual([257]);
    expect([...tokenizer.encode("ab", plain)]).toEqual([97, 98]);
  });

  it("counts what it encodes, BOS and control tokens included", () => {
    const tokenizer = tokenizerFrom(byteLevel(["a b"], [["<|end|>", CONTROL]]));
    for (const text of ["", "abc", "a b<|end|>"]) {
      for (const options of [{}, { special: true }, { bos: false }]) {
        expect(tokenizer.count(text, options)).toBe(tokenizer.encode(text, options).length);
      }
    }
    expect(() => tokenizer.count("a", { heat: 1 } as never)).toThrow('count has no option "heat"; it has special, bos');
  });

  it("gives any text back", () => {
    const tokenizer = tokenizerFrom(byteLevel(["Ġ t", "h e", "Ġt he", "Ã ©", "ð Ł", "ðŁ ĺ"]));
    fc.assert(
      fc.property(
        fc.string({ unit: "binary", maxLength: 60 }).filter((text) => !/\p{Cs}/u.test(text)),
        (text) => {
          expect(tokenizer.decode(tokenizer.encode(text, plain))).toBe(text);
        },
      ),
    );
    expect(tokenizer.decode(tokenizer.encode("a\ud800b\udc00", plain))).toBe("a\ufffdb\ufffd");
  });
});

describe("BPE on characters", () => {
  const tokens = ["你", "好", "世", "你好", "a", "b", "ab", "i", "😀", "😀b"];
  const metadata = (others: Readonly<Record<string, unknown>> = {}) => {
    const all = metadataOf(
      "whitespace",
      tokens.map((token) => [token]),
      others,
    );
    return all.set("tokenizer.ggml.merges", ["你 好", "a b", "好 世", "😀 b"]);
  };
  const encode = (text: string, others = {}) =>
    [...tokenizerFrom(metadata(others)).encode(text, plain)].map((id) => tokens[id]);

  it("merges by rank within what lies between white space, of which nothing is left", () => {
    expect(encode("你好世\u3000\n ab a b")).toEqual(["你好", "世", "ab", "a", "b"]);
    expect(encode("好世 😀b")).toEqual(["😀b"]); // what merges to no token, and has no bytes that are tokens, is left out
    expect(encode("a界b")).toEqual(["a", "b"]);
  });

  it("makes letters small where the file says so", () => {
    expect(encode("AB İ")).toEqual([]);
    expect(encode("AB İ", { "normalizer.lowercase": true })).toEqual(["ab", "i"]);
  });
});

describe("SentencePiece without byte tokens", () => {
  // What the SentencePiece library gives for such a vocabulary (byte_fallback off).
  const specials = [
    ["<unk>", UNKNOWN],
    ["<s>", CONTROL],
    ["</s>", CONTROL],
  ] as const;
  const ids = { bos_token_id: 1, eos_token_id: 2, unknown_token_id: 0, add_space_prefix: false };
  const tokenizer = tokenizerFrom(metadataOf("llama", [...specials, ["\u2581"], ["a"], ["b"], ["ab", NORMAL, 1]], ids));

  it.each<[string, number[]]>([
    ["\u00e9", [0]],
    ["\u{1f999}", [0]],
    ["\u65e5\u672c\u8a9e", [0]],
    ["xyz", [0]],
    ["axyzb", [4, 0, 5]],
    ["ab\u00e9\u00e9ab", [6, 0, 6]],
    ["\u00e9 \u00e9", [0, 3, 0]],
    ["\u00e9a\u00e9b\u00e9", [0, 4, 0, 5, 0]],
  ])("%s: one <unk> for a run of unknown characters", (text, expected) => {
    expect([...tokenizer.encode(text, plain)]).toEqual(expected);
    expect([...tokenizer.encode(text, plain)]).toEqual(expected); // from the memory of words
  });

  it("special tokens end a run, and without <unk> nothing is left of it", () => {
    expect([...tokenizer.encode("x</s>y", { special: true, bos: false })]).toEqual([0, 2, 0]);
    const none = tokenizerFrom(
      metadataOf("llama", [["a"], ["b"]], { bos_token_id: 0xffffffff, unknown_token_id: 0xffffffff }),
    );
    expect([...none.encode("xay")]).toEqual([0]);
  });
});

describe("WordPiece", () => {
  const tokenizer = tokenizerFrom(
    wordPiece(["un", "##aff", "##able", "a", "##b", "cafe", "!", "日", "'", "s", "straße", "ß"]),
  );

  it("takes the longest pieces, all of the word or unknown", () => {
    expect([...tokenizer.encode("unaffable ab abc", plain)]).toEqual([5, 6, 7, 8, 9, 1]);
  });

  it("drops case, accents and control characters, and cuts at punctuation and CJK characters", () => {
    expect([...tokenizer.encode("CAFÉ!日\u0000cafe\u0301", plain)]).toEqual([10, 11, 12, 10]);
    expect([...tokenizer.encode("a's", plain)]).toEqual([8, 13, 14]);
    expect([...tokenizer.encode("STRASSE straße", plain)]).toEqual([1, 15]);
  });

  it("keeps case and accents where the file says so", () => {
    const kept = tokenizerFrom(wordPiece(["É", "e", "E"], { "normalizer.lowercase": false }));
    expect([...kept.encode("É e E", plain)]).toEqual([5, 6, 7]);
    const stripped = tokenizerFrom(
      wordPiece(["É", "e", "E"], {
        "normalizer.lowercase": false,
        "normalizer.strip_accents": true,
      }),
    );
    expect([...stripped.encode("É", plain)]).toEqual([7]);
  });

  it("begins with [CLS] and ends with [SEP]", () => {
    expect([...tokenizer.encode("a")]).toEqual([2, 8, 3]);
    expect([...tokenizer.encode("[MASK] a", { special: true })]).toEqual([2, 4, 8, 3]);
    expect(tokenizer.decode(tokenizer.encode("Unaffable cafe!"))).toBe("unaffable cafe!");
  });
});

describe("special tokens", () => {
  const specials = [
    ["<|a|>", CONTROL],
    ["<|a|>b", CONTROL],
    ["  ", USER_DEFINED],
    ["<tool>", USER_DEFINED],
  ] as const;
  const tokenizer = tokenizerFrom(byteLevel(["x y"], specials));

  it("are found only when asked, user-defined ones always", () => {
    expect([...tokenizer.encode("<|a|>", plain)]).toEqual([..."<|a|>"].map((c) => c.charCodeAt(0)));
    expect([...tokenizer.encode("<|a|>", { special: true, bos: false })]).toEqual([257]);
    expect([...tokenizer.encode("x<tool>  y", plain)]).toEqual([120, 260, 259, 121]);
  });

  it("are found longest first", () => {
    expect([...tokenizer.encode("<|a|>b<|a|>", { special: true, bos: false })]).toEqual([258, 257]);
    const overlap = tokenizerFrom(
      byteLevel(
        [],
        [
          ["xab", CONTROL],
          ["abcd", CONTROL],
        ],
      ),
    );
    expect([...overlap.encode("xabcd", { special: true, bos: false })]).toEqual([120, 257]);
  });

  it("are hidden in decoded text unless asked for; user-defined ones are text", () => {
    expect(tokenizer.decode([120, 257, 260, 121])).toBe("x<tool>y");
    expect(tokenizer.decode([120, 257, 260, 121], { special: true })).toBe("x<|a|><tool>y");
    expect(tokenizer.isSpecial(257)).toBe(true);
    expect(tokenizer.isSpecial(260)).toBe(false);
    expect(tokenizer.idOf("<tool>")).toBe(260);
    expect(tokenizer.idOf("x")).toBeUndefined();
  });

  it("take white space beside them where a model has it so", () => {
    const mask = tokenizerFrom(byteLevel([], [["<mask>", CONTROL]], { pre: "jina-v2-de" }));
    expect([...mask.encode("a \t<mask> b", { special: true, bos: false })]).toEqual([97, 256, 32, 98]);
    const phi = tokenizerFrom(
      sentencePiece(
        [
          ["<|end|>", CONTROL],
          ["a", NORMAL, -1],
        ],
        { "general.name": "Phi-3 mini", add_space_prefix: false },
      ),
    );
    expect([...phi.encode("<|end|>\n a", { special: true, bos: false })]).toEqual([259, 260]);
    expect([...phi.encode("<s>\na", { special: true, bos: false })]).toEqual([1, 13, 260]);
  });

  it("name the ends of a generation", () => {
    const chat = tokenizerFrom(
      byteLevel(
        [],
        [
          ["<|end_of_text|>", CONTROL],
          ["<|eot_id|>", CONTROL],
          ["<|im_end|>", NORMAL],
          ["<mine>", CONTROL],
        ],
        { eos_token_id: 259 },
      ),
    );
    expect([...chat.endOfGenerationIds].sort()).toEqual([256, 257, 258, 259]);
    expect(chat.isSpecial(258)).toBe(true);
    const harmony = [
      ["<|return|>", CONTROL],
      ["<|call|>", CONTROL],
      ["<|end|>", CONTROL],
    ] as const;
    expect([...tokenizerFrom(byteLevel([], harmony, { eos_token_id: 256 })).endOfGenerationIds].sort()).toEqual([
      256, 257,
    ]);
  });
});

describe("begin and end", () => {
  const specials = [
    ["<bos>", CONTROL],
    ["<eos>", CONTROL],
  ] as const;
  const ids = { bos_token_id: 256, eos_token_id: 257 };

  it("follow the flags of the file unless told otherwise", () => {
    const none = tokenizerFrom(byteLevel([], specials, ids));
    expect([...none.encode("a")]).toEqual([97]);
    expect([...none.encode("a", { bos: true })]).toEqual([256, 97]);
    const both = tokenizerFrom(byteLevel([], specials, { ...ids, add_bos_token: true, add_eos_token: true }));
    expect([...both.encode("a")]).toEqual([256, 97, 257]);
    expect([...both.encode("a", { bos: false })]).toEqual([97]);
    expect({ ...both }).toMatchObject({ addsBos: true, addsEos: true, bosId: 256, eosId: 257, model: "gpt2" });
  });

  it("follow the pre-tokenizer where the file has no flag", () => {
    expect([...tokenizerFrom(byteLevel([], specials, { ...ids, pre: "tekken" })).encode("a")]).toEqual([256, 97]);
    const off = { ...ids, pre: "tekken", add_bos_token: false };
    expect([...tokenizerFrom(byteLevel([], specials, off)).encode("a")]).toEqual([97]);
    expect(tokenizerFrom(byteLevel([], specials, { pre: "glm4" })).bosId).toBeUndefined();
  });
});

describe("prompts made of parts", () => {
  const pieces = ["▁a", "a", "▁", "</s>a"];
  const tokenizer = tokenizerFrom(sentencePiece(pieces));

  it("recognise special tokens only in parts that may have them", () => {
    const ids = tokenizer.encodeParts([
      { text: "<s>", special: true },
      { text: "</s>", special: false },
      { text: "</s>", special: true },
    ]);
    expect(ids[0]).toBe(1);
    expect(ids.at(-1)).toBe(2);
    expect([...ids.slice(1, -1)]).not.toContain(2);
  });

  it("are one text where neighbours are of a kind", () => {
    const whole = tokenizer.encodeParts([{ text: "a</s>a", special: true }]);
    const split = tokenizer.encodeParts(["a<", "", "/s>", "a"].map((text) => ({ text, special: true })));
    expect([...split]).toEqual([...whole]);
    expect([...whole]).toEqual([1, 259, 2, 259]);
  });

  it("get a space in front once, and not where text goes on", () => {
    const ids = tokenizer.encodeParts([
      { text: "a", special: true },
      { text: "a", special: false },
      { text: "</s>", special: true },
      { text: "a", special: false },
    ]);
    expect([...ids]).toEqual([1, 259, 260, 2, 259]);
  });

  it("begin with one BOS, and have no EOS", () => {
    const both = tokenizerFrom(sentencePiece(pieces, { add_eos_token: true }));
    expect([...both.encodeParts([{ text: "<s>a", special: true }])]).toEqual([1, 259]);
    expect([...both.encodeParts([{ text: "a", special: true }])]).toEqual([1, 259]);
    expect([...both.encodeParts([])]).toEqual([1]);
    const none = tokenizerFrom(sentencePiece(pieces, { add_bos_token: false }));
    expect([...none.encodeParts([{ text: "a", special: true }])]).toEqual([259]);
  });
});

describe("incremental decoding", () => {
  const tokenizer = tokenizerFrom(byteLevel(["ð Ł"], [["<|a|>", CONTROL]]));

  it("waits for the rest of a character", () => {
    const decoder = tokenizer.decoder();
    expect([0x61, 256, 0xa6, 0x99, 0x62].map((id) => decoder.push(id))).toEqual(["a", "", "", "🦙", "b"]);
    expect(decoder.end()).toBe("");
  });

  it("says at the end what could not be finished, and replaces what is not UTF-8", () => {
    const decoder = tokenizer.decoder();
    expect(decoder.push(0xc3)).toBe("");
    expect(decoder.push(257)).toBe("");
    expect(decoder.push(0x61)).toBe("\ufffda");
    expect(decoder.push(0xe6)).toBe("");
    expect(decoder.end()).toBe("\ufffd");
  });

  it("gives what decoding all at once gives, for any ids", () => {
    const spm = tokenizerFrom(sentencePiece(["▁a", "▁", "é"]));
    fc.assert(
      fc.property(fc.array(fc.nat(257)), (ids) => {
        for (const each of [tokenizer, spm]) {
          const decoder = each.decoder();
          const text = ids.map((id) => decoder.push(id)).join("") + decoder.end();
          expect(text).toBe(each.decode(ids));
        }
      }),
    );
  });

  it("refuses ids that are not tokens", () => {
    const invalid = expect.objectContaining({ name: "CriaError", code: "INVALID_TOKEN" });
    for (const id of [-1, 258, 1.5, Number.NaN]) {
      expect(() => tokenizer.decode([id])).toThrowError(invalid);
      expect(() => tokenizer.decode([id], { special: true })).toThrowError(invalid);
      expect(() => tokenizer.tokenBytes(id)).toThrowError(invalid);
    }
  });

  it("shows the bytes and the text of a token", () => {
    expect(tokenizer.tokenText(256)).toBe("ðŁ");
    expect([...tokenizer.tokenBytes(256)]).toEqual([0xf0, 0x9f]);
  });
});
