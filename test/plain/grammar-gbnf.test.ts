// GBNF grammars: what they match, against regular expressions; which tokens they allow, against trying every token; that a text ends
// within its budget; that hostile grammars end in an error; and generation under grammars.

import { fileURLToPath } from "node:url";
import { ContextError, CriaError, loadModel, type Model } from "cria";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { compileGrammar, parseGbnf, tokenTexts, VocabularyGrammar } from "../../dist/grammar/index.js";
import fc from "../support/fast-check.js";
import { byteVocabulary, tokensOf } from "../support/grammar-vocabulary.js";

const bytes = byteVocabulary();
const follow = (source: string, vocabulary = bytes) =>
  new VocabularyGrammar(compileGrammar(parseGbnf(source)), vocabulary);

function matches(grammar: VocabularyGrammar, text: string): boolean {
  const constraint = grammar.begin();
  return new TextEncoder().encode(text).every((byte) => constraint.accept(byte)) && constraint.accepts;
}

const errorOf = (call: () => unknown): CriaError => {
  try {
    call();
  } catch (error) {
    if (error instanceof CriaError) return error;
    throw error;
  }
  throw new Error("no error");
};

const json = String.raw`
root   ::= value
value  ::= object | array | string | number | "true" | "false" | "null"
object ::= "{" ws ( string ":" ws value ("," ws string ":" ws value)* )? ws "}"
array  ::= "[" ws ( value ("," ws value)* )? ws "]"
string ::= "\"" ( [^"\\\x00-\x1F] | "\\" (["\\/bfnrt] | "u" [0-9a-fA-F]{4}) )* "\""
number ::= "-"? ("0" | [1-9] [0-9]*) ("." [0-9]+)? ([eE] [-+]? [0-9]+)?
ws     ::= [ \t\n]*  # white space
`;

/** An expression in GBNF, and as a regular expression. */
const expressions = fc.letrec<{ e: readonly [string, string] }>((tie) => ({
  e: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    fc.constantFrom(
      ['"a"', "a"] as const,
      ['"bc"', "bc"] as const,
      ['""', ""] as const,
      ["[a-c]", "[a-c]"] as const,
      ["[^a]", "[^a]"] as const,
      [".", "[^]"] as const,
      ["[é-ë☃]", "[é-ë☃]"] as const,
      [String.raw`"\x61\u00e9\U0001F999"`, "aé🦙"] as const,
    ),
    fc.tuple(tie("e"), tie("e")).map(([a, b]) => [`${a[0]} ${b[0]}`, a[1] + b[1]] as const),
    fc.tuple(tie("e"), tie("e")).map(([a, b]) => [`(${a[0]} | ${b[0]})`, `(?:${a[1]}|${b[1]})`] as const),
    fc
      .tuple(tie("e"), fc.constantFrom("?", "*", "+", "{2}", "{1,}", "{0,2}", "{1,3}"))
      .map(([a, count]) => [`(${a[0]})${count}`, `(?:${a[1]})${count}`] as const),
  ),
})).e;

const characters = fc.constantFrom("a", "b", "c", "é", "☃", "🦙", "x");
const texts = fc.array(characters, { maxLength: 6 }).map((list) => list.join(""));

