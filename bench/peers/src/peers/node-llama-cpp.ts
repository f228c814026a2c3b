// node-llama-cpp: llama.cpp as a native addon, with its prebuilt CPU backends. It takes the fastest one that the processor can run.

import { readFileSync } from "node:fs";
import { getLlama, type LlamaContext, type LlamaContextSequence, type Token } from "node-llama-cpp";
import { type ModelSubject, type Peer, promptIds, ratePerSecond, unsupported } from "../peer.js";

const manifest = JSON.parse(
  readFileSync(new URL("../../node_modules/node-llama-cpp/package.json", import.meta.url), "utf8"),
);

export const peer: Peer<ModelSubject> = {
  name: "node-llama-cpp",
  version: manifest.version,

  async prepare({ file, threads, contextSize, sequences }) {
    const llama = await getLlama({ gpu: false, build: "never", skipDownload: true });
    const model = await llama.loadModel({ modelPath: file });
    const context = await model.createContext({
      contextSize,
      sequences,
      threads,
      batching: sequences > 1 ? { dispatchSchedule } : undefined,
    });
    let deep: LlamaContextSequence | undefined;
    return {
      details: llama.systemInfo.trim(),
      async run(test) {
        // An empty sequence each time: nothing of the run before is reused.
        if (test.kind === "prefill") return timed(context, [promptIds(test.count)], 1, test.count);
        if (test.kind !== "decode") return unsupported(test);
        const { count, depth } = test;
        if (depth !== undefined) {
          deep ??= await sequenceOf(context, depth);
          return timedAtDepth(deep, depth, count);
        }
        const prompts = promptIds(sequences).map((id) => [id]);
        return timed(context, prompts, count, count * sequences);
      },
    };
  },
};

/**
 * A batch goes off at once when every sequence has its token in it. By default it goes off as soon as a few have, and eight sequences
 * are then slower than one; so those that wait are given this long.
 */
function dispatchSchedule(dispatch: () => void): void {
  setTimeout(dispatch, 50);
}

/** The rate of evaluating the prompts, each in a sequence of its own, and generating `generated` tokens after each. */
async function timed(context: LlamaContext, prompts: number[][], generated: number, counted: number): Promise<number> {
  const sequences = prompts.map(() => context.getSequence());
  const rate = await ratePerSecond(counted, () =>
    Promise.all(
      sequences.map(async (sequence, i) => {
        let tokens = 0;
        for await (const _ of sequence.evaluate(prompts[i] as Token[], { temperature: 0, yieldEogToken: true })) {
          if (++tokens === generated) break;
        }
        if (tokens !== generated) throw new Error(`${tokens} tokens instead of ${generated}`);
      }),
    ),
  );
  for (const sequence of sequences) await sequence.dispose();
  return rate;
}

/** A sequence that holds a prompt of `depth` tokens, except for the last one. */
async function sequenceOf(context: LlamaContext, depth: number): Promise<LlamaContextSequence> {
  const sequence = context.getSequence();
  await sequence.evaluateWithoutGeneratingNewTokens(promptIds(depth - 1) as Token[]);
  return sequence;
}

/** The rate of `count` tokens after the first one that follows a prompt of `depth` tokens. The sequence is then as it was before. */
async function timedAtDepth(sequence: LlamaContextSequence, depth: number, count: number): Promise<number> {
  const last = promptIds(depth).slice(-1) as Token[];
  let [tokens, begin] = [0, 0];
  for await (const _ of sequence.evaluate(last, { temperature: 0, yieldEogToken: true })) {
    if (tokens++ === 0) begin = performance.now();
    if (tokens > count) break;
  }
  const rate = (1000 * count) / (performance.now() - begin);
  if (tokens !== count + 1) throw new Error(`${tokens} tokens instead of ${count + 1}`);
  await sequence.eraseContextTokenRanges([{ start: depth - 1, end: sequence.nextTokenIndex }]);
  return rate;
}
