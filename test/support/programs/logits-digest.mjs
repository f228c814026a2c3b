// Prints a digest of a model's logits for each build of the kernels and each type of cache:
// `node logits-digest.mjs MODEL 1,2,3 simd,relaxed f32,f16`. The same numbers must come out on every Node.

import { createHash } from "node:crypto";
import { loadModel } from "cria";

const [path, ids, builds, caches] = process.argv
  .slice(2)
  .map((argument, i) => (i === 0 ? argument : argument.split(",")));
for (const build of builds) {
  process.env.CRIA_KERNELS = build;
  for (const kvCache of caches) {
    const model = await loadModel(path, { threads: 2, kvCache });
    const sequence = model.createSequence();
    const digest = createHash("sha256");
    const tokens = ids.map(Number);
    // A prompt as such, and then token by token: both kinds of matmul.
    digest.update(await sequence.evaluate(tokens.slice(0, -8), { logits: "all" }));
    for (const token of tokens.slice(-8)) digest.update(await sequence.evaluate([token]));
    console.log(model.info.kernels, kvCache, digest.digest("hex"));
    await model.dispose();
  }
}
