// Texts repeat their words: remembers the ids of short words, up to a fixed number of them.

/** Words up to this many UTF-16 units are remembered. */
const LONGEST_WORD = 32;
const MOST_WORDS = 16384;

/** Appends the ids of a word to `output`. */
export type WordEncoder = (word: string, output: number[]) => void;

/** The same encoder with a memory. */
export function remembering(encode: WordEncoder): WordEncoder {
  const cache = new Map<string, readonly number[]>();
  return (word, output) => {
    if (word.length > LONGEST_WORD) {
      encode(word, output);
      return;
    }
    let ids = cache.get(word);
    if (ids === undefined) {
      const fresh: number[] = [];
      encode(word, fresh);
      ids = fresh;
      if (cache.size >= MOST_WORDS) cache.clear();
      cache.set(word, ids);
    }
    for (const id of ids) output.push(id);
  };
}
