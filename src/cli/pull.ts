// cria pull: brings a model into the cache, ahead of its use.

import { checkAlias, setAlias } from "../hub/aliases.js";
import { isRemote, withoutAlias } from "../hub/index.js";
import { invalidOption } from "../options.js";
import { command } from "./command.js";
import { UsageError } from "./failure.js";
import { interruptible } from "./interrupt.js";
import { localPath, offlineOption, sourceOptions } from "./model-source.js";

export const pull = command({
  usage: "[options] hf:user/repo[:quant] | https://... | -hf user/repo[:quant] [--as NAME]",
  about: `Brings a model into the cache, all parts of a split one, and prints the path of its (first) file. A file that is
in the cache is not fetched again, and a download that broke off goes on where it was. Without a quantisation: Q4_K_M, else Q8_0, else
the first model in the repository. HF_TOKEN opens private and gated repositories; HF_HOME, HF_HUB_CACHE and
CRIA_CACHE say where models are kept. With --as, -m NAME means the model from then on, and so does loadModel("NAME").`,
  options: {
    alias: { flags: ["--as"], type: "string", value: "NAME", help: "a short name for the model: -m NAME" },
    hubRepo: sourceOptions.hubRepo,
    ...offlineOption,
  },
  async run({ offline, alias, hubRepo }, positionals) {
    const named = [...positionals, ...(hubRepo === undefined ? [] : [`hf:${hubRepo}`])];
    const [name] = named;
    if (name === undefined || named.length > 1) throw new UsageError("pull takes one model");
    const source = await withoutAlias(name);
    if (!isRemote(source)) {
      const { message } = invalidOption("the model", "hf:user/repo[:quant] or an https: URL", source);
      throw new UsageError(
        /^[\w.-]+\/[\w.-]+(:[\w.-]+)?$/.test(source) ? `${message}; did you mean hf:${source}?` : message,
      );
    }
    if (alias !== undefined) checkAlias("--as", alias);
    const path = await interruptible((signal) => localPath(source, offline, signal));
    if (alias !== undefined) await setAlias(alias, source);
    process.stdout.write(`${path}\n`);
  },
});
