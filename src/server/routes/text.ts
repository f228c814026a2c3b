// Text and tokens, as llama.cpp's server has them: /tokenize, /detokenize, /apply-template.

import type { Hono } from "hono";
import { jsonAnswer } from "../../adapters/openai/answers.js";
import { RequestError } from "../../adapters/openai/errors.js";
import type { Fields } from "../../adapters/openai/fields.js";
import type { Model } from "../../index.js";
import { type ChatMessage, chatTemplateFrom } from "../../tokenizer/index.js";
import { fieldsOf, type Variables } from "../bodies.js";
import type { Service } from "../service.js";

type Action = (model: Model, fields: Fields, template: () => Promise<string | undefined>) => Promise<object> | object;

const actions: Readonly<Record<string, Action>> = {
  "/tokenize": ({ tokenizer }, fields) => {
    const content = fields.need("content", "string");
    const special = fields.take("add_special", "boolean") ?? false;
    const parseSpecial = fields.take("parse_special", "boolean") ?? true;
    const pieces = fields.take("with_pieces", "boolean") ?? false;
    const ids = [...tokenizer.encode(content, { bos: special ? undefined : false, special: parseSpecial })];
    return { tokens: pieces ? ids.map((id) => ({ id, piece: tokenizer.tokenText(id) })) : ids };
  },
  "/detokenize": ({ tokenizer }, fields) => {
    const tokens = fields.need("tokens", "array");
    const wrong = tokens.findIndex(
      (id) => !Number.isInteger(id) || (id as number) < 0 || (id as number) >= tokenizer.vocabularySize,
    );
    if (wrong >= 0)
      throw fields.invalid(`tokens[${wrong}]`, `must be an integer in 0 .. ${tokenizer.vocabularySize - 1}`);
    return { content: tokenizer.decode(tokens as number[], { special: true }) };
  },
  "/apply-template": async ({ tokenizer }, fields, template) => {
    const messages = fields.need("messages", "array") as ChatMessage[];
    const source = await template();
    if (source === undefined) throw new RequestError(400, "no_chat_template", "the model's file has no chat template");
    const tokenText = (id: number | undefined) => (id === undefined ? "" : tokenizer.tokenText(id));
    const prompt = await chatTemplateFrom(source).render(messages, {
      ...fields.take("chat_template_kwargs", "object"),
      tools: fields.take("tools", "array"),
      addGenerationPrompt: fields.take("add_generation_prompt", "boolean") ?? true,
      bosToken: tokenText(tokenizer.bosId),
      eosToken: tokenText(tokenizer.eosId),
    });
    return { prompt };
  },
};

export function textRoutes(app: Hono<Variables>, service: Service): void {
  for (const [path, action] of Object.entries(actions)) {
    app.post(path, async (context) => {
      const fields = await fieldsOf(context);
      const name = fields.take("model", "string");
      const wanted = { id: context.get("id"), route: path, name, signal: context.req.raw.signal, events: false };
      return service.ask(wanted, async (model, served) =>
        jsonAnswer(await action(model, fields, () => service.catalog.chatTemplate(served))),
      );
    });
  }
}