describe("parsing", () => {
  it("knows rules, sequences, alternatives, sets, groups, counts, escapes and comments", () => {
    const grammar = follow(String.raw`
      # a greeting
      root ::= greeting ("," name){1,2}  # twice at most
             | "(" [\]\\x-z] ")"
      greeting ::= "Hi" "!"? (
          " there"
        | ""
      )
      name ::= " " [A-Z] [^A-Z, ]*
    `);
    for (const text of ["Hi, Bo", "Hi! there, Ana, Bo", "(])", "(\\)", "(y)", "Hi, Zoë"])
      expect(matches(grammar, text)).toBe(true);
    for (const text of ["Hi", "Hi, bo", "Hi, A, B, C", "(w)", "Hi, BO", ""]) expect(matches(grammar, text)).toBe(false);
  });

  it("matches what the same regular expression matches", () => {
    fc.assert(
      fc.property(expressions, fc.array(texts, { minLength: 5, maxLength: 5 }), ([source, pattern], samples) => {
        const grammar = follow(`root ::= ${source}`);
        const regExp = new RegExp(`^(?:${pattern})$`, "u");
        for (const text of samples) expect([text, matches(grammar, text)]).toEqual([text, regExp.test(text)]);
      }),
      { numRuns: 300 },
    );
  });

  it("matches JSON, as JSON.parse does", () => {
    const grammar = follow(json);
    fc.assert(
      fc.property(fc.json({ maxDepth: 4 }), (text) => matches(grammar, text)),
      { numRuns: 200 },
    );
    for (const text of ['{"a":[1,{"b":null}]}', "-0.5e+3", '"\\u00e9\\n🦙"', "[ ]"])
      expect(matches(grammar, text)).toBe(true);
    for (const text of ['{"a":}', "01", '"\n"', "[1,]", "[[]", "tru", '"\\x"'])
      expect(matches(grammar, text)).toBe(false);
  });

  it.each([
    ["root ::= (", "GRAMMAR_SYNTAX", "line 1, column 11"],
    ['root ::= "a', "GRAMMAR_SYNTAX", "line 1, column 10"],
    ['root ::= "a"\nb = "c"', "GRAMMAR_SYNTAX", "line 2, column 3"],
    ["root ::= [z-a]", "GRAMMAR_SYNTAX", "lower to a higher"],
    ['root ::= "a"{3,2}', "GRAMMAR_SYNTAX", "{3,2}"],
    [String.raw`root ::= "\q"`, "GRAMMAR_SYNTAX", "one of"],
    [String.raw`root ::= "\uD800"`, "GRAMMAR_SYNTAX", "hexadecimal"],
    ['root ::= "a"\nroot ::= "b"', "GRAMMAR_SYNTAX", "second"],
    ["root ::= a", "GRAMMAR_NO_RULE", '"a"'],
    ['a ::= "a"', "GRAMMAR_NO_RULE", '"root"'],
    ["root ::= <[12]>", "GRAMMAR_NO_TOKEN", "token 12 (line 1, column 10)"],
    ["root ::= <think> !</think>*", "GRAMMAR_NO_TOKEN", 'the text "<think>" (line 1, column 10)'],
    ["root ::= <think", "GRAMMAR_SYNTAX", "a token, <text> or <[number]>"],
    ["root ::= !a", "GRAMMAR_SYNTAX", "or any other"],
    ['root ::= "a" root', "GRAMMAR_EMPTY", "root"],
    ['root ::= root "a" | "a"', "GRAMMAR_LEFT_RECURSION", "root -> root"],
    ['root ::= "x"* b\nb ::= root "y" | "y"', "GRAMMAR_LEFT_RECURSION", "root -> b -> root"],
  ])("refuses %s", (source, code, part) => {
    const error = errorOf(() => follow(source));
    expect([error.code, error.message]).toEqual([code, expect.stringContaining(part)]);
  });
});

