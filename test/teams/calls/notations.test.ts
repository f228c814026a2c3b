// Notations of calls: each row's grammar and reader agree; the templates of real models are taken for what they teach; and with each of
// them a conversation calls a tool, streams the call, shows its result and goes on. The demo model writes nonsense, and every call is valid.

import { readFileSync } from "node:fs";
import type { ChatMessage, GeneratedPart, JsonSchema, Tool, ToolCall } from "cria";
import { chatTemplateFrom } from "cria/tokenizer";
import { describe, expect, it } from "vitest";
import { inDialect, readerOf, toolDialectOf, withCallParts } from "../../../dist/api/text/tool-dialect.js";
import { toolSetOf } from "../../../dist/api/text/tools.js";
import {
  type AddressedNotation,
  addressedNotations,
  compileGrammar,
  controlBytes,
  isText,
  type MarkedNotation,
  markedNotations,
  messageGrammar,
  type Part,
  parseGbnf,
  type ToolNotation,
  textsOf,
  toolGrammar,
  VocabularyGrammar,
  writeCalls,
} from "../../../dist/grammar/index.js";
import { byteVocabulary } from "../../support/grammar-vocabulary.js";
import { hasReferenceData, referenceData } from "../../support/reference-data.js";
import { modelWithTemplate } from "../../support/tool-models.js";

const tools: Tool[] = [
  {
    name: "weather",
    description: "The weather in a city",
    parameters: {
      type: "object",
      properties: {
        city: { type: "string", description: "Where" },
        days: { type: "integer", minimum: 1, maximum: 7 },
        units: { enum: ["metric", "imperial"] },
        at: { type: "object", properties: { hour: { type: "integer" } }, required: ["hour"] },
      },
      required: ["city", "days"],
      additionalProperties: false,
    },
  },
  { name: "time" },
];
const { signatures, described } = toolSetOf(tools);
const calls: ToolCall[] = [
  { name: "weather", arguments: { city: 'Lima "by\n the sea" <b>', days: 3, at: { hour: 9 } } },
  { name: "time", arguments: {} },
];

/** An answer in messages that calls. */
function writeMessages(notation: AddressedNotation, some: readonly ToolCall[]): string {
  const { call, messageEnd, next } = notation;
  const written = (parts: readonly Part[], one: ToolCall) =>
    parts
      .map((part) => (isText(part) ? part : part.slot === "name" ? one.name : JSON.stringify(one.arguments)))
      .join("");
  return some.map((one) => written(call[0]!, one)).join(messageEnd + next.join(""));
}

const notations: readonly ToolNotation[] = [...markedNotations, ...addressedNotations];
const severalCalls = (notation: ToolNotation) =>
  notation.kind === "marked" ? notation.between !== undefined : notation.parallel;
const written = (notation: ToolNotation, some: readonly ToolCall[]) =>
  notation.kind === "marked" ? writeCalls(notation, some) : writeMessages(notation, some);

