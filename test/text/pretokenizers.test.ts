// Every row of the table of pre-tokenizers against the regular expressions that it stands for, and known cuts.

import { describe, expect, it } from "vitest";
import { preTokenizerNamed, wordEnds } from "../../dist/tokenizer/pretokenizers.js";
import fc from "../support/fast-check.js";

function cut(name: string, text: string): string[] {
  const ends = wordEnds(preTokenizerNamed(name), text);
  return ends.map((end, i) => text.slice(i === 0 ? 0 : ends[i - 1], end));
}

// \s as Unicode has it: JavaScript's has U+FEFF and lacks U+0085. What follows is written with `s` and `S` for the sets.
const white = "\\t-\\r \\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";
function pattern(source: string): RegExp {
  const inSets = source.replaceAll("[^\\s", `[^${white}`).replaceAll("\\S", `[^${white}]`);
  return new RegExp(inSets.replaceAll("\\s", `[${white}]`), "gu");
}

const contractions = "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])";
const rest = " ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
const restWithSlash = rest.replace("[\\r\\n]*", "[\\r\\n/]*");
const gpt2 = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)";
const llama = `${contractions}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}|${rest}`;
const qwen = llama.replace("{1,3}", "");
const upper = "(?![a-z])\\p{L}";
const lower = "(?![A-Z])\\p{L}";
const cased = (after: string) =>
  `[^\\r\\n\\p{L}\\p{N}]?(?:${upper})*(?:${lower})+${after}|[^\\r\\n\\p{L}\\p{N}]?(?:${upper})+(?:${lower})*${after}`;
const spaces = "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
const phrases = " ?[^\\s(|.,!?…。，、।۔،)]+";
const kanaAndHan = "[\\u3040-\\u30ff\\u4e00-\\u9fa5]+";
const han =
  "\\u3400-\\u4dbf\\u4e00-\\u9fff\\uf900-\\ufaff\\u{20000}-\\u{2a6df}\\u{2a700}-\\u{2ebef}\\u{2f800}-\\u{2fa1f}";
const eastAsian = "(?:(?!\\s)[\\u0800-\\u9fa5\\uac00-\\ud7ff])+";

const expressions: Record<string, readonly string[]> = {
  default: ["[\\p{P}$+<=>\\^~\\|]+", gpt2, "\\p{N}+", "[0-9][0-9][0-9]"],
  "gpt-2": [gpt2],
  mpt: [gpt2],
  "llama-bpe": [llama],
  "chatglm-bpe": [llama],
  dbrx: [llama],
  qwen2: [qwen],
  qwen35: [qwen.replaceAll("?\\p{L}+", "?[\\p{L}\\p{M}]+").replace("[^\\s\\p{L}\\p{N}]", "[^\\s\\p{L}\\p{M}\\p{N}]")],
  smollm: ["\\p{N}", gpt2],
  starcoder: ["\\p{N}", gpt2],
  refact: ["\\p{N}", gpt2],
  "command-r": ["\\p{N}", gpt2],
  exaone: ["\\p{N}", gpt2],
  falcon: ["[\\p{P}$+<=>\\^~\\|`]+", gpt2, "[0-9][0-9][0-9]"],
  "deepseek-coder": ["[\\r\\n]", "\\s?\\p{L}+", "\\s?\\p{P}+", eastAsian, "\\p{N}"],
  tekken: [`${cased("")}|\\p{N}|${restWithSlash}`],
  "gpt-4o": [`${cased(`${contractions}?`)}|\\p{N}{1,3}|${restWithSlash}`],
  "granite-embed-multi-97m": [
    `${cased(`${contractions}?`).replaceAll(/(?<=\(\?!\[[aA]-[zZ]\]\))\\p\{L\}/g, "[\\p{L}\\p{M}]")}|\\p{N}{1,3}|${restWithSlash}`,
  ],
  "deepseek-v3": [
    "\\p{N}{1,3}",
    kanaAndHan,
    `[!-/:-@\\[-\`{-~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\\r\\n]*|${spaces}`,
  ],
  "kimi-k2": [`[${han}]+|[^\\r\\n\\p{L}\\p{N}]?(?:(?![${han}])\\p{L})+${contractions}?|\\p{N}{1,3}|${rest}`],
  "seed-coder": [qwen.replace("]+[\\r\\n]*", "]+")],
  ufakzeka: [qwen.replace(`${contractions}|`, "")],
  minicpm5: ["\\p{N}{1,3}", llama.replace("{1,3}", "+")],
  "poro-chat": [phrases],
  viking: [phrases, "\\p{N}"],
  superbpe: ["\\p{N}+", "(?=(?:[0-9]{3})+(?![0-9]))"],
  tiny_aya: [
    "\\P{N}*\\p{N}{1,3}(?=(?:\\p{N}{3})*(?!\\p{N}))",
    `[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+${contractions}?|\\p{N}{1,3}|${restWithSlash}`,
  ],
};

