// Grammars: which tokens may come next, so that a text comes out as it must. Knows nothing of models.

export type { Automaton } from "./automaton.js";
export { compileGrammar } from "./compile.js";
export { type Constraint, VocabularyGrammar } from "./constraint.js";
export { parseGbnf } from "./gbnf.js";
export { grammarOfSchema, type SchemaGrammar } from "./json-schema/compile-schema.js";
export type { JsonSchema } from "./json-schema/schema.js";
export { type ControlIds, controlBytes } from "./marks.js";
export { type AnswerStart, afterThoughts, answerStart, type ThoughtMarks, thoughtMarksOf } from "./thoughts.js";
export {
  argumentsKey,
  CALL_BEGIN,
  CALL_END,
  type CallCount,
  type ToolNotation,
  type ToolSignature,
  toolGrammar,
} from "./tool-calls.js";
export { type TokenBytes, Vocabulary } from "./vocabulary.js";
