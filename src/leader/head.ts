// Runs a model's head: pooled hidden states to embeddings, or to scores. The leader does it alone, between two steps.

import { GROUP_ROWS } from "#abi";
import type { HeadShape } from "../model/head.js";
import type { PlacedWeight } from "../model/plan/memory-plan.js";
import type { WorkerShard } from "../model/plan/shard.js";
import type { Pooling } from "../protocol/pooling.js";
import type { Program } from "../protocol/program.js";
import { exp } from "../sampling/exponential.js";

interface Layer {
  readonly weight: PlacedWeight;
  readonly bias: PlacedWeight | undefined;
}

export class Head {
  /** From which hidden states scores are read. */
  readonly scored: HeadShape["scored"];
  readonly #answers: boolean;
  readonly #pooler: (x: number) => number;
  readonly #norm: PlacedWeight | undefined;
  readonly #normEpsilon: number;
  readonly #dimensions: number;
  readonly #scores: number;
  readonly #embedding: readonly Layer[];
  readonly #ranking: readonly Layer[];
  readonly #shard: WorkerShard;

  /** @param shard where steps end: the head's weights lie there */
  constructor(shard: WorkerShard, { head, blueprint }: Program) {
    const weights = new Map(shard.layout.weights.map((weight) => [weight.name, weight]));
    const layer = (name: string): Layer => ({
      weight: weights.get(`${name}.weight`)!,
      bias: weights.get(`${name}.bias`),
    });
    this.scored = head.scored;
    this.#answers = head.answers;
    this.#pooler = head.pooler === "gelu" ? gelu : tanh;
    this.#norm = weights.get("cls.norm.weight");
    this.#normEpsilon = blueprint.hyperparameters.normEpsilon;
    this.#dimensions = head.dimensions;
    this.#scores = head.scores;
    this.#embedding = head.embedding.map(layer);
    this.#ranking = head.ranking.map(layer);
    this.#shard = shard;
  }

  /** Elements of the output. */
  elements(pooling: Pooling): number {
    return pooling === "rank" ? this.#scores : this.#dimensions;
  }

  /**
   * Writes the output for a pooled hidden state. Scores are computed as in llama.cpp, after transformers' BertForSequenceClassification:
   * the pooler (cls) and its tanh, then the classifier (cls.output). ModernBERT's pooler has GELU and a norm. A decoder's answers go
   * through a softmax.
   */
  apply(pooling: Pooling, hidden: Float32Array, to: Float32Array): void {
    if (pooling !== "rank") {
      to.set(this.#embedding.reduce((x, layer) => this.#multiply(layer, x), hidden));
      return;
    }
    let x = hidden;
    for (const layer of this.#ranking) {
      x = this.#multiply(layer, x);
      if (layer.weight.name !== "cls.weight") continue;
      x = x.map(this.#pooler);
      if (this.#norm !== undefined) x = this.#normalise(this.#norm, x);
    }
    to.set(this.#answers ? softmax(x) : x);
  }

  /** The full norm of x, in memory that the next call overwrites. */
  #normalise({ address, columns }: PlacedWeight, x: Float32Array): Float32Array {
    const { headInput, headOutput } = this.#shard.scratch;
    this.#shard.floats(headInput, columns).set(x);
    this.#shard.kernels.layerNorm(headInput, address, 0, headOutput, columns, this.#normEpsilon);
    return this.#shard.floats(headOutput, columns);
  }

  /** weight . x + bias, in memory that the next call overwrites. */
  #multiply({ weight, bias }: Layer, x: Float32Array): Float32Array {
    const { kernels } = this.#shard;
    const { kernel, headInput, headOutput, headEncoded } = this.#shard.scratch;
    const { type, address, columns, rows } = weight;
    this.#shard.floats(headInput, columns).set(x);
    kernels.encodeActivations(kernels.formatActivation(type), headInput, columns * 4, 1, columns, headEncoded);
    const groups = Math.ceil(rows / GROUP_ROWS);
    const stride = groups * GROUP_ROWS * 4;
    kernels.matmul(type, address, 0, groups, columns, headEncoded, 1, headOutput, stride, 0, kernel);
    if (bias !== undefined) kernels.addBias(headOutput, bias.address, rows);
    return this.#shard.floats(headOutput, rows);
  }
}

function tanh(x: number): number {
  return x < 0 ? -tanh(-x) : 1 - 2 / (exp(2 * x) + 1);
}

/** The form with tanh. */
function gelu(x: number): number {
  return (x / 2) * (1 + tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x)));
}

function softmax(logits: Float32Array): Float32Array {
  const most = logits.reduce((a, b) => Math.max(a, b));
  const powers = Float64Array.from(logits, (logit) => exp(logit - most));
  const sum = powers.reduce((a, b) => a + b);
  return Float32Array.from(powers, (power) => power / sum);
}
