// Messages as callers give them: contents in parts, what is refused and by which index, and templates that drop what users say.

import { type ChatMessage, demoModel, loadModel, type Model } from "cria";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { modelWithTemplate, toolTemplates } from "../../support/tool-models.js";

let model: Model;
beforeAll(async () => {
  model = await loadModel(demoModel, { threads: 1 });
});
afterAll(() => model.dispose());

const options = { temperature: 0, maxTokens: 12 } as const;
const user: ChatMessage = { role: "user", content: "What is 3 + 4?" };
const texts = (...parts: readonly string[]) => parts.map((text) => ({ type: "text", text }));

const failureOf = (call: Promise<unknown>) =>
  call.then(
    () => ({ code: "none", message: "" }),
    (error: unknown) => error as { code: string; message: string },
  );

describe("messages", () => {
  it("may have their contents in parts", async () => {
    const messages = [{ role: "system", content: "You are brief." }, user, { role: "assistant", content: "7." }, user];
    const { text, usage } = await model.completeChat(messages, options);
    const split = messages.map(({ role, content }) => {
      return { role, content: texts(String(content).slice(0, 5), "", String(content).slice(5)) };
    });
    const inParts = await model.completeChat(split, options);
    expect([inParts.text, inParts.usage.promptTokens]).toEqual([text, usage.promptTokens]);
    using chat = model.chat({ messages: split.slice(0, 3) });
    expect(chat.messages).toEqual(messages.slice(0, 3));
    expect((await chat.ask(String(user.content), options)).text).toBe(text);
  });

  it("have fields that are null as if they had none, and are read once", async () => {
    const { text } = await model.completeChat([user], options);
    let reads = 0;
    const message = {
      name: null,
      tool_calls: null,
      get role() {
        reads++;
        return "user";
      },
      content: [{ type: "text", text: user.content, cache_control: null }],
    };
    expect((await model.completeChat([message as unknown as ChatMessage], options)).text).toBe(text);
    expect(reads).toBe(1);
    expect((await model.completeChat([Object.assign(Object.create(null), user)], options)).text).toBe(text);
  });

  const circular: Record<string, unknown> = { role: "user", content: "x" };
  circular["self"] = circular;
  const shared = Array.from({ length: 64 }).reduce((inner) => [inner, inner], [] as unknown);
  const revoked = () => {
    const { proxy, revoke } = Proxy.revocable([], {});
    revoke();
    return proxy;
  };
  const throws = Object.defineProperty({ role: "user" }, "content", {
    enumerable: true,
    get() {
      throw null;
    },
  });

  it.each([
    ["no content", { role: "user" }, ".content must be a string or an array of at least one part"],
    ["null", { role: "user", content: null }, ".content must be a string"],
    ["a number", { role: "user", content: 5 }, ".content must be a string"],
    ["an object", { role: "tool", name: "f", content: { a: 1 } }, ".content must be a string"],
    ["no part", { role: "user", content: [] }, ".content must be a string"],
    ["a hole", { role: "user", content: new Array(1) }, ".content[0] must be a part"],
    ["a part that is a string", { role: "user", content: ["x"] }, '.content[0] must be a part { type: "text", text }'],
    ["a part without a text", { role: "user", content: [{ type: "text" }] }, ".content[0].text must be a string"],
    ["an image", { role: "user", content: [...texts("a"), { type: "image_url" }] }, '.content[1].type must be "text"'],
    ["more in a part", { role: "user", content: [{ type: "text", text: "a", x: 1 }] }, ".content[0].x must be absent"],
    ["a number as a text", { role: "user", content: [{ type: "text", text: 1 }] }, ".content[0].text must be a string"],
    ["no role", { content: "x" }, ".role must be one of system, user, assistant, tool"],
    ["an unknown role", { role: "judge", content: "x" }, ".role must be one of system"],
    ["a role that is not a string", { role: 1, content: "x" }, ".role must be one of system"],
    ["an assistant that neither says nor calls", { role: "assistant", tool_calls: [] }, ".content must be a string"],
    ["calls that are not a list", { role: "assistant", content: "", tool_calls: {} }, ".tool_calls must be an array"],
    ["a call that is null", { role: "assistant", tool_calls: [null] }, ".tool_calls[0] must be a call"],
    ["a function", { role: "user", content: "x", next: () => 1 }, ".next must be a value of JSON; it is a function"],
    ["a symbol", { role: "user", content: Symbol("x") }, ".content must be a value of JSON; it is Symbol(x)"],
    ["a BigInt", { role: "user", content: 1n }, ".content must be a value of JSON; it is 1n"],
    ["a Date", { role: "user", content: new Date() }, ".content must be a value of JSON; it is an instance of Date"],
    ["no primitive form", { role: "user", content: Object.create(null) }, ".content must be a string"],
    ["a message that is null", null, " must be a message { role, content }; it is null"],
    ["a message that is a text", "Hello", " must be a message { role, content }"],
    ["a circle", circular, "must be JSON of at most 200 levels"],
    [
      "a value that is endless when written out",
      { role: "user", content: "x", shared },
      "must be part of JSON of at most",
    ],
    ["a getter that throws", throws, "messages must be a value that can be read"],
    ["a revoked proxy", revoked(), "messages must be a value that can be read"],
  ])("are refused by their index: %s", async (_, message, expected) => {
    for (const call of [
      () => model.completeChat([user, message] as ChatMessage[]),
      async () => model.chat({ messages: [user, message] as ChatMessage[] }),
    ]) {
      const error = await failureOf(call());
      expect(error).toMatchObject({ code: "INVALID_OPTION", message: expect.stringContaining(expected) });
      if (!expected.startsWith("messages")) expect(error.message).toMatch(/^messages\[1\]/);
    }
  });

  it("are refused where they are not a list, and so is a system message that is not a text", async () => {
    for (const messages of ["Hello", {}, 5, revoked(), () => []]) {
      expect((await failureOf(model.completeChat(messages as ChatMessage[]))).code).toBe("INVALID_OPTION");
    }
    expect(() => model.chat({ system: 5 as never })).toThrow("system must be a string; it is 5");
    expect(model.chat({ system: null as never, messages: null as never }).messages).toEqual([]);
  });
});

