const DEMO_MODEL = "../../models/cria-demo-Q4_K_S.gguf";

/**
 * The tiny model that ships with this package, for first steps and tests: `loadModel(demoModel)`. It tells short stories, does
 * sums, and knows some animals and what a baby llama is called (2.9 million parameters, 1.8 MB, context 512).
 *
 * A bundler that has moved this package's code leaves the file behind: then loading it fails with GGUF_NOT_FOUND or GGUF_SOURCE.
 */
export const demoModel: URL = demoModelBeside(import.meta.url);

/**
 * The URL is not written as `new URL("...", import.meta.url)`: bundlers that look for that would ship the model with each page.
 *
 * @param code where this code lies; undefined in programs that are bundled into CommonJS, which import this package all the same
 */
function demoModelBeside(code: string | undefined): URL {
  return code === undefined ? new URL("demo-model://not-in-this-bundle") : new URL(DEMO_MODEL, code);
}
