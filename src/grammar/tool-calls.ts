// Answers that may call tools, in the two notations that chat templates teach: free text, and from the moment a call begins its JSON,
// with arguments that the tool's schema finds valid.
//
//   hermes   text <tool_call>{"name": "weather", "arguments": {"city": "Lima"}}</tool_call>     several, one after another, at the end
//   llama3   {"name": "weather", "parameters": {"city": "Lima"}}                                instead of text: text does not begin with {

import { GrammarError, UnsupportedError } from "../errors.js";
import { grammarOfSchema, type SchemaGrammar } from "./json-schema/compile-schema.js";
import type { JsonSchema } from "./json-schema/schema.js";
import { braces, colon, comma } from "./json-schema/text.js";
import {
  alternatives,
  complement,
  type Expression,
  empty,
  literal,
  optional,
  repeat,
  rule,
  sequence,
  set,
} from "./syntax.js";

export type ToolNotation = "hermes" | "llama3";

/** What a call of a tool is: its name, and the schema of its arguments. */
export interface ToolSignature {
  readonly name: string;
  readonly parameters: JsonSchema;
}

/** How many calls an answer has: none or one at least; none, one, or any number at most. An answer that must call begins with a call. */
export interface CallCount {
  readonly least: 0 | 1;
  readonly most: 0 | 1 | "any";
}

/** How a call begins and ends in the notation "hermes". */
export const CALL_BEGIN = "<tool_call>";
export const CALL_END = "</tool_call>";

/** The key under which a call has its arguments. */
export const argumentsKey = { hermes: "arguments", llama3: "parameters" } as const;

/**
 * The grammar of answers that may call tools.
 *
 * @throws UnsupportedError UNSUPPORTED_SCHEMA, GrammarError SCHEMA_INVALID, with the tool's name
 */
export function toolGrammar(tools: readonly ToolSignature[], notation: ToolNotation, count: CallCount): SchemaGrammar {
  const rules = new Map<string, Expression>();
  const ignored = new Map<string, string>();
  const calls = tools.map(({ name, parameters }) => {
    const key = JSON.stringify(argumentsKey[notation]);
    const text = [literal('"name"'), colon, literal(JSON.stringify(name)), comma, literal(key), colon];
    return braces("{", sequence(...text, rule(addArguments(rules, ignored, name, parameters))), "}");
  });
  rules.set("call", alternatives(...calls));
  const root = "answer";
  rules.set(root, notation === "hermes" ? textAndCalls(rules, count) : callOrText(count));
  return { grammar: { root, rules }, ignored };
}

/** Adds the rules of a tool's arguments under names of their own, and returns the first one's. */
function addArguments(
  rules: Map<string, Expression>,
  ignored: Map<string, string>,
  tool: string,
  parameters: JsonSchema,
): string {
  const { grammar, ignored: words } = schemaOf(tool, parameters);
  for (const [word, pointer] of words) if (!ignored.has(word)) ignored.set(word, `${pointer} of ${tool}`);
  const named = (name: string) => `${tool}: ${name}`;
  const renamed = (expression: Expression): Expression => {
    switch (expression.kind) {
      case "rule":
        return rule(named(expression.name));
      case "distinct":
        return { ...expression, name: named(expression.name) };
      case "sequence":
      case "alternatives":
        return { ...expression, items: expression.items.map(renamed) };
      case "repeat":
        return { ...expression, item: renamed(expression.item) };
      case "both":
      case "except":
        return { ...expression, left: renamed(expression.left), right: renamed(expression.right) };
      case "members":
        return {
          ...expression,
          items: expression.items.map((member) => ({ ...member, item: renamed(member.item) })),
          repeated: expression.repeated && renamed(expression.repeated),
          separator: renamed(expression.separator),
        };
      default:
        return expression;
    }
  };
  for (const [name, expression] of grammar.rules) rules.set(named(name), renamed(expression));
  return named(grammar.root);
}

function schemaOf(tool: string, parameters: JsonSchema): SchemaGrammar {
  try {
    return grammarOfSchema(parameters);
  } catch (error) {
    const Class =
      error instanceof UnsupportedError ? UnsupportedError : error instanceof GrammarError ? GrammarError : undefined;
    if (Class === undefined) throw error;
    throw new Class((error as GrammarError).code, `the parameters of the tool "${tool}": ${(error as Error).message}`);
  }
}

function callOrText({ least, most }: CallCount): Expression {
  if (least === 1) return rule("call");
  const brace = "{".charCodeAt(0);
  const text = sequence(set(complement([[brace, brace]])), repeat(set(complement([])), 0));
  return most === 0 ? optional(text) : alternatives(rule("call"), optional(text));
}

/** Text up to the first CALL_BEGIN, and calls from there on. Rule "text k": k characters of CALL_BEGIN have just been. */
function textAndCalls(rules: Map<string, Expression>, { least, most }: CallCount): Expression {
  const newLine = optional(literal("\n"));
  const next = most === "any" ? optional(sequence(newLine, literal(CALL_BEGIN), rule("calls"))) : empty;
  rules.set("calls", sequence(newLine, rule("call"), newLine, literal(CALL_END), next));
  if (least === 1) return sequence(literal(CALL_BEGIN), rule("calls"));
  const first = CALL_BEGIN.charCodeAt(0);
  for (let k = 0; k < CALL_BEGIN.length; k++) {
    const goesOn = CALL_BEGIN.charCodeAt(k);
    const isLast = k + 1 === CALL_BEGIN.length;
    const follower = isLast ? "calls" : `text ${k + 1}`;
    // The first character occurs only once, so a text that goes another way has begun anew with it, or not at all.
    const others = complement([
      [goesOn, goesOn],
      [first, first],
    ]);
    const ways = [empty, sequence(set(others), rule("text 0"))];
    if (!isLast || most !== 0) ways.push(sequence(set([[goesOn, goesOn]]), rule(follower)));
    if (goesOn !== first) ways.push(sequence(set([[first, first]]), rule("text 1")));
    rules.set(`text ${k}`, alternatives(...ways));
  }
  return rule("text 0");
}
