// `"{} is {value:>8.2f}".format(name, value=1)`: str.format and the small language of its specifications.
//
//   {field!conversion:spec}     spec: [[fill]align][sign][#][0][width][grouping][.precision][type]

import { general } from "./decimals.js";
import { aligned, characterOf, type NumberStyle, numberText, padded } from "./format-numbers.js";
import { MarkedString } from "./marked-string.js";
import { escapeHtml, Markup } from "./markup.js";
import { representation, toText } from "./strings.js";
import { type Arguments, Float, fail, numberOf, string, typeName, type Value } from "./values.js";

/** What a field gives: `.name` of a value when `isAttribute`, else `[name]`. */
export type LookUp = (value: Value, key: Value, isAttribute: boolean) => Value;

/** `format.format(...args)` */
export function formatFields(format: MarkedString, args: Arguments, lookUp: LookUp): MarkedString {
  const result = new Fields(args, lookUp, format instanceof Markup).fill(format, 2);
  return format instanceof Markup ? new Markup(result) : result;
}

class Fields {
  /** Fields are counted, or numbered by the template, not both. */
  #counted = 0;
  #numbered = false;

  constructor(
    readonly args: Arguments,
    readonly lookUp: LookUp,
    readonly html: boolean,
  ) {}

  fill(format: MarkedString, depth: number): MarkedString {
    if (depth === 0) fail("Max string recursion exceeded");
    const { text } = format;
    const pieces: MarkedString[] = [];
    let at = 0;
    while (at < text.length) {
      const brace = text.slice(at).search(/[{}]/);
      if (brace < 0) break;
      const open = at + brace;
      if (text[open] === text[open + 1]) {
        pieces.push(format.slice(at, open + 1));
        at = open + 2;
        continue;
      }
      if (text[open] === "}") fail("Single '}' encountered in format string");
      const close = closingBrace(text, open);
      pieces.push(format.slice(at, open), this.#field(format.slice(open + 1, close), depth));
      at = close + 1;
    }
    return MarkedString.join([...pieces, format.slice(at)]);
  }

  #field(source: MarkedString, depth: number): MarkedString {
    const match = FIELD.exec(source.text) ?? fail("a field of the format string is not valid");
    const [, name = "", conversion, spec] = match;
    let value = this.#value(name);
    if (conversion === "r") value = representation(value);
    else if (conversion === "s") value = toText(value);
    else if (conversion !== undefined) fail(`the conversion '!${conversion}' is not supported`);
    const filled =
      spec === undefined ? MarkedString.empty : this.fill(source.slice(source.text.length - spec.length), depth - 1);
    const text = formatValue(value, filled.text);
    return this.html ? escapeHtml(text) : text;
  }

  #value(name: string): Value {
    const { positional, named } = this.args;
    const [first = ""] = /^[^.[]*/.exec(name) ?? [];
    const index = this.#index(first);
    let value = index === undefined ? named.get(first) : positional[index];
    if (value === undefined) return fail(`no argument '${index ?? first}' for the format string`);
    let end = first.length;
    const part = /\.([^.[]+)|\[([^\]]+)\]/y;
    part.lastIndex = end;
    for (let match = part.exec(name); match !== null; match = part.exec(name)) {
      end = part.lastIndex;
      const [, attribute, key = ""] = match;
      if (attribute !== undefined) value = this.lookUp(value, string(attribute), true);
      else value = this.lookUp(value, /^\d+$/.test(key) ? Number(key) : string(key), false);
    }
    return end === name.length ? value : fail(`'${name}' is not the name of a field`);
  }

  /** The place of a field's argument; undefined when it has a name. */
  #index(first: string): number | undefined {
    if (first !== "" && !/^\d+$/.test(first)) return undefined;
    const counted = first === "";
    if (counted ? this.#numbered : this.#counted > 0) fail("fields are either counted or numbered");
    if (counted) return this.#counted++;
    this.#numbered = true;
    return Number(first);
  }
}

