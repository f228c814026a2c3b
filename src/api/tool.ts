// A tool as callers describe it: conversations offer it, and sessions keep it.

import type { JsonSchema, StandardJsonSchema } from "../grammar/index.js";

/** A function that the model may ask you to call. */
export interface Tool {
  readonly name: string;
  /** What it does, for the model. */
  readonly description?: string;
  /** JSON Schema of its arguments, an object; or a schema of Zod and its like. Default: it takes none. */
  readonly parameters?: JsonSchema | StandardJsonSchema;
}
