// Vectors without a model: one element for each word of the documents, larger for rarer words (tf-idf). They find a text that has the
// question's words, and nothing that says it in others: "woods" does not find "forest". A model for embeddings does.

// Words that say nothing of what a text is about.
const EMPTY = new Set(
  (
    "a about an and any are as at be but by can could did do does for from had has have he her here him his how i if in is it its me my no " +
    "not of on one or our she so than that the their them then there they this to was we were what when where which who whose why will " +
    "with you your once upon time"
  ).split(" "),
);

const IRREGULAR = new Map(
  "found find, gave give, kept keep, made make, said say, saw see, sold sell, spoke speak, told tell, took take, went go, won win"
    .split(", ")
    .map((pair) => pair.split(" ")),
);

/** The words of a text that mean something, without their endings: lives, lived and living are one. */
export function wordsOf(text) {
  const words = (text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? []).map((word) => IRREGULAR.get(word) ?? word);
  return words
    .filter((word) => !EMPTY.has(word))
    .map((word) => (word.length > 3 ? word.replace(/(ing|ed|es|s|e)$/, "") : word));
}

/** What is known of the words of some texts. */
export class Keywords {
  #texts;
  /** How many texts have a word. */
  #holders = new Map();

  constructor(texts) {
    this.#texts = texts.length;
    for (const text of texts) {
      for (const word of new Set(wordsOf(text))) this.#holders.set(word, (this.#holders.get(word) ?? 0) + 1);
    }
  }

  /** How much a word tells: a word of every text little, a word of none the most. */
  weight(word) {
    return Math.log(1 + this.#texts / (this.#holders.get(word) ?? 0.5));
  }

  /** A vector for each text. One more element stands for all words that the documents do not have. */
  embed(texts) {
    const places = new Map([...this.#holders.keys()].map((word, place) => [word, place]));
    return texts.map((text) => {
      const vector = new Float32Array(places.size + 1);
      for (const word of wordsOf(text)) vector[places.get(word) ?? places.size] += this.weight(word);
      return vector;
    });
  }

  /** How much of what a question asks for a text speaks of, 0 to 1. */
  share(question, text) {
    const has = new Set(wordsOf(text));
    let [found, all] = [0, 0];
    for (const word of new Set(wordsOf(question))) {
      all += this.weight(word);
      if (has.has(word)) found += this.weight(word);
    }
    return all === 0 ? 0 : found / all;
  }
}
