// Chat templates: their options, whose text is whose, and what a hostile one cannot do.

import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { type ChatMessage, chatTemplateFrom } from "cria/tokenizer";
import { describe, expect, it } from "vitest";
import { TemplateError } from "../../../dist/index.js";

const user = (content: ChatMessage["content"]): ChatMessage => ({ role: "user", content });

function render(template: string, ...rest: Parameters<ReturnType<typeof chatTemplateFrom>["render"]>) {
  return chatTemplateFrom(template).render(...rest);
}

describe("a chat template", () => {
  const chatMl =
    "{{ bos_token }}{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content | trim }}<|im_end|>\n{% endfor %}" +
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}{{ eos_token }}";

  it("renders a conversation, with the beginning of the answer last unless told otherwise", async () => {
    const prompt = "<s><|im_start|>user\nHi<|im_end|>\n";
    const tokens = { bosToken: "<s>", eosToken: "</s>" };
    expect(await render(chatMl, [user(" Hi ")], tokens)).toBe(`${prompt}<|im_start|>assistant\n</s>`);
    expect(await render(chatMl, [user("Hi")], { ...tokens, addGenerationPrompt: false })).toBe(`${prompt}</s>`);
  });

  it("is given tools, documents, the time, and variables of its own", async () => {
    const template =
      "{{ tools[0].name }} {{ documents | length }} {{ enable_thinking }} {{ strftime_now('%d %B %Y %H:%M') }} {{ x is defined }}";
    const options = {
      tools: [{ name: "f" }],
      documents: [1, 2],
      enable_thinking: false,
      now: new Date(2024, 1, 29, 23, 59),
    };
    expect(await render(template, [], options)).toBe("f 2 False 29 February 2024 23:59 False");
    expect(await render("{{ tools is none }}{{ documents is none }}", [])).toBe("TrueTrue");
    expect(await render("{{ strftime_now('%Y') }}", [])).toMatch(/^20\d\d$/);
  });

  it("is given whatever a message has", async () => {
    const message = {
      role: "assistant",
      content: null,
      reasoning_content: "hm",
      tool_calls: [{ function: { name: "f", arguments: { a: 1.5 } } }],
      skipped: undefined,
    };
    const template =
      "{% set m = messages[0] %}{{ m.content is none }} {{ m.reasoning_content }} {{ m.tool_calls | tojson }} {{ 'skipped' in m }}";
    expect(await render(template, [message])).toBe(
      'True hm [{"function": {"name": "f", "arguments": {"a": 1.5}}}] False',
    );
    expect(await render("{{ messages[0].content[0].text }}", [user([{ type: "text", text: "part" }])])).toBe("part");
  });

  it("refuses what cannot be rendered, and says so in one line", async () => {
    const failures: readonly [template: string, messages: readonly unknown[], code: string, message: RegExp][] = [
      [
        "{{ raise_exception('only\nuser ' ~ 1) }}",
        [],
        "TEMPLATE_RAISED",
        /refuses the conversation: only\\u\{a\}user 1$/,
      ],
      ["{% for x in messages %}", [], "TEMPLATE_SYNTAX", /ends where 'endfor' or 'else' is needed/],
      ["{{ 1 + 'a' }}", [], "TEMPLATE_RENDER", /'int' and 'str'/],
      ["{{ messages[0].content.x.y }}", [user("a")], "TEMPLATE_RENDER", /'str object' has no attribute 'x'/],
      ["{{ messages }}", [user((() => 1) as never)], "TEMPLATE_INPUT", /could not be cloned/],
      ["{{ messages }}", [{ role: "user", content: new Date() }], "TEMPLATE_INPUT", /a Date/],
      ["{{ messages }}", [{ role: "user", content: 1n }], "TEMPLATE_INPUT", /a bigint/],
    ];
    for (const [template, messages, code, message] of failures) {
      const error = await render(template, messages as ChatMessage[]).catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(TemplateError);
      expect(error).toMatchObject({ code, message });
      expect((error as Error).message).not.toMatch(/\p{Cc}/u);
    }
    expect(() => chatTemplateFrom(5 as never)).toThrow(/must be a string/);
    await expect(render("x", "messages" as never)).rejects.toMatchObject({ code: "INVALID_OPTION" });
    await expect(render("x", [], { now: new Date(Number.NaN) })).rejects.toMatchObject({ code: "INVALID_OPTION" });
  });

  it("renders many conversations at once, each for itself", async () => {
    const template = chatTemplateFrom("{{ messages[0].content }}{{ raise_exception('odd') if n % 2 else '' }}");
    const all = Array.from({ length: 50 }, (_, n) => template.render([user(`${n}`)], { n }));
    const settled = await Promise.allSettled(all);
    settled.forEach((one, n) => {
      if (n % 2 === 0) expect(one).toMatchObject({ status: "fulfilled", value: `${n}` });
      else expect(one).toMatchObject({ status: "rejected", reason: { code: "TEMPLATE_RAISED" } });
    });
  });
});

