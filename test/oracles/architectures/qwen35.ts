import type { OracleCases } from "./case.js";

export const hybrid = {
  "attention.head_count": 4,
  "attention.head_count_kv": 2,
  "rope.dimension_count": 8,
  "rope.dimension_sections": [2, 1, 1, 0],
  "rope.freq_base": 1e4,
  "ssm.conv_kernel": 4,
  "ssm.state_size": 16,
  "ssm.group_count": 2,
  "ssm.time_step_rank": 4,
  "ssm.inner_size": 64,
};

export const cases: OracleCases = {
  "twice as many heads of values": { keys: hybrid },
  "an output matrix, and every second layer attends": {
    keys: { ...hybrid, full_attention_interval: 2, "ssm.group_count": 4 },
    has: (name) => name === "output.weight",
  },
};
