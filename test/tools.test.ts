// Tools in conversations: what the grammar of an answer lets through, how answers are read, and a conversation with calls and results.
// The demo model says nothing of sense, and still every call is one.

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type CriaError, loadModel, type Model, type Tool } from "cria";
import { describe, expect, it } from "vitest";
import { readAnswer, toolSetOf } from "../dist/engine/tools.js";
import { compileGrammar, type ToolNotation, toolGrammar, VocabularyGrammar } from "../dist/grammar/index.js";
import { byteVocabulary } from "./grammar-vocabulary.js";

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

const template =
  "{% for t in tools or [] %}{{ t.function.name }} {% endfor %}{% for m in messages %}{{ m.role }}: {{ m.content }}" +
  "{% for c in m.tool_calls or [] %}{{ c.function.arguments | tojson }}{% endfor %}{% endfor %}";
const hints = { hermes: "{# <tool_call> #}", llama3: '{# "parameters": ipython #}' };

function matches(notation: ToolNotation, text: string): boolean {
  const { signatures } = toolSetOf(tools, hints[notation]);
  const constraint = new VocabularyGrammar(compileGrammar(toolGrammar(signatures, notation)), byteVocabulary()).begin();
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

  it("are read for what they say and what they call", () => {
    const arguments_ = { city: "</tool_call>" };
    const one = JSON.stringify({ name: "weather", arguments: arguments_ });
    const two = '{"name":"time","arguments":{}}';
    expect(readAnswer(`Wait.\n<tool_call>\n${one}\n</tool_call>\n<tool_call>${two}</tool_call>`, "hermes")).toEqual({
      content: "Wait.",
      toolCalls: [
        { name: "weather", arguments: arguments_ },
        { name: "time", arguments: {} },
      ],
    });
    expect(readAnswer("just text", "hermes")).toEqual({ content: "just text", toolCalls: [] });
    expect(readAnswer('<tool_call>{"name', "hermes")).toEqual({ content: '<tool_call>{"name', toolCalls: [] });
    expect(readAnswer('{"name":"time","parameters":{}}', "llama3").toolCalls).toEqual([
      { name: "time", arguments: {} },
    ]);
  });
});

/** The demo model with another chat template, in the place of its own. */
async function modelWith(hint: string): Promise<Model> {
  const bytes = readFileSync(fileURLToPath(new URL("../models/cria-demo-Q4_K_S.gguf", import.meta.url)));
  const start = bytes.indexOf("{{- bos_token }}");
  const size = Number(bytes.readBigUInt64LE(start - 8));
  bytes.fill(" ", start, start + size);
  expect(bytes.write(hint + template, start)).toBeLessThanOrEqual(size);
  return loadModel(new Uint8Array(bytes), { threads: 2, contextSize: 512 });
}

describe("conversations", () => {
  it("call tools with valid arguments, and go on with what they gave", async () => {
    const model = await modelWith(hints.llama3);
    const brace = model.tokenizer.encode("{", { bos: false })[0]!;
    const chat = model.chat({ tools });
    const forced = { maxTokens: 60, temperature: 1.5, logitBias: { [brace]: 100 } };
    for (let seed = 1; seed <= 4; seed++) {
      const { toolCalls, finishReason } = await chat.ask("Rain?", { ...forced, seed });
      expect([finishReason, toolCalls?.length]).toEqual(["stop", 1]);
      const [call] = toolCalls!;
      if (call!.name === "weather") expect(["Lima", "</tool_call>"]).toContain(call!.arguments["city"]);
      else expect(call).toEqual({ name: "time", arguments: {} });
      expect(chat.messages.at(-1)).toMatchObject({ role: "assistant", content: "", tool_calls: [{ function: call }] });
      for await (const part of chat.sendToolResults([{ name: call!.name, content: { rain: true } }], {
        maxTokens: 4,
      })) {
        expect(part.toolCalls === undefined || part.done !== undefined).toBe(true);
      }
      expect(chat.messages.at(-2)).toEqual({ role: "tool", name: call!.name, content: '{"rain":true}' });
    }
    const { text, toolCalls } = await chat.ask("Yes?", { jsonSchema: { const: 1 } });
    expect([text, toolCalls]).toEqual(["1", undefined]);
    const restored = await model.restoreChat(await chat.save());
    expect((await restored.ask("Rain?", forced)).toolCalls).toHaveLength(1);
    await model.dispose();
  });

  it("refuse templates without tools, and tools that are none", async () => {
    const codeOf = (given: readonly Tool[], source: string) => {
      try {
        toolSetOf(given, source);
      } catch (error) {
        return (error as CriaError).code;
      }
      return "none";
    };
    expect(codeOf(tools, template)).toBe("UNSUPPORTED_TOOLS");
    expect(codeOf(tools, "{# <tool_call><function= #}")).toBe("UNSUPPORTED_TOOLS");
    expect(codeOf([], hints.hermes)).toBe("INVALID_OPTION");
    expect(codeOf([{ name: "a" }, { name: "a" }], hints.hermes)).toBe("INVALID_OPTION");
    expect(codeOf([{ name: "a", parameter: {} } as Tool], hints.hermes)).toBe("INVALID_OPTION");
    const model = await modelWith(hints.hermes);
    const chat = model.chat({ tools: [{ name: "a", parameters: { not: {} } }] });
    await expect(chat.ask("Hi")).rejects.toMatchObject({
      code: "UNSUPPORTED_SCHEMA",
      message: expect.stringContaining('the tool "a"'),
    });
    await model.dispose();
  });
});
