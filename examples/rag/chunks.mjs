// Documents, cut into chunks: the pieces that are searched, and shown to the model. A chunk should mean one thing, so it ends where a
// paragraph does; only a paragraph that is longer than a chunk is cut between sentences.

import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

/**
 * @typedef {{ file: string, line: number, text: string }} Chunk `line` is the first of its lines in the file, from 1
 *
 * @param {string} folder of .md and .txt files
 * @param {(text: string) => number} count a text's tokens, as `model.tokenizer.count` gives them
 * @param {number} most tokens of a chunk
 * @returns {Promise<Chunk[]>}
 */
export async function chunksIn(folder, count, most) {
  const chunks = [];
  for (const file of (await readdir(folder)).filter((name) => /\.(md|txt)$/.test(name)).sort()) {
    const text = await readFile(join(folder, file), "utf8");
    for (const paragraph of paragraphsOf(text)) {
      for (const piece of piecesOf(paragraph.text, count, most))
        chunks.push({ file, line: paragraph.line, text: piece });
    }
  }
  return chunks;
}

/** Paragraphs stand between empty lines. Headings are left out: they would be found for every word in them, and answer nothing. */
function* paragraphsOf(text) {
  for (const { 0: lines, index } of text.matchAll(/(?:^.*\S.*$\n?)+/gm)) {
    const joined = lines
      .replace(/^#+ .*$/gm, "")
      .replace(/\s+/g, " ")
      .trim();
    if (joined !== "") yield { line: text.slice(0, index).split("\n").length, text: joined };
  }
}

/** A paragraph, or as many of its sentences at a time as fit. */
function* piecesOf(paragraph, count, most) {
  let piece = "";
  for (const sentence of sentencesOf(paragraph)) {
    const longer = piece === "" ? sentence : `${piece} ${sentence}`;
    if (piece !== "" && count(longer) > most) {
      yield piece;
      piece = sentence;
    } else {
      piece = longer;
    }
  }
  yield piece;
}

export const sentencesOf = (text) => text.split(/(?<=[.!?]["”]?)\s+/);
