// Thoughts of reasoning models: which marks a template shows, how a text is taken apart at them, that schemas hold for the answer after
// them, and that histories and template variables reach the template.

import { readFileSync } from "node:fs";
import type { LanguageModelV3StreamPart } from "@ai-sdk/provider";
import { AIMessage, type AIMessageChunk, HumanMessage } from "@langchain/core/messages";
import type { Model } from "cria";
import { criaLanguageModel } from "cria/ai-sdk";
import { ChatCria } from "cria/langchain";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ThoughtReader } from "../../../dist/api/text/thought-reader.js";
import {
  type AnswerStart,
  afterThoughts,
  answerStart,
  compileGrammar,
  controlBytes,
  grammarOfSchema,
  type ThoughtMarks,
  thoughtMarksOf,
  VocabularyGrammar,
} from "../../../dist/grammar/index.js";
import { byteVocabulary } from "../../support/grammar-vocabulary.js";
import { hasReferenceData, referenceData } from "../../support/reference-data.js";
import { modelWithTemplate } from "../../support/tool-models.js";

const marksOf = (template: string, tokens: readonly string[] = []) =>
  thoughtMarksOf(template, (text) => tokens.includes(text));
const think = marksOf("</think>")!;
const command = marksOf("<|END_THINKING|>")!;

