// cria/tokenizer: text to token ids and back, as the metadata of a GGUF file describes it.

export {
  type ChatContentPart,
  type ChatMessage,
  type ChatTemplate,
  type ChatTemplateOptions,
  chatTemplateFrom,
  type RenderOptions,
} from "./chat-template.js";
export type { Decoder } from "./decode.js";
export type { TokenizerMetadata } from "./metadata.js";
export type { TokenizerModel } from "./tables.js";
export {
  type DecodeOptions,
  type DecoderOptions,
  type EncodeOptions,
  type PromptPart,
  type Tokenizer,
  tokenizerFrom,
} from "./tokenizer.js";