describe.each(notations.map((notation) => [notation.name, notation] as const))("the notation %s", (_, notation) => {
  const some = severalCalls(notation) ? calls : calls.slice(0, 1);
  const text = notation.kind === "addressed" ? "" : "Let me see.\n";
  const hasText = notation.kind === "marked" && !notation.replacesText;
  const answer = (hasText ? text : "") + written(notation, some);

  /** Whether the grammar lets a text through, in which marks may be control tokens. */
  const matches = (given: string, least: 0 | 1, most: 0 | 1 | "any", controls: readonly string[] = []) => {
    const ids = new Map(controls.map((mark, i) => [mark, 256 + i]));
    const { grammar } = toolGrammar(signatures, notation, { least, most }, (mark) => ids.get(mark));
    const vocabulary = byteVocabulary(controls.map((_, i) => controlBytes(256 + i)));
    const constraint = new VocabularyGrammar(compileGrammar(grammar), vocabulary).begin();
    const tokens: number[] = [];
    for (let at = 0; at < given.length; ) {
      const mark = controls.find((one) => given.startsWith(one, at));
      const symbol = String.fromCodePoint(given.codePointAt(at)!);
      if (mark === undefined) tokens.push(...new TextEncoder().encode(symbol));
      else tokens.push(ids.get(mark)!);
      at += (mark ?? symbol).length;
    }
    return tokens.every((token) => constraint.accept(token)) && constraint.accepts;
  };

  it("lets calls through that it writes, in letters or as control tokens, and no others", () => {
    const controls = [...new Set(textsOf(notation))].filter((mark) => /[<[|]./.test(mark) && mark.trim() === mark);
    expect(matches(answer, 0, "any")).toBe(true);
    if (controls.length > 0) expect(matches(answer, 0, "any", controls)).toBe(true);
    expect(matches(written(notation, some.slice(0, 1)), 1, 1)).toBe(true);
    if (hasText) expect(matches(answer, 1, "any")).toBe(false);
    if (severalCalls(notation)) expect(matches(answer, 0, 1)).toBe(false);
    expect(matches(answer, 0, 0)).toBe(false);
    expect(matches(written(notation, [{ name: "weather", arguments: { city: "Lima" } }]), 0, "any")).toBe(false);
    expect(matches(written(notation, [{ name: "weather", arguments: { city: "Lima", days: 9 } }]), 0, "any")).toBe(
      false,
    );
    expect(matches(written(notation, [{ name: "rain", arguments: {} }]), 1, "any")).toBe(false);
    const plain = notation.kind === "addressed" ? `${notation.text[0]!.join("")}It rains.` : "It rains.";
    for (const most of [0, 1, "any"] as const) expect(matches(plain, 0, most)).toBe(true);
    expect(matches(plain, 1, "any")).toBe(false);
  });

  it("is read as it is written, in whatever pieces it comes", () => {
    for (const size of [1, 2, 7, answer.length]) {
      const reader = readerOf(notation, signatures);
      let said = "";
      const json: string[] = [];
      const names: string[] = [];
      for (let at = 0; at < answer.length; at += size) {
        const { text, deltas } = reader.push(answer.slice(at, at + size));
        said += text;
        for (const { index, name, arguments: more, call } of deltas) {
          if (name !== undefined) names.push(name);
          json[index] = (json[index] ?? "") + more;
          if (call !== undefined) expect(call).toEqual(some[index]);
        }
      }
      expect(said).toBe(hasText ? text.trim() : "");
      expect(reader.toolCalls).toEqual(some);
      expect(names).toEqual(some.map(({ name }) => name));
      expect(json.map((one) => JSON.parse(one))).toEqual(some.map((one) => one.arguments));
    }
  });
});

describe("answers in messages", () => {
  const harmony = addressedNotations.find(({ name }) => name === "harmony")!;
  const begin = "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant";

  it.each([
    [`${begin}<|channel|>final<|message|>It rains.`, "Hm.", "It rains.", 0],
    ["<|channel|>final<|message|>It rains.<|return", "", "It rains.<|return", 0],
    [`${begin}${begin}<|channel|>final<|message|>a`, "Hm.\n\nHm.", "a", 0],
    [
      `${begin}<|channel|>commentary<|message|>I look.<|end|><|start|>assistant to=functions.time<|channel|>commentary json<|message|>{}<|call|>`,
      "Hm.",
      "I look.",
      1,
    ],
    ["<|channel|>analysis<|message|>Hm. <|en", "Hm. <|en", "", 0],
  ])("have thoughts, texts and calls: %j", (answer, reasoning, text, count) => {
    for (const size of [1, 3, answer.length]) {
      const reader = readerOf(harmony, signatures);
      const read = { reasoning: "", text: "" };
      const add = (piece: { readonly reasoning: string; readonly text: string }) => {
        read.reasoning += piece.reasoning;
        read.text += piece.text;
      };
      for (let at = 0; at < answer.length; at += size) add(reader.push(answer.slice(at, at + size)));
      add(reader.end());
      expect(read).toEqual({ reasoning, text });
      expect(reader.toolCalls).toHaveLength(count);
    }
  });

  it("follow a grammar of the text alone", () => {
    const own = { grammar: parseGbnf('root ::= "yes"'), ignored: new Map() };
    const grammar = new VocabularyGrammar(
      compileGrammar(messageGrammar(own, harmony, () => undefined).grammar),
      byteVocabulary(),
    );
    const matches = (text: string) => {
      const constraint = grammar.begin();
      return new TextEncoder().encode(text).every((byte) => constraint.accept(byte)) && constraint.accepts;
    };
    expect(matches(`${begin}<|channel|>final<|message|>yes`)).toBe(true);
    expect(matches("<|channel|>final<|message|>yes")).toBe(true);
    expect(matches(`${begin}<|channel|>final<|message|>no`)).toBe(false);
    expect(matches("yes")).toBe(false);
  });
});

describe("arguments that are written one by one", () => {
  const tagged = markedNotations.filter(({ tags }) => tags !== undefined);
  const codeOf = (parameters: JsonSchema, notation: MarkedNotation) => {
    try {
      toolGrammar([{ name: "a", parameters }], notation, { least: 0, most: 1 }, () => undefined);
    } catch (error) {
      return (error as { code: string }).code;
    }
    return "none";
  };

  it("are those of plain objects; what says more is refused by name", () => {
    for (const notation of tagged) {
      expect(
        codeOf({ type: "object", properties: { b: { $ref: "#/$defs/b" } }, $defs: { b: { type: "null" } } }, notation),
      ).toBe("none");
      expect(codeOf({ type: "object", anyOf: [{ required: ["b"] }] }, notation)).toBe("UNSUPPORTED_SCHEMA");
      expect(codeOf({ type: "object", required: ["b"] }, notation)).toBe("UNSUPPORTED_SCHEMA");
      expect(codeOf({ type: "object", properties: { "a<b": true } }, notation)).toBe("UNSUPPORTED_SCHEMA");
    }
  });

  it("are JSON where not every text will do", () => {
    const notation = tagged[0]!;
    const parameters = {
      type: "object",
      properties: { day: { type: "string", format: "date" } },
      required: ["day"],
    } as const;
    const { grammar } = toolGrammar([{ name: "a", parameters }], notation, { least: 1, most: 1 }, () => undefined);
    const vocabulary = new VocabularyGrammar(compileGrammar(grammar), byteVocabulary());
    const accepts = (value: string) => {
      const constraint = vocabulary.begin();
      const text = writeCalls(notation, [{ name: "a", arguments: { day: value } }]);
      return new TextEncoder().encode(text).every((byte) => constraint.accept(byte)) && constraint.accepts;
    };
    expect(['"2026-07-04"', "2026-07-04", '"noon"'].map(accepts)).toEqual([true, false, false]);
    const reader = readerOf(notation, [{ name: "a", parameters }]);
    reader.push(writeCalls(notation, [{ name: "a", arguments: { day: '"2026-07-04"' } }]));
    expect(reader.toolCalls).toEqual([{ name: "a", arguments: { day: "2026-07-04" } }]);
  });
});

interface RealTemplate {
  readonly model: string;
  readonly template: string;
}
const fixture = new URL("../../fixtures/chat-templates.json", import.meta.url);
const real: RealTemplate[] = JSON.parse(readFileSync(fixture, "utf8"));
const templateOf = (name: string) => real.find(({ model }) => model === name)!.template;

/** What is asked of each template: its notation, and of the model whether it thinks before it calls. */
const expected: readonly (readonly [model: string, notation: string, thinks: boolean])[] = [
  ["Qwen3", "hermes", true],
  ["QwQ", "hermes", true],
  ["SmolLM3", "hermes", true],
  ["Granite-4.0", "hermes", false],
  ["Qwen3-Coder", "qwen3-coder", false],
  ["Seed-OSS", "seed", true],
  ["GLM-4.6", "glm4.5", true],
  ["GLM-5", "glm4.5", true],
  ["GLM-4-0414", "glm4", false],
  ["MiniMax-M2", "minimax-m2", true],
  ["MiniCPM5", "minicpm5", true],
  ["DeepSeek-R1", "deepseek", true],
  ["DeepSeek-R1-0528", "deepseek", true],
  ["DeepSeek-V3-tools", "deepseek", false],
  ["DeepSeek-V3.1", "deepseek3.1", false],
  ["Mistral-7B-Instruct-v0.3", "mistral", false],
  ["Mistral-Nemo", "mistral", false],
  ["gpt-oss", "harmony", true],
  ["Granite-3.0", "granite3", false],
  ["Granite-3.1", "granite3", false],
  ["Granite-3.2", "granite3", false],
  ["Phi-4-mini", "phi4", false],
  ["Functionary-v3.2", "functionary3.2", false],
  ["Functionary-v3.1", "functionary3.1", false],
  ["Ministral-3", "mistral-args", true],
  ["Mistral-Small-3.2", "mistral-call-id", false],
  ["Devstral-Small", "mistral-args", false],
  ["Apertus", "apertus", true],
  ["Apriel-1.6", "jamba", true],
  ["Kimi-K2", "kimi-k2", false],
  ["DeepSeek-V3.2", "deepseek3.2", true],
  ["Gemma-4", "gemma4", true],
];

const dialectOf = (template: string) =>
  toolDialectOf(chatTemplateFrom(template), template, { bosToken: "<s>", eosToken: "</s>" });

describe("the templates of real models", () => {
  it("are all here", () => {
    expect(expected.map(([model]) => model).sort()).toEqual(real.map(({ model }) => model).sort());
  });

  it.each(expected)("%s: is known to teach %s, and shows definitions, calls and results", async (model, name) => {
    const template = templateOf(model);
    const dialect = (await dialectOf(template))!;
    expect(dialect.notation.name).toBe(name);
    const messages: ChatMessage[] = [
      { role: "user", content: "Rain?" },
      {
        role: "assistant",
        content: "",
        tool_calls: calls.map((call, i) => ({ id: `call_${i}`, type: "function", function: call })),
      },
      { role: "tool", tool_call_id: "call_0", name: "weather", content: "It pours." },
      { role: "tool", tool_call_id: "call_1", name: "time", content: "noon" },
    ];
    const given = inDialect(dialect, messages, described);
    const options = { bosToken: "<s>", eosToken: "</s>", ...given.options };
    const parts = withCallParts(await chatTemplateFrom(template).renderParts(given.messages, options), given.calls);
    const prompt = parts.map(({ text }) => text).join("");
    // Of a call, the marks may be control tokens, and what it says may not.
    const called = parts.find(({ text }) => text.includes("Lima"))!;
    expect(called.special).toBe(false);
    for (const shown of ["The weather in a city", "Rain?", "Lima", "It pours.", "noon"])
      expect(prompt).toContain(shown);
    expect(prompt.indexOf("Lima")).toBeLessThan(prompt.indexOf("It pours."));
  });

  it.each(expected)(
    "%s: a conversation calls, streams the call, shows the result and goes on",
    async (model, name, thinks) => {
      const notation = notations.find((one) => one.name === name)!;
      const controls = [...new Set(textsOf(notation))].filter(
        (mark) => /^[<[].*[>\]]$/.test(mark) && !/^<\|(channel|message|start|constrain)\|>$/.test(mark),
      );
      const loaded = await modelWithTemplate(templateOf(model), { controls });
      const chat = loaded.chat({ tools });
      const options = {
        toolChoice: "required",
        maxTokens: 200,
        temperature: 1.2,
        seed: 2,
        parallelToolCalls: false,
      } as const;
      const json: string[] = [];
      let last: GeneratedPart | undefined;
      let reasoning = "";
      for await (const part of chat.send("Rain?", options)) {
        for (const { index, arguments: more } of part.toolCallDeltas ?? []) json[index] = (json[index] ?? "") + more;
        expect(part.text).toBe("");
        reasoning += part.reasoning ?? "";
        last = part;
      }
      expect(last!.toolCalls).toHaveLength(1);
      const [call] = last!.toolCalls!;
      expect(JSON.parse(json[0]!)).toEqual(call!.arguments);
      if (call!.name === "weather") {
        expect([1, 2, 3, 4, 5, 6, 7]).toContain(call!.arguments["days"]);
        expect(typeof call!.arguments["city"]).toBe("string");
      } else expect(call).toEqual({ name: "time", arguments: {} });
      if (!thinks) expect(reasoning).toBe("");
      const results = [{ name: call!.name, content: "It rains." }];
      const told: string[] = [];
      for await (const part of chat.sendToolResults(results, { maxTokens: 40, toolChoice: "none", seed: 3 })) {
        told.push(part.text, part.reasoning ?? "");
        expect(part.toolCalls).toBeUndefined();
      }
      expect(chat.messages.at(-1)!.role).toBe("assistant");
      await loaded.dispose();
    },
  );

  it("of a file with one for tools: that one is taken for tools", async () => {
    const plain = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}assistant: ";
    const others = { "tokenizer.chat_template.tool_use": templateOf("Qwen3") };
    const model = await modelWithTemplate(plain, { others });
    const { toolCalls } = await model.completeChat([{ role: "user", content: "Hi" }], {
      tools,
      toolChoice: "required",
      parallelToolCalls: false,
      maxTokens: 200,
      seed: 1,
    });
    expect(toolCalls?.length).toBeGreaterThan(0);
    expect(
      (await model.completeChat([{ role: "user", content: "Hi" }], { maxTokens: 2 })).usage.promptTokens,
    ).toBeLessThan(20);
    await model.dispose();
  });

  it("show calls of earlier messages without tools, whatever their ids", async () => {
    const model = await modelWithTemplate(templateOf("Mistral-7B-Instruct-v0.3"));
    const messages: ChatMessage[] = [
      { role: "user", content: "Rain?" },
      { role: "assistant", content: "", tool_calls: [{ id: "call_0", type: "function", function: calls[0]! }] },
      { role: "tool", tool_call_id: "call_0", content: "It pours." },
    ];
    const { usage } = await model.completeChat(messages, { maxTokens: 2 });
    expect(usage.promptTokens).toBeGreaterThan(20);
    await model.dispose();
  });

  it.skipIf(!hasReferenceData)("of the reference data: those with tools are known, except by name", async () => {
    const all: { model: string; chat_template: string }[] = JSON.parse(
      readFileSync(referenceData("templates/templates.json"), "utf8"),
    );
    const refused: string[] = [];
    for (const { model, chat_template } of all.filter(({ chat_template: text }) => text.includes("tool"))) {
      if ((await dialectOf(chat_template)) === undefined) refused.push(model);
    }
    // Their branches for tools need documents, which there are none of.
    expect(refused).toEqual(["library/command-a:111b", "library/command-r7b:7b"]);
  });
});
