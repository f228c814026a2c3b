// The models of a server, by name: loaded on first use or at the start, unloaded when nobody has used them for a while, or when another
// model needs their memory.

import { type Gguf, openGguf } from "../gguf/index.js";
import { isRemote, withoutAlias } from "../hub/index.js";
import {
  CriaError,
  type Disturbance,
  downloadModel,
  type InstanceStats,
  type LoadOptions,
  type LoadSource,
  loadModel,
  loadPool,
  MemoryError,
  type Model,
  type ModelPool,
  type PoolOptions,
} from "../index.js";
import { collected } from "./collect-garbage.js";
import { planServed } from "./planned.js";

/** A model that a server offers. */
export interface ServedModel {
  /** What requests call it. */
  readonly name: string;
  /** As `loadModel` takes it. */
  readonly source: LoadSource;
  readonly options?: LoadOptions;
  /**
   * Loads it in several instances, as `loadPool` does. "auto" with the option `tune`: as many as its tuning says. Default: one, which may
   * use the whole machine.
   */
  readonly instances?: PoolOptions["instances"];
}

/** `failed`: the last attempt to load it did not succeed; the next request tries again. */
export type ModelState = "unloaded" | "loading" | "ready" | "failed";

/** A model while a request uses it. */
export interface Lease {
  readonly model: Model;
  /** The request no longer needs it. Further calls do nothing. */
  release(): void;
}

/** How long a model stays when the last request for it has ended, in milliseconds. 0: not at all; Infinity: until it is in the way. */
export type Stay = number;

export interface CatalogOptions {
  /** After how many milliseconds without a request a model is unloaded; undefined: never. */
  readonly idleMilliseconds?: number;
  /** What all models together may take, with their workers. Default: what the system says is free when one is loaded. */
  readonly memoryBytes?: number;
  /** Called when a model's state changes. */
  readonly onState?: (
    name: string,
    state: ModelState,
    detail: { readonly milliseconds?: number; readonly error?: unknown },
  ) => void;
  /** Called when something takes time from a model. */
  readonly onDisturbance?: (name: string, disturbance: Disturbance) => void;
}

/** So long after a model is unloaded, its memory is free at the latest; and how often that is looked at where another one needs it. */
const FREED_MILLISECONDS = 2500;
const LOOK_AGAIN_MILLISECONDS = 50;
/** What a timer can count, in milliseconds: 24 days. */
const LONGEST_TIMEOUT = 2 ** 31 - 1;

class Entry {
  readonly served: ServedModel;
  state: ModelState = "unloaded";
  loading: Promise<Model> | undefined;
  model: Model | undefined;
  /** Requests that use it now. */
  leases = 0;
  /** When the last request ended, as `performance.now()` tells. */
  lastUsed = 0;
  idle: NodeJS.Timeout | undefined;
  /** What the last request has said; undefined: what holds for all models. */
  stay: Stay | undefined;
  /** What it takes, from when it is loaded until its memory is free again; counted where there is a limit for all. */
  bytes = 0;
  /** Its memory is being given back. */
  going: Promise<void> = Promise.resolve();
  /** It has to go when the requests that use it have ended. */
  leaving = false;

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

  /** The instances of a model that is loaded in several; undefined: it is one, or not loaded. */
  instances(name: string): readonly InstanceStats[] | undefined {
    const model = this.loaded(name);
    return model !== undefined && "stats" in model ? (model as ModelPool).stats().instances : undefined;
  }

  /** How many texts a model evaluates side by side, in all its instances. */
  sequences(name: string): number {
    const { options, instances } = this.#entries.get(name)!.served;
    const count = this.instances(name)?.length ?? (typeof instances === "number" ? instances : 1);
    return (options?.sequences ?? 1) * count;
  }

  /** When a model will be unloaded if nobody asks for it, as `performance.now()` tells; undefined: it is in use, or stays. */
  leavesAt(name: string): number | undefined {
    const entry = this.#entries.get(name)!;
    const stay = this.#stayOf(entry);
    return entry.model === undefined || entry.leases > 0 || stay === Infinity ? undefined : entry.lastUsed + stay;
  }

  /** How many requests use a model. */
  leases(name: string): number {
    return this.#entries.get(name)!.leases;
  }

