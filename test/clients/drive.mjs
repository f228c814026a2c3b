// Drives one client in its default mode: `node drive.mjs CLIENT URL`. Prints, as JSON, what it got for each thing that clients do: a text,
// the same text as a stream, a call of a tool and the answer to its result, an object of a schema; vectors, an order of documents, and the
// list of models where it has them. What fails is an error's text. `warnings` are what the server says that it has ignored.

import { z } from "zod";
import { cohere } from "./cohere-client.mjs";
import { ollama } from "./ollama-client.mjs";

const [client, url] = process.argv.slice(2);
const baseURL = `${url}/v1`;
const question = "What is 3 + 4?";
const apiKey = "none";
const model = "demo";
const answerSchema = z.object({ answer: z.enum(["yes", "no"]) });
const citySchema = z.object({ city: z.enum(["Lima", "Quito"]) });
const cityParameters = {
  ...{ type: "object", properties: { city: { type: "string", enum: ["Lima", "Quito"] } }, required: ["city"] },
  additionalProperties: false,
};
/** The cities that a tool was asked for. */
const asked = [];
const weather = ({ city }) => {
  asked.push(city);
  return `It rains in ${city}.`;
};

const clients = {
  async "openai chat"() {
    const { default: OpenAI } = await import("openai");
    const { zodResponseFormat } = await import("openai/helpers/zod");
    const openai = new OpenAI({ apiKey, baseURL, maxRetries: 0 });
    const messages = [{ role: "user", content: question }];
    const limit = { model, messages, max_completion_tokens: 60 };
    const tools = [{ type: "function", function: { name: "weather", parameters: cityParameters } }];
    return {
      text: async () => {
        const { choices } = await openai.chat.completions.create({ ...limit, temperature: 0 });
        return choices[0].message.content;
      },
      stream: async () => {
        let text = "";
        const stream = await openai.chat.completions.create({ ...limit, temperature: 0, stream: true });
        for await (const { choices } of stream) text += choices[0]?.delta.content ?? "";
        return text;
      },
      tools: async () => {
        const tool_choice = { type: "function", function: { name: "weather" } };
        const first = await openai.chat.completions.create({ ...limit, tools, tool_choice });
        const { message } = first.choices[0];
        const results = message.tool_calls.map(({ id, function: call }) => {
          return { role: "tool", tool_call_id: id, content: weather(JSON.parse(call.arguments)) };
        });
        const more = { ...limit, messages: [...messages, message, ...results], tools, tool_choice: "none" };
        return (await openai.chat.completions.create(more)).choices[0].message.content;
      },
      object: async () => {
        const format = zodResponseFormat(answerSchema, "answer");
        const { choices } = await openai.chat.completions.parse({ ...limit, response_format: format });
        return choices[0].message.parsed;
      },
      vectors: async () => {
        const { data } = await openai.embeddings.create({ model: "embedder", input: ["a fox", "a bear"] });
        return data.map(({ embedding }) => embedding);
      },
      list: async () => (await openai.models.list()).data.map(({ id }) => id),
    };
  },

  async "openai responses"() {
    const { default: OpenAI } = await import("openai");
    const { zodTextFormat } = await import("openai/helpers/zod");
    const openai = new OpenAI({ apiKey, baseURL, maxRetries: 0 });
    const limit = { model, input: question, max_output_tokens: 60 };
    return {
      text: async () => (await openai.responses.create({ ...limit, temperature: 0 })).output_text,
      stream: async () => {
        let text = "";
        for await (const event of await openai.responses.create({ ...limit, temperature: 0, stream: true })) {
          if (event.type === "response.output_text.delta") text += event.delta;
        }
        return text;
      },
      tools: async () => {
        const tools = [{ type: "function", name: "weather", parameters: cityParameters, strict: true }];
        const first = await openai.responses.create({
          ...limit,
          tools,
          tool_choice: { type: "function", name: "weather" },
        });
        const outputs = first.output.map(({ call_id, arguments: given }) => {
          return { type: "function_call_output", call_id, output: weather(JSON.parse(given)) };
        });
        const next = { ...limit, tools, input: outputs, previous_response_id: first.id, tool_choice: "none" };
        return (await openai.responses.create(next)).output_text;
      },
      object: async () => {
        const format = zodTextFormat(answerSchema, "answer");
        return (await openai.responses.parse({ ...limit, text: { format } })).output_parsed;
      },
    };
  },

  async "@ai-sdk/openai"() {
    const { createOpenAI } = await import("@ai-sdk/openai");
    return aiSdk(createOpenAI({ apiKey, baseURL })(model));
  },

  async "@ai-sdk/openai-compatible"() {
    const { createOpenAICompatible } = await import("@ai-sdk/openai-compatible");
    const { embedMany } = await import("ai");
    const provider = createOpenAICompatible({ name: "cria", apiKey, baseURL, supportsStructuredOutputs: true });
    return {
      ...(await aiSdk(provider(model))),
      vectors: async () => {
        const embedder = provider.textEmbeddingModel("embedder");
        return (await embedMany({ model: embedder, values: ["a fox", "a bear"], maxRetries: 0 })).embeddings;
      },
    };
  },

  async "@langchain/openai"() {
    const { ChatOpenAI, OpenAIEmbeddings } = await import("@langchain/openai");
    const { HumanMessage, ToolMessage } = await import("@langchain/core/messages");
    const { tool } = await import("@langchain/core/tools");
    const chat = (more = {}) =>
      new ChatOpenAI({ apiKey, model, maxTokens: 60, maxRetries: 0, configuration: { baseURL }, ...more });
    const weatherTool = tool(weather, { name: "weather", schema: citySchema });
    return {
      text: async () => (await chat({ temperature: 0 }).invoke(question)).text,
      stream: async () => {
        let text = "";
        for await (const chunk of await chat({ temperature: 0 }).stream(question)) text += chunk.text;
        return text;
      },
      tools: async () => {
        const messages = [new HumanMessage("Rain?")];
        const first = await chat().bindTools([weatherTool], { tool_choice: "weather" }).invoke(messages);
        const results = await Promise.all(first.tool_calls.map((call) => weatherTool.invoke(call)));
        if (!results.every((result) => result instanceof ToolMessage)) throw new Error("no results");
        const last = chat().bindTools([weatherTool], { tool_choice: "none" });
        return (await last.invoke([...messages, first, ...results])).text;
      },
      object: async () => chat().withStructuredOutput(answerSchema).invoke(question),
      vectors: async () => {
        const embeddings = new OpenAIEmbeddings({
          apiKey,
          model: "embedder",
          maxRetries: 0,
          configuration: { baseURL },
        });
        return embeddings.embedDocuments(["a fox", "a bear"]);
      },
    };
  },

  async "@openai/agents"() {
    const { default: OpenAI } = await import("openai");
    const agents = await import("@openai/agents");
    agents.setTracingDisabled(true);
    agents.setDefaultOpenAIClient(new OpenAI({ apiKey, baseURL, maxRetries: 0 }));
    const settings = { maxTokens: 60 };
    const agent = (more) =>
      new agents.Agent({ name: "a", instructions: "Be brief.", model, modelSettings: settings, ...more });
    const calm = { modelSettings: { ...settings, temperature: 0 } };
    const weatherTool = agents.tool({ name: "weather", description: "", parameters: citySchema, execute: weather });
    return {
      text: async () => (await agents.run(agent(calm), question)).finalOutput,
      stream: async () => {
        const result = await agents.run(agent(calm), question, { stream: true });
        let text = "";
        for await (const piece of result.toTextStream()) text += piece;
        await result.completed;
        return text;
      },
      tools: async () => {
        const calling = agent({ tools: [weatherTool], modelSettings: { ...settings, toolChoice: "required" } });
        return (await agents.run(calling, "Rain?", { maxTurns: 6 })).finalOutput;
      },
      object: async () => {
        const plain = await agents.run(agent({ outputType: answerSchema }), question);
        const withTools = agent({ outputType: answerSchema, tools: [weatherTool] });
        const { finalOutput } = await agents.run(withTools, question, { maxTurns: 20 });
        return plain.finalOutput.answer === undefined ? plain.finalOutput : finalOutput;
      },
    };
  },

  ollama: () => ollama({ url, model, question, cityParameters, weather }),

  "cohere-ai": () => cohere(url),

  async "@instructor-ai/instructor"() {
    const { default: OpenAI } = await import("openai");
    const { default: Instructor } = await import("@instructor-ai/instructor");
    const { z: z3 } = await import("zod/v3"); // it knows the schemas of zod 3 only
    const openai = new OpenAI({ apiKey, baseURL, maxRetries: 0 });
    const ask = { model, messages: [{ role: "user", content: question }], max_tokens: 60 };
    const instructor = (mode) => Instructor({ client: openai, mode });
    const of = (schema, name) => ({ response_model: { schema, name } });
    return {
      text: async () => {
        const { choices } = await instructor("TOOLS").chat.completions.create({ ...ask, temperature: 0 });
        return choices[0].message.content;
      },
      stream: async () => {
        let text = "";
        const plain = { ...ask, temperature: 0, stream: true };
        for await (const { choices } of await instructor("TOOLS").chat.completions.create(plain)) {
          text += choices[0]?.delta.content ?? "";
        }
        return text;
      },
      tools: async () => {
        weather(
          await instructor("TOOLS").chat.completions.create({
            ...ask,
            ...of(z3.object({ city: z3.enum(["Lima", "Quito"]) }), "weather"),
          }),
        );
        return "";
      },
      object: async () =>
        instructor("JSON_SCHEMA").chat.completions.create({
          ...ask,
          ...of(z3.object({ answer: z3.enum(["yes", "no"]) }), "answer"),
        }),
    };
  },
};

