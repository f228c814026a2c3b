// The validator of options: one wording, whatever the value is.

import { describe, expect, it } from "vitest";
import { CriaError } from "../../dist/errors.js";
import {
  checkArray,
  checkBoolean,
  checkCallback,
  checkChoice,
  checkFolderUrl,
  checkInteger,
  checkNumber,
  checkSignal,
  checkText,
  groupOf,
  idleOption,
  invalidOption,
  namesOf,
  optionsOf,
} from "../../dist/options.js";

const refused = (message: string) => expect.objectContaining({ name: "CriaError", code: "INVALID_OPTION", message });

describe("the checks", () => {
  it("return what they accept", () => {
    expect(checkInteger("n", -1, -1, 3)).toBe(-1);
    expect(checkNumber("n", 0.5, 0, 0.5)).toBe(0.5);
    expect(checkBoolean("b", false)).toBe(false);
    expect(checkChoice("c", "b", ["a", "b"])).toBe("b");
    expect(checkText("t", "")).toBe("");
    const texts = ["a", "b"];
    const checked = checkArray("t", texts, "strings", checkText, 2);
    texts[0] = "c";
    expect(checked).toEqual(["a", "b"]);
    expect(optionsOf("call", { a: 1 }, ["a", "b"])).toEqual({ a: 1 });
    expect(groupOf("group", {}, ["a"])).toEqual({});
    for (const value of [undefined, new URL("file:///x/")]) expect(checkFolderUrl("a", value)).toBe(value);
    for (const value of [undefined, () => 0]) checkCallback("f", value);
    for (const value of [undefined, new AbortController().signal]) checkSignal(value);
  });

  it.each<[string, () => unknown]>([
    ...["./x", "", 5, {}, Object.create(null), ["file:///x/"], () => 1, "file:///x/"].map(
      (value): [string, () => unknown] => {
        const shown = /; it is .*/.exec(invalidOption("a", "a URL", value).message)![0];
        const message = `a must be the file: URL of a folder, with a slash at its end${shown}`;
        return [message, () => checkFolderUrl("a", value)];
      },
    ),
    ...["http://u:p@h/x/?key=1", "file:///x", "data:text/plain,x/"].map((href): [string, () => unknown] => {
      const shown = href.replace("u:p@", "").replace("?key=1", "");
      const message = `a must be the file: URL of a folder, with a slash at its end; it is "${shown}"`;
      return [message, () => checkFolderUrl("a", new URL(href))];
    }),
    ["n must be an integer in 1 .. 3; it is 4", () => checkInteger("n", 4, 1, 3)],
    ["n must be an integer in 1 .. 3; it is 1.5", () => checkInteger("n", 1.5, 1, 3)],
    ['n must be an integer in 1 .. 3; it is "2"', () => checkInteger("n", "2", 1, 3)],
    ["n must be a number in 0 .. 1; it is NaN", () => checkNumber("n", Number.NaN, 0, 1)],
    ["n must be a number in 0 .. 1; it is undefined", () => checkNumber("n", undefined, 0, 1)],
    ["b must be true or false; it is 1", () => checkBoolean("b", 1)],
    ['c must be one of a, b; it is "A"', () => checkChoice("c", "A", ["a", "b"])],
    ["t must be a string; it is null", () => checkText("t", null)],
    ['t must be a string of at least 1 character; it is ""', () => checkText("t", "", 1)],
    ['t must be a string of 1 .. 2 characters; it is "abc"', () => checkText("t", "abc", 1, 2)],
    ['t must be an array of strings; it is "ab"', () => checkArray("t", "ab", "strings", checkText)],
    [
      "t must be an array of at most 1 strings; it is an array of 2",
      () => checkArray("t", ["a", "b"], "strings", checkText, 1),
    ],
    ["t[1] must be a string; it is undefined", () => checkArray("t", new Array(2).fill("a", 0, 1), "s", checkText)],
    ["f must be a function; it is true", () => checkCallback("f", true)],
    ["signal must be an AbortSignal; it is an instance of AbortController", () => checkSignal(new AbortController())],
    ["signal must be an AbortSignal; it is null", () => checkSignal(null)],
    ["the options argument of call must be an object; it is 5", () => optionsOf("call", 5 as never, ["a"])],
    ['call has no option "c"; it has a, b', () => optionsOf("call", { a: 1, c: 2 }, ["a", "b"])],
    ["group must be an object { a, b }; it is true", () => groupOf("group", true, ["a", "b"])],
    ["group must be an object { a }; it is an array of 0", () => groupOf("group", [], ["a"])],
    ['group has no option "b"; it has a', () => groupOf("group", { b: 1 }, ["a"])],
  ])("%s", (message, check) => {
    expect(check).toThrow(refused(message));
  });

  it("null is absent, for the options and for each of them", () => {
    expect(optionsOf("call", null, ["a"])).toEqual({});
    expect(optionsOf("call", undefined, ["a"])).toEqual({});
    expect(Object.keys(optionsOf("call", { a: null, b: undefined, c: false }, ["a", "b", "c"]))).toEqual(["c"]);
    expect(Object.keys(groupOf("group", { a: null, b: 0 }, ["a", "b"]))).toEqual(["b"]);
  });

  it("options are read once, also those of an object's class", () => {
    let reads = 0;
    class Options {
      get a() {
        return ++reads;
      }
    }
    const options = optionsOf<{ readonly a?: number }>("call", new Options(), ["a"]);
    expect([options.a, options.a, reads]).toEqual([1, 1, 1]);
  });

  it("options that cannot be read", () => {
    const throwing = {
      get a() {
        throw new Error("no");
      },
    };
    const message = "call must be a value that can be read; it is an object";
    expect(() => optionsOf("call", throwing, ["a"])).toThrow(refused(message));
  });

  it("an option that would do nothing", () => {
    expect(idleOption("topP", "samplers does not have topP")).toEqual(
      refused("topP is set, but samplers does not have topP"),
    );
  });
});

