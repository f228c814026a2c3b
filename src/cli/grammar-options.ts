// The options that say what the generated text must match: llama.cpp's names.

import type { GenerateOptions, JsonSchema } from "../index.js";
import type { OptionTable, OptionValues } from "./command.js";
import { UsageError } from "./failure.js";
import { readTextFile } from "./input.js";

export const grammarOptions = {
  grammar: {
    flags: ["--grammar"],
    type: "string",
    value: "GBNF",
    help: "the text is one that this grammar's rule root matches",
  },
  grammarFile: { flags: ["--grammar-file"], type: "string", value: "FILE", help: "the grammar of a file" },
  jsonSchema: {
    flags: ["-j", "--json-schema"],
    type: "string",
    value: "SCHEMA",
    help: "the text is JSON of this JSON Schema; {}: any JSON",
  },
  jsonSchemaFile: {
    flags: ["-jf", "--json-schema-file"],
    type: "string",
    value: "FILE",
    help: "the JSON Schema of a file",
  },
} as const satisfies OptionTable;

/** The library's options, unchecked: it checks them. @throws UsageError for more than one, or a schema that is not JSON */
export async function toGrammarOptions(values: OptionValues<typeof grammarOptions>): Promise<GenerateOptions> {
  const { grammar, grammarFile, jsonSchema, jsonSchemaFile } = values;
  const given = [grammar, grammarFile, jsonSchema, jsonSchemaFile].filter((value) => value !== undefined);
  if (given.length > 1)
    throw new UsageError("--grammar, --grammar-file, -j and -jf: a text can only follow one of them");
  if (grammar !== undefined) return { grammar };
  if (grammarFile !== undefined) return { grammar: await readTextFile(grammarFile) };
  const text = jsonSchemaFile === undefined ? jsonSchema : await readTextFile(jsonSchemaFile);
  return text === undefined ? {} : { jsonSchema: parseSchema(text) };
}

function parseSchema(text: string): JsonSchema {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new UsageError(`the JSON schema is not JSON: ${(error as Error).message}`);
  }
}
