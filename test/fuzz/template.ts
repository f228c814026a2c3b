// Chat templates that are damaged or made at random, with messages that no client sends.

import type { Random } from "../../bench/synthetic/random.js";
import { chatTemplateFrom } from "../../dist/tokenizer/index.js";
import { microTemplate } from "../support/micro-model.js";
import { toolTemplates } from "../support/tool-models.js";
import { outcomeOf, pick, target } from "./target.js";
import { randomText } from "./texts.js";

interface Rendering {
  readonly source: string;
  readonly messages: readonly unknown[];
  readonly tools: unknown;
}

const known = [microTemplate, ...Object.values(toolTemplates)];

const names = [
  "messages",
  "m",
  "m.content",
  "m.role",
  "loop.index",
  "bos_token",
  "tools",
  "none",
  "x",
  "namespace",
  "range",
];
const filters = [
  ...["upper", "lower", "trim", "length", "tojson", "tojson(indent=2)", "join(',')", "first", "last", "list", "string"],
  ...[
    "replace('a', 'b')",
    "default('d')",
    "int",
    "float",
    "abs",
    "sort",
    "reverse",
    "items",
    "safe",
    "title",
    "unique",
  ],
  ...["map(attribute='role')", "selectattr('role', 'equalto', 'user')", "indent(3)", "batch(2)", "dictsort", "sum"],
];
const numbers = ["0", "1", "-1", "9007199254740993", "1e308", "0.1", "99999999999999999999"];
const operators = [
  "+",
  "-",
  "*",
  "/",
  "//",
  "%",
  "**",
  "~",
  "==",
  "!=",
  "<",
  ">=",
  "and",
  "or",
  "in",
  "not in",
  "is not",
];
const methods = [
  "split('a')",
  "strip()",
  "startswith('a')",
  "items()",
  "get('a')",
  "upper()",
  "append(1)",
  "format(1)",
  "join([])",
];

function expression(random: Random, depth: number): string {
  const inner = () => expression(random, depth - 1);
  if (depth <= 0) return pick(random, [...names, ...numbers, "'a'", "''", "true", "[]", "{}", "'😀'"]);
  switch (random.below(9)) {
    case 0:
      return `${inner()} ${pick(random, operators)} ${inner()}`;
    case 1:
      return `${inner()} | ${pick(random, filters)}`;
    case 2:
      return `(${inner()}).${pick(random, methods)}`;
    case 3:
      return `${inner()}[${inner()}]`;
    case 4:
      return `${inner()}[${random.below(5) - 2}:${random.below(5) - 2}:${pick(random, ["", "-1", "0", "2"])}]`;
    case 5:
      return `[${inner()}, ${inner()}]`;
    case 6:
      return `{'a': ${inner()}}`;
    case 7:
      return `${inner()} if ${inner()} else ${inner()}`;
    default:
      return `range(${inner()})`;
  }
}

function block(random: Random, depth: number): string {
  const inner = () => (depth <= 0 ? "a" : block(random, depth - 1));
  switch (random.below(7)) {
    case 0:
      return `{% for m in ${expression(random, 1)} %}${inner()}{% else %}e{% endfor %}`;
    case 1:
      return `{% if ${expression(random, 2)} %}${inner()}{% elif ${expression(random, 1)} %}b{% endif %}`;
    case 2:
      return `{%- set x = ${expression(random, 2)} -%}${inner()}`;
    case 3:
      return `{% macro f(a, b=1) %}${inner()}{% endmacro %}{{ f(${expression(random, 1)}) }}`;
    case 4:
      return `${inner()}${inner()}`;
    case 5:
      return "{# #} ";
    default:
      return `{{ ${expression(random, 3)} }}`;
  }
}

function damaged(random: Random, source: string): string {
  const pieces = ["{{", "}}", "{%", "%}", "-", "'", '"', "|", "(", ")", "endfor", "{#", "~", "\\", "\0", "[", "**"];
  let result = source;
  for (let left = 1 + random.below(3); left > 0; left--) {
    const at = random.below(result.length + 1);
    const cut = random.below(3) === 0 ? random.below(20) : random.below(2);
    const piece = random.below(4) === 0 ? source.slice(random.below(source.length)).slice(0, 30) : pick(random, pieces);
    result = result.slice(0, at) + (random.below(4) === 0 ? "" : piece) + result.slice(at + cut);
  }
  return result;
}

function messagesOf(random: Random): unknown[] {
  const value = (): unknown => {
    const kind = random.below(12);
    if (kind < 7) return randomText(random).slice(0, 60);
    return pick(random, [null, 1, 1e308, true, [], {}, [{ type: "text", text: "a" }], { a: [1, { b: null }] }]);
  };
  return Array.from({ length: random.below(4) }, () => {
    if (random.below(10) === 0) return value();
    const calls = [{ type: "function", function: { name: "f", arguments: value() } }];
    return {
      role: pick<unknown>(random, ["user", "user", "assistant", "system", "tool", value()]),
      content: value(),
      ...(random.below(3) === 0 && { tool_calls: calls }),
    };
  });
}

export const template = target({
  name: "template",
  executes: "a damaged or random chat template parsed and rendered with random messages",
  perBuild: false,
  perProcess: 50_000,
  milliseconds: 8000, // a template has a limit of its own, of seconds: then the worker that renders it is ended
  open: async () => ({
    make: (random: Random): Rendering => ({
      source: random.below(2) === 0 ? damaged(random, pick(random, known)) : block(random, 3),
      messages: messagesOf(random),
      tools: random.below(3) === 0 ? [{ type: "function", function: { name: "f", parameters: {} } }] : null,
    }),
    // As programs render them: in the worker, whose limits of time and memory are part of what is tried.
    run: ({ source, messages, tools }: Rendering) =>
      outcomeOf(async () => {
        const options = { bosToken: "<s>", eosToken: "</s>", tools: tools as null, now: new Date(2026, 10, 30) };
        const parts = await chatTemplateFrom(source).renderParts(messages as never, options);
        for (const { text } of parts) if (text === "") throw new Error("an empty part");
      }),
  }),
});