describe("tokens", () => {
  const vocabulary = byteVocabulary([
    "ab",
    "abc",
    "bca",
    "aé",
    "é☃",
    "☃🦙",
    '{"',
    '":',
    '","',
    "}}",
    "]}",
    "[[",
    "true",
    " null",
    "12",
    ".5",
    '"a"',
    "ca",
    "aa",
    "aaa",
  ]);

  const everyToken = (grammar: VocabularyGrammar, path: readonly number[]) =>
    Array.from({ length: vocabulary.size }, (_, token) => token).filter((token) => {
      const constraint = grammar.begin();
      return [...path, token].every((id) => constraint.accept(id));
    });

  it("are symbols: by their texts, by numbers, and all but one", () => {
    const named: Record<string, number> = { "<think>": 256, "</think>": 257 };
    const texts = ["<think>", "</think>", "hm", "</", "think>"];
    const thinking = byteVocabulary(texts);
    const followed = (source: string, tokens: readonly number[]) => {
      const names = { size: thinking.size, idOf: (text: string) => named[text] };
      const constraint = new VocabularyGrammar(compileGrammar(parseGbnf(source, names)), thinking).begin();
      for (const [i, token] of tokens.entries()) {
        const allowed = tokensOf(constraint.allowed(100)).includes(token);
        expect(constraint.accept(token)).toBe(allowed);
        if (!allowed) return i;
      }
      return constraint.accepts ? "whole" : "begun";
    };
    const [think, end, hm, a] = [256, 257, 258, 97];
    // llama.cpp's own examples (grammars/README.md).
    for (const source of [
      "root ::= <think> thinking </think> .*\nthinking ::= !</think>*",
      "root ::= <[256]> thinking <[257]> .*\nthinking ::= !<[257]>*",
    ]) {
      expect(followed(source, [think, hm, a, think, end, a, hm])).toBe("whole");
      expect(followed(source, [think, end])).toBe("whole");
      expect(followed(source, [think, a, hm])).toBe("begun");
      expect(followed(source, [a])).toBe(0);
      // The mark's text in other tokens is not the mark: any token but it may come.
      expect(followed(source, [think, 259, 260, a])).toBe("begun");
    }
    expect(followed('root ::= <[97]> "b" | "ac"', [a, 99])).toBe("whole");
    expect(followed('root ::= "<" !<think>{2} # <no> "<no>"', [60, hm, think])).toBe(2);
    expect(tokenTexts('root ::= "<a>" <b> [<c>] !<d> <[5]> # <e>\n  <b>')).toEqual(["<b>", "<d>"]);
  });

  /** A text of random allowed tokens; `budget`: how many at most. */
  function randomText(
    grammar: VocabularyGrammar,
    budget: number,
    pick: (count: number) => number,
  ): number[] | undefined {
    const constraint = grammar.begin();
    const path: number[] = [];
    for (let left = budget; !constraint.isOver; left--) {
      const allowed = left === 0 ? [] : tokensOf(constraint.allowed(left));
      // A text that is whole may end, and must where no longer one fits.
      if (constraint.accepts && (allowed.length === 0 || pick(3) === 0)) break;
      if (allowed.length === 0) return undefined;
      const token = allowed[pick(allowed.length)]!;
      if (!constraint.accept(token)) return undefined;
      path.push(token);
    }
    return path;
  }

  const picks = fc.infiniteStream(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }));
  const pickOf = (stream: Iterator<number>) => (count: number) => Math.floor(stream.next().value * count);

  it("are those, and only those, that the grammar can follow", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          expressions.map(([e]) => `root ::= ${e}`),
          fc.constant(json),
          fc.constant(counted),
        ),
        picks,
        (source, stream) => {
          const grammar = follow(source, vocabulary);
          const path = randomText(grammar, 1000, pickOf(stream[Symbol.iterator]()))!.slice(0, 6);
          for (let length = 0; length <= path.length; length++) {
            const constraint = grammar.begin();
            for (const token of path.slice(0, length)) constraint.accept(token);
            expect(tokensOf(constraint.allowed(1000))).toEqual(everyToken(grammar, path.slice(0, length)));
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  it("leave room to end within any budget that the shortest text fits in", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          expressions.map(([e]) => `root ::= ${e}`),
          fc.constant(json),
          fc.constant(deep),
          fc.constant('root ::= (. "bc" "a"){0,3}'),
        ),
        fc.nat(12),
        picks,
        (source, more, stream) => {
          const grammar = follow(source, vocabulary);
          const path = randomText(grammar, grammar.shortest + more, pickOf(stream[Symbol.iterator]()));
          expect(path).toBeDefined();
          expect(path!.length).toBeLessThanOrEqual(grammar.shortest + more);
        },
      ),
      { numRuns: 200 },
    );
  });

  it("count in the shortest text", () => {
    expect(follow('root ::= "abcab" | "xxxx"', vocabulary).shortest).toBe(2);
    expect(follow("root ::= [a-z]{7}", vocabulary).shortest).toBe(3);
    expect(follow('root ::= ""', vocabulary).shortest).toBe(0);
    expect(follow(deep, vocabulary).shortest).toBe(4);
  });
});

/** Counted repetitions whose ends can be reached within a token. */
const counted = String.raw`root ::= "{\"" ([^"\\] | "\\" ["n]){0,9} "\"" ([a-cé] | "☃🦙"){2,12} ("12" | "," root)?`;

