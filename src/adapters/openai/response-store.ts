// The responses that were answered last: what `previous_response_id` and `item_reference` name, and GET /v1/responses/{id} gives.

import type { Response as ResponseBody, ResponseOutputItem } from "openai/resources/responses/responses";

/** Characters that one stored response may add: all that are kept are a few times as many bytes. */
const MOST_CHARACTERS = 2 ** 25;

/** A response, and the conversation up to it: the items of its input and of its output. */
export interface StoredResponse {
  readonly body: ResponseBody;
  readonly items: readonly unknown[];
}

interface Kept extends StoredResponse {
  readonly characters: number;
}

export class ResponseStore {
  readonly #most: number;
  readonly #responses = new Map<string, Kept>();
  readonly #items = new Map<string, ResponseOutputItem>();
  #characters = 0;

  /** @param most Responses that are kept; 0: none */
  constructor(most: number) {
    this.#most = most;
  }

  /** Keeps a response. Those that were kept first go where there are too many, or where they are too long. */
  add(stored: StoredResponse): void {
    const characters = JSON.stringify(stored.items).length;
    if (this.#most === 0 || characters > MOST_CHARACTERS) return;
    this.#responses.set(stored.body.id, { ...stored, characters });
    for (const item of stored.body.output) if (typeof item.id === "string") this.#items.set(item.id, item);
    this.#characters += characters;
    for (const id of this.#responses.keys()) {
      if (this.#responses.size <= this.#most && this.#characters <= MOST_CHARACTERS) return;
      this.delete(id);
    }
  }

  get(id: string): StoredResponse | undefined {
    return this.#responses.get(id);
  }

  /** An item of the output of a response that is kept. */
  item(id: string): ResponseOutputItem | undefined {
    return this.#items.get(id);
  }

  delete(id: string): boolean {
    const kept = this.#responses.get(id);
    if (kept === undefined) return false;
    this.#responses.delete(id);
    this.#characters -= kept.characters;
    for (const item of kept.body.output) if (typeof item.id === "string") this.#items.delete(item.id);
    return true;
  }
}
