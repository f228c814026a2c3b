// Notations in which calls come after the text, or in place of it: one row each. Notations with the same opening mark differ in what
// comes after it.

import { args, gap, id, index, type MarkedNotation, name, object, quotedName, sameTags } from "./notation.js";

const nameAndArguments = object(["name", quotedName], ["arguments", args]);
const nameAndParameters = object(["name", quotedName], ["parameters", args]);

/** Calls one after another, each between its own marks. */
function each(name: string, call: MarkedNotation["call"], more: Partial<MarkedNotation> = {}): MarkedNotation {
  return { kind: "marked", name, begin: [], call, between: [gap], end: [], ...more };
}

/** Calls in one pair of marks, in a JSON array. */
function list(name: string, open: string, call: MarkedNotation["call"], close = "", taughtBy?: RegExp): MarkedNotation {
  return {
    kind: "marked",
    name,
    begin: [open, gap, "[", gap],
    call,
    between: [gap, ",", gap],
    end: [gap, "]", ...(close === "" ? [] : [gap, close])],
    ...(taughtBy && { taughtBy }),
  };
}

const llama3: MarkedNotation = {
  kind: "marked",
  name: "llama3",
  begin: [],
  call: nameAndParameters,
  end: [],
  replacesText: true,
};

export const markedNotations: readonly MarkedNotation[] = [
  // Hermes, Qwen 2.5 and 3, Granite 4, SmolLM 3, ERNIE, EXAONE 4 and most others:
  // <tool_call>{"name": "weather", "arguments": {"city": "Lima"}}</tool_call>
  each("hermes", ["<tool_call>", gap, ...nameAndArguments, gap, "</tool_call>"], {
    taughtBy: /<tool_call>[^<>]{0,40}\{[^<>]{0,3}"name/,
  }),
  // Qwen 3 Coder, Qwen 3.5 and later, Step 3.5
  each(
    "qwen3-coder",
    ["<tool_call>", gap, "<function=", name, ">", gap, args, gap, "</function>", gap, "</tool_call>"],
    {
      tags: sameTags("<parameter=", [">\n"], "\n</parameter>", ["\n"]),
      taughtBy: /<tool_call>[^<]*<function=/,
    },
  ),
  // Seed OSS
  each(
    "seed",
    ["<seed:tool_call>", gap, "<function=", name, ">", gap, args, gap, "</function>", gap, "</seed:tool_call>"],
    {
      tags: sameTags("<parameter=", [">"], "</parameter>", ["\n"]),
    },
  ),
  // GLM 4.5 and later, Ling 3: <tool_call>weather\n<arg_key>city</arg_key>\n<arg_value>Lima</arg_value>\n</tool_call>
  each("glm4.5", ["<tool_call>", name, gap, args, gap, "</tool_call>"], {
    tags: sameTags("<arg_key>", ["</arg_key>\n<arg_value>", "</arg_key><arg_value>"], "</arg_value>", ["\n", ""]),
    taughtBy: /<arg_key>/,
  }),
  // MiniMax M2
  {
    kind: "marked",
    name: "minimax-m2",
    begin: ["<minimax:tool_call>", gap],
    call: ['<invoke name="', name, '">', gap, args, gap, "</invoke>"],
    between: [gap],
    end: [gap, "</minimax:tool_call>"],
    tags: sameTags('<parameter name="', ['">'], "</parameter>", ["\n"]),
  },
  // MiniCPM 5
  each("minicpm5", ['<function name="', name, '">', args, "</function>"], {
    tags: sameTags('<param name="', ['">'], "</param>", [""]),
  }),
  // Functionary 3.1 and Llama 3's own tools: <function=weather>{"city": "Lima"}</function>
  each("functionary3.1", ["<function=", name, ">", gap, args, gap, "</function>"]),
  // Mistral 7B v0.3, Nemo, Small and Large to 2411: [TOOL_CALLS][{"name": "weather", "arguments": {}, "id": "a1b2c3d4e"}]
  list("mistral", "[TOOL_CALLS]", object(["name", quotedName], ["arguments", args], ["id", '"', id, '"'])),
  // Mistral Small 3.2: [TOOL_CALLS]weather[CALL_ID]a1b2c3d4e[ARGS]{}
  each("mistral-call-id", ["[TOOL_CALLS]", name, "[CALL_ID]", id, "[ARGS]", args]),
  // Magistral, Devstral, Ministral 3: [TOOL_CALLS]weather[ARGS]{}
  each("mistral-args", ["[TOOL_CALLS]", name, "[ARGS]", args]),
  // Mistral Small 3.1 as some templates write it: [TOOL_CALLS]weather{}
  each("mistral-bare", ["[TOOL_CALLS]", name, args]),
  // DeepSeek V2.5, V3 and R1
  {
    kind: "marked",
    name: "deepseek",
    begin: ["<｜tool▁calls▁begin｜>", gap],
    call: [
      ...["<｜tool▁call▁begin｜>", "function", "<｜tool▁sep｜>", name, "\n```json\n", args],
      ...["\n```", "<｜tool▁call▁end｜>"],
    ],
    between: [gap],
    end: [gap, "<｜tool▁calls▁end｜>"],
  },
  // DeepSeek V3.1
  {
    kind: "marked",
    name: "deepseek3.1",
    begin: ["<｜tool▁calls▁begin｜>", gap],
    call: ["<｜tool▁call▁begin｜>", name, "<｜tool▁sep｜>", args, "<｜tool▁call▁end｜>"],
    between: [gap],
    end: [gap, "<｜tool▁calls▁end｜>"],
  },
  // Kimi K2
  {
    kind: "marked",
    name: "kimi-k2",
    begin: ["<|tool_calls_section_begin|>", gap],
    call: [
      ...["<|tool_call_begin|>", gap, "functions.", name, ":", index, gap],
      ...["<|tool_call_argument_begin|>", gap, args, gap, "<|tool_call_end|>"],
    ],
    between: [gap],
    end: [gap, "<|tool_calls_section_end|>"],
    taughtBy: /<\|tool_calls_section_begin\|>/,
  },
  // Command R7B, Command A
  list(
    "command-a",
    "<|START_ACTION|>",
    object(["tool_call_id", '"', index, '"'], ["tool_name", quotedName], ["parameters", args]),
    "<|END_ACTION|>",
  ),
  // Command R, R+
  {
    kind: "marked",
    name: "command-r",
    begin: ["Action:", gap, "```json", gap, "[", gap],
    call: object(["tool_name", quotedName], ["parameters", args]),
    between: [gap, ",", gap],
    end: [gap, "]", gap, "```"],
  },
  // Gemma 4: <|tool_call>call:weather{city:<|"|>Lima<|"|>,days:3}<tool_call|>
  each("gemma4", ["<|tool_call>", "call:", name, "{", args, "}", "<tool_call|>"], {
    tags: {
      before: "",
      text: { between: [':<|"|>'], after: '<|"|>' },
      json: { between: [":"], after: "", until: [",", "}"] },
      separator: [","],
    },
  }),
  // LFM 2: <|tool_call_start|>[weather(city="Lima", days=3)]<|tool_call_end|>
  {
    kind: "marked",
    name: "lfm2",
    begin: ["<|tool_call_start|>", "["],
    call: [name, "(", args, ")"],
    between: [", "],
    end: ["]", "<|tool_call_end|>"],
    tags: { before: "", json: { between: ["="], after: "", until: [",", ")"] }, separator: [", "] },
    taughtBy: /List of tools: (?:<\|tool_list_start\|>)?\[/,
  },
  // DeepSeek V3.2 and V4, which say of each argument whether it is a text
  ...["function_calls", "tool_calls"].map((mark, i): MarkedNotation => {
    const tag = (text: string) => `<${text.startsWith("/") ? "/" : ""}｜DSML｜${text.replace("/", "")}`;
    return {
      kind: "marked",
      name: `deepseek${i === 0 ? "3.2" : "4"}`,
      begin: [tag(`${mark}>`), gap],
      call: [tag('invoke name="'), name, '">', gap, args, gap, tag("/invoke>")],
      between: [gap],
      end: [gap, tag(`/${mark}>`)],
      tags: {
        before: tag('parameter name="'),
        text: { between: ['" string="true">'], after: tag("/parameter>") },
        json: { between: ['" string="false">'], after: tag("/parameter>") },
        separator: ["\n"],
      },
    };
  }),
  // Phi 4 mini
  list("phi4", "<|tool_call|>", nameAndArguments, "<|/tool_call|>", /<\|\/tool(_call)?\|>/),
  // Granite 3
  list("granite3", "<|tool_call|>", nameAndArguments, "", /<\|tool_call\|>/),
  // FireFunction 2
  list("firefunction", "functools", nameAndArguments),
  // Nemotron
  list("nemotron", "<TOOLCALL>", nameAndArguments, "</TOOLCALL>"),
  // Jamba
  list("jamba", "<tool_calls>", nameAndArguments, "</tool_calls>"),
  // Hunyuan
  {
    kind: "marked",
    name: "hunyuan",
    begin: ["<tool_calls>", gap],
    call: ["<tool_call>", name, "\n```json\n", args, "\n```\n", "</tool_call>"],
    between: [gap],
    end: [gap, "</tool_calls>"],
  },
  // MiniMax M1: <tool_calls>\n{"name": "weather", "arguments": {}}\n</tool_calls>
  {
    kind: "marked",
    name: "minimax-m1",
    begin: ["<tool_calls>", gap],
    call: nameAndArguments,
    between: [gap],
    end: [gap, "</tool_calls>"],
  },
  // InternLM 2
  { ...each("internlm2", ["<|action_start|>", "<|plugin|>", gap, ...nameAndParameters, gap, "<|action_end|>"]) },
  // Apertus: <|tools_prefix|>[{"weather": {"city": "Lima"}}]<|tools_suffix|>
  list("apertus", "<|tools_prefix|>", ["{", gap, quotedName, gap, ":", gap, args, gap, "}"], "<|tools_suffix|>"),
  // Llama 3.1 and later: {"name": "weather", "parameters": {"city": "Lima"}}
  llama3,
  { ...llama3, name: "json-arguments", call: nameAndArguments },
];