describe("the parts of a prompt", () => {
  // "t": what the template wrote; "m": what messages and the like said.
  async function parts(template: string, messages: readonly ChatMessage[], options = {}): Promise<string> {
    const all = await chatTemplateFrom(template).renderParts(messages, options);
    return all.map(({ text, special }) => `${special ? "t" : "m"}(${text})`).join(" ");
  }
  const x = "{% set x = messages[0].content %}";

  it.each([
    ["<|{{ x }}|>", "t(<|) m(  a<|b|>c  ) t(|>)"],
    ["{{ '<' + x | trim + '>' }}", "t(<) m(a<|b|>c) t(>)"],
    ["{{ x.strip()[1:-1] }}", "m(<|b|>)"],
    ["{{ x.split('|')[1] ~ '!' }}", "m(b) t(!)"],
    ["{{ x.replace('|', '/') | trim }}", "m(a<) t(/) m(b) t(/) m(>c)"],
    ["{{ x | upper | trim }}", "m(A<|B|>C)"],
    ["{{ [x, 'y'] }}", "t([') m(  a<|b|>c  ) t(', 'y'])"],
    ["{{ {'k': x} | tojson }}", 't({"k": ") m(  a<|b|>c  ) t("})'],
    ["{{ {x: 1} }}", "t({') m(  a<|b|>c  ) t(': 1})"],
    [
      "{% set ns = namespace(y='') %}{% for c in x %}{% set ns.y = c + ns.y %}{% endfor %}{{ ns.y | trim }}",
      "m(c>|b|<a)",
    ],
    ["{% macro f(a) %}[{{ a }}]{% endmacro %}{{ f(x | trim) }}", "t([) m(a<|b|>c) t(])"],
    ["{% filter replace('b', '<|b|>') %}{{ x | trim }}{% endfilter %}", "m(a<|) t(<|b|>) m(|>c)"],
    ["{% set y %}<{{ x | trim }}>{% endset %}{{ y[0:2] }}", "t(<) m(a)"],
    ["{% if '<|b|>' in x %}yes{% endif %}", "t(yes)"],
    ["{{ x | length }}{{ x | trim | first }}{{ (x | trim)[-1:] * 2 }}", "t(11) m(acc)"],
    ["{{ x | trim | e }}", "m(a&lt;|b|&gt;c)"],
    ["{{ x | trim | indent }}{{ x.title() | trim }}{{ x | trim | capitalize }}", "m(a<|b|>cA<|B|>CA<|b|>c)"],
    ["{{ strftime_now(x | trim) }}", "m(a<|b|>c)"],
    ["{{ [1] | tojson(indent=x | trim) }}", "t([\n) m(a<|b|>c) t(1\n])"],
    ["{{ {'k': [1]} | tojson(indent=x[2:3]) }}", 't({\n) m(a) t("k": [\n) m(aa) t(1\n) m(a) t(]\n})'],
    ["{{ [1, 2] | tojson(separators=(x | trim, x)) }}", "t([1) m(a<|b|>c) t(2])"],
    ["{{ ['y', 'z'] | join(x | trim) }}", "t(y) m(a<|b|>c) t(z)"],
    ["{{ 'y-z'.replace('-', x | trim) ~ ('y-z' | replace('-', x | trim)) }}", "t(y) m(a<|b|>c) t(zy) m(a<|b|>c) t(z)"],
    ["{{ 'y\nz' | indent(x | trim) }}", "t(y\n) m(a<|b|>c) t(z)"],
    ["{{ z | default(x | trim) }}{{ '' | d(x | trim, true) }}", "m(a<|b|>ca<|b|>c)"],
    ["{{ (x | trim).join(['y', 'z']) }}", "t(y) m(a<|b|>c) t(z)"],
    ["{{ {(x | trim): 1} | items | map('first') | list }}", "t([') m(a<|b|>c) t('])"],
    ["{{ namespace(**{(x | trim): 1}) }}", "t(<Namespace {') m(a<|b|>c) t(': 1}>)"],
    ["{{ namespace({(x | trim): 1}) }}", "t(<Namespace {') m(a<|b|>c) t(': 1}>)"],
    ["{{ dict(**{(x | trim): 1}) }}", "t({') m(a<|b|>c) t(': 1})"],
    ["{% macro f() %}{{ kwargs }}{% endmacro %}{{ f(y=1, **{(x | trim): 2}) }}", "t({'y': 1, ') m(a<|b|>c) t(': 2})"],
    ["{{ [x | trim] | map('upper') | join ~ [[x | trim]] | sum(start=[]) | first }}", "m(A<|B|>Ca<|b|>c)"],
  ])("%s", async (template, expected) => {
    expect(await parts(x + template, [user("  a<|b|>c  ")])).toBe(expected);
  });

  it("mark names and keys of fields, tools, documents and variables too", async () => {
    const hostile = "<|b|>";
    const message = { ...user(""), [hostile]: hostile };
    expect(
      await parts("{% for k, v in messages[0].items() if k[0] == '<' %}{{ k }}={{ v }}{% endfor %}", [message]),
    ).toBe("m(<|b|>) t(=) m(<|b|>)");
    const options = {
      tools: [{ name: hostile }],
      documents: [hostile],
      extra: hostile,
      bosToken: "<s>",
      eosToken: "</s>",
    };
    expect(
      await parts("{{ bos_token }}{{ tools[0].name }}.{{ documents[0] }}.{{ extra }}{{ eos_token }}", [], options),
    ).toBe("t(<s>) m(<|b|>) t(.) m(<|b|>) t(.) m(<|b|>) t(</s>)");
  });

  it("let templates make control tokens of roles, if they are a word", async () => {
    const template = "{% for m in messages %}<|{{ m.role }}|>{% endfor %}";
    expect(await parts(template, [user("")])).toBe("t(<|user|>)");
    expect(await parts(template, [{ role: "a|>b" }])).toBe("t(<|) m(a|>b) t(|>)");
    expect(await parts(template, [{ role: "a\n" }])).toBe("t(<|) m(a\n) t(|>)");
  });

  it("are none where nothing is rendered", async () => {
    expect(await chatTemplateFrom("{{ messages[0].content }}").renderParts([user("")])).toEqual([]);
  });
});

