// Messages while they are typed at a terminal: keys, rows, wide characters, earlier messages.

import { describe, expect, it } from "vitest";
import { type Key, LineEditor } from "../../dist/cli/chat/line-editor.js";
import { layOut, textWidth } from "../../dist/cli/chat/line-layout.js";
import { completed, typedCommand } from "../../dist/cli/chat/typed-commands.js";

const width = { columns: 80, margin: 2 };

function editor(text = "", past: readonly string[] = []): LineEditor {
  const one = new LineEditor(past, completed);
  one.insert(text);
  return one;
}

/** Presses keys: "left", "ctrl-w", "meta-b"; all else is typed. */
function press(one: LineEditor, ...keys: string[]) {
  return keys.map((key) => {
    const [, modifier, name] = /^(?:(ctrl|meta)-)?(\w+)$/.exec(key) ?? [];
    const known = "left right up down home end return backspace delete tab".split(" ").includes(name ?? "");
    if (modifier === undefined && !known) return one.press(key, {}, width);
    const pressed: Key = { name: name!, ctrl: modifier === "ctrl", meta: modifier === "meta" };
    return one.press(undefined, pressed, width);
  });
}

/** The text with a bar where the cursor is. */
const shown = ({ text, cursor }: LineEditor) => `${text.slice(0, cursor)}|${text.slice(cursor)}`;

describe("keys", () => {
  it.each<[string, string[], string]>([
    ["one two", ["left", "left", "x"], "one tx|wo"],
    ["one two", ["ctrl-a", "x"], "x|one two"],
    ["one two", ["ctrl-a", "delete", "ctrl-d"], "|e two"],
    ["one two, three", ["ctrl-w"], "one two, |"],
    ["one two", ["meta-b", "meta-b", "meta-f"], "one| two"],
    ["one two", ["meta-b", "ctrl-k"], "one |"],
    ["one two", ["meta-b", "ctrl-u"], "|two"],
    ["one two", ["ctrl-w", "ctrl-a", "ctrl-y"], "two|one "],
    ["one\ntwo", ["ctrl-a", "backspace"], "one|two"],
    ["one\ntwo", ["home", "ctrl-home", "right", "end"], "one|\ntwo"],
    ["one\ntwo", ["up", "x"], "onex|\ntwo"],
    ["a👩‍👩‍👧é", ["left", "backspace"], "a|é"],
    ["a👩‍👩‍👧", ["left", "left", "delete"], "|👩‍👩‍👧"],
    ["\n", ["ctrl-home", "left", "backspace"], "|\n"],
    ["/sys", ["tab"], "/system |"],
    ["/s", ["tab"], "/s|"],
    ["hello /s", ["tab"], "hello /s|"],
  ])("%j, then %j", (text, keys, result) => {
    const one = editor(text);
    press(one, ...keys);
    expect(shown(one)).toBe(result);
  });

  it("return sends, and behind a backslash it goes on in another line", () => {
    const one = editor("one\\");
    expect(press(one, "return", "t", "return")).toEqual([undefined, undefined, "submit"]);
    expect(one.text).toBe("one\nt");
    const within = editor("a\\b");
    expect(press(within, "left", "return")).toEqual([undefined, "submit"]);
  });

  it("Ctrl-D ends where nothing is typed, and deletes elsewhere", () => {
    expect(press(editor(), "ctrl-d")).toEqual(["end"]);
    expect(press(editor("a"), "ctrl-d")).toEqual([undefined]);
    expect(press(editor("a"), "ctrl-c")).toEqual(["interrupt"]);
  });
});

describe("earlier messages", () => {
  it("come back with the arrow keys, and what was typed waits", () => {
    const one = editor("new", ["first", "second"]);
    press(one, "up", "!");
    expect(one.text).toBe("second!");
    press(one, "up", "up");
    expect(one.text).toBe("first");
    press(one, "down");
    expect(one.text).toBe("second!");
    press(one, "down");
    expect(one.text).toBe("new");
    press(one, "down");
    expect(one.text).toBe("new");
  });

  it("are as they were sent, once another is sent; the same one twice counts once", () => {
    const one = editor("", ["first"]);
    press(one, "up", "!");
    one.begin("first!");
    one.begin("first!");
    press(one, "up");
    expect(one.text).toBe("first!");
    press(one, "up");
    expect(one.text).toBe("first");
  });
});

describe("rows", () => {
  it("break at the width, count wide characters twice, and show the cursor's place", () => {
    expect(textWidth("a世🙂é👩‍👩‍👧")).toBe(1 + 2 + 2 + 1 + 2);
    const { rows, cursor } = layOut("世界世界x", 3, { columns: 9, margin: 2 });
    expect(rows.map(({ shown }) => shown)).toEqual(["世界世", "界x"]);
    expect(cursor).toEqual({ row: 1, column: 2 });
    expect(rows.map(({ width }) => width)).toEqual([8, 5]);
  });

  it("begin anew at newlines; the cursor may be behind the last one", () => {
    const { rows, cursor } = layOut("a\n", 2, width);
    expect(rows.map(({ shown }) => shown)).toEqual(["a", ""]);
    expect(cursor).toEqual({ row: 1, column: 2 });
  });

  it("spell out what could steer the terminal", () => {
    expect(layOut("\u202ea\x1b[2J", 0, width).rows[0]!.shown).toBe("\\u{202e}a\\u{1b}[2J");
  });

  it("let the cursor go up and down between them before earlier messages come", () => {
    const one = editor("a".repeat(100), ["before"]);
    press(one, "up");
    expect(one.cursor).toBe(23); // 77 fit into the first row, so it stood at the 23rd of the second one
    press(one, "up");
    expect(one.text).toBe("before");
  });
});

describe("typed commands", () => {
  it("are words with a slash before them; paths and what follows a space are messages", () => {
    expect(typedCommand("/system Be brief.\nAnd kind.")).toEqual({ name: "/system", rest: "Be brief.\nAnd kind." });
    expect(typedCommand("/HELP ")).toEqual({ name: "/help", rest: "" });
    for (const message of ["/usr/bin is a folder", " /help", "what is /help", "//"]) {
      expect(typedCommand(message)).toBeUndefined();
    }
  });
});
