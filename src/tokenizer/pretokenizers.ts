// How byte-level BPE cuts a text into words before merging, one row per kind of vocabulary. A row has stages; each stage cuts
// every piece of the stage before into its matches and what lies between them. Names and patterns as in llama.cpp.

import { UnsupportedError } from "../errors.js";
import { classesOf, LETTER, MARK, NUMBER, PUNCTUATION, SPACE } from "./character-classes.js";
import { CASED_LETTERS, EAST_ASIAN, HAN, KANA_AND_HAN, PUNCTUATION_AND_ASCII } from "./character-ranges.js";
import {
  contracted,
  contraction,
  contractionAnyCase,
  group,
  lineBreak,
  lineBreaks,
  markedWord,
  prefixedLetters,
  prefixedNonHan,
  prefixedRun,
  prefixedWord,
  rangeRun,
  run,
  type Scanner,
  spacedPunctuation,
  spacedRun,
  spacedRunWithout,
  spacedSymbols,
  thousands,
  threeDigits,
  throughGroup,
  trailingWhiteSpace,
  whiteSpace,
  whiteSpacedRun,
} from "./scanners.js";

/** A stage: alternatives. The first that matches counts. */
type Stage = readonly Scanner[];

/** A kind of byte-level vocabulary. */
export interface PreTokenizer {
  /** The values of tokenizer.ggml.pre that mean it. */
  readonly names: readonly string[];
  readonly stages: readonly Stage[];
  /** Whether a word that is a token as a whole is that token, whatever the merges say. */
  readonly ignoreMerges?: true;
  /** Whether a text begins with BOS unless the file says otherwise. */
  readonly addsBos?: true;
}

const words: Stage = [contraction, spacedRun(LETTER), spacedRun(NUMBER), spacedSymbols(""), whiteSpace];

function modernWords(letters: Scanner, digits: number, tail: "" | "\r\n" | "\r\n/" = "\r\n"): Stage {
  return [letters, group(NUMBER, digits), spacedSymbols(tail), lineBreaks, whiteSpace];
}

const llamaWords: Stage = [contractionAnyCase, ...modernWords(prefixedRun(LETTER), 3)];
const qwenWords: Stage = [contractionAnyCase, ...modernWords(prefixedRun(LETTER), 1)];
const digitsApart: readonly Stage[] = [[group(NUMBER, 1)], words];
const phrases: Stage = [spacedRunWithout("(|.,!?…。，、।۔،)")];

