// Ollama's client, in its breadth: what it chats and generates, vectors, the lists, and what it is refused.

import { Ollama } from "ollama";

/** @param {{ url: string, model: string, question: string, cityParameters: object, weather: (given: { city: string }) => string }} given */
export function ollama({ url, model, question, cityParameters, weather }) {
  const client = new Ollama({ host: url });
  const messages = [{ role: "user", content: question }];
  const options = { temperature: 0, num_predict: 60, num_ctx: 2048 };
  const ask = { model, messages, options };
  const refusal = (asked) =>
    asked.then(
      () => "it was not refused",
      ({ status_code, message }) => `${status_code} ${message}`,
    );
  return {
    text: async () => (await client.chat(ask)).message.content,
    stream: async () => {
      let text = "";
      for await (const { message } of await client.chat({ ...ask, stream: true })) text += message.content;
      return text;
    },
    tools: async () => {
      const tools = [{ type: "function", function: { name: "weather", description: "", parameters: cityParameters } }];
      // Nothing makes a model call in this interface, and the demo model does not: the call is told instead.
      await client.chat({ ...ask, tools });
      const call = { function: { name: "weather", arguments: { city: "Lima" } } };
      const told = [
        { role: "assistant", content: "", tool_calls: [call] },
        { role: "tool", tool_name: "weather", content: weather(call.function.arguments) },
      ];
      return (await client.chat({ ...ask, messages: [...messages, ...told], tools })).message.content;
    },
    object: async () => {
      const format = { type: "object", properties: { answer: { enum: ["yes", "no"] } }, required: ["answer"] };
      return JSON.parse((await client.chat({ ...ask, format, keep_alive: "5m" })).message.content);
    },
    json: async () => typeof JSON.parse((await client.chat({ ...ask, format: "json" })).message.content),
    generated: async () => {
      const given = { model, prompt: question, options, keep_alive: -1 };
      const { response, done, done_reason, eval_count } = await client.generate(given);
      let text = "";
      for await (const part of await client.generate({ ...given, stream: true })) text += part.response;
      return { response, text, done, done_reason, counted: eval_count > 0 };
    },
    loaded: async () => {
      const generated = await client.generate({ model, prompt: "" });
      const chatted = await client.chat({ model, messages: [] });
      return [generated.done_reason, chatted.done_reason];
    },
    thoughts: async () => {
      const { message } = await client.chat({ ...ask, model: "thinker", think: true });
      const { response, thinking } = await client.generate({
        model: "thinker",
        prompt: question,
        options,
        think: "low",
      });
      const without = await client.chat({ ...ask, model: "thinker", think: false });
      return [message.thinking, thinking]
        .map((text) => typeof text)
        .concat(typeof without.message.thinking, typeof response);
    },
    logprobs: async () => {
      const { logprobs, eval_count } = await client.chat({ ...ask, logprobs: true, top_logprobs: 2 });
      const [first] = logprobs;
      return { all: logprobs.length === eval_count, top: first.top_logprobs.length, token: typeof first.token };
    },
    vectors: async () => (await client.embed({ model: "embedder", input: ["a fox", "a bear"] })).embeddings,
    vector: async () => (await client.embeddings({ model: "embedder", prompt: "a fox" })).embedding.length,
    list: async () => (await client.list()).models.map(({ name, size, digest }) => [name, size > 0, digest.length]),
    show: async () => {
      const { capabilities, details, model_info, template } = await client.show({ model });
      const architecture = model_info["general.architecture"];
      return {
        ...{ capabilities, format: details.format, family: details.family, hasTemplate: template.length > 0 },
        ...{ context: model_info[`${architecture}.context_length`], title: typeof model_info["general.basename"] },
        embedder: (await client.show({ model: "embedder:latest" })).capabilities,
      };
    },
    running: async () =>
      (await client.ps()).models.map(({ name, expires_at }) => [name, new Date(expires_at) > new Date()]),
    version: async () => (await client.version()).version.split(".").map(Number).length,
    refused: async () => ({
      images: await refusal(client.chat({ model, messages: [{ ...messages[0], images: [new Uint8Array([1])] }] })),
      suffix: await refusal(client.generate({ model, prompt: "a", suffix: "b" })),
      context: await refusal(client.generate({ model, prompt: "a", context: [1, 2] })),
      pull: await refusal(client.pull({ model: "llama3" })),
      create: await refusal(client.create({ model: "mine", from: model })),
      copy: await refusal(client.copy({ source: model, destination: "b" })),
      delete: await refusal(client.delete({ model })),
      unknown: await refusal(client.chat({ model: "none", messages })),
    }),
  };
}
