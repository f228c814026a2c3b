// Values as text: str(), repr() and json.dumps() of Python.

import { givenName } from "./arguments.js";
import { compare } from "./comparisons.js";
import { MarkedString } from "./marked-string.js";
import { Markup } from "./markup.js";
import {
  Callable,
  Dict,
  DictView,
  Float,
  fail,
  Lazy,
  Loop,
  Namespace,
  None,
  numberOf,
  Sequence,
  string,
  typeName,
  Undefined,
  type Value,
} from "./values.js";

/** str(value): what `{{ value }}` prints. */
export function toText(value: Value): MarkedString {
  if (value instanceof MarkedString) return value;
  return value instanceof Undefined ? MarkedString.empty : representation(value);
}

/** repr(value): how a value is printed inside a list. */
export function representation(value: Value): MarkedString {
  if (value instanceof None) return string("None");
  if (typeof value === "boolean") return string(value ? "True" : "False");
  if (typeof value === "number") return string(String(value));
  if (value instanceof Float) return string(floatText(value.value));
  if (value instanceof Markup) return enclosed("Markup(", [quoted(value)], ")");
  if (value instanceof MarkedString) return quoted(value);
  if (value instanceof Dict) return enclosed("{", value.entries().map(pairText), "}");
  if (value instanceof DictView) return enclosed(`${value.kind}([`, value.items.map(representation), "])");
  if (value instanceof Sequence) return sequenceText(value);
  if (value instanceof Namespace) {
    const dict = new Dict([...value.attributes].map(([name, attribute]) => [givenName(name), attribute]));
    return enclosed("<Namespace ", [representation(dict)], ">");
  }
  if (value instanceof Undefined) return string("Undefined");
  if (value instanceof Callable) return string(callableText(value));
  if (value instanceof Loop) return string(`<LoopContext ${value.index0 + 1}/${value.length}>`);
  if (value instanceof Lazy) return string(`<${typeName(value)} object>`);
  return value satisfies never;
}

function callableText({ name, attributes }: Callable): string {
  return attributes === undefined ? `<function ${name}>` : `<Macro ${quoted(string(name)).text}>`;
}

function sequenceText({ kind, items }: Sequence): MarkedString {
  if (kind === "range") {
    const numbers = items.map((item) => numberOf(item) ?? 0);
    const step = numbers.length > 1 ? numbers[1]! - numbers[0]! : 1;
    const stop = numbers.length > 0 ? numbers[numbers.length - 1]! + step : 0;
    return string(`range(${numbers[0] ?? 0}, ${stop}${step === 1 ? "" : `, ${step}`})`);
  }
  const texts = items.map(representation);
  if (kind === "list") return enclosed("[", texts, "]");
  return enclosed("(", texts, texts.length === 1 ? ",)" : ")");
}

function pairText([key, value]: readonly [Value, Value]): MarkedString {
  return MarkedString.join([representation(key), representation(value)], string(": "));
}

function enclosed(open: string, items: readonly MarkedString[], close: string): MarkedString {
  return MarkedString.join([string(open), MarkedString.join(items, string(", ")), string(close)]);
}

/** The shortest digits that mean this number, as Python writes them. */
function floatText(value: number): string {
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value > 0 ? "inf" : "-inf";
  if (Object.is(value, -0)) return "-0.0";
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-4 || size >= 1e16)) {
    const [digits, exponent] = value.toExponential().split("e");
    return `${digits}e${exponent![0]}${exponent!.slice(1).padStart(2, "0")}`;
  }
  // Below 1e-6 JavaScript changes to exponents, above 1e16 Python: between them both write digits.
  return Number.isInteger(value) ? `${value}.0` : String(value);
}

const UNPRINTABLE = /[\\\p{C}\p{Zl}\p{Zp}\p{Zs}]/gu;
const REPR_ESCAPES = new Map([
  ["\\", "\\\\"],
  ["\n", "\\n"],
  ["\r", "\\r"],
  ["\t", "\\t"],
  [" ", " "],
]);

