// The example of retrieval, as its reader runs it: answers come from the documents, with the right source, and no answer where the documents
// have none.

import { cpSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { runProgram } from "../support/run-program.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const example = new URL("../../examples/rag/", import.meta.url);
const demo = fileURLToPath(new URL("../../models/cria-demo-Q4_K_S.gguf", import.meta.url));
const folder = temporaryFolder();
const documents = folder.path("documents");
cpSync(new URL("documents", example), documents, { recursive: true });

/** What is printed for each question: an answer, and the places that it is from. */
function ask(questions: readonly string[], options: readonly string[] = []) {
  const args = ["--documents", documents, ...options, ...questions];
  const { stdout, stderr } = runProgram(new URL("ask.mjs", example), { args });
  expect(stderr).toBe("");
  const answers: { text: string; from: string[] }[] = [];
  for (const line of stdout.trimEnd().split("\n")) {
    if (line.startsWith("  from ")) answers.at(-1)!.from.push(line.slice("  from ".length));
    else answers.push({ text: line, from: [] });
  }
  return answers;
}

const lineOf = (file: string, words: string) => {
  const lines = readFileSync(join(documents, file), "utf8").split("\n");
  return `${file}, line ${lines.findIndex((line) => line.includes(words)) + 1}`;
};

it("answers from the documents with the right source, or says that they do not say", () => {
  const known: readonly (readonly [question: string, answer: string, file: string, words: string])[] = [
    ["Where does Mia live?", "Mia lives in a forest.", "forest.md", "Mia"],
    ["Where does Ella live?", "Ella lives in a tower.", "forest.md", "Ella"],
    ["Where does Otto live?", "Otto lives on a mountain.", "mountain.md", "Otto"],
    ["Where does Jonas live?", "Jonas lives on an island.", "sea.md", "Jonas"],
    ["What is the name of the dragon?", "The dragon is named Kevin.", "mountain.md", "Kevin"],
    ["What is the name of the robot?", "The robot is named Sam.", "farm.md", "Sam"],
    // What the model says of these is not in the documents, so the documents speak for themselves.
    ["Who is Tom?", '"Once upon a time, there was a friendly llama named Tom who lived on a farm."', "farm.md", "Tom"],
    ["Who sold shells?", '"Lily collected shells, and on Sundays she sold them."', "sea.md", "Lily"],
    ["What did Otto find?", '"Otto found a small seed next to a flower."', "mountain.md", "Otto"],
  ];
  const unknown = [
    "Where does Anna live?",
    "How old is Mia?",
    "What is the capital of France?",
    "How many legs does a spider have?",
  ];
  const answers = ask([...known.map(([question]) => question), ...unknown]);
  const expected = [
    ...known.map(([, text, file, words]) => ({ text, from: [lineOf(file, words)] })),
    ...unknown.map(() => ({ text: "The documents do not say.", from: [] })),
  ];
  expect(answers).toEqual(expected);
});

it("keeps its index, and makes it again when a document has changed", () => {
  const index = join(documents, ".index");
  const kept = () => readFileSync(join(index, "chunks.json"), "utf8");
  const before = kept();
  expect(readdirSync(index).toSorted()).toEqual(["chunks.json", "vectors.npy"]);
  const story = "Once upon a time, there was a kind goat named Anna who lived in a village.\n";
  writeFileSync(join(documents, "village.txt"), story);
  const [answer, same] = ask(["Where does Anna live?", "Where does Mia live?"]);
  expect(answer).toEqual({ text: "Anna lives in a village.", from: ["village.txt, line 1"] });
  expect(same!.from).toEqual([lineOf("forest.md", "Mia")]);
  expect(kept()).not.toBe(before);
});

it("with models that are named: they read all chunks that were found, and name their sources", () => {
  // The demo model makes no sense of either task; what it gives has the form all the same.
  const models = ["--embedder", demo, "--model", demo, "--best", "2", "--chunk", "40"];
  const [answer] = ask(["Where does Mia live?"], models);
  for (const from of answer!.from) expect(from).toMatch(/^\w+\.(md|txt), line \d+$/);
  if (answer!.from.length === 0) expect(answer!.text).toBe("The documents do not say.");
});
