import type { OracleCases } from "./case.js";
import { hybrid } from "./qwen35.js";
import { experts } from "./qwen35moe.js";

const { "rope.dimension_sections": _, ...plain } = hybrid;

export const cases: OracleCases = {
  "twice as many heads of values": { keys: { ...plain, ...experts } },
};
