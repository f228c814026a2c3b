// The texts whose vectors are made: the same ones for every engine.

/** How many texts, and how long they are: tokens, [CLS] and [SEP] among them, or "mixed", 1 to 32 words whatever tokens they are. */
export interface TextRecipe {
  readonly count: number;
  readonly tokens: "mixed" | readonly [least: number, most: number];
}

const mixedWords = [
  "fox",
  "bear",
  "forest",
  "search",
  "vector",
  "model",
  "river",
  "story",
  "engine",
  "a",
  "of",
  "quickly",
];

// Ordinary prose, so that a word has the length and the frequency that words have.
const prose = `
The old harbour was quiet that morning, and the boats lay close together under a thin grey mist. A woman in a blue coat walked
along the water, counting the steps to the end of the stone wall, where her father had once sold fish and repaired nets. She carried
letters from three countries, a map of the northern islands, and a small box that nobody had opened since the war. At nine o'clock the
ferry came in. Two children ran ahead of the crowd, shouting about the whales they had seen, and an engineer asked the way to the
power station. "Follow the road past the church," she said, "then turn left after the second bridge." He thanked her and left. The
committee would publish its report on energy prices in the afternoon; most people expected little from it. In the market the bakers
sold bread with rosemary and salt, and students from the university discussed how a machine could learn to translate poetry, whether
memory is a kind of search, and why the results of an experiment should always be repeated by somebody else.`;

/** @param countTokens of a text, [CLS] and [SEP] among them */
export function textsOf({ count, tokens }: TextRecipe, countTokens: (text: string) => number): string[] {
  if (tokens === "mixed") return Array.from({ length: count }, (_, text) => mixedText(text));
  const [least, most] = tokens;
  const words = prose.trim().split(/\s+/);
  // Lengths in no order, each as often as the others: 7 and the number of lengths have no common divisor.
  return Array.from({ length: count }, (_, text) =>
    textOfTokens(words, text * 13, least + ((text * 7) % (most - least + 1)), countTokens),
  );
}

/** 1 to 32 words, no two texts alike; a word is one to four tokens of the synthetic vocabulary. */
function mixedText(text: number): string {
  const length = 1 + ((text * 7) % 32);
  const chosen = Array.from(
    { length },
    (_, i) => mixedWords[(text + i * (1 + (text % 5)) + (i >> 2)) % mixedWords.length]!,
  );
  return [...chosen, String(text)].join(" ");
}

/** Words from number `first` on, as many as fit; and then letters, which are one token each. */
function textOfTokens(
  words: readonly string[],
  first: number,
  tokens: number,
  countTokens: (text: string) => number,
): string {
  let text = "";
  for (let i = first; ; i++) {
    const longer = `${text} ${words[i % words.length]}`.trimStart();
    if (countTokens(longer) > tokens) break;
    text = longer;
  }
  while (countTokens(text) < tokens) text = `${text} a`.trimStart();
  return text;
}
