// The index: the chunks and their vectors, in two files of a folder. It is made once, and again when the documents or the embedder change.

import { createHash } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { loadVectors, saveVectors, topK } from "cria";

/**
 * @param {string} folder where it is kept
 * @param {import("./chunks.mjs").Chunk[]} chunks
 * @param {{ name: string, embedDocuments: (texts: string[]) => Promise<Float32Array[]> }} embedder vectors of different embedders cannot
 *   be compared, so its name counts
 */
export async function openIndex(folder, chunks, embedder) {
  const made = createHash("sha256")
    .update(JSON.stringify([embedder.name, chunks]))
    .digest("hex");
  const paths = { chunks: join(folder, "chunks.json"), vectors: join(folder, "vectors.npy") };
  const kept = await readFile(paths.chunks, "utf8").then(JSON.parse, () => undefined);
  if (kept?.made === made) return { chunks, vectors: await loadVectors(paths.vectors) };
  const vectors = await embedder.embedDocuments(chunks.map(({ text }) => text));
  await mkdir(folder, { recursive: true });
  await saveVectors(paths.vectors, vectors); // first: chunks.json says that both are there
  await writeFile(paths.chunks, JSON.stringify({ made, chunks }, null, 1));
  return { chunks, vectors };
}

/** The chunks that are nearest to a question, the best first. */
export function search({ chunks, vectors }, question, k) {
  return topK(question, vectors, k)
    .filter(({ score }) => score > 0)
    .map(({ index, score }) => ({ ...chunks[index], score }));
}
