// Grammars: which tokens may come next, so that a text comes out as it must. Knows nothing of models.

export type { Automaton } from "./automaton.js";
export { compileGrammar } from "./compile.js";
export { type Constraint, VocabularyGrammar } from "./constraint.js";
export { parseGbnf, tokenTexts } from "./gbnf.js";
export { grammarOfSchema, type JsonForm, jsonForms, type SchemaGrammar } from "./json-schema/compile-schema.js";
export type { JsonSchema } from "./json-schema/schema.js";
export type { JsonValueOf } from "./json-schema/schema-value.js";
export {
  jsonSchemaOf,
  type StandardJsonSchema,
  type StandardOutput,
  validated,
} from "./json-schema/standard-schema.js";
export { type ControlIds, controlBytes, controlsIn } from "./marks.js";
export { type AnswerStart, afterThoughts, answerStart, type ThoughtMarks, thoughtMarksOf } from "./thoughts.js";
export { addressedNotations } from "./tool-calls/addressed-notations.js";
export { messageGrammar, toolGrammar } from "./tool-calls/answer-grammar.js";
export { markedNotations } from "./tool-calls/marked-notations.js";
export {
  type AddressedNotation,
  type ArgumentTags,
  args,
  aroundArguments,
  type CallCount,
  callId,
  isText,
  type MarkedNotation,
  openingOf,
  type Part,
  type ToolNotation,
  type ToolSignature,
  textsOf,
  writeCallParts,
  writeCalls,
} from "./tool-calls/notation.js";
export { bareTexts, taggedProperties } from "./tool-calls/tool-arguments.js";
export { type TokenBytes, Vocabulary } from "./vocabulary.js";