/** Cuts each piece into matches and what lies between them, one expression after the other. */
function cutByExpressions(sources: readonly string[], text: string): string[] {
  let pieces = text === "" ? [] : [text];
  for (const source of sources) {
    const expression = pattern(source);
    pieces = pieces.flatMap((piece) => {
      const cuts = [...piece.matchAll(expression)].flatMap((match) => [match.index, match.index + match[0].length]);
      const edges = [...new Set([0, ...cuts, piece.length])];
      return edges.slice(1).map((edge, i) => piece.slice(edges[i], edge));
    });
  }
  return pieces;
}

const characters = [
  ..." \n\r\t'.,!?$+<=>^~|`_-/\"()aZ17",
  ..."é½Ⅷ١яΩ中日語한ßﬁǅʰ。、～‘€ࠀ\u0301\u093e\u00a0\u3000\u2003\u0085\u2028\ufeff\u200d\u0000\u001b",
  ...["🙂", "𝒜", "𐐀", "𝟙", "𠀀", "'s", "'LL", "'re", "HE", "he", "  ", "\r\n", "123", "4567"],
];
const texts = fc.array(fc.constantFrom(...characters), { maxLength: 24 }).map((parts) => parts.join(""));

describe("pre-tokenizers", () => {
  it.each(Object.entries(expressions))("%s cuts as its regular expressions do", (name, sources) => {
    fc.assert(
      fc.property(texts, (text) => {
        expect(cut(name, text)).toEqual(cutByExpressions(sources, text));
      }),
      { numRuns: 1500 },
    );
  });

  it("deepseek-llm takes letters with case, then punctuation, then East Asian, then digits", () => {
    expect(cut("deepseek-llm", "It's Größe, 日本 12345!\n\n  x  ")).toEqual([
      "It",
      "'",
      "s",
      " Gr",
      "öß",
      "e",
      ",",
      " ",
      "日本",
      " ",
      "12345",
      "!",
      "\n",
      "\n",
      " ",
      " x",
      "  ",
    ]);
    expect(cut("deepseek-llm", "я١\u3000。ǅʕʔ")).toEqual(["я", "١", "\u3000", "。", "ǅʕ", "ʔ"]);
  });

  it.each([
    ["default", "a+b <=1234", ["a", "+", "b", " ", "<=", "123", "4"]],
    ["gpt-2", "don't  stop 1234\n", ["don", "'t", " ", " stop", " 1234", "\n"]],
    ["llama-bpe", "DON'T (stop) 12345\n\n x", ["DON", "'T", " (", "stop", ")", " ", "123", "45", "\n\n", " x"]],
    ["qwen2", "in 2024\t\tok", ["in", " ", "2", "0", "2", "4", "\t", "\tok"]],
    ["smollm", "v 12!", ["v", " ", "1", "2", "!"]],
    ["falcon", "`x` = 12345", ["`", "x", "`", " ", "=", " ", "123", "45"]],
    ["deepseek-coder", "if x1:\n\t日本", ["if", " x", "1", ":", "\n", "\t", "日本"]],
    ["tekken", "HelloWorld HELLO's a/b//\n 12", ["Hello", "World", " HELLO", "'s", " a", "/b", "//\n", " ", "1", "2"]],
    ["gpt-4o", "HelloWorld HELLO's 1234", ["Hello", "World", " HELLO's", " ", "123", "4"]],
  ])("%s cuts a known text", (name, text, words) => {
    expect(cut(name, text)).toEqual(words);
  });

  it.each([
    ["falcon3", "llama-bpe"],
    ["pixtral", "llama-bpe"],
    ["lfm2", "llama-bpe"],
    ["jina-v5-nano", "llama-bpe"],
    ["deepseek-r1-qwen", "qwen2"],
    ["megrez", "qwen2"],
    ["kormo", "qwen2"],
    ["f2llmv2", "qwen2"],
    ["phi-2", "gpt-2"],
    ["roberta-bpe", "gpt-2"],
    ["exaone4", "gpt-2"],
    ["modern-bert", "gpt-2"],
    ["llama4", "gpt-4o"],
    ["talkie", "gpt-4o"],
    ["kanana2", "gpt-4o"],
  ])("%s is another name of %s", (alias, name) => {
    expect(preTokenizerNamed(alias)).toBe(preTokenizerNamed(name));
  });

  it("has flags beside the patterns", () => {
    expect(preTokenizerNamed("llama-bpe")).toMatchObject({ ignoreMerges: true, addsBos: true });
    expect(preTokenizerNamed("tekken")).toMatchObject({ ignoreMerges: true, addsBos: true });
    expect(preTokenizerNamed("gpt-4o").ignoreMerges).toBeUndefined();
  });

  it("refuses a name that it does not know, and lists those that it knows", () => {
    expect(() => preTokenizerNamed("no-such")).toThrowError(
      expect.objectContaining({
        name: "UnsupportedError",
        code: "UNSUPPORTED_PRETOKENIZER",
        message: expect.stringMatching(/"no-such".*command-r.*llama-bpe.*tekken/),
      }),
    );
    expect(() => preTokenizerNamed("constructor")).toThrowError("constructor");
  });
});
