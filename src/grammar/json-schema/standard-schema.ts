// Schemas of libraries that know the Standard JSON Schema interface (https://standardschema.dev/json-schema): they are objects or functions
// with the property "~standard", which writes them as JSON Schema and checks values. Zod has it from 4.2 on, ArkType from 2.1.28 on, Valibot
// by its toStandardJsonSchema. The types below say what is used of it.

import { GrammarError, printable, UnsupportedError } from "../../errors.js";
import { invalidOption, readable } from "../../options.js";
import type { JsonSchema } from "./schema.js";

/** A schema of Zod, ArkType, Valibot or another library that can be written as JSON Schema. */
export interface StandardJsonSchema<Input = unknown, Output = Input> {
  readonly "~standard": {
    readonly version: 1;
    readonly vendor: string;
    readonly types?: { readonly input: Input; readonly output: Output } | undefined;
    readonly jsonSchema: {
      /** Writes what the schema takes as JSON Schema. */
      readonly input: (options: { readonly target: "draft-2020-12" }) => { readonly [keyword: string]: unknown };
    };
    /** Checks a value, and gives what the schema makes of it. */
    readonly validate?: (value: unknown) => ValidationResult<Output> | Promise<ValidationResult<Output>>;
  };
}

type ValidationResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly ValidationIssue[] };

interface ValidationIssue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

/** What a schema of a library makes of the JSON that it finds valid. */
export type StandardOutput<Schema extends StandardJsonSchema> = NonNullable<Schema["~standard"]["types"]>["output"];

/**
 * A schema as JSON Schema. One of a library is written as what it takes, before its defaults and transformations.
 *
 * @throws UnsupportedError UNSUPPORTED_SCHEMA for a schema that cannot be written as JSON Schema, CriaError INVALID_OPTION for one of a
 * library that does not write JSON Schema
 */
export function jsonSchemaOf(name: string, schema: JsonSchema | StandardJsonSchema): JsonSchema {
  const standard = standardOf(name, schema);
  if (standard === undefined) return schema as JsonSchema;
  const { vendor, jsonSchema } = standard;
  if (typeof jsonSchema?.input !== "function") {
    const libraries = "Zod from 4.2 on, ArkType, Valibot's toStandardJsonSchema";
    throw invalidOption(name, `a JSON schema, or a schema that can be written as one (${libraries})`, schema);
  }
  try {
    return jsonSchema.input({ target: "draft-2020-12" });
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new UnsupportedError(
      "UNSUPPORTED_SCHEMA",
      `${name} cannot be written as JSON Schema: ${printable(String(vendor), 40)} says "${printable(why, 200)}"`,
      { cause },
    );
  }
}

/**
 * What a schema makes of a value that is valid by its JSON Schema: with one of a library, what that gives.
 *
 * @throws GrammarError SCHEMA_REFUSED where the library finds what JSON Schema cannot say; `cause` has its issues
 */
export async function validated(schema: JsonSchema | StandardJsonSchema, value: unknown): Promise<unknown> {
  const validate = standardOf("jsonSchema", schema)?.validate;
  if (validate === undefined) return value;
  const result = await validate(value);
  if (result.issues === undefined) return result.value;
  const [first] = result.issues;
  const path = (first?.path ?? []).map((part) => String(typeof part === "object" ? part.key : part)).join(".");
  throw new GrammarError(
    "SCHEMA_REFUSED",
    `the JSON is valid by its JSON Schema, and the schema itself refuses it` +
      `${path === "" ? "" : ` at ${printable(path)}`}: ${printable(first?.message ?? "it does not say why", 200)}`,
    { cause: result.issues },
  );
}

function standardOf(name: string, schema: unknown): Partial<StandardJsonSchema["~standard"]> | undefined {
  return readable(name, schema, () => {
    if ((typeof schema !== "object" && typeof schema !== "function") || schema === null) return undefined;
    const standard = (schema as Partial<StandardJsonSchema>)["~standard"];
    return typeof standard === "object" && standard !== null ? standard : undefined;
  });
}
