// A draft model: a smaller one whose guesses the model checks. It runs on the model's team, in memories of its own.

import { printable, UnsupportedError } from "../../errors.js";
import type { Gguf } from "../../gguf/index.js";
import type { LoadOptions } from "./load-options.js";
import type { OpenedModel } from "./open-model.js";
import { type PlannedModel, planModel } from "./plan-model.js";

/**
 * Plans a model, and its draft model with it, if there is one: `plan.total` is of both.
 *
 * @throws UnsupportedError DRAFT_MISMATCH when the draft model's vocabulary is another one, and what `planModel` throws
 */
export async function planOpened(
  { gguf, kernels, loras, draft }: Pick<OpenedModel, "gguf" | "kernels" | "loras" | "draft">,
  options: LoadOptions,
): Promise<PlannedModel> {
  const planned = await planModel(gguf, options, kernels, loras);
  if (draft === undefined) return planned;
  checkVocabulary(gguf, draft.gguf);
  const { contextSize, sequences, workers } = planned;
  const drafting = await planModel(
    draft.gguf,
    {
      ...{ contextSize, sequences, prefillChunk: options.prefillChunk },
      // As many as the team has, however small the draft model is.
      ...{ threads: workers.decodeWorkers, threadsBatch: workers.threadsBatch },
    },
    kernels,
  );
  const { causal, recurrence, architecture } = drafting.hyperparameters;
  if (!causal || recurrence !== undefined) {
    const why = causal ? "keeps recurrent state, which cannot go back behind a wrong guess" : "is an encoder";
    throw new UnsupportedError("DRAFT_MISMATCH", `speculate.draft: the draft model (${architecture}) ${why}`);
  }
  const { total } = drafting.plan;
  return { ...planned, draft: drafting, plan: { ...planned.plan, draft: total, total: planned.plan.total + total } };
}

/** Both models must mean the same by a token's number. */
function checkVocabulary(model: Gguf, draft: Gguf): void {
  const [own, drafts] = [model, draft].map(({ metadata }) => metadata.getStrings("tokenizer.ggml.tokens"));
  const [count, draftCount] = [own?.length ?? 0, drafts?.length ?? 0];
  const refuse = (why: string) => {
    throw new UnsupportedError("DRAFT_MISMATCH", `speculate.draft must have the model's vocabulary: ${why}`);
  };
  if (count !== draftCount) refuse(`the model has ${count} tokens, the draft model ${draftCount}`);
  for (let id = 0; id < count; id++) {
    const [text, draftText] = [own!.bytesAt(id), drafts!.bytesAt(id)];
    if (text.length === draftText.length && text.every((byte, i) => byte === draftText[i])) continue;
    const shown = [own!, drafts!].map((table) => printable(JSON.stringify(table.at(id)), 40));
    refuse(`token ${id} is ${shown[0]} in the model, ${shown[1]} in the draft model`);
  }
}
