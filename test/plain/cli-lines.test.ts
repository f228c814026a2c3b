// How the command line writes lines: wrapped at words, coloured or not, and tables that fit.

import { describe, expect, it } from "vitest";
import { chooseColor, hasColor, styled } from "../../dist/cli/color.js";
import { commands } from "../../dist/cli/commands.js";
import { commandHelp, globalHelp } from "../../dist/cli/help.js";
import { columnsOf, wrapped } from "../../dist/cli/wrap.js";

describe("wrapped lines", () => {
  it("break between words, and flow within a paragraph", () => {
    expect(wrapped("one two\nthree four", 9)).toEqual(["one two", "three", "four"]);
    expect(wrapped("one\n\ntwo", 9)).toEqual(["one", "", "two"]);
  });

  it("leave a long word whole, and an indented line a line of its own", () => {
    expect(wrapped("a word-that-is-long b", 8)).toEqual(["a", "word-that-is-long", "b"]);
    expect(wrapped("list:\n  raw   one two three\n  x yy zz", 14)).toEqual([
      "list:",
      "  raw   one",
      "        two",
      "        three",
      "  x yy zz",
    ]);
  });

  it("are as wide as the terminal, else as COLUMNS says", () => {
    expect(columnsOf({ columns: 200 }, {})).toBe(200);
    expect(columnsOf({}, { COLUMNS: "132" })).toBe(132);
    expect(columnsOf({}, { COLUMNS: "wide" })).toBe(80);
    expect(columnsOf({ columns: 3 }, {})).toBe(40);
  });

  it.each([80, 200])("make every help fit %i columns", async (columns) => {
    const before = process.env["COLUMNS"];
    process.env["COLUMNS"] = `${columns}`;
    try {
      const texts = [globalHelp()];
      for (const [name, { load }] of Object.entries(commands)) texts.push(commandHelp(name, await load()));
      const long = texts.flatMap((text) => text.split("\n")).filter((line) => line.length > columns);
      // The names of samplers in their order are one word.
      expect(long.filter((line) => !/^ +\S+$/.test(line))).toEqual([]);
    } finally {
      if (before === undefined) delete process.env["COLUMNS"];
      else process.env["COLUMNS"] = before;
    }
  });
});

describe("colour", () => {
  const terminal = { isTTY: true };
  it("is for terminals, unless NO_COLOR, FORCE_COLOR or TERM say otherwise", () => {
    expect(hasColor(terminal, {})).toBe(true);
    expect(hasColor({}, {})).toBe(false);
    expect(hasColor(terminal, { NO_COLOR: "1" })).toBe(false);
    expect(hasColor(terminal, { NO_COLOR: "" })).toBe(true);
    expect(hasColor({}, { FORCE_COLOR: "1" })).toBe(true);
    expect(hasColor(terminal, { FORCE_COLOR: "0" })).toBe(false);
    expect(hasColor({}, { FORCE_COLOR: "1", NO_COLOR: "1" })).toBe(false);
    expect(hasColor(terminal, { TERM: "dumb" })).toBe(false);
  });

  it("follows --color before all of them", () => {
    chooseColor("always");
    expect(hasColor({}, { NO_COLOR: "1" })).toBe(true);
    expect(styled({}, "bold", "a")).toBe("\x1b[1ma\x1b[22m");
    chooseColor("never");
    expect(hasColor(terminal, { FORCE_COLOR: "1" })).toBe(false);
    expect(styled(terminal, "bold", "a")).toBe("a");
    chooseColor("auto");
  });
});
