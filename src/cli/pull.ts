// cria pull: brings a model into the cache, ahead of its use.

import { isRemote } from "../hub/index.js";
import { invalidOption } from "../options.js";
import { command } from "./command.js";
import { UsageError } from "./failure.js";
import { interruptible } from "./interrupt.js";
import { localPath, offlineOption } from "./model-source.js";

export const pull = command({
  usage: "[options] hf:user/repo[:quant] | https://...",
  about: `Brings a model into the cache, all parts of a split one, and prints the path of its (first) file. A file that is
in the cache is not fetched again, and a download that broke off goes on where it was. Without a quantisation: Q4_K_M, else Q8_0, else
the first model in the repository. HF_TOKEN opens private and gated repositories; HF_HOME, HF_HUB_CACHE and
CRIA_CACHE say where models are kept.`,
  options: offlineOption,
  async run({ offline }, positionals) {
    const [source] = positionals;
    if (source === undefined || positionals.length > 1) throw new UsageError("pull takes one model");
    if (!isRemote(source)) {
      throw invalidOption("the model", "hf:user/repo[:quant] or an https: URL", source);
    }
    process.stdout.write(`${await interruptible((signal) => localPath(source, offline, signal))}\n`);
  },
});