describe("marks", () => {
  it("are those of the template, or else of the vocabulary", () => {
    expect(marksOf("{{ messages }}")).toBeUndefined();
    expect(marksOf("{% if enable_thinking %}")).toBe(think);
    expect(marksOf("", ["<think>", "</think>"])).toBe(think);
    expect(marksOf("", ["[THINK]", "[/THINK]"])?.end).toBe("[/THINK]");
    expect(marksOf("", ["[THINK]"])).toBeUndefined();
    expect(marksOf("</seed:think>", ["<think>", "</think>"])?.begin).toBe("<seed:think>");
  });

  it.each<[string, AnswerStart]>([
    ["<|im_start|>assistant\n", "either"],
    ["<|im_start|>assistant\n<think>\n", "thoughts"],
    ["<|im_start|>assistant\n<think>\n\n</think>\n\n", "answer"],
    ["<｜Assistant｜></think>", "answer"],
  ])("after %j the text begins with: %s", (prompt, start) => {
    expect(answerStart(think, prompt)).toBe(start);
  });

  it.skipIf(!hasReferenceData)("of real templates", () => {
    const all: { model: string; chat_template: string }[] = JSON.parse(
      readFileSync(referenceData("templates/templates.json"), "utf8"),
    );
    const found = Object.fromEntries(
      all.map(({ model, chat_template }) => [model.replace(/^library\//, ""), marksOf(chat_template)?.end]),
    );
    expect(found).toMatchObject({
      "qwen3:0.6b": "</think>",
      "qwq:32b": "</think>",
      "deepseek-r1:latest": "</think>",
      "cogito:14b": "</think>",
      "granite3.2:8b": "Here is my response:",
      "exaone-deep:2.4b": "</thought>",
      "command-r7b:7b": "<|END_THINKING|>",
    });
    expect(found["llama3.1:8b"]).toBeUndefined();
    expect(found["qwen2.5:0.5b"]).toBeUndefined();
  });
});

describe("texts", () => {
  it.each<[ThoughtMarks, AnswerStart, string, string, string]>([
    [think, "either", "<think>\nHm.\n\nWell <b>.\n</think>\n\n42 </think>", "Hm.\n\nWell <b>.", "42 </think>"],
    [think, "either", "\n <think>Hm</think>", "Hm", ""],
    [think, "either", "  It <think>rains</think>", "", "  It <think>rains</think>"],
    [think, "either", " <thin", "", " <thin"],
    [think, "either", "</think>It rains", "", "It rains"],
    [think, "thoughts", "Hm.\n</think>\nIt rains\n", "Hm.", "It rains\n"],
    [think, "thoughts", "Hm. </thi", "Hm. </thi", ""],
    [think, "thoughts", "</think>x", "", "x"],
    [think, "answer", "\nIt <think>", "", "\nIt <think>"],
    [
      command,
      "either",
      "<|START_THINKING|>Hm<|END_THINKING|> <|START_RESPONSE|>It rains.\n<|END_RESPONSE|>\n",
      "Hm",
      "It rains.",
    ],
    [command, "either", "<|START_RESPONSE|>It<|END_TEXT|>", "", "It"],
    [command, "either", "It rains <|END", "", "It rains <|END"],
  ])("of marks %j that begin with %s are taken apart, in whatever pieces they come: %j", (...row) => {
    const [marks, start, text, reasoning, answer] = row;
    for (const size of [1, 2, 7, text.length]) {
      const reader = new ThoughtReader(marks, start);
      const read = { reasoning: "", answer: "" };
      const add = (piece: { readonly reasoning: string; readonly answer: string }) => {
        read.reasoning += piece.reasoning;
        read.answer += piece.answer;
      };
      for (let at = 0; at < text.length; at += size) add(reader.push(text.slice(at, at + size)));
      add(reader.end());
      expect(read).toEqual({ reasoning, answer });
    }
  });
});

describe("grammars", () => {
  const END = 256; // a control token, after the bytes
  const matches = (marks: ThoughtMarks, start: AnswerStart, text: string, control = false): boolean => {
    const ids = (mark: string) => (control && mark === marks.end ? END : undefined);
    const { grammar } = afterThoughts(grammarOfSchema({ const: 1 }), marks, start, ids);
    const constraint = new VocabularyGrammar(compileGrammar(grammar), byteVocabulary([controlBytes(END)])).begin();
    const tokens = text.split("@").flatMap((part, i) => [...(i > 0 ? [END] : []), ...new TextEncoder().encode(part)]);
    return tokens.every((token) => constraint.accept(token)) && constraint.accepts;
  };

  it.each<[ThoughtMarks, AnswerStart, string, boolean]>([
    [think, "either", "1", true],
    [think, "either", "2", false],
    [think, "either", "<think>a <</thin </think>\n\n1", true],
    [think, "either", "<think>a</think>2", false],
    [think, "either", "<think>a", false],
    [think, "thoughts", "1", false],
    [think, "thoughts", "1</think>1", true],
    [think, "answer", "<think></think>1", false],
    [command, "thoughts", "<|END_THINKING|><|START_RESPONSE|>1<|END_RESPONSE|>", true],
    [command, "either", "1", true],
  ])("with marks %j that begin with %s let through %j: %s", (marks, start, text, isOne) => {
    expect(matches(marks, start, text)).toBe(isOne);
  });

  it("take a control token for the mark that it is, and for nothing else", () => {
    expect(matches(think, "thoughts", "a@1", true)).toBe(true);
    expect(matches(think, "thoughts", "a</think>1", true)).toBe(true);
    expect(matches(think, "thoughts", "a@1")).toBe(false);
    expect(matches(think, "thoughts", "@@1", true)).toBe(false);
  });
});

/** Teaches thoughts, and shows those of earlier turns. The effort decides how the answer begins. */
const template =
  "{{- bos_token }}{% for m in messages %}{{ m.role }}: {% if m.reasoning_content %}<think>{{ m.reasoning_content }}</think>{% endif %}" +
  "{{ m.content }}\n{% endfor %}{{ date_string }}{% if strftime_now('%Y') == '1999' %}It is 1999. {% endif %}assistant: {% if effort == 'high' %}<think>{% elif effort == 'none' %}<think></think>{% endif %}";

async function collected<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const all: Item[] = [];
  for await (const item of items) all.push(item);
  return all;
}

const asked = [{ role: "user" as const, content: [{ type: "text" as const, text: "Rain?" }] }];

describe("conversations", () => {
  const options = { jsonSchema: { enum: ["yes", "no"] }, maxTokens: 60, seed: 1, temperature: 1 };
  let model: Model;
  beforeAll(async () => {
    model = await modelWithTemplate(template);
  });
  afterAll(() => model.dispose());

  it("have thoughts before a schema's JSON, within the same number of tokens, and keep them", async () => {
    const chat = model.chat({ templateVariables: { effort: "high" } });
    let streamed = "";
    let text = "";
    for await (const part of chat.send("Rain?", options)) {
      streamed += part.reasoning ?? "";
      text += part.text;
    }
    expect(['"yes"', '"no"']).toContain(text);
    expect(streamed).not.toBe("");
    expect(chat.messages.at(-1)).toEqual({ role: "assistant", content: text, reasoning_content: streamed });
    const restored = await model.restoreChat(await chat.save());
    expect((await restored.ask("And?", options)).reasoning).toBeDefined();
    const none = { ...options, templateVariables: { effort: "none" } };
    const { reasoning, text: answer } = await chat.ask("And?", none);
    expect(reasoning).toBeUndefined();
    expect(['"yes"', '"no"']).toContain(answer);
  });

  it("are all thoughts when they end before the answer", async () => {
    const messages = [{ role: "user", content: "Rain?" }];
    const logitBias = Object.fromEntries([...model.tokenizer.endOfGenerationIds].map((id) => [id, -100]));
    const given = { maxTokens: 5, temperature: 0, logitBias, templateVariables: { effort: "high" } };
    const { text, reasoning, tokens } = await model.completeChat(messages, given);
    expect(text).toBe("");
    expect(tokens).toHaveLength(5);
    expect(reasoning).toBe(model.tokenizer.decode(tokens).trim());
  });

  it("tell the template its variables, and show earlier thoughts in the field that it names", async () => {
    const promptTokens = async (templateVariables: Record<string, unknown>, more: object = {}) => {
      const messages = [
        { role: "user", content: "a" },
        { role: "assistant", content: "b", ...more },
        { role: "user", content: "c" },
      ];
      return (await model.completeChat(messages, { maxTokens: 1, templateVariables })).usage.promptTokens;
    };
    const plain = await promptTokens({});
    expect(await promptTokens({ date_string: "26 July" })).toBeGreaterThan(plain);
    expect(await promptTokens({ effort: "none" })).toBeGreaterThan(plain);
    expect(await promptTokens({ strftime_now: "1999-07-04T12:00" })).toBeGreaterThan(plain);
    const thought = await promptTokens({}, { reasoning_content: "It may rain." });
    expect(thought).toBeGreaterThan(plain);
    expect(await promptTokens({}, { thinking: "It may rain." })).toBe(thought);
  });

  it("of the AI SDK have reasoning parts, whole and streamed", async () => {
    const language = criaLanguageModel(model);
    const call = { prompt: asked, providerOptions: { cria: { ...options, templateVariables: { effort: "high" } } } };
    const { content, usage } = await language.doGenerate(call);
    expect(content.map(({ type }) => type)).toEqual(["reasoning", "text"]);
    const [thoughts, answer] = content as { text: string }[];
    expect(usage.outputTokens.reasoning).toBeGreaterThan(0);
    expect(usage.outputTokens.text).toBeGreaterThan(0);
    const { stream } = await language.doStream(call);
    const parts = await collected(stream as unknown as AsyncIterable<LanguageModelV3StreamPart>);
    const kinds = parts.map(({ type }) => type).filter((type, i, all) => type !== all[i - 1]);
    const both = ["reasoning", "text"].flatMap((kind) => [`${kind}-start`, `${kind}-delta`, `${kind}-end`]);
    expect(kinds).toEqual(["stream-start", ...both, "finish"]);
    const deltas = (kind: string) =>
      parts.map((part) => (part.type === kind ? (part as { delta: string }).delta : "")).join("");
    expect(deltas("reasoning-delta")).toBe(thoughts!.text);
    expect(deltas("text-delta")).toBe(answer!.text);
  });

  it("of LangChain have them beside the content, and show them again", async () => {
    const chat = new ChatCria({ model, options: { ...options, templateVariables: { effort: "high" } } });
    const answer = await chat.invoke("Rain?");
    const thoughts = answer.additional_kwargs["reasoning_content"];
    expect(thoughts).toMatch(/./);
    expect(answer.usage_metadata!.output_token_details!.reasoning).toBeGreaterThan(0);
    let streamed: AIMessageChunk | undefined;
    for await (const chunk of await chat.stream("Rain?")) streamed = streamed?.concat(chunk) ?? chunk;
    expect(streamed!.additional_kwargs["reasoning_content"]).toBe(thoughts);
    expect(streamed!.text).toBe(answer.text);
    const tokens = async (before: AIMessage) =>
      (await chat.invoke(["a", before, "b"].map((one) => (typeof one === "string" ? new HumanMessage(one) : one))))
        .usage_metadata!.input_tokens;
    const plain = await tokens(new AIMessage("x"));
    expect(
      await tokens(new AIMessage({ content: "x", additional_kwargs: { reasoning_content: "Hm" } })),
    ).toBeGreaterThan(plain);
    const blocks = [
      { type: "reasoning", reasoning: "Hm" },
      { type: "text", text: "x" },
    ];
    expect(await tokens(new AIMessage({ content: blocks }))).toBeGreaterThan(plain);
  });

  it("refuse variables that they set themselves, and what is not JSON", async () => {
    const messages = [{ role: "user", content: "a" }];
    for (const name of ["messages", "tools", "bos_token", "eos_token", "add_generation_prompt", "now"]) {
      const call = model.completeChat(messages, { templateVariables: { [name]: 1 } });
      await expect(call).rejects.toThrow(`templateVariables.${name} is set, but a chat sets it itself`);
    }
    expect(() => model.chat({ templateVariables: { a: () => 1 } })).toThrow(
      /templateVariables.a must be a value of JSON/,
    );
    expect(() => model.chat({ templateVariables: [] as never })).toThrow(/templateVariables must be an object/);
    const time = model.completeChat(messages, { templateVariables: { strftime_now: "noon" } });
    await expect(time).rejects.toThrow(/templateVariables.strftime_now must be a time/);
  });
});
