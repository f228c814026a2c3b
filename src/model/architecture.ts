// What an architecture is to the rest of the program: the weights it has, and its forward pass.

import type { Hyperparameters } from "./hyperparameters.js";
import type { Run } from "./run.js";

/** One weight that an architecture looks for. Shapes are (rows, columns): GGUF's order turned round. */
export interface WeightSpec {
  readonly name: string;
  /**
   * matrix: packed, multiplied. embedding: stays in the file's layout, rows are looked up. vector: f32, used as it is.
   */
  readonly role: "matrix" | "embedding" | "vector";
  readonly rows: number;
  readonly columns: number;
  readonly optional?: boolean;
}

export interface Architecture {
  /** Weights in the order in which a forward pass reads them. */
  weights(hyperparameters: Hyperparameters, has: (name: string) => boolean): readonly WeightSpec[];
  /** One step, executed by every worker of the team. */
  forward(run: Run): void;
}
