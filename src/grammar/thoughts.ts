// Thoughts: what a reasoning model writes before its answer, between marks that its chat template or its vocabulary shows. A grammar
// holds for the answer that comes after them.
//
//   <think>The user wants a number.</think> 42        or, where the prompt ends with <think>:   The user wants a number.</think> 42

import type { SchemaGrammar } from "./json-schema/compile-schema.js";
import { addTextUntil, type ControlIds, mark } from "./marks.js";
import { alternatives, type Expression, empty, literal, optional, repeat, rule, sequence } from "./syntax.js";

/** How a model marks its thoughts. */
export interface ThoughtMarks {
  readonly begin: string;
  readonly end: string;
  /** What may stand around the answer itself. */
  readonly answer?: readonly (readonly [begin: string, end: string])[];
  /** Whether the model thinks only where the prompt tells it to, by the first mark. */
  readonly asPromptTells?: true;
  /** How a chat template shows that its model has these marks. Default: it has the end mark. */
  readonly shownBy?: RegExp;
}

/** Where what a model writes begins: within thoughts, after them, or with either. */
export type AnswerStart = "thoughts" | "answer" | "either";

/** All marks that are known, a row for each. The first that a template shows counts; of equal marks in a vocabulary, the last. */
export const thoughtMarks: readonly ThoughtMarks[] = [
  // Command R7B, Command A
  {
    begin: "<|START_THINKING|>",
    end: "<|END_THINKING|>",
    answer: [
      ["<|START_RESPONSE|>", "<|END_RESPONSE|>"],
      ["<|START_TEXT|>", "<|END_TEXT|>"],
    ],
    shownBy: /<\|END_THINKING\|>|<\|START_RESPONSE\|>/,
  },
  // Seed OSS
  { begin: "<seed:think>", end: "</seed:think>" },
  // MiniMax M3
  { begin: "<mm:think>", end: "</mm:think>" },
  // Magistral, Ministral
  { begin: "[THINK]", end: "[/THINK]" },
  // EXAONE Deep
  { begin: "<thought>", end: "</thought>" },
  // Kimi VL
  { begin: "◁think▷", end: "◁/think▷" },
  // Apertus
  { begin: "<|inner_prefix|>", end: "<|inner_suffix|>" },
  // Gemma 4
  { begin: "<|channel>thought", end: "<channel|>" },
  // Apriel
  { begin: "Here are my reasoning steps:", end: "[BEGIN FINAL RESPONSE]", answer: [["", "[END FINAL RESPONSE]"]] },
  // Granite 3.2, 3.3
  { begin: "Here is my thought process:", end: "Here is my response:", asPromptTells: true },
  // Hunyuan
  { begin: "<think>", end: "</think>", answer: [["<answer>", "</answer>"]], shownBy: /<answer>/ },
  // DeepSeek R1, Qwen, GLM and most others; Cogito, which only has the variable
  { begin: "<think>", end: "</think>", shownBy: /<\/?think>|\benable_thinking\b/ },
];

/** The marks of a model, from its template or else from the tokens that it has. */
export function thoughtMarksOf(template: string, hasToken: (text: string) => boolean): ThoughtMarks | undefined {
  const isShown = ({ end, shownBy }: ThoughtMarks) => shownBy?.test(template) ?? template.includes(end);
  return thoughtMarks.find(isShown) ?? thoughtMarks.findLast(({ begin, end }) => hasToken(begin) && hasToken(end));
}

/** Where the answer to a prompt begins, from what the template wrote last in it. */
export function answerStart({ begin, end }: ThoughtMarks, prompt: string): AnswerStart {
  const [begun, ended] = [prompt.lastIndexOf(begin), prompt.lastIndexOf(end)];
  if (begun < 0 && ended < 0) return "either";
  return begun > ended ? "thoughts" : "answer";
}

/** Thoughts, if there are any, and after them what the grammar matches. */
export function afterThoughts(
  { grammar, ignored }: SchemaGrammar,
  marks: ThoughtMarks,
  start: AnswerStart,
  controlIds: ControlIds,
): SchemaGrammar {
  const root = "with thoughts";
  const rules = new Map(grammar.rules);
  const newLines = repeat(literal("\n"), 0, 2);
  const [begins, ends] = [0, 1].map((side) => {
    const around = (marks.answer ?? []).map((pair) => pair[side]!).filter((text) => text !== "");
    return around.length === 0 ? empty : optional(alternatives(...around.map((text) => mark(text, controlIds))));
  });
  const body = rule(grammar.root);
  const answer = begins === empty && ends === empty ? body : sequence(begins!, newLines, body, newLines, ends!);
  rules.set("the answer", answer);
  addTextUntil(rules, "thoughts", [{ mark: marks.end, next: sequence(newLines, rule("the answer")) }], {
    mayEnd: false,
    controlIds,
  });
  const begun = sequence(newLines, mark(marks.begin, controlIds), rule("thoughts"));
  const none = sequence(mark(marks.end, controlIds), newLines, rule("the answer"));
  const ways: Record<AnswerStart, Expression> = {
    thoughts: rule("thoughts"),
    answer: rule("the answer"),
    either: alternatives(rule("the answer"), begun, none),
  };
  rules.set(root, ways[start]);
  return { grammar: { root, rules }, ignored };
}
