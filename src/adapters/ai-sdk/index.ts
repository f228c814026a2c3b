// cria/ai-sdk: a loaded model as a language model and an embedding model of Vercel's AI SDK (its specification "v3", AI SDK 6).

export { criaEmbeddingModel } from "./embedding-model.js";
export { criaLanguageModel } from "./language-model.js";
