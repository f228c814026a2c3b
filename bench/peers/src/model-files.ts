// The models that are compared: written when they are first needed.

import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { openGguf } from "../../../dist/gguf/index.js";
import { type FileTypeName, quantizeModel } from "../../../dist/quantize/index.js";
import { type Tokenizer, tokenizerFrom } from "../../../dist/tokenizer/index.js";
import type { ModelFiles } from "./rounds.js";
import { textsOf } from "./texts.js";

const root = new URL("../../../", import.meta.url);
// A real WordPiece vocabulary, where the reference data is present; else a synthetic one.
const data = process.env["CRIA_REFERENCE_DATA"] ?? fileURLToPath(new URL("../shared/data", root));
const vocabulary = resolve(data, "tokenizers/ggml-vocab-bert-bge.gguf");

/** @param folder where the models are, or are made */
export function modelFiles(folder: string): ModelFiles {
  const tokenizers = new Map<string, Tokenizer>();

  const fileOf = async (name: string, write: (file: string) => Promise<void> | void): Promise<string> => {
    const file = resolve(folder, `${name}.gguf`);
    if (!existsSync(file)) {
      mkdirSync(folder, { recursive: true });
      await write(file);
    }
    return file;
  };

  const tokenizerOf = async (file: string): Promise<Tokenizer> => {
    let tokenizer = tokenizers.get(file);
    if (tokenizer === undefined) {
      const gguf = await openGguf(file);
      tokenizer = tokenizerFrom(gguf.metadata);
      await gguf.close();
      tokenizers.set(file, tokenizer);
    }
    return tokenizer;
  };

  const isReal = existsSync(vocabulary);
  const encoder = async (shape: string, format: string): Promise<string> =>
    fileOf(`${shape}-${isReal ? "real" : "synthetic"}-words-${format}`, async (file) => {
      if (format === "f32") writeModel(shape, format, file, isReal ? ["--tokenizer", vocabulary] : []);
      else await quantizeModel(await encoder(shape, "f32"), file, { type: format.toUpperCase() as FileTypeName });
    });

  return {
    model: (shape, format) => fileOf(`${shape}-${format}`, (file) => writeModel(shape, format, file)),
    encoder,
    async texts(file, recipe) {
      const tokenizer = await tokenizerOf(file);
      return textsOf(recipe, (text) => tokenizer.encode(text).length);
    },
  };
}

function writeModel(shape: string, format: string, file: string, options: readonly string[] = []): void {
  const script = fileURLToPath(new URL("build/bench/synthetic-model.js", root));
  execFileSync(process.execPath, [script, "--shape", shape, "--format", format, "--output", file, ...options]);
}
