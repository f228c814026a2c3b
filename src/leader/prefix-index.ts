// Which page of the KV cache holds which text: a full page is found again by its 64 tokens and by the page before it, so that a text
// which begins like an earlier one need not be evaluated again.
//
//   page 7 [serial 31]  <-  page 2 [serial 40, after 31]  <-  page 5 [serial 44, after 40]
//
// A serial number stands for what a page holds and all that comes before it. Keys hold the tokens themselves, not a hash of them.

import { PAGE } from "#abi";

export class PrefixIndex {
  readonly #pages = new Map<string, number>();
  /** By page, for the pages in the index. */
  readonly #entries = new Map<number, { readonly key: string; readonly serial: number }>();
  #nextSerial = 1;

  has(page: number): boolean {
    return this.#entries.has(page);
  }

  /** The page of the tokens from `first` on, which come after what page `before` holds. An undefined `before`: the text begins here. */
  find(before: number | undefined, tokens: readonly number[], first: number): number | undefined {
    const key = this.#key(before, tokens, first);
    return key === undefined ? undefined : this.#pages.get(key);
  }

  /** Enters a page, if the one before it is in the index, and no other page holds the same. */
  add(page: number, before: number | undefined, tokens: readonly number[], first: number): void {
    const key = this.#key(before, tokens, first);
    if (key === undefined || this.#pages.has(key)) return;
    this.#pages.set(key, page);
    this.#entries.set(page, { key, serial: this.#nextSerial++ });
  }

  /** The page will hold something else. The pages that come after it can then no longer be found. */
  forget(page: number): void {
    const entry = this.#entries.get(page);
    if (entry === undefined) return;
    this.#pages.delete(entry.key);
    this.#entries.delete(page);
  }

  #key(before: number | undefined, tokens: readonly number[], first: number): string | undefined {
    const serial = before === undefined ? 0 : this.#entries.get(before)?.serial;
    return serial === undefined ? undefined : `${serial}:${tokens.slice(first, first + PAGE).join()}`;
  }
}
