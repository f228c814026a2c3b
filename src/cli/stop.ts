// cria stop: unloads models of a server that runs, or ends it.

import { command } from "./command.js";
import { UsageError } from "./failure.js";
import { interruptible } from "./interrupt.js";
import { sizeText } from "./mebibytes.js";
import { DEFAULT_URL, modelsOfServer, runningServerOptions, ServerClient } from "./server-client.js";

export const stop = command({
  usage: "[options] NAME ... | --all | --server",
  about: `Unloads models of a running cria serve: at once, or when the requests that use them have ended. The next request for one loads it
again. --server ends the server itself, as Ctrl-C does.`,
  options: {
    all: { flags: ["--all"], type: "boolean", help: "unload all models" },
    server: { flags: ["--server"], type: "boolean", help: "end the server" },
    ...runningServerOptions,
  },
  async run({ url = DEFAULT_URL, apiKey, all, server }, names) {
    const chosen = [names.length > 0, all === true, server === true].filter((one) => one).length;
    if (chosen !== 1) throw new UsageError("stop takes names of models (cria ps prints them), or --all, or --server");
    const client = new ServerClient(url, apiKey);
    await interruptible(async (signal) => {
      if (server === true) {
        await client.json("/shutdown", { body: {}, signal });
        process.stdout.write(`${client.url} ends when its requests have\n`);
        return;
      }
      const models = await modelsOfServer(client, signal);
      const loaded = models.filter(({ bytes }) => bytes !== undefined).map(({ name }) => name);
      if (all === true && loaded.length === 0) process.stdout.write("no model is loaded\n");
      for (const name of all === true ? loaded : names) {
        const answer = await client.json("/models/unload", { body: { model: name }, signal });
        const model = models.find((one) => one.name === name);
        const { unloaded } = answer as { readonly unloaded?: boolean };
        if (unloaded !== true) process.stdout.write(`${name} is unloaded when the requests that use it have ended\n`);
        else if (model?.bytes === undefined) process.stdout.write(`${name} is not loaded\n`);
        else process.stdout.write(`${name} is unloaded: ${sizeText(model.bytes)} are free\n`);
      }
    });
  },
});
