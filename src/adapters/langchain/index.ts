// cria/langchain: a loaded model as a chat model and as embeddings of LangChain.js.

export { ChatCria, type ChatCriaCallOptions, type ChatCriaFields, type OutputSchema } from "./chat-model.js";
export { CriaEmbeddings, type CriaEmbeddingsFields } from "./embeddings.js";
