// From a question and the chunks that were found to an answer and its sources; null: the documents do not say.

import { sentencesOf } from "./chunks.mjs";
import { wordsOf } from "./keywords.mjs";

/**
 * A model that follows instructions reads all chunks, and says itself which of them it has the answer from. The schema leaves it no choice
 * but to name some that it was given, or to say that it found nothing.
 */
export async function answerOf(model, question, chunks) {
  if (chunks.length === 0) return null;
  const numbered = chunks.map(({ text }, i) => `[${i + 1}] ${text}`).join("\n\n");
  const messages = [
    {
      role: "system",
      content:
        "Answer the question from the numbered passages only, in one sentence. If they do not say it, the answer is null and there are " +
        'no sources. Reply as JSON: {"answer": ..., "sources": [numbers of the passages with the answer]}',
    },
    { role: "user", content: `${numbered}\n\nQuestion: ${question}` },
  ];
  const jsonSchema = {
    type: "object",
    properties: {
      answer: { type: ["string", "null"], maxLength: 400 },
      sources: { type: "array", items: { enum: chunks.map((_, i) => i + 1) }, maxItems: chunks.length },
    },
    required: ["answer", "sources"],
  };
  const { text } = await model.completeChat(messages, { jsonSchema, temperature: 0, maxTokens: 200 });
  const { answer, sources } = JSON.parse(text);
  const named = chunks.filter((_, i) => sources.includes(i + 1));
  return answer === null || named.length === 0 ? null : { answer, sources: named };
}

/** A chunk speaks of a question if it has this share of its words, by weight. */
const ENOUGH = 0.6;

/**
 * The demo model cannot follow instructions. What it has learnt is to answer a question after a story, so a chunk is told as one. It is
 * often wrong, and never says so; therefore its answer counts only if every word of it is in the chunk or the question, and every word of
 * the question in the answer. Otherwise the chunk's own sentence is the answer.
 */
export async function answerOfDemo(model, question, chunks, keywords) {
  const chunk = chunks.find(({ text }) => keywords.share(question, text) >= ENOUGH);
  if (chunk === undefined) return null;
  const messages = [
    { role: "user", content: "Tell me a story." },
    { role: "assistant", content: chunk.text },
    { role: "user", content: question },
  ];
  const { text } = await model.completeChat(messages, { temperature: 0, maxTokens: 32 });
  const [said] = sentencesOf(text);
  const known = new Set(wordsOf(`${chunk.text} ${question}`));
  const words = wordsOf(said);
  const holds = words.every((word) => known.has(word)) && wordsOf(question).every((word) => words.includes(word));
  const quoted = sentencesOf(chunk.text).sort((a, b) => keywords.share(question, b) - keywords.share(question, a))[0];
  return { answer: holds ? said : `"${quoted}"`, sources: [chunk] };
}
