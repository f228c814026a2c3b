// `"%s is %.2f" % (name, value)`: the directives of Python's % operator, which the filter `format` knows too.
//
//   % (key) flags width .precision length type        flags: # 0 - space +        length: h l L, ignored

import { characterOf, type NumberStyle, numberText, padded } from "./format-numbers.js";
import { MarkedString } from "./marked-string.js";
import { escapeHtml, Markup } from "./markup.js";
import { representation, toText } from "./strings.js";
import { Dict, Float, fail, numberOf, Sequence, string, typeName, Undefined, type Value } from "./values.js";

const DIRECTIVE =
  /%(?:\((?<key>[^()]*)\))?(?<flags>[#0\- +]*)(?<width>\*|\d*)(?:\.(?<precision>\*|\d*))?[hlL]?(?<type>[\s\S]?)/g;

/** `format % values` */
export function formatPercent(format: MarkedString, values: Value): MarkedString {
  const given = values instanceof Sequence && values.kind === "tuple" ? values.items : [values];
  let used = 0;
  let byKey = false;
  const next = () => given[used++] ?? fail("not enough arguments for format string");
  const pieces: MarkedString[] = [];
  let end = 0;
  for (const match of format.text.matchAll(DIRECTIVE)) {
    const { key, flags = "", width = "", precision, type = "" } = match.groups ?? {};
    pieces.push(format.slice(end, match.index));
    end = match.index + match[0].length;
    if (key !== undefined) byKey = true;
    const keyed = key === undefined ? undefined : entry(values, key);
    const style = styleOf(flags, numberFor(width, next), numberFor(precision, next));
    if (type === "%") pieces.push(string("%"));
    else pieces.push(directive(type, keyed ?? next(), style, format instanceof Markup));
  }
  // What can be indexed need not be used.
  const mayBeLeft =
    byKey ||
    values instanceof Dict ||
    values instanceof Undefined ||
    (values instanceof Sequence && values.kind !== "tuple");
  if (used < given.length && !mayBeLeft) fail("not all arguments converted during string formatting");
  const result = MarkedString.join([...pieces, format.slice(end)]);
  return format instanceof Markup ? new Markup(result) : result;
}

function entry(values: Value, key: string): Value {
  if (!(values instanceof Dict)) return fail("format requires a mapping");
  return values.get(string(key)) ?? fail(`there is no '${key}' to format`);
}

function numberFor(digits: string | undefined, next: () => Value): number | undefined {
  if (digits === undefined) return undefined;
  if (digits !== "*") return Number(digits);
  const value = next();
  return typeof value === "number" ? value : fail("* wants int");
}

function styleOf(flags: string, width: number | undefined, precision: number | undefined): NumberStyle {
  const left = flags.includes("-") || (width ?? 0) < 0;
  return {
    fill: flags.includes("0") && !left ? "0" : " ",
    align: left ? "<" : flags.includes("0") ? "=" : ">",
    sign: flags.includes("+") ? "+" : flags.includes(" ") ? " " : "-",
    alternate: flags.includes("#"),
    width: Math.abs(width ?? 0),
    precision,
    grouping: "",
  };
}

function directive(type: string, value: Value, style: NumberStyle, html: boolean): MarkedString {
  const asText = { ...style, fill: " ", align: style.align === "<" ? "<" : ">" } as const;
  switch (type) {
    case "s": {
      const text = html ? escapeHtml(toText(value)) : toText(value);
      return padded(cut(text, style.precision), asText);
    }
    case "r":
      return padded(cut(representation(value), style.precision), asText);
    case "c": {
      if (value instanceof MarkedString && value.length === 1) return padded(value, asText);
      if (typeof value !== "number" && typeof value !== "boolean") return fail("%c requires int or char");
      return padded(string(characterOf(Number(value))), asText);
    }
    case "d":
    case "i":
    case "u": {
      const number = numberOf(value);
      if (number === undefined || !Number.isFinite(number)) return wantsNumber(type, value);
      return numberText(Math.trunc(number) + 0, "d", style);
    }
    case "o":
    case "x":
    case "X": {
      const number = value instanceof Float ? undefined : numberOf(value);
      return number === undefined ? wantsNumber(type, value) : numberText(number, type, style);
    }
    case "e":
    case "E":
    case "f":
    case "F":
    case "g":
    case "G": {
      const number = numberOf(value);
      if (number === undefined) return value instanceof Undefined ? fail(value.message) : wantsNumber(type, value);
      return numberText(number, type, style);
    }
    case "":
      return fail("incomplete format");
    default:
      return fail(`unsupported format character '${type}'`);
  }
}

function wantsNumber(type: string, value: Value): never {
  return fail(`%${type} format: a number is required, not ${typeName(value)}`);
}

function cut(text: MarkedString, length: number | undefined): MarkedString {
  if (length === undefined) return text;
  return text.slice(0, text.offsets()?.[length] ?? Math.min(length, text.text.length));
}