describe("the results of tools", () => {
  it("are refused by their index where they are not JSON", async () => {
    using chat = model.chat();
    const send = async (results: unknown) => {
      for await (const part of chat.sendToolResults(results as [], options)) void part;
    };
    const circle: unknown[] = [];
    circle.push(circle);
    const bad = [undefined, () => 1, Symbol("x"), 1n, circle, { toJSON: () => undefined }];
    for (const content of bad) {
      const error = await failureOf(
        send([
          { name: "f", content: "1" },
          { name: "f", content },
        ]),
      );
      expect(error).toMatchObject({ code: "INVALID_OPTION" });
      expect(error.message).toMatch(/^results\[1\]\.content must be a string or a value of JSON; it is /);
    }
    for (const results of [null, "x", [null], [{ content: "x" }], [{ name: 1, content: "x" }]]) {
      expect((await failureOf(send(results))).code).toBe("INVALID_OPTION");
    }
  });

  it("follow calls whose arguments may be an empty text", async () => {
    const calling = await modelWithTemplate(toolTemplates.hermes);
    const history = (given: unknown): ChatMessage[] => [
      user,
      {
        role: "assistant",
        content: null,
        tool_calls: [{ type: "function", function: { name: "f", arguments: given } }],
      },
      { role: "tool", name: "f", content: texts("1") },
    ];
    const { usage, text } = await calling.completeChat(history({}), options);
    for (const empty of ["", " \n"]) {
      const other = await calling.completeChat(history(empty), options);
      expect([other.usage.promptTokens, other.text]).toEqual([usage.promptTokens, text]);
    }
    await calling.dispose();
  });
});

