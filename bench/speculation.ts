// What speculation saves: the same generations without guesses and with them, in turns, and whether the texts are equal.
//
//   npm run build && npx tsc -p bench/tsconfig.json
//   node build/bench/speculation.js [-m model.gguf] [--draft draft.gguf] [--task NAME] [-n 200] [-t 2] [-r 5]
//
// With a model of random weights, which would say nothing that repeats anything, `--forced` has a grammar force the texts, token by token
// as their longest pieces: each step takes what it would take if the model wrote them. Without it the model says what it says: the tasks
// are then the demo model's.

import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { demoModel, type GenerateOptions, loadModel, type Model } from "cria";

const { values } = parseArgs({
  options: {
    m: { type: "string", short: "m" },
    draft: { type: "string" },
    task: { type: "string" },
    forced: { type: "boolean", default: false },
    n: { type: "string", short: "n", default: "200" },
    t: { type: "string", short: "t", default: "2" },
    r: { type: "string", short: "r", default: "5" },
  },
});
const [tokens, threads, rounds] = [values.n, values.t, values.r].map(Number) as [number, number, number];

interface Task {
  readonly name: string;
  readonly prompt: string | readonly number[];
  readonly options: GenerateOptions;
}

/** Of the demo model: it answers the same question alike, and tells a story that nobody has told before. */
function demoTasks(model: Model): readonly Task[] {
  const story =
    "Once upon a time, there was a cheerful penguin named Jonas who lived in a valley. One day, Jonas found a red kite in " +
    "the grass. Jonas was very happy. He showed the kite to his friend Mia. They played until the sun went down.\n";
  const bias = Object.fromEntries([...model.tokenizer.endOfGenerationIds].map((id) => [id, Number.NEGATIVE_INFINITY]));
  return [
    { name: "the same story again", prompt: story.repeat(3), options: { temperature: 0, logitBias: bias } },
    { name: "a story, greedy", prompt: "Once upon a time", options: { temperature: 0, logitBias: bias } },
    { name: "a story, sampled", prompt: "Once upon a time", options: { temperature: 0.8, seed: 1, logitBias: bias } },
  ];
}

const read = (path: string) => readFileSync(path, "utf8");

/** Texts of this repository: a file that is edited, an answer that quotes its document, and texts that repeat nothing. */
function forcedTasks(model: Model): readonly Task[] {
  const code = read("src/sampling/sampler.ts").split("\n").slice(36, 92).join("\n");
  const edited = code
    .replaceAll("#edited", "#biased")
    .replaceAll("steps", "samplers")
    .replace("get seed", "/** Not checked again. */\n  get seed");
  const manual = read("docs/sampling.md").split("\n").slice(0, 60).join("\n");
  const sentences = manual.split("\n\n");
  const answer =
    `There are two parts to this. First, the manual says: "${sentences[1]}" In other words, a seed is all that you have to ` +
    `keep. Then it goes on: "${sentences[3]}" So set it, write it down, and compare.`;
  const other = read("src/hub/partial-file.ts").split("\n").slice(20, 90).join("\n");
  const prose = read("docs/threads-and-memory.md").slice(200, 2200);
  const pieces = new Pieces(model);
  const task = (name: string, prompt: string, text: string): Task => {
    const ids = pieces.split(text).slice(0, tokens);
    const said = ids.map((id) => pieces.textOf(id)).join("");
    return {
      name,
      prompt: pieces.split(prompt),
      options: { temperature: 0, grammar: `root ::= ${JSON.stringify(said)}`, logitBias: pieces.biasFor(said) },
    };
  };
  return [
    task("code, edited", `${code}\n\nRename #edited and steps:\n\n`, edited),
    task("an answer with quotes", `${manual}\n\nHow do I get the same text again?\n\n`, answer),
    task("other code", `${code}\n\nNow a file that is downloaded in parts:\n\n`, other),
    task("prose", `${code}\n\nNow some prose:\n\n`, prose),
  ];
}

/** The pieces of a vocabulary by their texts. */
class Pieces {
  readonly #ids = new Map<string, number>();
  readonly #texts: string[] = [];