  /** What a model's file says in its header, without loading the model. It is downloaded where it must be, unless `offline`. */
  async header<Result>(name: string, read: (gguf: Gguf) => Result, offline?: boolean): Promise<Result> {
    const { source: given, options } = this.#entries.get(name)!.served;
    const source = await withoutAlias(given);
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

  /**
   * Loads a model unless it is, and keeps it until the lease is released, and for so long after that. `stay`: default what holds for all.
   *
   * @throws what `loadModel` throws
   */
  async lease(name: string, stay?: Stay): Promise<Lease> {
    const entry = this.#entries.get(name)!;
    clearTimeout(entry.idle);
    entry.leases++;
    entry.stay = stay;
    entry.leaving = false;
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

  /**
   * Unloads a model: at once, or when the requests that use it have ended, unless another one comes before that. Returns whether it is
   * unloaded now.
   */
  async unload(name: string): Promise<boolean> {
    const entry = this.#entries.get(name)!;
    entry.leaving = entry.leases > 0;
    if (entry.leaving) return false;
    await this.#dispose(entry);
    return true;
  }

  /** Forgets a model whose workers have died: the next request loads it anew. */
  async drop(name: string, model: Model): Promise<void> {
    const entry = this.#entries.get(name)!;
    if (entry.model === model) await this.#dispose(entry); // else another request was first
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
      entry.bytes = 0;
      this.#set(entry, "failed", { error });
      throw error;
    }
  }

  /** Where memory is short, models that nobody uses give theirs, the one that was used longest ago first. */
  async #loadMakingRoom(entry: Entry): Promise<Model> {
    const { served } = entry;
    const { name, source, instances } = served;
    const options: LoadOptions = {
      ...served.options,
      onDisturbance: (disturbance) => {
        this.#options.onDisturbance?.(name, disturbance);
        served.options?.onDisturbance?.(disturbance);
      },
    };
    const { pin: _, ...poolOptions } = options; // each instance has processors of its own
    await entry.going;
    await this.#reserve(entry);
    let freed = 0;
    for (;;) {
      try {
        return instances === undefined
          ? await loadModel(source, options)
          : await loadPool(source, { ...poolOptions, instances });
      } catch (error) {
        if (!(error instanceof MemoryError)) throw error;
        if (performance.now() < freed) {
          await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MILLISECONDS));
          continue;
        }
        if (!(await this.#unloadOldest())) throw error;
        freed = performance.now() + FREED_MILLISECONDS;
      }
    }
  }

  /** Makes room for a model within what all may take. @throws MemoryError when requests use the others, or it is larger than that */
  async #reserve(entry: Entry): Promise<void> {
    const { memoryBytes } = this.#options;
    if (memoryBytes === undefined) return;
    const { bytes } = await planServed(entry.served);
    const others = () => [...this.#entries.values()].reduce((sum, one) => sum + (one === entry ? 0 : one.bytes), 0);
    while (others() + bytes > memoryBytes) {
      if (bytes <= memoryBytes && (await this.#unloadOldest())) continue;
      const inUse = others() === 0 ? "" : `, and models in use take ${megabytes(others())} of it`;
      throw new MemoryError(
        "MEMORY_EXCEEDED",
        `the model "${entry.served.name}" takes ${megabytes(bytes)}; all models may take ${megabytes(memoryBytes)}${inUse}`,
      );
    }
    entry.bytes = bytes;
  }

  /** Unloads the model that was used longest ago, unless requests use all of them. Returns whether there was one. */
  async #unloadOldest(): Promise<boolean> {
    const unused = [...this.#entries.values()].filter(({ model, leases }) => model !== undefined && leases === 0);
    const [oldest] = unused.toSorted((a, b) => a.lastUsed - b.lastUsed);
    if (oldest === undefined) return false;
    await this.#dispose(oldest);
    return true;
  }

  /** The last request for a model may have ended. */
  #whenIdle(entry: Entry): void {
    if (entry.leases > 0 || entry.model === undefined) return;
    const stay = entry.leaving ? 0 : this.#stayOf(entry);
    clearTimeout(entry.idle);
    if (stay === 0) void this.#dispose(entry);
    if (stay === 0 || stay === Infinity) return;
    entry.idle = setTimeout(() => void this.#dispose(entry), Math.min(stay, LONGEST_TIMEOUT));
    entry.idle.unref();
  }

  #stayOf({ stay }: Entry): Stay {
    return stay ?? this.#options.idleMilliseconds ?? Infinity;
  }

  /** Unloads a model that nobody uses. */
  async #dispose(entry: Entry): Promise<void> {
    const { model } = entry;
    this.#unload(entry);
    const gone = async () => {
      await model?.dispose();
      if (model !== undefined) void collected(new WeakRef(model));
      entry.bytes = 0;
    };
    entry.going = gone();
    await entry.going;
  }

  #unload(entry: Entry): void {
    clearTimeout(entry.idle);
    entry.leaving = false;
    if (entry.model === undefined) return;
    entry.model = undefined;
    entry.loading = undefined;
    this.#set(entry, "unloaded");
  }

  #set(entry: Entry, state: ModelState, detail: { milliseconds?: number; error?: unknown } = {}): void {
    entry.state = state;
    this.#options.onState?.(entry.served.name, state, detail);
  }
}

function megabytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}
