// Prints, for each cache type, a digest of a model's logits: `node logits-digest.mjs MODEL THREADS 1,2,3 f32,f16`. The same numbers
// must come out on every Node.

import { createHash } from "node:crypto";
import { loadModel } from "cria";

const [path, threads, ids, caches] = process.argv.slice(2);
for (const kvCache of caches.split(",")) {
  const model = await loadModel(path, { threads: Number(threads), kvCache });
  const sequence = model.createSequence();
  const digest = createHash("sha256");
  const tokens = ids.split(",").map(Number);
  // A prompt as such, and then token by token: both kinds of matmul.
  const prompt = tokens.slice(0, -8);
  digest.update(await sequence.evaluate(prompt, { logits: "all" }));
  for (const token of tokens.slice(-8)) digest.update(await sequence.evaluate([token]));
  console.log(kvCache, model.info.kernels, digest.digest("hex"));
  await model.dispose();
}