  constructor({ tokenizer }: Model) {
    for (let id = 0; id < tokenizer.vocabularySize; id++) {
      const text = tokenizer.isSpecial(id)
        ? ""
        : tokenizer.decode([tokenizer.encode("a", { bos: false })[0]!, id]).slice(1);
      this.#texts.push(text);
      if (text !== "" && !text.includes("\ufffd") && !this.#ids.has(text)) this.#ids.set(text, id);
    }
  }

  textOf(id: number): string {
    return this.#texts[id]!;
  }

  /** A text's longest pieces, one after another. */
  split(text: string): number[] {
    const ids: number[] = [];
    for (let at = 0; at < text.length; ) {
      const id = this.#longest(text, at);
      ids.push(id);
      at += this.#texts[id]!.length;
    }
    return ids;
  }

  /** Longer pieces are likelier than any model could make shorter ones. */
  biasFor(text: string): Map<number, number> {
    const bias = new Map<number, number>();
    for (let at = 0; at < text.length; at++) {
      for (let end = at + 1; end <= Math.min(text.length, at + 40); end++) {
        const id = this.#ids.get(text.slice(at, end));
        if (id !== undefined) bias.set(id, 1000 * (end - at));
      }
    }
    return bias;
  }

  #longest(text: string, at: number): number {
    for (let end = Math.min(text.length, at + 40); end > at; end--) {
      const id = this.#ids.get(text.slice(at, end));
      if (id !== undefined) return id;
    }
    throw new Error(`no piece for ${JSON.stringify(text[at])}`);
  }
}

const median = (numbers: readonly number[]) => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)]!;

async function measure(model: Model, task: Task, speculate: "lookup" | "draft"): Promise<void> {
  const once = async (how: "off" | "lookup" | "draft") => {
    const {
      timings,
      usage,
      tokens: made,
    } = await model.complete(task.prompt, {
      ...{ maxTokens: tokens, ...task.options },
      speculate: how,
    });
    return { speed: timings.decodeTokensPerSecond, usage, made: made.join(" ") };
  };
  await once("off");
  await once(speculate);
  const speeds: { plain: number; guessed: number; ratio: number }[] = [];
  let same = true;
  let last: Awaited<ReturnType<typeof once>> | undefined;
  for (let round = 0; round < rounds; round++) {
    const first = round % 2 === 0 ? "off" : speculate;
    const one = await once(first);
    const two = await once(first === "off" ? speculate : "off");
    const [plain, guessed] = first === "off" ? [one, two] : [two, one];
    speeds.push({ plain: plain.speed, guessed: guessed.speed, ratio: guessed.speed / plain.speed });
    same &&= plain.made === guessed.made;
    last = guessed;
    process.stderr.write(`${plain.speed.toFixed(1)} ${guessed.speed.toFixed(1)} tokens/s\n`);
  }
  const { draftedTokens = 0, acceptedTokens = 0, completionTokens } = last!.usage;
  const of = (pick: (one: (typeof speeds)[number]) => number) => median(speeds.map(pick));
  console.log(
    `| ${task.name} | ${speculate} | ${completionTokens} | ${draftedTokens} | ${acceptedTokens} | ` +
      `${of(({ plain }) => plain).toFixed(1)} | ${of(({ guessed }) => guessed).toFixed(1)} | ` +
      `${of(({ ratio }) => ratio).toFixed(2)} | ${same ? "the same" : "DIFFERENT"} |`,
  );
}

const model = await loadModel(values.m ?? demoModel, {
  ...{ threads, contextSize: values.m === undefined ? 512 : 2048, sequences: 1 },
  ...(values.draft !== undefined && { speculate: { draft: values.draft } }),
});
console.log(`${model.info.name}, ${model.info.kernels}, ${threads} threads, ${process.version}; median of ${rounds}`);
console.log("| task | guesses | tokens | guessed | right | tokens/s without | with | ratio | text |");
console.log("|---|---|---|---|---|---|---|---|---|");
const tasks = (values.forced ? forcedTasks : demoTasks)(model);
for (const task of tasks.filter(({ name }) => values.task === undefined || name === values.task)) {
  await measure(model, task, values.draft === undefined ? "lookup" : "draft");
}
await model.dispose();
