// What a model's file says of it, for the lists of models: read from the header, so that asking for a list loads no model.

import { createHash } from "node:crypto";
import type { Gguf, GgufMetadata } from "../gguf/index.js";
import type { Catalog } from "./catalog.js";

/** What a model can do, in Ollama's words; "rerank" is not one of them. */
export type Capability = "completion" | "tools" | "thinking" | "embedding" | "rerank";

export interface ModelCard {
  /** Of all parts of the file. */
  readonly bytes: number;
  readonly modified: Date;
  /** 64 hexadecimal digits: another one where the file is another one. It is not the digest of its bytes, which may be many. */
  readonly digest: string;
  readonly architecture: string;
  /** `general.basename`, or else `general.name`. */
  readonly title: string | undefined;
  readonly parameters: number;
  /** The format of most weights. */
  readonly format: string;
  /** Positions that the model was trained for. */
  readonly contextLength: number | undefined;
  readonly embeddingLength: number | undefined;
  readonly template: string | undefined;
  readonly licence: string | undefined;
  readonly capabilities: readonly Capability[];
  /** The numbers, texts and truths of the header, except the tokenizer's. */
  readonly metadata: Readonly<Record<string, string | number | boolean>>;
}

const RANK = 4;

/** The cards of a catalog's models. Each file is read once. */
export class ModelCards {
  readonly #catalog: Catalog;
  readonly #cards = new Map<string, Promise<ModelCard>>();

  constructor(catalog: Catalog) {
    this.#catalog = catalog;
  }

  /** The card. The file is downloaded where it must be. @throws what opening it throws */
  async card(name: string, offline?: boolean): Promise<ModelCard> {
    const card = this.#cards.get(name) ?? this.#catalog.header(name, cardOf, offline);
    this.#cards.set(name, card);
    card.catch(() => this.#cards.delete(name)); // it may be there the next time
    return card;
  }

  /** The card; undefined: the file is not here, or cannot be read. */
  async cardAtHand(name: string): Promise<ModelCard | undefined> {
    return this.card(name, true).catch(() => undefined);
  }
}

export function cardOf({ metadata, parts, tensors }: Gguf): ModelCard {
  const architecture = metadata.getString("general.architecture") ?? "unknown";
  const number = (key: string) => metadata.getNumber(`${architecture}.${key}`);
  const elements = new Map<string, number>();
  for (const { type, shape } of tensors) {
    const count = shape.reduce((product, size) => product * size, 1);
    elements.set(type, (elements.get(type) ?? 0) + count);
  }
  const most = [...elements].toSorted((a, b) => b[1] - a[1])[0];
  const modified = Math.max(...parts.map((part) => part.modified ?? 0));
  const file = parts.map(({ name, size }) => `${name}:${size}`).join(" ");
  const template = metadata.getString("tokenizer.chat_template");
  return {
    bytes: parts.reduce((sum, { size }) => sum + size, 0),
    modified: new Date(modified),
    digest: createHash("sha256").update(`${file} ${modified}`).digest("hex"),
    architecture,
    title: metadata.getString("general.basename") ?? metadata.getString("general.name"),
    parameters: [...elements.values()].reduce((sum, count) => sum + count, 0),
    format: most?.[0] ?? "unknown",
    contextLength: number("context_length"),
    embeddingLength: number("embedding_length"),
    template,
    licence: metadata.getString("general.license"),
    capabilities: capabilitiesOf(metadata, architecture, template),
    metadata: scalarsOf(metadata),
  };
}

function capabilitiesOf(metadata: GgufMetadata, architecture: string, template = ""): readonly Capability[] {
  if (metadata.getNumber(`${architecture}.pooling_type`) === RANK) return ["rerank"];
  if (metadata.get(`${architecture}.attention.causal`) === false) return ["embedding"];
  const words: readonly (readonly [Capability, RegExp])[] = [
    ["tools", /\b(tools|tool_calls|functions)\b/],
    ["thinking", /think|reasoning/i],
  ];
  return ["completion", ...words.filter(([, word]) => word.test(template)).map(([capability]) => capability)];
}

function scalarsOf(metadata: GgufMetadata): ModelCard["metadata"] {
  const scalars: Record<string, string | number | boolean> = {};
  for (const [key, value] of metadata) {
    if (key.startsWith("tokenizer.")) continue;
    if (typeof value === "bigint") scalars[key] = Number(value);
    else if (typeof value === "string" || typeof value === "number" || typeof value === "boolean") scalars[key] = value;
  }
  return scalars;
}
