// What a case of test/teams/numbers/oracle.test.ts is. Each file of this folder but this one has the cases of one architecture.

import type { ArchitectureShape } from "../../support/architecture-model.js";
import type { AdapterShape } from "../../support/lora-adapter.js";

export interface OracleCase {
  /** What the model has besides the keys of oracle.test.ts. */
  readonly keys?: ArchitectureShape["keys"];
  readonly metadata?: ArchitectureShape["metadata"];
  readonly vectors?: ArchitectureShape["vectors"];
  /** Whether the file has a tensor that files may lack. Default: none of them. */
  readonly has?: (name: string) => boolean;
  readonly told?: ArchitectureShape["told"];
  /** Of the random weights. Default 1; another one where routers choose an expert by so little that rounding could decide. */
  readonly seed?: number;
  /** Tokens of the longest text. Default 40. */
  readonly tokens?: number;
  /** How far the F32 model may be from the oracle. Default 2e-5; more where the oracle rounds, which a comment then tells. */
  readonly bar?: number;
  /** LoRA adapters, and what each is multiplied by. */
  readonly lora?: readonly (AdapterShape & { readonly scale: number })[];
  /** An encoder: vectors are compared in place of logits. */
  readonly encoder?: boolean;
}

/** By their names. */
export type OracleCases = Readonly<Record<string, OracleCase>>;

/** Keys of an encoder that is as wide as its heads together. */
export const encoderKeys = {
  "attention.causal": false,
  "attention.head_count_kv": 4,
  "attention.key_length": 16,
  "attention.value_length": 16,
  "rope.dimension_count": 16,
  pooling_type: 1,
} as const;