describe("a chat template", () => {
  const header = "{% for m in messages %}<|start_header_id|>{{ m.role }}<|end_header_id|>";
  const close = "<|eot_id|>{% endfor %}";

  it.each(["", "  \n\t", "{# a comment #}", " {#- one -#} \n{# two\nlines #}"])(
    "that is blank counts as absent: %j",
    async (blank) => {
      const own = await modelWithTemplate(blank);
      expect(await failureOf(own.completeChat([user]))).toMatchObject({ code: "NO_CHAT_TEMPLATE" });
      expect(() => own.chat()).toThrow(expect.objectContaining({ code: "NO_CHAT_TEMPLATE" }) as unknown as Error);
      await own.dispose();
    },
  );

  it.each([
    ["no message", "<|start_header_id|>assistant<|end_header_id|>"],
    ["no content", `${header}${close}`],
    ["the system only", `${header}{% if m.role == 'system' %}{{ m.content }}{% endif %}${close}`],
    ["the first message only", `${header}{% if loop.first %}{{ m.content }}{% endif %}${close}`],
    ["text of its own that reads the same", `${header}What is 3 + 4?${close}`],
    ["that something was said", `${header}{% if m.content %}{{ m.content | length }}{% endif %}${close}`],
  ])("that shows %s is refused", async (_, template) => {
    const own = await modelWithTemplate(template);
    const error = await failureOf(
      own.completeChat([{ role: "system", content: "What is 3 + 4? Say it." }, user], options),
    );
    expect(error).toMatchObject({ code: "TEMPLATE_DROPPED", message: expect.stringContaining("messages[1]") });
    await own.dispose();
  });

  it.each([
    ["trims", "{{ m.content | trim }}"],
    ["escapes", "{{ m.content | e }}"],
    ["writes JSON", "{{ m.content | tojson }}"],
    ["changes case", "{{ m.content | upper }}"],
    ["cuts", "{{ m.content[:3] }}"],
    [
      "takes parts only",
      "{% for part in m.content %}{% if part.type == 'text' %}{{ part.text }}{% endif %}{% endfor %}",
    ],
    ["refuses other texts", "{% if '3' not in m.content %}{{ raise_exception('no') }}{% endif %}"],
  ])("that %s is taken", async (_, shown) => {
    const own = await modelWithTemplate(`${header}${shown}${close}`);
    for (const content of ['  "3" < 4 & 5\n', "3"]) {
      const { usage } = await own.completeChat([{ role: "user", content }], options);
      expect(usage.promptTokens).toBeGreaterThan(3);
    }
    await own.dispose();
  });

  it("may name more roles", async () => {
    const own = await modelWithTemplate(`${header}{% if m.role == 'judge' %}!{% endif %}{{ m.content }}${close}`);
    expect(
      (await own.completeChat([user, { role: "judge", content: "x" }], options)).usage.promptTokens,
    ).toBeGreaterThan(8);
    expect((await failureOf(own.completeChat([user, { role: "jury", content: "x" }]))).code).toBe("INVALID_OPTION");
    await own.dispose();
  });
});