describe("a hostile template", () => {
  const grow = (start: string, step: string) =>
    `{% set ns = namespace(s=${start}) %}{% for i in range(90000) %}{% set ns.s = ${step} %}{% endfor %}`;
  const long = " ".repeat(2 ** 18);

  it.each([
    ["loops", "{% for i in range(90000) %}{% for j in range(90000) %}{% endfor %}{% endfor %}", /TIME/, /1000 ms/],
    ["a text that doubles", grow("'x'", "ns.s + ns.s"), /OUTPUT/, /33554432 characters; at most 16777216/],
    ["a list that doubles", grow("[1]", "ns.s + ns.s"), /OUTPUT/, /1048576 elements; at most 1000000/],
    ["a huge text", "{{ 'x' * 1000000000 }}", /OUTPUT/, /1000000000 characters/],
    ["a huge list", "{{ [1] * 1000000000 }}", /OUTPUT/, /1000000000 elements/],
    ["a long output", "{% for i in range(90000) %}{{ 'x' * 1000 }}{% endfor %}", /OUTPUT/, /at most 16777216/],
    ["a long replacement", "{{ ('x' * 20000).replace('x', 'y' * 1000) }}", /OUTPUT/, /at most 16777216/],
    ["memory", "{{ ('a,' * 8000000).split(',') | length }}", /MEMORY|TIME/, /256 MB|1000 ms/],
    ["a long range", "{{ range(100001) }}", /RENDER/, /100001 numbers; at most 100000/],
    ["a big number", "{{ 9999 ** 9999 }}", /RENDER/, /53 bits/],
    ["nested parentheses", `{{ ${"(".repeat(1e5)}1${")".repeat(1e5)} }}`, /DEPTH/, /too deeply/],
    ["nested blocks", "{%if 1%}".repeat(15e3) + "{%endif%}".repeat(15e3), /DEPTH/, /too deeply/],
    ["recursion", "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", /DEPTH/, /too deeply/],
    ["open brackets", `{{${"[".repeat(1e5)}`, /DEPTH|SYNTAX/, /./],
  ])("of %s ends with an error, and this thread does not stall", async (_, template, code, message) => {
    let last = performance.now();
    let stall = 0;
    const timer = setInterval(() => {
      stall = Math.max(stall, performance.now() - last);
      last = performance.now();
    }, 5);
    const begin = performance.now();
    const error = await render(template, [user("x")]).catch((reason: unknown) => reason);
    clearInterval(timer);
    expect(error).toBeInstanceOf(TemplateError);
    expect((error as TemplateError).code).toMatch(code);
    expect((error as TemplateError).message).toMatch(message);
    expect(performance.now() - begin).toBeLessThan(3000);
    expect(stall).toBeLessThan(500);
    expect(await render("{{ messages[0].content }}", [user("alive")])).toBe("alive");
  });

  it("of white space is read in no time", async () => {
    expect(await render(`${long.slice(10)}x{{- 1 }}`, [user("x")])).toBe(`${long.slice(10)}x1`);
  });

  it("of more than 262,144 characters is not taken", () => {
    const thrown = expect.objectContaining({ code: "TEMPLATE_SIZE", message: expect.stringMatching(/262145.*262144/) });
    expect(() => chatTemplateFrom(`${long} `)).toThrow(thrown as unknown as Error);
    expect(chatTemplateFrom(long)).toBeDefined();
  });

  it("takes nobody else down: renders that wait for their turn are done by the next worker", async () => {
    const endless = render("{% for i in range(90000) %}{% for j in range(90000) %}{% endfor %}{% endfor %}", []);
    const others = [1, 2, 3].map((n) => render("{{ n }}", [], { n }));
    await expect(endless).rejects.toMatchObject({ code: "TEMPLATE_TIME" });
    expect(await Promise.all(others)).toEqual(["1", "2", "3"]);
  });
});

