// Compares cria's unigram tokenizer with SentencePiece's answers:
//
//   python3 test/oracles/unigram.py MODEL CORPUS 100000 1 > cases.json
//   node test/oracles/unigram.mjs MODEL cases.json
//
// A third argument names a file for the test's fixture: the model and the cases (test/fixtures/unigram.json has 400 of a model of 1500
// tokens with thirteen rules of normalisation).
//
// SentencePiece sums scores in f32, cria in f64: where two ways to write a text have sums that an f32 cannot tell apart, the two may
// choose differently. Such ties are counted by themselves.

import { readFileSync, writeFileSync } from "node:fs";
import { tokenizerFrom } from "../../dist/tokenizer/index.js";
import { readSentencePieceModel } from "./sentencepiece-model.mjs";

const [model, cases, fixture] = process.argv.slice(2);
const metadata = readSentencePieceModel(model);
const tokenizer = tokenizerFrom(metadata);
const scores = metadata.get("tokenizer.ggml.scores");
const sum = (ids) => ids.reduce((total, id) => total + scores[id], 0);

const counts = { equal: 0, ties: 0, different: 0 };
for (const [text, theirs] of JSON.parse(readFileSync(cases, "utf8"))) {
  const ours = [...tokenizer.encode(text, { bos: false })];
  if (ours.join() === theirs.join()) {
    counts.equal++;
  } else if (Math.abs(sum(ours) - sum(theirs)) < 1e-6 * Math.abs(sum(theirs))) {
    counts.ties++;
  } else {
    if (counts.different++ < 5) console.log(JSON.stringify({ text, ours, theirs }));
  }
}
console.log(counts);
if (counts.different > 0) process.exitCode = 1;
if (fixture !== undefined) {
  const plain = [...metadata].map(([key, value]) => [key, ArrayBuffer.isView(value) ? [...value] : value]);
  writeFileSync(fixture, JSON.stringify({ metadata: plain, cases: JSON.parse(readFileSync(cases, "utf8")) }));
}
