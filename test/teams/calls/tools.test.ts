// Tools in conversations: what the grammar of an answer lets through, how answers are read, and a conversation with calls and results.
// The demo model writes nonsense, and still every call is well-formed.

import { readFileSync } from "node:fs";
import type { ChatMessage, CriaError, GeneratedPart, Model, Tool, ToolCall, ToolChoiceOptions } from "cria";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { AnswerReader } from "../../../dist/api/text/answer-reader.js";
import { chosenTools, toolSetOf } from "../../../dist/api/text/tools.js";
import {
  compileGrammar,
  type MarkedNotation,
  markedNotations,
  toolGrammar,
  VocabularyGrammar,
} from "../../../dist/grammar/index.js";
import { byteVocabulary } from "../../support/grammar-vocabulary.js";
import { hasReferenceData, referenceData } from "../../support/reference-data.js";
import { modelWithTemplate, toolTemplates } from "../../support/tool-models.js";

const tools: Tool[] = [
  {
    name: "weather",
    description: "The weather in a city",
    parameters: {
      type: "object",
      properties: { city: { $ref: "#/$defs/city" }, days: { type: "integer", minimum: 1, maximum: 7 } },
      required: ["city"],
      $defs: { city: { enum: ["Lima", "</tool_call>"] } },
    },
  },
  { name: "time" },
];

type Name = keyof typeof toolTemplates;
const notationOf = (name: Name): MarkedNotation => markedNotations.find((notation) => notation.name === name)!;
const noControls = () => undefined;

function matches(notation: Name, text: string, options: ToolChoiceOptions = {}): boolean {
  const { signatures, count } = chosenTools(toolSetOf(tools), options)!;
  const automaton = compileGrammar(toolGrammar(signatures, notationOf(notation), count, noControls).grammar);
  const constraint = new VocabularyGrammar(automaton, byteVocabulary()).begin();
  return new TextEncoder().encode(text).every((byte) => constraint.accept(byte)) && constraint.accepts;
}

