import type { OracleCases } from "./case.js";
import { hybrid } from "./qwen35.js";

export const experts = {
  expert_count: 6,
  expert_used_count: 2,
  expert_feed_forward_length: 32,
  expert_shared_feed_forward_length: 64,
};

export const cases: OracleCases = {
  "2 of 6 experts and a shared one": { keys: { ...hybrid, ...experts } },
};
