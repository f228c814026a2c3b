// The forward pass of Llama (Touvron et al. 2023) and of all models whose GGUF files say `llama`: Llama 1 to 3.2, Mistral, TinyLlama,
// SmolLM2. Every worker of the team executes these lines at the same time, each on its share; `run` splits the work.

import type { Architecture, WeightSpec } from "./architecture.js";
import type { Hyperparameters } from "./hyperparameters.js";
import type { PlacedWeight } from "./memory-plan.js";
import type { Run } from "./run.js";

function forward(run: Run): void {
  const { buffers } = run.layout;
  const embedding = run.weight("token_embd.weight"); // (vocab, dim)

  run.embed(embedding); // x (rows, dim)

  for (let layer = 0; layer < run.h.layers; layer++) {
    const w = layerWeights(run, layer);

    // attention: x += wo . attention(rope(wq . norm(x)), rope(wk . norm(x)), wv . norm(x))
    const a = run.normalise(w.attn_norm, [w.attn_q, w.attn_k, w.attn_v]); // (rows, dim)
    run.matmul(a, [
      { weight: w.attn_q, bias: w.attn_q_bias, y: buffers.q, stride: buffers.qStride }, // (rows, heads * headDim)
      { weight: w.attn_k, bias: w.attn_k_bias, y: buffers.k, stride: buffers.kvStride }, // (rows, kvHeads * headDim)
      { weight: w.attn_v, bias: w.attn_v_bias, y: buffers.v, stride: buffers.kvStride }, // (rows, kvHeads * headDim)
    ]);
    run.barrier();
    run.rotateAndStore(layer);
    run.barrier();
    run.attend(layer); // attended (rows, heads * headDim)
    run.barrier();
    const b = run.encode(buffers.attended, buffers.qStride, w.attn_output);
    run.matmul(b, [{ weight: w.attn_output, bias: w.attn_output_bias, y: buffers.x, stride: buffers.xStride }], true);
    run.barrier();

    // feed-forward: x += w_down . (silu(w_gate . norm(x)) * (w_up . norm(x)))
    const c = run.normalise(w.ffn_norm, [w.ffn_gate, w.ffn_up]); // (rows, dim)
    run.gatedMatmul(
      c,
      { weight: w.ffn_gate, y: buffers.gate, stride: buffers.ffnStride }, // (rows, ffn)
      { weight: w.ffn_up, y: buffers.up, stride: buffers.ffnStride }, // (rows, ffn)
    );
    run.barrier();
    const d = run.encode(buffers.gate, buffers.ffnStride, w.ffn_down);
    run.matmul(d, [{ weight: w.ffn_down, y: buffers.x, stride: buffers.xStride }], true);
    run.barrier();
  }

  run.output(run.weight("output_norm.weight"), run.maybeWeight("output.weight") ?? embedding); // logits (rows, vocab)
}

interface LayerWeights {
  readonly attn_norm: PlacedWeight; // (dim)
  readonly attn_q: PlacedWeight; // (heads * headDim, dim)
  readonly attn_q_bias: PlacedWeight | undefined;
  readonly attn_k: PlacedWeight; // (kvHeads * headDim, dim)
  readonly attn_k_bias: PlacedWeight | undefined;
  readonly attn_v: PlacedWeight; // (kvHeads * headDim, dim)
  readonly attn_v_bias: PlacedWeight | undefined;
  readonly attn_output: PlacedWeight; // (dim, heads * headDim)
  readonly attn_output_bias: PlacedWeight | undefined;
  readonly ffn_norm: PlacedWeight; // (dim)
  readonly ffn_gate: PlacedWeight; // (ffn, dim)
  readonly ffn_up: PlacedWeight; // (ffn, dim)
  readonly ffn_down: PlacedWeight; // (dim, ffn)
}

const cache = new WeakMap<Run, LayerWeights[]>();

/** The weights of a layer, looked up by name once. */
function layerWeights(run: Run, layer: number): LayerWeights {
  let layers = cache.get(run);
  if (layers === undefined) {
    layers = [];
    cache.set(run, layers);
  }
  const known = layers[layer];
  if (known !== undefined) return known;
  const weight = (name: string) => run.weight(`blk.${layer}.${name}.weight`);
  const bias = (name: string) => run.maybeWeight(`blk.${layer}.${name}.bias`);
  const found: LayerWeights = {
    attn_norm: weight("attn_norm"),
    attn_q: weight("attn_q"),
    attn_q_bias: bias("attn_q"),
    attn_k: weight("attn_k"),
    attn_k_bias: bias("attn_k"),
    attn_v: weight("attn_v"),
    attn_v_bias: bias("attn_v"),
    attn_output: weight("attn_output"),
    attn_output_bias: bias("attn_output"),
    ffn_norm: weight("ffn_norm"),
    ffn_gate: weight("ffn_gate"),
    ffn_up: weight("ffn_up"),
    ffn_down: weight("ffn_down"),
  };
  layers[layer] = found;
  return found;
}

function weights(h: Hyperparameters, has: (name: string) => boolean): readonly WeightSpec[] {
  const q = h.heads * h.headDim;
  const kv = h.kvHeads * h.headDim;
  const matrix = (name: string, rows: number, columns: number): WeightSpec => ({ name, role: "matrix", rows, columns });
  const vector = (name: string, columns: number): WeightSpec => ({ name, role: "vector", rows: 1, columns });
  const bias = (name: string, columns: number): WeightSpec => ({ ...vector(name, columns), optional: true });
  const tied = !has("output.weight");

  const specs: WeightSpec[] = [
    { name: "token_embd.weight", role: tied ? "matrix" : "embedding", rows: h.vocab, columns: h.dim },
  ];
  for (let layer = 0; layer < h.layers; layer++) {
    const blk = `blk.${layer}.`;
    specs.push(
      vector(`${blk}attn_norm.weight`, h.dim),
      matrix(`${blk}attn_q.weight`, q, h.dim),
      bias(`${blk}attn_q.bias`, q),
      matrix(`${blk}attn_k.weight`, kv, h.dim),
      bias(`${blk}attn_k.bias`, kv),
      matrix(`${blk}attn_v.weight`, kv, h.dim),
      bias(`${blk}attn_v.bias`, kv),
      matrix(`${blk}attn_output.weight`, h.dim, q),
      bias(`${blk}attn_output.bias`, h.dim),
      vector(`${blk}ffn_norm.weight`, h.dim),
      matrix(`${blk}ffn_gate.weight`, h.ffn, h.dim),
      matrix(`${blk}ffn_up.weight`, h.ffn, h.dim),
      matrix(`${blk}ffn_down.weight`, h.dim, h.ffn),
    );
  }
  specs.push(vector("output_norm.weight", h.dim));
  if (!tied) specs.push(matrix("output.weight", h.vocab, h.dim));
  return specs;
}

export const llama: Architecture = { weights, forward };