const FIELD = /^((?:[^!:[]|\[[^\]]*\])*)(?:!([^:]*))?(?::([\s\S]*))?$/;

function closingBrace(text: string, open: number): number {
  let depth = 0;
  for (let i = open; i < text.length; i++) {
    if (text[i] === "{") depth++;
    else if (text[i] === "}" && --depth === 0) return i;
  }
  return fail("expected '}' before end of string");
}

const SPEC = /^(?:([\s\S])?([<>=^]))?([-+ ])?(#)?(0)?(\d+)?([,_])?(?:\.(\d+))?([a-zA-Z%])?$/u;

/** format(value, spec) */
export function formatValue(value: Value, spec: string): MarkedString {
  if (spec === "") return toText(value);
  const match = SPEC.exec(spec) ?? fail("Invalid format specifier");
  const [, fillGiven, align, sign, alternate, zero, width, grouping, precision, type] = match;
  const number = numberOf(value);
  if (number === undefined && !(value instanceof MarkedString)) {
    return fail(`unsupported format string passed to ${typeName(value)}.__format__`);
  }
  const style: NumberStyle = {
    fill: fillGiven ?? (zero === undefined ? " " : "0"),
    align: (align ?? (number === undefined ? "<" : zero === undefined ? ">" : "=")) as NumberStyle["align"],
    sign: (sign ?? "-") as NumberStyle["sign"],
    alternate: alternate !== undefined,
    width: Number(width ?? 0),
    precision: precision === undefined ? undefined : Number(precision),
    grouping: (grouping ?? "") as NumberStyle["grouping"],
  };
  if (value instanceof MarkedString) return formatText(value, style, type, sign);
  if (number === undefined) return fail("Invalid format specifier");
  if (
    grouping !== undefined &&
    type !== undefined &&
    !(grouping === "_" ? "deEfFgGboxX%" : "deEfFgG%").includes(type)
  ) {
    return fail(`Cannot specify '${grouping}' with '${type}'.`);
  }
  return formatNumber(number, value instanceof Float, type, style);
}

function formatText(value: MarkedString, style: NumberStyle, type = "s", sign: string | undefined): MarkedString {
  if (type !== "s") fail(`Unknown format code '${type}' for object of type 'str'`);
  if (sign !== undefined || style.alternate || style.grouping !== "" || style.align === "=") {
    fail("not allowed in the format specifier of a string");
  }
  const { precision } = style;
  const cut =
    precision === undefined
      ? value
      : value.slice(0, value.offsets()?.[precision] ?? Math.min(precision, value.text.length));
  return padded(cut, style);
}

function formatNumber(value: number, isFloat: boolean, type: string | undefined, style: NumberStyle): MarkedString {
  if (!isFloat && (type === undefined || "bcdoxXn".includes(type))) {
    if (style.precision !== undefined) return fail("Precision not allowed in integer format specifier");
    if (type === "c")
      return padded(string(characterOf(value)), { ...style, align: style.align === ">" ? "<" : style.align });
    return numberText(value, type === undefined || type === "n" ? "d" : type, style);
  }
  if (type !== undefined && type !== "n") {
    if (!"eEfFgG%".includes(type)) fail(`Unknown format code '${type}' for object of type 'float'`);
    return numberText(value, type, style);
  }
  if (type === "n") return numberText(value, "g", style);
  if (!Number.isFinite(value)) return numberText(value, "g", style);
  const size = Math.abs(value);
  const sign = value < 0 || Object.is(value, -0) ? "-" : style.sign === "-" ? "" : style.sign;
  const { precision } = style;
  const shortest =
    precision === undefined
      ? toText(new Float(size)).text
      : general(size, precision, false, Math.max(1, precision) - 1);
  return aligned(sign, /[.e]/.test(shortest) ? shortest : `${shortest}.0`, style, 3);
}
