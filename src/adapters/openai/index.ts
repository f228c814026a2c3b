// cria/openai: a loaded model behind OpenAI's HTTP interface, as a function with the signature of `fetch`.

export { createFetch, type FetchOptions, type ServedModels } from "./fetch.js";
