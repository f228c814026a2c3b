// What an architecture is to the rest of the program: its hyperparameters, the weights it has, and its forward pass.

import type { Hyperparameters } from "../hyperparameters.js";
import type { KeyReader } from "../key-reader.js";
import type { Pass } from "../pass.js";
import type { WeightSpec } from "../plan/weight-specs.js";

export interface Architecture {
  /**
   * Reads what the file says of the model's shape.
   * @throws GgufError for a missing or impossible value, UnsupportedError for a variant that the engine does not run
   */
  hyperparameters(reader: KeyReader): Hyperparameters;
  /** Weights in the order in which a forward pass reads them. */
  weights(hyperparameters: Hyperparameters, has: (name: string) => boolean): readonly WeightSpec[];
  /** One step, executed by every worker of the team. */
  forward(pass: Pass): void;
}