function quoted(value: MarkedString): MarkedString {
  const quote = value.text.includes("'") && !value.text.includes('"') ? '"' : "'";
  const inner = value.map((run) =>
    run
      .replace(UNPRINTABLE, (character) => REPR_ESCAPES.get(character) ?? pythonEscape(character.codePointAt(0) ?? 0))
      .replaceAll(quote, `\\${quote}`),
  );
  return enclosed(quote, [inner], quote);
}

function pythonEscape(codePoint: number): string {
  const hexadecimal = codePoint.toString(16);
  if (codePoint < 0x100) return `\\x${hexadecimal.padStart(2, "0")}`;
  if (codePoint < 0x10000) return `\\u${hexadecimal.padStart(4, "0")}`;
  return `\\U${hexadecimal.padStart(8, "0")}`;
}

/** The parameters of json.dumps that templates can set. */
export interface JsonOptions {
  readonly ensureAscii: boolean;
  /** What one level is indented by; undefined: all on one line. */
  readonly indent: MarkedString | undefined;
  readonly itemSeparator: MarkedString;
  readonly keySeparator: MarkedString;
  readonly sortKeys: boolean;
}

/** json.dumps(value) */
export function toJson(value: Value, options: JsonOptions, depth = 0): MarkedString {
  if (value instanceof None) return string("null");
  if (typeof value === "boolean" || typeof value === "number") return string(String(value));
  if (value instanceof Float) return string(floatJson(value.value));
  if (value instanceof MarkedString) return jsonString(value, options.ensureAscii);
  if (value instanceof Sequence && value.kind !== "range") {
    const items = value.items.map((item) => toJson(item, options, depth + 1));
    return jsonLines("[", items, "]", options, depth);
  }
  if (value instanceof Dict) {
    const entries = [...value.entries()];
    if (options.sortKeys) entries.sort(([a], [b]) => compare(a, b));
    const lines = entries.map(([key, item]) => {
      return MarkedString.join(
        [jsonString(jsonKey(key), options.ensureAscii), toJson(item, options, depth + 1)],
        options.keySeparator,
      );
    });
    return jsonLines("{", lines, "}", options, depth);
  }
  return fail(`Object of type ${typeName(value)} is not JSON serializable`);
}

function jsonLines(
  open: string,
  items: readonly MarkedString[],
  close: string,
  { indent, itemSeparator }: JsonOptions,
  depth: number,
): MarkedString {
  const newLine = (levels: number) => {
    if (indent === undefined || items.length === 0) return MarkedString.empty;
    return MarkedString.join([string("\n"), indent.repeat(levels)]);
  };
  const inner = newLine(depth + 1);
  const separator = MarkedString.join([itemSeparator, inner]);
  const lines = MarkedString.join(items, separator);
  return MarkedString.join([string(open), inner, lines, newLine(depth), string(close)]);
}

function jsonKey(key: Value): MarkedString {
  if (key instanceof MarkedString) return key;
  if (key instanceof None) return string("null");
  if (typeof key === "boolean" || typeof key === "number") return string(String(key));
  if (key instanceof Float) return string(floatJson(key.value));
  return fail(`keys must be str, int, float, bool or None, not ${typeName(key)}`);
}

function floatJson(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "Infinity" : "-Infinity";
  return floatText(value);
}

const JSON_ESCAPES = new Map([
  ['"', '\\"'],
  ["\\", "\\\\"],
  ["\n", "\\n"],
  ["\r", "\\r"],
  ["\t", "\\t"],
  ["\f", "\\f"],
  ["\b", "\\b"],
]);
// biome-ignore lint/suspicious/noControlCharactersInRegex: JSON escapes them
const JSON_SPECIAL = /["\\\u0000-\u001f]/g;
const JSON_NOT_ASCII = /["\\]|[^ -~]/g;

function jsonString(value: MarkedString, ensureAscii: boolean): MarkedString {
  const escaped = value.map((run) => {
    return run.replace(ensureAscii ? JSON_NOT_ASCII : JSON_SPECIAL, (unit) => {
      return JSON_ESCAPES.get(unit) ?? `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
    });
  });
  return enclosed('"', [escaped], '"');
}