describe("answers", () => {
  const call = '{"name": "weather", "arguments": {"city": "Lima", "days": 3}}';

  it.each([
    ["It rains.", true],
    ["", true],
    ["a < b, <tool>, <<tool_cal", true],
    [`<tool_call>\n${call}\n</tool_call>`, true],
    [`Let me see.\n<tool_call>${call}</tool_call>\n<tool_call>{"name":"time","arguments":{}}</tool_call>`, true],
    [`<<tool_call>${call}</tool_call>`, true],
    ["<tool_call>", false],
    [`<tool_call>${call}</tool_call> so it is`, false],
    ['<tool_call>{"name": "weather", "arguments": {"city": "Rome"}}</tool_call>', false],
    ['<tool_call>{"name": "rain", "arguments": {}}</tool_call>', false],
  ])("of Hermes: %j is one: %s", (text, isOne) => {
    expect(matches("hermes", text)).toBe(isOne);
  });

  it.each([
    ["It rains {a lot}.", true],
    ["", true],
    ['{"name": "weather", "parameters": {"city": "Lima"}}', true],
    ['{"name": "weather", "parameters": {}}', false],
    ['{"name": "time", "parameters": {}} now', false],
    ["{", false],
  ])("of Llama 3: %j is one: %s", (text, isOne) => {
    expect(matches("llama3", text)).toBe(isOne);
  });

  it("call with an object even where the parameters do not say so; parameters of another type are refused", () => {
    for (const parameters of [{}, true, { type: ["object", "null"] }, { properties: { city: { type: "string" } } }]) {
      const set = toolSetOf([{ name: "a", parameters }]);
      const grammar = new VocabularyGrammar(
        compileGrammar(toolGrammar(set.signatures, notationOf("hermes"), { least: 1, most: 1 }, noControls).grammar),
        byteVocabulary(),
      );
      const accepts = (given: string) => {
        const constraint = grammar.begin();
        const text = `<tool_call>{"name": "a", "arguments": ${given}}</tool_call>`;
        return new TextEncoder().encode(text).every((byte) => constraint.accept(byte)) && constraint.accepts;
      };
      expect(["{}", '"a"', "null"].map(accepts)).toEqual([true, false, false]);
    }
    const textual = [{ name: "a", parameters: { type: "string" } }];
    expect(() => toolSetOf(textual)).toThrow(/"a" must be of type object; they are of type string/);
  });

  const one = `<tool_call>${call}</tool_call>`;
  const time = '{"name":"time","arguments":{}}';
  it.each<[ToolChoiceOptions, string, boolean]>([
    [{ toolChoice: "none" }, "a <tool_cal", true],
    [{ toolChoice: "none" }, one, false],
    [{ toolChoice: "required" }, one, true],
    [{ toolChoice: "required" }, `Well. ${one}`, false],
    [{ toolChoice: "required" }, "", false],
    [{ toolChoice: { name: "weather" } }, one, true],
    [{ toolChoice: { name: "time" } }, one, false],
    [{ parallelToolCalls: false }, one, true],
    [{ parallelToolCalls: false }, `${one}${one}`, false],
    [{ parallelToolCalls: true }, `${one}${one}`, true],
  ])("of Hermes, by the choice %j: %j is one: %s", (options, text, isOne) => {
    expect(matches("hermes", text, options)).toBe(isOne);
  });

  const llama = '{"name": "time", "parameters": {}}';
  it.each<[ToolChoiceOptions, string, boolean]>([
    [{ toolChoice: "none" }, "It rains.", true],
    [{ toolChoice: "none" }, llama, false],
    [{ toolChoice: "required" }, llama, true],
    [{ toolChoice: "required" }, "It rains.", false],
    [{ toolChoice: { name: "weather" } }, llama, false],
  ])("of Llama 3, by the choice %j: %j is one: %s", (options, text, isOne) => {
    expect(matches("llama3", text, options)).toBe(isOne);
  });

  const given = { city: '</tool_call>"{\\', list: [{ a: "}" }, []] };
  it.each<[Name, string, string, ToolCall[]]>([
    ["hermes", "just <text>  <tool_", "just <text>  <tool_", []],
    ["hermes", "\n x", "\n x", []],
    [
      "hermes",
      `Wait.\n\n<tool_call>\n{ "name": "weather",\n "arguments": ${JSON.stringify(given)}\n}\n</tool_call>\n<tool_call>${time}</tool_call>`,
      "Wait.",
      [
        { name: "weather", arguments: given },
        { name: "time", arguments: {} },
      ],
    ],
    ["llama3", "just {text}", "just {text}", []],
    ["llama3", '{"name":"a\\"b","parameters": {"x": 1}}', "", [{ name: 'a"b', arguments: { x: 1 } }]],
  ])("of %s are read for what they say and what they call, in whatever pieces they come: %j", (...row) => {
    const [notation, answer, said, calls] = row;
    for (const size of [1, 2, 7, answer.length]) {
      const named = [...new Set(["weather", "time", ...calls.map(({ name }) => name)])];
      const reader = new AnswerReader(
        notationOf(notation),
        named.map((name) => ({ name, parameters: true })),
      );
      const begun: string[] = [];
      const json: string[] = [];
      let text = "";
      for (let at = 0; at < answer.length; at += size) {
        const piece = reader.push(answer.slice(at, at + size));
        text += piece.text;
        for (const delta of piece.deltas) {
          if (delta.name !== undefined) begun[delta.index] = delta.name;
          json[delta.index] = (json[delta.index] ?? "") + delta.arguments;
          if (delta.call !== undefined) expect(delta.call).toEqual(calls[delta.index]);
        }
      }
      expect(text + reader.end()).toBe(said);
      expect(reader.toolCalls).toEqual(calls);
      expect(begun).toEqual(calls.map(({ name }) => name));
      expect(json.map((each) => JSON.parse(each))).toEqual(calls.map((each) => each.arguments));
    }
  });
});

/** The parts of a stream, put together. */
async function collected(parts: AsyncIterable<GeneratedPart>) {
  let text = "";
  const json: string[] = [];
  let toolCalls: readonly ToolCall[] = [];
  for await (const part of parts) {
    text += part.text;
    for (const { index, arguments: more } of part.toolCallDeltas ?? []) json[index] = (json[index] ?? "") + more;
    if (part.done !== undefined) toolCalls = part.toolCalls ?? [];
  }
  return { text, toolCalls, json };
}

function expectValid(call: ToolCall): void {
  if (call.name === "weather") expect(["Lima", "</tool_call>"]).toContain(call.arguments["city"]);
  else expect(call).toEqual({ name: "time", arguments: {} });
}

