import type { OracleCases } from "./case.js";

const named = (pattern: RegExp) => (name: string) => pattern.test(name);

export const cases: OracleCases = {
  "a LoRA adapter on all matrices and the output": {
    has: (name) => name === "output.weight",
    lora: [{ rank: 6, alpha: 12, scale: 0.75, targets: named(/^(blk.*|output\.weight)$/) }],
  },
  "a LoRA adapter in one layer": { lora: [{ rank: 1, alpha: 3, scale: 1, targets: named(/^blk\.2\.ffn_/) }] },
  "two LoRA adapters, on some matrices both": {
    lora: [
      { rank: 8, alpha: 4, scale: 1.5, targets: named(/attn_[qk]\.weight/) },
      { rank: 17, alpha: 34, scale: -0.25, seed: 2, targets: named(/attn_[kv]\.weight|ffn_up/) },
    ],
  },
};
