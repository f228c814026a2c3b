// Numbers in a given style, and any text padded to a width: what the % operator and str.format share.

import { exponential, fixed, general } from "./decimals.js";
import { MarkedString } from "./marked-string.js";
import { fail, string } from "./values.js";

export interface NumberStyle {
  readonly fill: string;
  /** Left, right, centred, or filled between the sign and the digits */
  readonly align: "<" | ">" | "^" | "=";
  readonly sign: "+" | "-" | " ";
  /** `#`: 0x before hexadecimal digits, a point in every float */
  readonly alternate: boolean;
  readonly width: number;
  readonly precision: number | undefined;
  readonly grouping: "" | "," | "_";
}

const BASES = new Map([
  ["b", 2],
  ["o", 8],
  ["d", 10],
  ["x", 16],
  ["X", 16],
]);

/** A number in a style. @param type A letter of Python's: b o d x X for integers, e E f F g G % for all */
export function numberText(value: number, type: string, style: NumberStyle): MarkedString {
  const negative = value < 0 || Object.is(value, -0);
  const sign = negative ? "-" : style.sign === "-" ? "" : style.sign;
  const base = BASES.get(type);
  let prefix = "";
  let body: string;
  if (base !== undefined) {
    body = Math.abs(value).toString(base);
    if (style.precision !== undefined) body = body.padStart(style.precision, "0");
    if (style.alternate && base !== 10) prefix = `0${type.toLowerCase()}`;
    if (type === "X") [body, prefix] = [body.toUpperCase(), prefix.toUpperCase()];
  } else {
    body = floatDigits(Math.abs(value), type, style);
  }
  const every = base === undefined || base === 10 ? 3 : 4;
  return aligned(sign + prefix, body, style, Number.isFinite(value) ? every : Number.POSITIVE_INFINITY);
}

function floatDigits(value: number, type: string, { precision = 6, alternate }: NumberStyle): string {
  const lower = type.toLowerCase();
  let text: string;
  if (Number.isNaN(value)) text = "nan";
  else if (!Number.isFinite(value)) text = "inf";
  else if (lower === "e") text = exponential(value, precision);
  else if (lower === "f") text = fixed(value, precision);
  else if (lower === "g") text = general(value, precision, alternate);
  else return `${Number.isFinite(value * 100) ? fixed(value * 100, precision) : value}%`;
  if (alternate && !text.includes(".") && Number.isFinite(value)) text = text.replace(/(?=e|$)/, ".");
  return type === lower ? text : text.toUpperCase();
}

/** A sign and digits, grouped and padded. */
export function aligned(sign: string, body: string, style: NumberStyle, every: number): MarkedString {
  const [, whole = "", rest = ""] = /^([\da-f]*)(.*)$/is.exec(body) ?? [];
  if (style.grouping === "" || !Number.isFinite(every)) return padded(string(body), style, sign);
  let digits = whole;
  const group = () => digits.replace(new RegExp(`\\B(?=(?:[\\da-f]{${every}})+$)`, "gi"), style.grouping);
  // Zeros that fill are grouped like digits.
  const zeros = style.fill === "0" && style.align === "=";
  while (zeros && sign.length + group().length + rest.length < style.width) digits = `0${digits}`;
  return padded(string(group() + rest), style, sign);
}

/** A text, with a sign before it, filled up to the width of the style. */
export function padded(text: MarkedString, { fill, align, width }: NumberStyle, sign = ""): MarkedString {
  if (width > 10 ** 6) fail(`a width of ${width} characters`);
  const missing = width - text.length - sign.length;
  if (missing <= 0) return sign === "" ? text : MarkedString.join([string(sign), text]);
  const left = align === "<" ? 0 : align === "^" ? missing >> 1 : missing;
  const [before, after] = [string(fill.repeat(left)), string(fill.repeat(missing - left))];
  return MarkedString.join(align === "=" ? [string(sign), before, text] : [before, string(sign), text, after]);
}

/** chr(codePoint) */
export function characterOf(codePoint: number): string {
  if (codePoint < 0 || codePoint > 0x10ffff) fail("the number of a character must be from 0 to 0x10ffff");
  return String.fromCodePoint(codePoint);
}
