// The interpreter of templates compared with Jinja2 3.1.6 (fixtures/jinja2.json), and the marks that its strings carry.

import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import type { TemplateError } from "cria";
import { type ChatMessage, chatTemplateFrom } from "cria/tokenizer";
import { describe, expect, it } from "vitest";
import { Random } from "../../bench/synthetic/random.js";
import { MarkedString } from "../../dist/tokenizer/jinja/marked-string.js";
import { localTime, strftime } from "../../dist/tokenizer/jinja/strftime.js";
import fc from "../support/fast-check.js";
import { randomTemplate, templateVariables } from "../support/random-template.js";
import { randomStream } from "../support/seed.js";

interface Fixture {
  readonly variables: { readonly messages: readonly ChatMessage[] } & Record<string, unknown>;
  readonly cases: readonly (readonly [template: string, output: string | null])[];
}

const { variables, cases }: Fixture = JSON.parse(
  readFileSync(new URL("../fixtures/jinja2.json", import.meta.url), "utf8"),
);
const now = new Date(2025, 6, 4, 12);

function render(template: string, more: Record<string, unknown> = {}): Promise<string> {
  const { messages, ...rest } = variables;
  return chatTemplateFrom(template).render(messages, { now, ...rest, ...more });
}

describe("templates", () => {
  it.each(cases)("%j", async (template, output) => {
    const got = await render(template).catch((error: Error) => error.name);
    expect(got).toBe(output ?? "TemplateError");
  });

  it.each([
    ["{% include 'x' %}", /'{% include %}' is not supported/],
    ["{% block a %}{% endblock %}", /'{% block %}' is not supported/],
    ["{{ l[1:2, 3] }}", /a slice among several keys/],
    ["{{ '\\N{DASH}' }}", /by a character's name/],
    ["{{ n | random }}", /no filter named 'random'/],
    ["{{ 'a' is filter }}", /no test named 'filter'/],
    ["\n{% nosuch %}", /line 2: unknown statement 'nosuch'/],
    ["{% if n %}", /line 1: it ends where 'elif' or 'else' or 'endif' is needed/],
    ["{{ n", /expected '}}', got the end of the template/],
    ["{{ (n] }}", /unexpected ']', expected '\)'/],
    ["{{ 'ab' | upper()[0] }}", /expected '}}', got "\["/],
    ["{# no end", /a comment does not end/],
    ["{% raw %} no end", /a raw block does not end/],
    ["{% break %}", /'break' outside of a loop/],
  ])("%s is refused, not guessed", async (template, message) => {
    await expect(render(template)).rejects.toMatchObject({
      code: "TEMPLATE_SYNTAX",
      message: expect.stringMatching(message),
    });
  });

  it.each([
    ["{{ 9007199254740993 }}", /more than 53 bits/],
    ["{{ big * 2 }}", /more than 53 bits/],
    ["{{ (-8) ** 0.5 }}", /complex numbers/],
  ])("%s is refused where numbers are not Python's", async (template, message) => {
    await expect(render(template)).rejects.toMatchObject({
      code: "TEMPLATE_RENDER",
      message: expect.stringMatching(message),
    });
  });

  it("may repeat nothing as often as they like", async () => {
    expect(await render("{{ 9007199254740991 * [] }}{{ '' * 9007199254740991 }}")).toBe("[]");
  });

  it("list the filters and tests that exist", async () => {
    await expect(render("{{ n | nosuch }}")).rejects.toThrow(/'nosuch'; supported are abs, .*tojson.*wordcount$/);
    await expect(render("{{ n is nosuch }}")).rejects.toThrow(/'nosuch'; supported are boolean, .*upper$/);
  });

  it("cannot reach JavaScript", async () => {
    const names = ["constructor", "__proto__", "prototype", "toString", "__class__", "valueOf", "hasOwnProperty"];
    for (const name of names) {
      for (const value of ["s", "d", "l", "n", "namespace()", "range", "messages[0]", "none", "loop"]) {
        expect(
          await render(
            `{% for x in [1] %}{{ ${value}.${name} is defined }}{{ ${value}["${name}"] is defined }}{% endfor %}`,
          ),
        ).toBe("FalseFalse");
      }
    }
    expect(await render("{{ namespace(__proto__=1).__proto__ }}{{ {'__proto__': 2}.__proto__ }}")).toBe("12");
    expect(await render("{{ x.__proto__ }}", { x: JSON.parse('{"__proto__": 3}') })).toBe("3");
  });
});

const python = spawnSync("python3", ["-c", "import jinja2; print(jinja2.__version__)"], { encoding: "utf8" });

// Not for every machine: it needs Python's Jinja2. CRIA_RANDOM_TEMPLATES=20000 tries so many, others in each run.
describe.skipIf(python.stdout?.trim() !== "3.1.6")("random templates", () => {
  it("do what they do in Jinja2", { timeout: 300_000 }, async () => {
    const wish = process.env["CRIA_RANDOM_TEMPLATES"];
    const random = wish === undefined ? new Random(15) : randomStream(15);
    const count = Number(wish ?? 1000);
    const templates = Array.from({ length: count }, () => randomTemplate(random));
    const oracle = new URL("../oracles/jinja2_render.py", import.meta.url).pathname;
    const input = JSON.stringify({ templates, variables: templateVariables });
    const { stdout } = spawnSync("python3", [oracle], { input, encoding: "utf8", maxBuffer: 2 ** 30 });
    const wanted: readonly (string | null)[] = JSON.parse(stdout);
    const different: unknown[] = [];
    for (const [i, template] of templates.entries()) {
      const error = (cause: Error) => ({ code: (cause as TemplateError).code, message: cause.message });
      const got = await chatTemplateFrom(template)
        .render([], { now, ...templateVariables })
        .catch(error);
      // Addresses of Python's objects, integers that only Python has, and limits that only cria has.
      if (/ at 0x/i.test(wanted[i] ?? "")) continue;
      if (typeof got === "object" && /53 bits|longer than|at most/.test(got.message)) continue;
      if (typeof got === "object" ? wanted[i] !== null : got !== wanted[i])
        different.push([template, wanted[i]?.slice(0, 500), got]);
    }
    expect(wanted).toHaveLength(count);
    expect(different).toEqual([]);
  });
});

describe("strftime", () => {
  const format = (time: Date, directives: string) => strftime(localTime(time), directives);

  it("knows noon from midnight, and the days of years", () => {
    expect(format(new Date(2024, 11, 31, 0, 5, 9), "%I:%M %p, %j, %y-%-m-%-d, %a")).toBe(
      "12:05 AM, 366, 24-12-31, Tue",
    );
    expect(format(new Date(2023, 0, 1, 13, 0, 0), "%I %p %-I %j %-j %A %w %u %e")).toBe("01 PM 1 001 1 Sunday 0 7  1");
  });

  it("leaves what it does not know", () => {
    expect(format(new Date(2023, 0, 1), "%Q %")).toBe("%Q %");
  });
});

describe("marked strings", () => {
  // The meaning of marks, spelt out: a flag for each UTF-16 unit.
  const flags = ({ text, marks }: MarkedString) => {
    const outside = new Array<boolean>(text.length).fill(false);
    for (let i = 0; i < marks.length; i += 2) outside.fill(true, marks[i], marks[i + 1]);
    return outside;
  };
  const piece = fc.record({ text: fc.string({ maxLength: 6, unit: "binary" }), outside: fc.boolean() });
  const string = fc.array(piece, { maxLength: 6 }).map((pieces) => {
    return MarkedString.join(
      pieces.map(({ text, outside }) => (outside ? MarkedString.outside(text) : new MarkedString(text))),
    );
  });

  it("keep the marks of the strings they are joined from", () => {
    fc.assert(
      fc.property(fc.array(string, { maxLength: 5 }), string, (strings, separator) => {
        const joined = MarkedString.join(strings, separator);
        expect(joined.text).toBe(strings.map(({ text }) => text).join(separator.text));
        expect(flags(joined)).toEqual(strings.flatMap((one, i) => [...(i > 0 ? flags(separator) : []), ...flags(one)]));
        const { marks } = joined;
        for (let i = 1; i < marks.length; i++) expect(marks[i]).toBeGreaterThan(marks[i - 1]!);
      }),
    );
  });

  it("keep the marks of the strings they are cut from", () => {
    fc.assert(
      fc.property(string, fc.nat(40), fc.nat(40), (whole, a, b) => {
        const [start, end] = [Math.min(a, b, whole.text.length), Math.min(Math.max(a, b), whole.text.length)];
        const cut = whole.slice(start, end);
        expect(cut.text).toBe(whole.text.slice(start, end));
        expect(flags(cut)).toEqual(flags(whole).slice(start, end));
        expect(
          whole
            .runs()
            .map(({ text }) => text)
            .join(""),
        ).toBe(whole.text);
        expect(MarkedString.join([whole.slice(0, start), cut, whole.slice(end)])).toEqual(whole);
      }),
    );
  });
});