describe.each(["hermes", "llama3"] as const)("conversations in the notation of %s", (notation) => {
  let model: Model;
  beforeAll(async () => {
    model = await modelWithTemplate(toolTemplates[notation]);
  });
  afterAll(() => model.dispose());
  const required = { toolChoice: "required", parallelToolCalls: false, maxTokens: 60, temperature: 1.5 } as const;

  it("call tools with valid arguments, and go on with their results", async () => {
    const chat = model.chat({ tools });
    for (let seed = 1; seed <= 3; seed++) {
      const { text, toolCalls, finishReason } = await chat.ask("Rain?", { ...required, seed });
      expect([text, finishReason, toolCalls?.length]).toEqual(["", "stop", 1]);
      const [call] = toolCalls!;
      expectValid(call!);
      expect(chat.messages.at(-1)).toMatchObject({ role: "assistant", content: "", tool_calls: [{ function: call }] });
      const results = [{ name: call!.name, content: { rain: true } }];
      const answer = await collected(chat.sendToolResults(results, { maxTokens: 4, toolChoice: "none" }));
      expect(answer.text).not.toBe("");
      expect(chat.messages.at(-2)).toEqual({ role: "tool", name: call!.name, content: '{"rain":true}' });
    }
    const restored = await model.restoreChat(await chat.save());
    expect((await restored.ask("Rain?", required)).toolCalls).toHaveLength(1);
  });

  it("stream calls as they are written, and stop strings are looked for in the text alone", async () => {
    const messages = [{ role: "user", content: "Rain?" }];
    const options = { tools, ...required, toolChoice: { name: "weather" }, seed: 5, stop: ["Lima", "city"] };
    const streamed = await collected(model.generateChat(messages, options));
    const { text, toolCalls, tokens } = await model.completeChat(messages, options);
    expect(text).toBe("");
    expect(streamed.text).toBe("");
    expect(streamed.toolCalls).toEqual(toolCalls);
    expect(streamed.json.map((json) => JSON.parse(json))).toEqual(toolCalls!.map((call) => call.arguments));
    expect(model.tokenizer.decode(tokens)).toContain('"weather"');
    const none = await model.completeChat(messages, { ...options, toolChoice: "none" });
    expect(none.toolCalls).toBeUndefined();
  });

  it("show the model the tools, the calls and their results", async () => {
    const call = { type: "function", function: { name: "time", arguments: { zone: "Lima" } } };
    const messages: ChatMessage[] = [
      { role: "user", content: "What time is it?" },
      { role: "assistant", content: "", tool_calls: [call] },
      { role: "tool", name: "time", content: "noon" },
    ];
    const options = { maxTokens: 2 };
    const promptTokens = async (some: ChatMessage[], more: object = {}) =>
      (await model.completeChat(some, { ...options, ...more })).usage.promptTokens;
    const without = await promptTokens(messages);
    expect(await promptTokens(messages, { tools })).toBeGreaterThan(without);
    expect(await promptTokens(messages.slice(0, 1))).toBeLessThan(await promptTokens(messages.slice(0, 2)));
    expect(await promptTokens(messages.slice(0, 2))).toBeLessThan(without);
  });

  it("follow a schema or a grammar instead, where a call asks for it", async () => {
    const chat = model.chat({ tools });
    const { text, toolCalls } = await chat.ask("Yes?", { jsonSchema: { const: 1 } });
    expect([text, toolCalls]).toEqual(["1", undefined]);
    const both = chat.ask("Yes?", { jsonSchema: { const: 1 }, toolChoice: "required" });
    await expect(both).rejects.toMatchObject({ code: "INVALID_OPTION" });
  });
});

describe("runs", () => {
  it("run what is called until nothing is, for so many rounds at most", async () => {
    const model = await modelWithTemplate(toolTemplates.hermes);
    const chat = model.chat();
    const given: unknown[] = [];
    const time = {
      description: "The time of day",
      run: (args: Record<string, never>) => {
        given.push(args);
        return "noon";
      },
    };
    const options = { maxTokens: 60, temperature: 1.5, parallelToolCalls: false, seed: 1 } as const;
    let streamed = "";
    const onPart = (part: GeneratedPart) => {
      streamed += part.text;
    };
    const forced = { ...options, tools: { time }, toolChoice: "required", maxRounds: 1, onPart } as const;
    const { text, toolCalls, ran } = await chat.run("What time is it?", forced);
    expect([toolCalls, streamed, given]).toEqual([undefined, text, [{}]]);
    expect(ran).toEqual([{ call: { name: "time", arguments: {} }, result: "noon" }]);
    expect(chat.messages.map(({ role }) => role)).toEqual(["user", "assistant", "tool", "assistant"]);

    const before = chat.messages;
    const failing = { time: { run: () => Promise.reject(new Error("no clock")) } };
    await expect(chat.run("And now?", { ...forced, tools: failing })).rejects.toThrow("no clock");
    expect(chat.messages).toBe(before);
    await expect(chat.run("a", { tools: { a: {} } } as never)).rejects.toThrow(/tools.a.run must be a function/);
    await expect(chat.run("a", { tools: [] } as never)).rejects.toThrow(/tools must be an object of tools/);
    await expect(chat.run("a", { tools: { time }, maxRounds: 0 })).rejects.toThrow(/maxRounds must be an integer/);
    const busy = chat.run("a", forced);
    await expect(chat.ask("b")).rejects.toMatchObject({ code: "CHAT_BUSY" });
    await busy;
    await model.dispose();
  });
});

