// How chat templates teach their models to call tools. A notation is data: its grammar (answer-grammar.ts) and its reader
// (api/text/answer-reader.ts) both follow from it.

import type { JsonSchema } from "../json-schema/schema.js";

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

/**
 * A piece of a call: a text, which may be a control token; white space that may be there; the tool's name, bare or as a JSON string; an
 * identifier of nine letters and digits; the call's number, from 0; or the arguments.
 */
export type Part = string | { readonly slot: "gap" | "name" | "quotedName" | "id" | "index" | "arguments" };

export const gap: Part = { slot: "gap" };
export const name: Part = { slot: "name" };
export const quotedName: Part = { slot: "quotedName" };
export const id: Part = { slot: "id" };
export const index: Part = { slot: "index" };
export const args: Part = { slot: "arguments" };

/** A JSON object with these members, in this order. */
export function object(...members: readonly (readonly [key: string, ...value: Part[]])[]): readonly Part[] {
  const written = members.flatMap(([key, ...value], i) => {
    return [...(i > 0 ? [",", gap] : []), JSON.stringify(key), gap, ":", gap, ...value];
  });
  return ["{", gap, ...written, gap, "}"];
}

/** Arguments that are written one by one, each with its name. Where there are several ways, the first is the usual one. */
export interface ArgumentTags {
  /** Before the name. */
  readonly before: string;
  /** Between the name and a bare text, and after that. Without it, texts are JSON as all other values are. */
  readonly text?: { readonly between: readonly string[]; readonly after: string };
  /** Between the name and a JSON value, and after that; where nothing comes after it, the characters at which it ends. */
  readonly json: { readonly between: readonly string[]; readonly after: string; readonly until?: readonly string[] };
  /** Between two arguments. */
  readonly separator: readonly string[];
}

/** Tags that are the same for texts and for other values. */
export function sameTags(
  before: string,
  between: readonly string[],
  after: string,
  separator: readonly string[],
): ArgumentTags {
  return { before, text: { between, after }, json: { between, after }, separator };
}

/** Calls that come after the text, or in place of it. */
export interface MarkedNotation {
  readonly kind: "marked";
  readonly name: string;
  /** Before the first call, a call, between two, and after the last. Without `between`, an answer has one call. */
  readonly begin: readonly Part[];
  readonly call: readonly Part[];
  readonly between?: readonly Part[];
  readonly end: readonly Part[];
  readonly tags?: ArgumentTags;
  /** Whether a call is the whole answer: a text begins in another way. */
  readonly replacesText?: true;
  /** Templates that teach this notation without writing calls in it. */
  readonly taughtBy?: RegExp;
}

/** Answers in messages, each to an addressee: the user, or a tool. */
export interface AddressedNotation {
  readonly kind: "addressed";
  readonly name: string;
  /** How the header of a text, of thoughts and of a call may be written; the first way is the usual one. */
  readonly text: readonly (readonly Part[])[];
  readonly thoughts?: readonly Part[];
  readonly call: readonly (readonly Part[])[];
  /** After a text or thoughts that another message follows, and after a call. */
  readonly messageEnd: string;
  readonly callEnd?: string;
  /** What comes between that and the next header. */
  readonly next: readonly Part[];
  /** Whether a message without a known header is text. */
  readonly bareText?: true;
  readonly parallel: boolean;
  /** How templates show that their models write so, by their source and the end of a prompt. */
  readonly isShown: (source: string, prompt: string) => boolean;
  readonly taughtBy?: RegExp;
}

export type ToolNotation = MarkedNotation | AddressedNotation;

/** Whether a part is a text. */
export function isText(part: Part): part is string {
  return typeof part === "string";
}

/** All texts of a notation that may be control tokens. */
export function textsOf(notation: ToolNotation): readonly string[] {
  if (notation.kind === "addressed") {
    const { text, thoughts = [], call, messageEnd, callEnd = "", next } = notation;
    return [...text.flat(), ...thoughts, ...call.flat(), messageEnd, callEnd, ...next].filter(isText);
  }
  const { begin, call, between = [], end, tags } = notation;
  const { before = "", text, json } = tags ?? {};
  const around = [text, json].flatMap((one) => (one === undefined ? [] : [...one.between, one.after]));
  return [...begin, ...call, ...between, ...end, before, ...around].filter(isText);
}

/** The text by which a reader knows that calls begin. */
export function openingOf({ begin, call }: MarkedNotation): string {
  return [...begin, ...call].find(isText)!;
}

/** What may stand before and after the arguments in a call. */
export function aroundArguments(call: readonly Part[]): readonly [before: readonly Part[], after: readonly Part[]] {
  const at = call.indexOf(args);
  return [call.slice(0, at), call.slice(at + 1)];
}

/** A call, and its arguments as JSON values. */
export interface WrittenCall {
  readonly name: string;
  readonly arguments: unknown;
}

/** Calls as a model that keeps to the notation writes them: pieces, of which those of the notation may be control tokens. */
export function writeCallParts(
  notation: MarkedNotation,
  calls: readonly WrittenCall[],
): readonly { readonly text: string; readonly special: boolean }[] {
  const { begin, call, between = [], end, tags } = notation;
  const written = (parts: readonly Part[], one?: WrittenCall, i = 0) =>
    parts.map((part) => {
      if (isText(part)) return { text: part, special: true };
      const slots = {
        gap: "",
        name: one?.name,
        quotedName: JSON.stringify(one?.name),
        index: String(i),
        id: callId(i),
      };
      const text = part.slot === "arguments" ? writeArguments(one!.arguments, tags) : slots[part.slot]!;
      return { text, special: false };
    });
  const bodies = calls.flatMap((one, i) => [...(i > 0 ? written(between) : []), ...written(call, one, i)]);
  return [...written(begin), ...bodies, ...written(end)];
}

/** Calls as a model that keeps to the notation writes them. */
export function writeCalls(notation: MarkedNotation, calls: readonly WrittenCall[]): string {
  return writeCallParts(notation, calls)
    .map(({ text }) => text)
    .join("");
}

function writeArguments(given: unknown, tags: ArgumentTags | undefined): string {
  if (tags === undefined) return JSON.stringify(given);
  const { before, text, json, separator } = tags;
  return Object.entries(given ?? {})
    .map(([name, value]) => {
      const isBare = text !== undefined && typeof value === "string";
      const { between, after } = isBare ? text : json;
      return before + name + between[0] + (isBare ? value : JSON.stringify(value)) + after;
    })
    .join(separator[0]);
}

/** An identifier of nine letters and digits for the i-th call. */
export function callId(i: number): string {
  return `call${String(i).padStart(5, "0")}`;
}