/** Every opened bracket is a debt. */
const deep = `root ::= "ab" list "ab"\nlist ::= "[" list list "]" | "(" "x"* ")" | "[" list "]" "yyyyyy"`;

describe("hostile grammars", () => {
  it.each([
    ["a huge repetition", "root ::= [a-z]{1,1000000}", "none"],
    ["nested repetitions", `root ::= ${"(".repeat(8)}"a"${"){1,99}".repeat(8)}`, "none"],
    ["a repetition of nothing", 'root ::= (a | a){99999999}\na ::= ""', "none"],
    ["a repetition beyond all texts", "root ::= [a-z]{99999999999}", "GRAMMAR_TOO_LARGE"],
    ["many counts", `root ::= "a"${"*".repeat(100_000)}`, "GRAMMAR_TOO_DEEP"],
    ["deep parentheses", `root ::= ${"(".repeat(100_000)}"a"${")".repeat(100_000)}`, "GRAMMAR_TOO_DEEP"],
    [
      "rules that double",
      `${Array.from({ length: 100 }, (_, i) => `r${i} ::= r${i + 1} r${i + 1}\n`).join("")}r100 ::= "a" "b"*\nroot ::= r0`,
      "none",
    ],
    [
      "many rules that end early",
      `root ::= r9999\nr0 ::= "a"*\n${Array.from({ length: 9999 }, (_, i) => `r${i + 1} ::= r${i} "a"*\n`).join("")}`,
      "none",
    ],
    ["a very long text", `root ::= "${"a".repeat(2 ** 20)}"`, "GRAMMAR_TOO_LARGE"],
  ])("%s ends at once", (_, source, code) => {
    const begin = performance.now();
    let found = "none";
    try {
      compileGrammar(parseGbnf(source));
    } catch (error) {
      found = (error as CriaError).code;
    }
    expect(found).toBe(code);
    expect(performance.now() - begin).toBeLessThan(5000);
  });

  it("an ambiguous grammar ends in an error when the text has too many meanings", () => {
    const grammar = follow('root ::= a\na ::= "x" a b | "x" a c | "x"\nb ::= "b"+\nc ::= "b"+');
    const constraint = grammar.begin();
    const error = errorOf(() => {
      for (let i = 0; i < 40; i++) constraint.accept("x".charCodeAt(0));
    });
    expect(error.code).toBe("GRAMMAR_TOO_AMBIGUOUS");
  });

  it("counts are exact, however large", () => {
    const begin = process.cpuUsage();
    const grammar = follow("root ::= [a-z]{1000,2000} ([0-9]{3,} | [A-Z]{0,1000000})", byteVocabulary(["abc", "123"]));
    for (const [letters, rest] of [
      [999, ""],
      [1000, ""],
      [2000, "123"],
      [2001, "123"],
      [1500, "12"],
      [1500, "1234567"],
      [1500, "A".repeat(5000)],
    ] as const) {
      const expected = letters >= 1000 && letters <= 2000 && rest !== "12";
      expect([letters, rest.length, matches(grammar, "x".repeat(letters) + rest)]).toEqual([
        letters,
        rest.length,
        expected,
      ]);
    }
    expect(follow("root ::= [a-z]{60000}").shortest).toBe(60_000);
    expect(follow("root ::= [a-z]{1000000}").shortest).toBe(1_000_000);
    expect(errorOf(() => follow(`root ::= ${`"a" [b] `.repeat(40_000)}`)).code).toBe("GRAMMAR_TOO_LARGE");
    expect(process.cpuUsage(begin).user / 1000).toBeLessThan(5000);
  });

  it("a repetition of what may be empty is followed in the square of its count", () => {
    const vocabulary = byteVocabulary(["aa", "aaa", "aaaa", "aaaaaaaa"]);
    const grammarOf = (count: number) =>
      new VocabularyGrammar(compileGrammar(parseGbnf(`root ::= ((("a")*){${count}})*`)), vocabulary);
    const begin = process.cpuUsage();
    const constraint = grammarOf(100).begin();
    for (const token of [97, 259, 259]) expect(constraint.accept(token)).toBe(true);
    const many = grammarOf(9999).begin();
    for (const token of [97, 259, 259]) expect(many.accept(token)).toBe(true);
    expect(process.cpuUsage(begin).user / 1000).toBeLessThan(5000); // by the fourth power it took hours
  });
});

