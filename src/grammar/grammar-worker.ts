// The grammar worker's entry: grammars are compiled here, so that a large schema stalls neither the caller's thread nor a running stream.

import { CriaError } from "../errors.js";
import { posted } from "../posted-error.js";
import { workerStart, yieldToOthers } from "../worker-handle.js";
import type { GrammarAnswer, GrammarJob } from "./grammar-jobs.js";
import { compileSource } from "./grammar-source.js";
import { vocabularyTables } from "./vocabulary.js";

// There is no `await` at the top level: bundlers copy this file as it is, and some hosts then read it as a script.
void begin();

async function begin(): Promise<void> {
  const { port } = await workerStart();
  await yieldToOthers();
  port.onMessage((message) => port.postMessage(answerTo(message as GrammarJob)));
}

function answerTo(job: GrammarJob): GrammarAnswer {
  try {
    const result =
      job.name === "compile" ? compileSource(job.given.source, job.given.controls) : vocabularyTables(job.given);
    return { id: job.id, result };
  } catch (error) {
    const known = error instanceof CriaError ? error : new CriaError("GRAMMAR_WORKER", String(error));
    return { id: job.id, error: posted(known) };
  }
}