const rows: readonly PreTokenizer[] = [
  {
    names: ["default"],
    stages: [[run(PUNCTUATION, "$+<=>^~|")], words, [run(NUMBER)], [threeDigits]],
  },
  {
    names: ["llama-bpe", "llama3", "llama-v3", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2", "jina-v5-nano"],
    stages: [llamaWords],
    ignoreMerges: true,
    addsBos: true,
  },
  { names: ["dbrx", "smaug-bpe"], stages: [llamaWords] },
  { names: ["chatglm-bpe", "glm4"], stages: [llamaWords] },
  {
    names: ["gpt-2", "phi-2", "jina-es", "jina-de", "gigachat", "jina-v2-es", "jina-v2-de", "a.x-4.0", "mellum"].concat(
      ["modern-bert", "jina-v1-en", "jina-v2-code", "roberta-bpe", "exaone4"],
    ),
    stages: [words],
  },
  { names: ["mpt", "olmo", "jais", "trillion", "granite-docling"], stages: [words] },
  {
    names: ["qwen2", "deepseek-r1-qwen", "kormo", "f2llmv2", "megrez", "stablelm2", "hunyuan", "solar-open", "grok-2"],
    stages: [qwenWords],
  },
  {
    names: ["qwen35"],
    stages: [
      [
        contractionAnyCase,
        prefixedRun(LETTER | MARK),
        group(NUMBER, 1),
        spacedSymbols("\r\n", SPACE | LETTER | MARK | NUMBER),
        lineBreaks,
        whiteSpace,
      ],
    ],
  },
  { names: ["smollm", "starcoder", "refact", "command-r"], stages: digitsApart },
  { names: ["codeshell", "exaone", "minerva-7b", "mellum2"], stages: digitsApart },
  { names: ["falcon"], stages: [[run(PUNCTUATION, "$+<=>^~|`")], words, [threeDigits]] },
  {
    names: ["deepseek-llm"],
    stages: [
      [lineBreak],
      [rangeRun(CASED_LETTERS, true)],
      [rangeRun(PUNCTUATION_AND_ASCII, true)],
      [trailingWhiteSpace],
      [rangeRun(EAST_ASIAN, false)],
      [run(NUMBER)],
    ],
  },
  {
    names: ["deepseek-coder"],
    stages: [
      [lineBreak],
      [whiteSpacedRun(LETTER)],
      [whiteSpacedRun(PUNCTUATION)],
      [rangeRun(EAST_ASIAN, false)],
      [group(NUMBER, 1)],
    ],
  },
  { names: ["tekken"], stages: [modernWords(prefixedWord(LETTER), 1, "\r\n/")], ignoreMerges: true, addsBos: true },
  {
    names: ["gpt-4o", "llama4", "kanana2", "talkie", "minimax-m2"],
    stages: [modernWords(contracted(prefixedWord(LETTER)), 3, "\r\n/")],
  },
  {
    names: ["granite-embed-multi-97m"],
    stages: [modernWords(contracted(prefixedWord(LETTER | MARK)), 3, "\r\n/")],
    ignoreMerges: true,
  },
  {
    names: ["deepseek-v3", "hunyuan-dense", "joyai-llm"],
    stages: [
      [group(NUMBER, 3)],
      [rangeRun(KANA_AND_HAN, false)],
      [markedWord, prefixedLetters, spacedPunctuation, lineBreaks, whiteSpace],
    ],
  },
  { names: ["kimi-k2"], stages: [[rangeRun(HAN, false), ...modernWords(contracted(prefixedNonHan), 3)]] },
  {
    names: ["tiny_aya", "cohere2moe"],
    stages: [[throughGroup], modernWords(contracted(prefixedRun(LETTER | MARK)), 3, "\r\n/")],
  },
  { names: ["seed-coder"], stages: [[contractionAnyCase, ...modernWords(prefixedRun(LETTER), 1, "")]] },
  { names: ["ufakzeka"], stages: [modernWords(prefixedRun(LETTER), 1)] },
  {
    names: ["minicpm5"],
    stages: [[group(NUMBER, 3)], llamaWords],
    ignoreMerges: true,
  },
  { names: ["poro-chat", "bloom", "gpt3-finnish"], stages: [phrases] },
  { names: ["viking"], stages: [phrases, [group(NUMBER, 1)]] },
  { names: ["superbpe"], stages: [[run(NUMBER)], [thousands]] },
];

const byName = new Map(rows.flatMap((row) => row.names.map((name) => [name, row] as const)));

/** The pre-tokenizer of a name; throws UnsupportedError for a name that is not in the table. */
export function preTokenizerNamed(name: string): PreTokenizer {
  const row = byName.get(name);
  if (row !== undefined) return row;
  throw new UnsupportedError(
    "UNSUPPORTED_PRETOKENIZER",
    `The pre-tokenizer ${JSON.stringify(name)} is not supported; supported are ${[...byName.keys()].sort().join(", ")}`,
  );
}

/** Where the words of a text end, in UTF-16 units; the text must be well-formed. */
export function wordEnds(preTokenizer: PreTokenizer, text: string): readonly number[] {
  const source = { text, classes: classesOf(text) };
  let ends: readonly number[] = text.length > 0 ? [text.length] : [];
  for (const stage of preTokenizer.stages) {
    const finer: number[] = [];
    let start = 0;
    for (const end of ends) {
      let gap = start;
      let at = start;
      while (at < end) {
        let stop = at;
        for (let i = 0; i < stage.length && stop === at; i++) stop = stage[i]!(source, at, end);
        if (stop === at) {
          at++;
        } else {
          if (at > gap) finer.push(at);
          finer.push(stop);
          at = stop;
          gap = stop;
        }
      }
      if (end > gap) finer.push(end);
      start = end;
    }
    ends = finer;
  }
  return ends;
}
