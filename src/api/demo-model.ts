/**
 * The tiny model that ships with this package, for first steps and tests: `loadModel(demoModel)`. It tells short stories, does
 * sums, and knows some animals and what a baby llama is called (2.9 million parameters, 1.8 MB, context 512).
 */
export const demoModel = new URL("../../models/cria-demo-Q4_K_S.gguf", import.meta.url);
