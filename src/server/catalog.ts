// The models of a server, by name: loaded on first use or at the start, unloaded when nobody has used them for a while, or when another
// model needs their memory.

import { type Gguf, openGguf } from "../gguf/index.js";
import { isRemote } from "../hub/index.js";
import {
  CriaError,
  downloadModel,
  type LoadOptions,
  type LoadSource,
  loadModel,
  MemoryError,
  type Model,
} from "../index.js";

/** A model that a server offers. */
export interface ServedModel {
  /** What requests call it. */
  readonly name: string;
  /** As `loadModel` takes it. */
  readonly source: LoadSource;
  readonly options?: LoadOptions;
}

/** `failed`: the last attempt to load it did not succeed; the next request tries again. */
export type ModelState = "unloaded" | "loading" | "ready" | "failed";

/** A model while a request uses it. */
export interface Lease {
  readonly model: Model;
  /** The request no longer needs it. Further calls do nothing. */
  release(): void;
}

export interface CatalogOptions {
  /** After how many milliseconds without a request a model is unloaded; undefined: never. */
  readonly idleMilliseconds?: number;
  /** Called when a model's state changes. */
  readonly onState?: (
    name: string,
    state: ModelState,
    detail: { readonly milliseconds?: number; readonly error?: unknown },
  ) => void;
}

class Entry {
  readonly served: ServedModel;
  state: ModelState = "unloaded";
  loading: Promise<Model> | undefined;
  model: Model | undefined;
  /** Requests that use it now. */
  leases = 0;
  lastUsed = 0;
  idle: NodeJS.Timeout | undefined;

  constructor(served: ServedModel) {
    this.served = served;
  }
}

export class Catalog {
  readonly #entries: ReadonlyMap<string, Entry>;
  readonly #options: CatalogOptions;
  #closed = false;

  /** @throws CriaError INVALID_OPTION where there is no model, or two have one name */
  constructor(models: readonly ServedModel[], options: CatalogOptions = {}) {
    if (models.length === 0) throw new CriaError("INVALID_OPTION", "models must have at least one model");
    const entries = new Map<string, Entry>();
    for (const served of models) {
      if (entries.has(served.name)) throw new CriaError("INVALID_OPTION", `two models have the name "${served.name}"`);
      entries.set(served.name, new Entry(served));
    }
    this.#entries = entries;
    this.#options = options;
  }

  get names(): readonly string[] {
    return [...this.#entries.keys()];
  }

  has(name: string): boolean {
    return this.#entries.has(name);
  }

  state(name: string): ModelState {
    return this.#entries.get(name)!.state;
  }

  /** The model, where it is loaded. */
  loaded(name: string): Model | undefined {
    return this.#entries.get(name)?.model;
  }

  /** How many texts a model evaluates side by side. */
  sequences(name: string): number {
    return this.#entries.get(name)!.served.options?.sequences ?? 1;
  }

  /** How many requests use a model. */
  leases(name: string): number {
    return this.#entries.get(name)!.leases;
  }

  /** What a model's file says in its header, without loading the model. It is downloaded where it must be, unless `offline`. */
  async header<Result>(name: string, read: (gguf: Gguf) => Result, offline?: boolean): Promise<Result> {
    const { source, options } = this.#entries.get(name)!.served;
    const local = isRemote(source) ? await downloadModel(source, { offline: offline ?? options?.offline }) : source;
    const gguf = await openGguf(local);
    try {
      return read(gguf);
    } finally {
      await gguf.close();
    }
  }

  /** The chat template of a model's file, if it has one. */
  chatTemplate(name: string): Promise<string | undefined> {
    return this.header(name, ({ metadata }) => metadata.getString("tokenizer.chat_template"));
  }

  /** Loads a model unless it is, and keeps it until the lease is released. @throws what `loadModel` throws */
  async lease(name: string): Promise<Lease> {
    const entry = this.#entries.get(name)!;
    clearTimeout(entry.idle);
    entry.leases++;
    let released = false;
    const release = () => {
      if (released) return;
      released = true;
      entry.leases--;
      entry.lastUsed = performance.now();
      this.#whenIdle(entry);
    };
    try {
      entry.loading ??= this.#load(entry);
      return { model: await entry.loading, release };
    } catch (error) {
      release();
      throw error;
    }
  }

  /** Forgets a model whose workers have died: the next request loads it anew. */
  async drop(name: string, model: Model): Promise<void> {
    const entry = this.#entries.get(name)!;
    if (entry.model !== model) return; // another request was first
    this.#unload(entry);
    await model.dispose();
  }

  /** Unloads all models. */
  async close(): Promise<void> {
    this.#closed = true;
    const models = [...this.#entries.values()].map(async (entry) => {
      clearTimeout(entry.idle);
      const model = await entry.loading?.catch(() => undefined);
      this.#unload(entry);
      await model?.dispose();
    });
    await Promise.all(models);
  }

  async #load(entry: Entry): Promise<Model> {
    const begin = performance.now();
    this.#set(entry, "loading");
    try {
      const model = await this.#loadMakingRoom(entry);
      if (this.#closed) {
        await model.dispose();
        throw new CriaError("DISPOSED", "the server is closing");
      }
      entry.model = model;
      this.#set(entry, "ready", { milliseconds: performance.now() - begin });
      return model;
    } catch (error) {
      entry.loading = undefined;
      this.#set(entry, "failed", { error });
      throw error;
    }
  }

  /** Where memory is short, models that nobody uses give theirs, the one that was used longest ago first. */
  async #loadMakingRoom({ served }: Entry): Promise<Model> {
    for (;;) {
      try {
        return await loadModel(served.source, served.options);
      } catch (error) {
        if (!(error instanceof MemoryError)) throw error;
        const unused = [...this.#entries.values()].filter(({ model, leases }) => model !== undefined && leases === 0);
        const [oldest] = unused.toSorted((a, b) => a.lastUsed - b.lastUsed);
        if (oldest === undefined) throw error;
        const { model } = oldest;
        this.#unload(oldest);
        await model!.dispose();
      }
    }
  }

  #whenIdle(entry: Entry): void {
    const { idleMilliseconds } = this.#options;
    if (idleMilliseconds === undefined || entry.leases > 0 || entry.model === undefined) return;
    clearTimeout(entry.idle);
    entry.idle = setTimeout(() => {
      const { model } = entry;
      if (entry.leases > 0 || model === undefined) return;
      this.#unload(entry);
      void model.dispose();
    }, idleMilliseconds);
    entry.idle.unref();
  }

  #unload(entry: Entry): void {
    clearTimeout(entry.idle);
    entry.model = undefined;
    entry.loading = undefined;
    this.#set(entry, "unloaded");
  }

  #set(entry: Entry, state: ModelState, detail: { milliseconds?: number; error?: unknown } = {}): void {
    entry.state = state;
    this.#options.onState?.(entry.served.name, state, detail);
  }
}
