import { encoderKeys, type OracleCases } from "./case.js";

export const cases: OracleCases = {
  mean: {
    encoder: true,
    keys: encoderKeys,
    has: (name) => !name.startsWith("cls"),
    bar: 1e-3, // llama.cpp takes GELU from a table in f16
  },
  "RoBERTa's: a byte-level vocabulary, one type of tokens, and the first token": {
    encoder: true,
    keys: { ...encoderKeys, pooling_type: 2 },
    metadata: { "tokenizer.ggml.pre": "roberta-bpe", "tokenizer.ggml.token_type_count": 1 },
    has: (name) => !name.startsWith("cls"),
    tokens: 150,
    bar: 1e-3,
  },
};
