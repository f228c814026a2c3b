// Schemas as libraries write them (zod 3 and 4, TypeBox, valibot, MCP's types): all are accepted but those that are listed here, and what is
// written is valid by ajv.

import { readFileSync } from "node:fs";
import { Ajv } from "ajv";
import { Ajv2020 } from "ajv/dist/2020.js";
import formatsPlugin from "ajv-formats";
import type { CriaError, JsonSchema } from "cria";
import { expect, it } from "vitest";
import { grammarOf, randomText } from "../support/schema-texts.js";
import { randomStream } from "../support/seed.js";

type Recorded = Readonly<Record<string, { readonly schemas: Readonly<Record<string, JsonSchema>> }>>;
const recorded: Recorded = JSON.parse(
  readFileSync(new URL("../fixtures/program-schemas.json", import.meta.url), "utf8"),
);

/** What is refused, and by which code: an intersection of two closed objects, and a repeated group that looks ahead. */
const refused: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "zod 3": { interU: "GRAMMAR_EMPTY" },
  valibot: { emoji: "UNSUPPORTED_SCHEMA" },
};

it.each(Object.keys(recorded))("%s", (library) => {
  const random = randomStream(library.length);
  const found: Record<string, string> = {};
  for (const [name, schema] of Object.entries(recorded[library]!.schemas)) {
    let grammar: ReturnType<typeof grammarOf>;
    try {
      grammar = grammarOf(schema);
    } catch (error) {
      found[name] = (error as CriaError).code;
      continue;
    }
    const isNew = typeof schema === "object" && String(schema["$schema"]).includes("2020-12");
    const ajv = isNew ? new Ajv2020({ strict: false, logger: false }) : new Ajv({ strict: false, logger: false });
    formatsPlugin.default(ajv);
    const isValid = ajv.compile(schema);
    for (const more of [0, 30]) {
      const text = randomText(grammar, grammar.shortest + more, random);
      expect([name, text, isValid(JSON.parse(text))]).toEqual([name, text, true]);
    }
  }
  expect(found).toEqual(refused[library] ?? {});
});
