// The functions that every template has.

import { TemplateError } from "../../errors.js";
import { bind, givenName, integerArgument, stringArgument } from "./arguments.js";
import { MarkedString } from "./marked-string.js";
import { type LocalTime, strftime } from "./strftime.js";
import { toText } from "./strings.js";
import {
  type Arguments,
  Callable,
  Dict,
  fail,
  iterate,
  Namespace,
  NONE,
  Sequence,
  string,
  Undefined,
  type Value,
} from "./values.js";

/** As in Jinja2's sandbox. */
const LONGEST_RANGE = 100_000;

export function globals(now: LocalTime): readonly (readonly [string, Value])[] {
  const functions: readonly (readonly [string, (args: Arguments) => Value])[] = [
    ["cycler", cycler],
    ["dict", (args) => new Dict(named(args))],
    ["joiner", joiner],
    ["namespace", namespace],
    ["raise_exception", raiseException],
    ["range", range],
    [
      "strftime_now",
      (args) => {
        const [format] = bind("strftime_now", args, ["format"]);
        return stringArgument("strftime_now", format).map((run) => strftime(now, run));
      },
    ],
  ];
  // `self` has the blocks of a template, and here there are none.
  return [["self", new Namespace()], ...functions.map(([name, call]) => [name, new Callable(name, call)] as const)];
}

/** An object that goes round its items: `current`, `next()`, `reset()`. */
function cycler({ positional: items, named }: Arguments): Namespace {
  if (named.size > 0) fail("cycler() takes no keyword arguments");
  if (items.length === 0) fail("at least one item has to be provided");
  const made = new Namespace();
  const moveTo = (at: number) => {
    made.attributes.set("pos", at);
    made.attributes.set("current", items[at]!);
  };
  moveTo(0);
  const position = () => Number(made.attributes.get("pos"));
  const next = () => {
    const item = items[position()]!;
    moveTo((position() + 1) % items.length);
    return item;
  };
  made.attributes.set("next", new Callable("next", next));
  made.attributes.set(
    "reset",
    new Callable("reset", () => {
      moveTo(0);
      return NONE;
    }),
  );
  return made;
}

/** A function that gives nothing the first time, and a separator from then on. */
function joiner(args: Arguments): Callable {
  const [separator = string(", ")] = bind("joiner", args, ["sep?"]);
  let used = false;
  return new Callable("joiner", () => {
    const text = used ? separator : MarkedString.empty;
    used = true;
    return text;
  });
}

function range(args: Arguments): Sequence {
  const numbers = bind("range", args, args.positional.length < 2 ? ["stop"] : ["start", "stop", "step?"]);
  const [first, second, step = 1] = numbers.map((value) =>
    value === undefined ? value : integerArgument("range", value),
  );
  const [start, stop] = args.positional.length < 2 ? [0, first ?? 0] : [first ?? 0, second ?? 0];
  if (step === 0) fail("range() arg 3 must not be zero");
  const count = Math.max(0, Math.ceil((stop - start) / step));
  if (count > LONGEST_RANGE) fail(`a range of ${count} numbers; at most ${LONGEST_RANGE} are allowed`);
  const items: number[] = [];
  for (let i = start; step > 0 ? i < stop : i > stop; i += step) items.push(i);
  return new Sequence("range", items);
}

function namespace(args: Arguments): Namespace {
  const made = new Namespace();
  for (const [key, value] of named(args)) made.attributes.set(stringArgument("namespace", key).text, value);
  return made;
}

/** The entries of `dict(mapping or pairs, name=value)`. */
function named({ positional, named }: Arguments): readonly (readonly [Value, Value])[] {
  const [source, ...more] = positional;
  if (more.length > 0) fail(`at most 1 argument is expected, got ${positional.length}`);
  if (source instanceof Undefined) fail(source.message);
  const entries =
    source instanceof Dict ? source.entries() : source === undefined ? [] : [...iterate(source)].map(pair);
  return [...entries, ...[...named].map(([name, value]) => [givenName(name), value] as const)];
}

function pair(value: Value): readonly [Value, Value] {
  const [key, item, ...more] = iterate(value);
  if (key === undefined || item === undefined || more.length > 0) return fail("a dict is made of pairs");
  return [key, item];
}

function raiseException(args: Arguments): never {
  const [message = NONE] = bind("raise_exception", args, ["message"]);
  throw new TemplateError("TEMPLATE_RAISED", `the chat template refuses the conversation: ${toText(message).text}`);
}
