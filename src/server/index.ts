// cria/server: a server for models, with OpenAI's routes and those that its neighbours have.

export type { ServedModel } from "./catalog.js";
export { toNodeHandler } from "./node-handler.js";
export { type RunningServer, startServer } from "./server.js";
export type { ServerEvent, ServerOptions } from "./settings.js";
