// Requests to the fetch handler of cria/openai: every answer is one of OpenAI's kind, whatever the request says.

import { loadModel } from "cria";
import { createFetch } from "cria/openai";
import type { Random } from "../../bench/synthetic/random.js";
import { microBytes, microModel, microTemplate } from "../support/micro-model.js";
import { pick, target } from "./target.js";
import { randomText } from "./texts.js";

interface Sent {
  readonly method: string;
  readonly path: string;
  readonly body: string;
}

const paths = [
  "/v1/chat/completions",
  "/v1/completions",
  "/v1/embeddings",
  "/v1/responses",
  "/v1/responses/x",
  "/v1/models",
  "/v1/models/m",
  "/",
  "/v1//x",
];
const values: readonly unknown[] = [
  ...[null, true, false, 0, 1, 2, -1, 0.5, 1e308, 2 ** 53, "", "a", "m", "auto", "none", "required", "json_object"],
  ...[[], {}, [null], ["a"], [1, 2], [[1]], { a: 1 }, { type: "json_object" }, { type: "text" }, [{}]],
  ...[[{ role: "user", content: "ab" }], [{ role: "user", content: [{ type: "text", text: "a" }] }], { "1": -100 }],
  { type: "json_schema", json_schema: { name: "n", schema: { type: "integer", maximum: 9, minimum: 0 } } },
  [{ type: "function", function: { name: "f", parameters: { type: "object" } } }],
  [
    {
      role: "assistant",
      content: null,
      tool_calls: [{ id: "1", type: "function", function: { name: "f", arguments: "" } }],
    },
  ],
  [{ role: "tool", content: "a", tool_call_id: "1" }],
  [
    { type: "reasoning", summary: [] },
    { type: "function_call", call_id: "1", name: "f", arguments: "{}" },
    { type: "function_call_output", call_id: "1", output: "a" },
  ],
  [{ type: "item_reference", id: "a" }],
  [{ type: "function", name: "f", parameters: { type: "object" } }],
  { format: { type: "json_object" } },
];
const fields = [
  ...[
    "model",
    "messages",
    "prompt",
    "input",
    "max_tokens",
    "max_completion_tokens",
    "temperature",
    "top_p",
    "n",
    "stop",
  ],
  ...["stream", "stream_options", "logprobs", "top_logprobs", "logit_bias", "seed", "tools", "tool_choice", "user"],
  ...["response_format", "parallel_tool_calls", "presence_penalty", "frequency_penalty", "best_of", "echo", "suffix"],
  ...["encoding_format", "dimensions", "top_k", "min_p", "reasoning_effort", "store", "metadata", "x", "__proto__"],
  ...["instructions", "previous_response_id", "text", "reasoning", "include", "chat_template_kwargs", "grammar"],
  ...["json_schema", "modalities", "max_output_tokens"],
];

export const requests = target({
  name: "requests",
  executes: "a request to the fetch handler of cria/openai, its answer read to the end",
  perBuild: false,
  perProcess: 20_000,
  milliseconds: 1500,
  open: async () => {
    const template = {
      type: "string",
      value: `{% for t in tools or [] %}<tool_call>{{ t | tojson }}{% endfor %}${microTemplate}`,
    } as const;
    const bytes = await microBytes(await microModel("llama"), { "tokenizer.chat_template": template });
    const model = await loadModel(bytes, { threads: 1, sequences: 4 });
    const encoder = await loadModel(await microBytes(await microModel("bert")), { threads: 1 });
    const [ask, askEncoder] = [model, encoder].map((one) => createFetch(one, { name: "m" })) as [
      typeof fetch,
      typeof fetch,
    ];
    const scalar = (random: Random): unknown =>
      random.below(3) === 0 ? randomText(random).slice(0, 40) : pick(random, values);
    return {
      make: (random: Random): Sent => {
        const path = pick(random, random.below(5) === 0 ? paths : paths.slice(0, 4));
        const body: Record<string, unknown> = {
          model: "m",
          ...(path.includes("chat") && { messages: [{ role: "user", content: "ab" }] }),
          ...(path === "/v1/completions" && { prompt: "ab" }),
          ...(/embed|responses/.test(path) && { input: "ab" }),
          ...(path.includes("responses") ? { max_output_tokens: 2 } : { max_tokens: 2 }),
        };
        for (let left = random.below(5); left > 0; left--) {
          const field = pick(random, fields);
          if (random.below(3) === 0) {
            body[field] = Array.from({ length: random.below(3) }, () => {
              return { role: scalar(random), content: scalar(random), [pick(random, fields)]: scalar(random) };
            });
          } else body[field] = scalar(random);
        }
        const json = JSON.stringify(body);
        const text = random.below(12) === 0 ? json.slice(0, random.below(json.length)) : json;
        return { method: random.below(10) === 0 ? pick(random, ["GET", "PUT", "DELETE"]) : "POST", path, body: text };
      },
      run: async ({ method, path, body }: Sent) => {
        const handler = path.includes("embed") ? askEncoder : ask;
        const response = await handler(`http://cria${path}`, { method, ...(method !== "GET" && { body }) });
        const text = await response.text();
        if (response.headers.get("content-type")?.includes("event-stream")) {
          const events = text.split("\n\n").filter((event) => event !== "");
          for (const event of events) {
            if (event !== "data: [DONE]") JSON.parse(event.replace(/^(event: [\w.]+\n)?data: /, ""));
          }
          return "ok";
        }
        const answer = JSON.parse(text) as { error?: { message?: unknown; code?: unknown } };
        if (response.status === 200) return "ok";
        if (typeof answer.error?.message !== "string")
          throw new Error(`status ${response.status}: ${text.slice(0, 200)}`);
        if (response.status >= 500 && answer.error.code !== "NAN_LOGITS")
          throw new Error(`${response.status}: ${text}`);
        return String(answer.error.code);
      },
      close: async () => {
        await Promise.all([model.dispose(), encoder.dispose()]);
      },
    };
  },
});