describe("values that cannot be read", () => {
  const nothing = Object.create(null);
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  const hostile = [
    nothing,
    proxy,
    Symbol("x"),
    1n,
    () => 1,
    [nothing],
    [proxy],
    [Symbol("x")],
    { length: 3 },
    { length: 1e15 },
  ];

  it.each(hostile.map((value, i) => [i, value] as const))(
    "are one error as a prompt, a stop string, a schema or tools: %i",
    async (_, value) => {
      const codes = [
        await failureOf(model.complete(value as string)),
        await failureOf(model.complete("x", { stop: value as string })),
        await failureOf(model.completeJson("x", { enum: [value], minLength: value } as never)),
        await failureOf(model.completeChat([user], { tools: value as never })),
        await failureOf(model.completeChat([user], { tools: [{ name: value }] as never })),
        await failureOf(model.completeChat([user], { tools: [{ name: "f", parameters: value }] as never })),
        await failureOf(model.completeChat([user], { tools: [{ name: "f" }], toolChoice: value as never })),
        await failureOf(model.complete("x", { signal: value as AbortSignal })),
      ];
      const known = /^(INVALID_OPTION|INVALID_TOKEN|SCHEMA_INVALID|UNSUPPORTED_SCHEMA|UNSUPPORTED_TOOLS)$/;
      for (const { code } of codes) expect(code).toMatch(known);
    },
  );

  it("that pass every check and cannot be sent end no process", async () => {
    const behind = <T extends object>(value: T) => new Proxy(value, {});
    for (const call of [
      model.complete("x", { maxTokens: 1, samplers: behind(["temperature"]) as never }),
      model.complete("x", { maxTokens: 1, logitBias: behind({ 5: 1 }) }),
      model.complete("x", { maxTokens: 1, xtc: behind({ probability: 0.5 }) as never }),
    ]) {
      expect((await failureOf(call)).code).toMatch(/^(none|INVALID_OPTION)$/);
    }
    const calls = {
      inputs: model.embed([revokedArray() as never]),
      session: model.restoreSequence(revokedArray() as never),
      save: model.chat().save(revokedArray() as never),
      tools: model.completeChat([user], { tools: Number.NaN as never }),
    };
    for (const [name, call] of Object.entries(calls)) {
      expect([name, await failureOf(call)]).toMatchObject([name, { code: "INVALID_OPTION" }]);
    }
    expect((await model.complete("x", { ...options, maxTokens: 1 })).tokens).toHaveLength(1);
  });

  it("are refused as abort signals, though they resemble them", async () => {
    const lookalikes = [
      { aborted: false, throwIfAborted: () => undefined },
      {
        aborted: false,
        throwIfAborted: () => undefined,
        addEventListener: () => undefined,
        removeEventListener: () => undefined,
      },
      new AbortController(),
      AbortSignal,
    ];
    for (const lookalike of lookalikes) {
      for (const call of [
        model.complete("x", { signal: lookalike as never }),
        model.embed(["x"], { signal: lookalike as never }),
        loadModel(demoModel, { signal: lookalike as never }),
      ]) {
        expect(await failureOf(call)).toMatchObject({
          code: "INVALID_OPTION",
          message: expect.stringMatching(/^signal must be/),
        });
      }
    }
  });
});

describe("an abort signal behind a proxy", () => {
  it.each([(signal: AbortSignal) => new Proxy(signal, {}), (signal: AbortSignal) => Object.create(signal)])(
    "aborts, or is refused",
    async (behind) => {
      const controller = new AbortController();
      const reason = new Error("enough");
      const call = failureOf(
        model.complete("x", { signal: behind(controller.signal), logitBias: bans(), maxTokens: 400 }),
      );
      setTimeout(() => controller.abort(reason), 20);
      const error = await call;
      if (error !== (reason as unknown)) expect(error.code).toBe("INVALID_OPTION");
    },
  );
});

function revokedArray(): unknown[] {
  const { proxy, revoke } = Proxy.revocable([], {});
  revoke();
  return proxy;
}

/** Forbids every token that would end a generation. */
function bans(): Record<number, number> {
  return Object.fromEntries([...model.tokenizer.endOfGenerationIds].map((id) => [id, -Infinity]));
}

describe("logprobs", () => {
  it("that are asked for are a list, even where the answer is empty", async () => {
    const { logprobs, tokens } = await model.complete("x", { logprobs: true, maxTokens: 0 });
    expect([logprobs, tokens.length]).toEqual([[], 0]);
    expect((await model.complete("x", { maxTokens: 0 })).logprobs).toBeUndefined();
    const { logprobs: some, tokens: taken } = await model.completeChat([user], { ...options, logprobs: true });
    expect(some).toHaveLength(taken.length);
    for await (const part of model.generate("x", { logprobs: true, maxTokens: 2 })) {
      expect(part.logprobs).toHaveLength(part.tokens.length);
    }
  });
});