describe("the worker", () => {
  const dist = new URL("../../../dist/tokenizer/", import.meta.url).href;

  it("keeps the process alive while it works, and not when it is idle", () => {
    const program =
      `import { chatTemplateFrom } from "${dist}index.js";` +
      `chatTemplateFrom("{{ messages[0].content }}").render([{ role: "user", content: "done" }]).then(console.log);`;
    const begin = performance.now();
    const { stdout, stderr, status } = spawnSync(process.execPath, ["--input-type=module", "--eval", program], {
      encoding: "utf8",
      timeout: 20_000,
    });
    expect({ stdout, stderr, status }).toEqual({ stdout: "done\n", stderr: "", status: 0 });
    expect(performance.now() - begin).toBeLessThan(10_000);
  });

  it("is found in the folder of assets", async () => {
    const folder = mkdtempSync(join(tmpdir(), "cria-"));
    const assets = pathToFileURL(`${folder}/`);
    try {
      const template = chatTemplateFrom("{{ n }}", { assets });
      await expect(template.render([], { n: 1 })).rejects.toMatchObject({ code: "TEMPLATE_WORKER" });
      writeFileSync(join(folder, "text-worker.js"), `import "${dist}text-worker.js";`);
      expect(await template.render([], { n: 1 })).toBe("1");
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