async function aiSdk(languageModel) {
  const { generateObject, generateText, stepCountIs, streamText, tool } = await import("ai");
  const ask = { model: languageModel, prompt: question, maxOutputTokens: 60, maxRetries: 0 };
  return {
    text: async () => (await generateText({ ...ask, temperature: 0 })).text,
    stream: async () => {
      let text = "";
      let failure;
      const fail = ({ error }) => {
        failure = error;
      };
      const { textStream } = streamText({ ...ask, temperature: 0, onError: fail });
      for await (const piece of textStream) text += piece;
      if (failure) throw failure;
      return text;
    },
    tools: async () => {
      const tools = { weather: tool({ inputSchema: citySchema, execute: weather }) };
      // Must call in the first step; in the second it may not.
      const prepareStep = ({ stepNumber }) => ({ toolChoice: stepNumber === 0 ? "required" : "none" });
      return (await generateText({ ...ask, prompt: "Rain?", tools, prepareStep, stopWhen: stepCountIs(2) })).text;
    },
    object: async () => (await generateObject({ ...ask, schema: answerSchema })).object,
  };
}

const warnings = [];
const plainFetch = globalThis.fetch;
globalThis.fetch = async (...given) => {
  const answer = await plainFetch(...given);
  const warning = answer.headers.get("x-cria-warning");
  if (warning !== null) warnings.push(warning);
  return answer;
};

const results = { asked, warnings };
for (const [name, run] of Object.entries(await clients[client]())) {
  try {
    results[name] = await run();
  } catch (error) {
    results[name] = { error: `${error?.stack ?? error} ${error?.responseBody ?? ""} ${error?.cause ?? ""}` };
  }
}
console.log(JSON.stringify(results));