/** Rules a0 to a(n - 1), each of which is the next one twice. */
const doubling = (n: number) => Array.from({ length: n }, (_, i) => `a${i} ::= a${i + 1} a${i + 1}\n`).join("");

describe("generation", () => {
  let model: Model;
  beforeAll(async () => {
    model = await loadModel(fileURLToPath(new URL("../../models/cria-demo-Q4_K_S.gguf", import.meta.url)), {
      threads: 2,
    });
  });
  afterAll(() => model.dispose());

  it("gives texts of the grammar, closed within maxTokens, and the same for the same seed", async () => {
    for (const maxTokens of [7, 8, 10, 30]) {
      const options = {
        grammar: json.replace("root   ::= value", 'root ::= "{\\"list\\":" array "}"'),
        maxTokens,
        temperature: 1.5,
        seed: maxTokens,
      };
      const { text, tokens, finishReason } = await model.complete("Once upon a time", options);
      expect(Object.keys(JSON.parse(text))).toEqual(["list"]);
      expect(tokens.length).toBeLessThanOrEqual(maxTokens);
      expect(finishReason).toBe("stop");
      expect((await model.complete("Once upon a time", options)).text).toBe(text);
    }
  });

  it("ends where the grammar ends, or where the model ends a text that may end there", async () => {
    expect(await model.complete("Yes or no?", { grammar: 'root ::= " yes" | " no"' })).toMatchObject({
      text: expect.stringMatching(/^ (yes|no)$/),
      finishReason: "stop",
    });
    const open = await model.complete("One day", { grammar: "root ::= [a-z ]+", maxTokens: 8, temperature: 0 });
    expect(open.text).toMatch(/^[a-z ]+$/);
  });

  it("refuses a budget that no text fits in, and what is not a grammar", async () => {
    const options = { grammar: `root ::= "the ${"x".repeat(20)}"`, maxTokens: 3 };
    const error = await model.complete("Hi", options).catch((reason) => reason);
    expect(error).toBeInstanceOf(ContextError);
    expect(error).toMatchObject({ code: "BUDGET_TOO_SMALL", message: expect.stringMatching(/has \d+ tokens; .* 3$/) });
    await expect(model.complete("Hi", { grammar: 3 as unknown as string })).rejects.toMatchObject({
      code: "INVALID_OPTION",
    });
    await expect(model.complete("Hi", { grammar: "root ::= x" })).rejects.toMatchObject({ name: "GrammarError" });
  });

  it.each([
    ["before it begins", `root ::= a0\n${doubling(30)}a30 ::= "x"?`],
    ["at its first token", `root ::= [a-z] a0\n${doubling(13)}a13 ::= "x"?`],
    ["while it goes on", `root ::= ([a-wyz] | y)*\ny ::= "x" y b | "x" y c | "x"\nb ::= "b"+\nc ::= "b"+`],
  ])("a text that has too many meanings %s ends in an error, soon, and the model goes on", async (_, grammar) => {
    const logitBias = { [model.tokenizer.encode("x", { bos: false }).at(-1)!]: 100 };
    const begin = performance.now();
    const answer = model.complete("One day", { grammar, logitBias, maxTokens: 60 });
    await expect(answer).rejects.toMatchObject({ code: "GRAMMAR_TOO_AMBIGUOUS" });
    expect(performance.now() - begin).toBeLessThan(8000);
    expect((await model.complete("One day", { maxTokens: 3 })).tokens).toHaveLength(3);
  });

  it("reports the log probabilities of the logits before the grammar masks them", async () => {
    const { logprobs } = await model.complete("One day", {
      grammar: 'root ::= "zq"',
      logprobs: true,
      topLogprobs: 2,
      maxTokens: 4,
    });
    const [first] = logprobs!;
    expect(first!.top.every(({ logprob }) => Number.isFinite(logprob))).toBe(true);
    expect(first!.top.map(({ id }) => id)).not.toContain(first!.id);
  });
});