describe("a value in a message", () => {
  const unnamed = Object.create(null);
  const silent = {
    toString: () => {
      throw new Error("no");
    },
  };
  const mute = new Proxy(
    {},
    {
      get: () => {
        throw new Error("no");
      },
    },
  );
  const { proxy: revoked, revoke } = Proxy.revocable({}, {});
  revoke();

  it.each<[string, unknown, string]>([
    ["a symbol", Symbol("s"), "Symbol(s)"],
    ["a BigInt", 12n, "12n"],
    ["a BigInt of many digits", 10n ** 5000n, "a very large BigInt"],
    ["minus zero", -0, "-0"],
    ["an object without a prototype", unnamed, "an object"],
    ["an object whose toString throws", silent, "an object"],
    ["a proxy that throws", mute, "an object"],
    ["a proxy that is revoked", revoked, "an object"],
    ["an instance", new Date(Number.NaN), "an instance of Date"],
    ["an array in itself", [[]], "an array of 1"],
    ["a function", () => 0, "a function"],
    ["a long string", "x".repeat(1000), `"${"x".repeat(80)}"...`],
    ["a string of several lines", 'a\n"b"\u202e', '"a\\n\\"b\\"\\u{202e}"'],
  ])("%s", (_, value, shown) => {
    expect(invalidOption("x", "this", value).message).toBe(`x must be this; it is ${shown}`);
  });
});

it("the compiler checks that the names of an interface's options are complete", () => {
  interface Options {
    readonly a: number;
    readonly b?: string;
  }
  expect(namesOf<Options>({ a: true, b: true })).toEqual(["a", "b"]);
  // @ts-expect-error b is forgotten
  namesOf<Options>({ a: true });
  // @ts-expect-error c does not exist
  namesOf<Options>({ a: true, b: true, c: true });
});

it("the message of an error is one line of some length, whatever a file or a server wrote", () => {
  expect(new CriaError("CODE", 'the type "a\n\u001b[31m\u202e\ud800"').message).toBe(
    'the type "a\\u{a}\\u{1b}[31m\\u{202e}\\u{d800}"',
  );
  expect(new CriaError("CODE", "x".repeat(100_000)).message.length).toBeLessThan(2010);
});
