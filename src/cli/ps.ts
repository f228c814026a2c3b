// cria ps: the models of a server that runs.

import { printable } from "../gguf/index.js";
import { command } from "./command.js";
import { UsageError } from "./failure.js";
import { interruptible } from "./interrupt.js";
import { sizeText } from "./mebibytes.js";
import { DEFAULT_URL, modelsOfServer, runningServerOptions, ServerClient } from "./server-client.js";
import { tableLines } from "./table.js";
import { timespan } from "./timespan.js";

export const ps = command({
  usage: "[options]",
  about: `Lists the models of a running cria serve: whether they are loaded, their memory, in how many instances, the requests that run
and that wait, and when those that nobody uses are unloaded.`,
  options: {
    json: { flags: ["--json"], type: "boolean", help: "print an array of JSON, with all that the server tells" },
    ...runningServerOptions,
  },
  async run({ url = DEFAULT_URL, apiKey, json }, positionals) {
    if (positionals.length > 0) throw new UsageError("ps takes no arguments");
    const models = await interruptible((signal) => modelsOfServer(new ServerClient(url, apiKey), signal));
    if (json === true) {
      process.stdout.write(`${JSON.stringify(models)}\n`);
      return;
    }
    const lines = tableLines(
      ["NAME", "STATE", "MEMORY", "INSTANCES", "RUNNING", "WAITING", "UNLOADED"],
      models.map(({ name, state, bytes, instances, unloads_in_seconds: seconds, ...requests }) => [
        printable(name),
        printable(state),
        bytes === undefined ? "" : sizeText(bytes),
        bytes === undefined ? "" : instancesText(instances),
        String(requests.requests_running),
        String(requests.requests_waiting),
        seconds === undefined ? "" : `in ${timespan(1000 * seconds)}`,
      ]),
    );
    process.stdout.write(`${lines.join("\n")}\n`);
  },
});

function instancesText(instances: readonly { readonly state: string }[] = [{ state: "ready" }]): string {
  const ready = instances.filter(({ state }) => state === "ready").length;
  return ready === instances.length ? String(ready) : `${ready} of ${instances.length}`;
}