describe.skipIf(!hasReferenceData)("the templates of real models", () => {
  const templates = () =>
    (
      JSON.parse(readFileSync(referenceData("templates/templates.json"), "utf8")) as {
        model: string;
        chat_template: string;
      }[]
    ).filter(({ model }) => /qwen2.5:|qwen3:|llama3.[12]:|Hermes-3/.test(model));

  it("call tools, and show their results", { timeout: 60_000 }, async () => {
    const all = templates();
    expect(all).toHaveLength(5);
    for (const { model: name, chat_template } of all) {
      const model = await modelWithTemplate(chat_template);
      const chat = model.chat({ tools });
      const options = {
        toolChoice: "required",
        parallelToolCalls: false,
        maxTokens: 60,
        temperature: 1.5,
        seed: 1,
      } as const;
      const { toolCalls } = await chat.ask("Rain?", options);
      expect(toolCalls, name).toHaveLength(1);
      expectValid(toolCalls![0]!);
      const results = toolCalls!.map((call) => ({ name: call.name, content: "It rains." }));
      const { text } = await collected(chat.sendToolResults(results, { maxTokens: 4, toolChoice: "none" }));
      expect(text, name).not.toBe("");
      await model.dispose();
    }
  });
});

describe("what is refused", () => {
  it("tools that are malformed", () => {
    const codeOf = (given: readonly Tool[], choice: ToolChoiceOptions = {}) => {
      try {
        chosenTools(toolSetOf(given), choice);
      } catch (error) {
        return (error as CriaError).code;
      }
      return "none";
    };
    expect(codeOf([])).toBe("INVALID_OPTION");
    expect(codeOf([{ name: "a" }, { name: "a" }])).toBe("INVALID_OPTION");
    expect(codeOf([{ name: "a", parameter: {} } as Tool])).toBe("INVALID_OPTION");
    expect(codeOf(tools)).toBe("none");
    for (const toolChoice of ["some", null, { name: "rain" }, { tool: "time" }, 1]) {
      expect(codeOf(tools, { toolChoice } as ToolChoiceOptions)).toBe("INVALID_OPTION");
    }
    expect(codeOf(tools, { parallelToolCalls: 1 } as object)).toBe("INVALID_OPTION");
  });

  it("templates without tools, unless none may be called", async () => {
    const model = await modelWithTemplate("{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}");
    const messages = [{ role: "user", content: "Hi" }];
    const options = { tools, maxTokens: 2 };
    for (const call of [model.completeChat(messages, options), model.chat({ tools }).ask("Hi", { maxTokens: 2 })]) {
      await expect(call).rejects.toMatchObject({ code: "UNSUPPORTED_TOOLS" });
    }
    expect((await model.completeChat(messages, { ...options, toolChoice: "none" })).toolCalls).toBeUndefined();
    await model.dispose();
  });

  it("schemas that are not supported, by the tool's name, and a choice without tools", async () => {
    const model = await modelWithTemplate(toolTemplates.hermes);
    const chat = model.chat({ tools: [{ name: "a", parameters: { not: { uniqueItems: true } } }] });
    await expect(chat.ask("Hi")).rejects.toMatchObject({
      code: "UNSUPPORTED_SCHEMA",
      message: expect.stringContaining('the tool "a"'),
    });
    for (const options of [{ toolChoice: "none" }, { parallelToolCalls: false }] as const) {
      await expect(model.chat().ask("Hi", options)).rejects.toThrow("is set, but there are no tools");
      await expect(model.completeChat([{ role: "user", content: "Hi" }], options)).rejects.toThrow(
        "is set, but there are no tools",
      );
    }
    await model.dispose();
  });
});
