// cria rm: models leave the cache.

import { CriaError } from "../errors.js";
import { printable } from "../gguf/index.js";
import { aliasOf, removeAlias } from "../hub/aliases.js";
import { type CachedModel, cachedModels, cachedModelsOf, removeCached } from "../hub/cached-models.js";
import { command } from "./command.js";
import { UsageError } from "./failure.js";
import { sizeText } from "./mebibytes.js";

export const rm = command({
  usage: "NAME ...",
  about: `Removes models from the cache: by their names as cria list prints them, by their aliases (which are then gone, too), or by
their paths in the cache. Nothing outside the cache is removed, and contents that another model shares stay. Processes that have a
model loaded keep it: they have its weights in memory.`,
  options: {},
  async run(_, names) {
    if (names.length === 0) throw new UsageError("rm takes the names of models; cria list prints them");
    const models = await cachedModels();
    // All names are looked up before anything is removed.
    const wanted: { readonly alias: string | undefined; readonly model: CachedModel | undefined }[] = [];
    for (const name of names) {
      const source = await aliasOf(name);
      const found = await cachedModelsOf(source ?? name, models);
      if (found.length > 1) {
        const which = found.map((one) => one.source).join(", ");
        throw new UsageError(`${name} means ${found.length} models: ${which}; name those that are to go`);
      }
      if (found.length === 0 && source === undefined) {
        throw new CriaError("NOT_IN_CACHE", `the cache has no model "${name}"; cria list prints those that it has`);
      }
      wanted.push({ alias: source === undefined ? undefined : name, model: found[0] });
    }
    const removed = new Set<CachedModel>();
    for (const { alias, model } of wanted) {
      if (alias !== undefined) await removeAlias(alias);
      if (model === undefined) {
        process.stdout.write(`removed the alias ${alias}, whose model was not in the cache\n`);
      } else if (!removed.has(model)) {
        removed.add(model);
        const freed = await removeCached(model);
        const shared = freed < model.bytes ? "; another file has the same contents, which stay" : "";
        process.stdout.write(`removed ${printable(model.source, 200)}: ${sizeText(freed)} are free${shared}\n`);
      }
    }
  },
});
