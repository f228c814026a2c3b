// What an instance of a pool most likely holds in its KV cache: the texts that it was given, in full pages, the last ones that fit. The
// instance itself decides what stays; to be wrong costs time, never a result.

import { PAGE } from "#abi";

export class HeldTexts {
  readonly #mostPages: number;
  /** Of each page, by its tokens and the serial number of the page before it. The page unused for the longest time comes first. */
  readonly #pages = new Map<string, number>();
  #nextSerial = 1;

  constructor(mostPages: number) {
    this.#mostPages = mostPages;
  }

  /** How many tokens at the beginning of a text are held. */
  match(ids: ArrayLike<number>): number {
    return this.#walk(ids).length * PAGE;
  }

  /** The instance has been given a text. */
  add(ids: ArrayLike<number>): void {
    const held = this.#walk(ids);
    let serial = held.at(-1)?.serial ?? 0;
    for (let at = held.length * PAGE; at + PAGE <= ids.length; at += PAGE) {
      const key = keyOf(serial, ids, at);
      serial = this.#nextSerial++;
      held.push({ key, serial });
    }
    // The end of a text is given away before its beginning.
    for (const { key, serial } of held.reverse()) {
      this.#pages.delete(key);
      this.#pages.set(key, serial);
    }
    for (const key of this.#pages.keys()) {
      if (this.#pages.size <= this.#mostPages) break;
      this.#pages.delete(key);
    }
  }

  clear(): void {
    this.#pages.clear();
  }

  #walk(ids: ArrayLike<number>): { readonly key: string; readonly serial: number }[] {
    const found: { key: string; serial: number }[] = [];
    let before = 0;
    for (let at = 0; at + PAGE <= ids.length; at += PAGE) {
      const key = keyOf(before, ids, at);
      const serial = this.#pages.get(key);
      if (serial === undefined) break;
      found.push({ key, serial });
      before = serial;
    }
    return found;
  }
}

function keyOf(before: number, ids: ArrayLike<number>, first: number): string {
  let key = `${before}`;
  for (let i = first; i < first + PAGE; i++) key += `,${ids[i]}`;
  return key;
}
