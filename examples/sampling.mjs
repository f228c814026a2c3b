// The low level: logits, a sampling of your own, and two texts that share their beginning. `node examples/sampling.mjs [model.gguf]`

import { demoModel, loadModel } from "cria";

const model = await loadModel(process.argv[2] ?? demoModel, { sequences: 2 });
const { tokenizer } = model;

/** The id of the k-th largest logit; k = 0 is the most likely token. */
const largest = (logits, k) => [...logits.keys()].sort((a, b) => logits[b] - logits[a])[k];

const prompt = "Once upon a time, there was a";
const first = model.createSequence();
const logits = await first.evaluate(tokenizer.encode(prompt)); // (1, vocabulary)
const second = first.fork(); // shares the cache of the prompt

// One goes on with the most likely token, the other with the runner-up; both are greedy from there.
for (const [sequence, choice] of [
  [first, 0],
  [second, 1],
]) {
  const ids = [largest(logits, choice)];
  while (ids.length < 20) ids.push(largest(await sequence.evaluate([ids.at(-1)]), 0));
  console.log(prompt + tokenizer.decode(ids));
  sequence.dispose();
}

await model.dispose();
