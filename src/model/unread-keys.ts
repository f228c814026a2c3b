// Keys of an architecture that nothing has read. One that changes what a model computes must not be ignored: it is refused, unless its value
// changes nothing. One that nobody knows is told. The keys are those of llama.cpp's llama-arch.cpp.

import { printable, UnsupportedError } from "../errors.js";
import type { GgufValue } from "../gguf/index.js";
import type { Hyperparameters } from "./hyperparameters.js";
import type { KeyReader } from "./key-reader.js";

/** Keys that change nothing here: they describe, are read by other rooms, or are about parts that the file would need tensors for. */
const HARMLESS: ReadonlySet<string> = new Set([
  ...[
    "feed_forward_length",
    "vocab_size",
    "tensor_data_layout",
    "rope.scaling.finetuned",
    "features_length",
    "decoder_start_token_id",
  ],
  ...["pooling_type", "classifier.output_labels"],
  ...["dense_2_feat_in", "dense_2_feat_out", "dense_3_feat_in", "dense_3_feat_out"],
  ...["attention.layer_norm_epsilon", "attention.layer_norm_rms_epsilon"], // the other kind of norm's
  ...["attention.group_norm_epsilon", "attention.group_norm_groups"],
  ...["rope.freq_base_swa", "rope.dimension_count_swa"], // of windows, which are asked for by a key of their own
]);

/** Keys of mixtures of experts: without experts, which `expert_count` says, they mean nothing. */
const EXPERTS = /^(?:expert_|experts_|moe_|interleave_moe_|leading_dense_block_count$|router_logit_softcapping$)/;

/** Those of which a mixture must do without. The other keys of experts are read, or are sizes that the shapes of the weights say again. */
const EXPERT_FEATURES: readonly string[] = [
  ...["leading_dense_block_count", "moe_latent_size", "router_logit_softcapping", "experts_per_group"],
];

/** Of every so many layers one has experts, and a factor. */
const EXPERT_FACTORS: readonly string[] = ["moe_every_n_layers", "interleave_moe_layer_step", "expert_group_scale"];

/** Factors: 0 says that there is none, and 1 changes nothing. */
const FACTORS: readonly string[] = [
  ...["logit_scale", "residual_scale", "embedding_scale", "attention.output_scale", "attention.value_scale"],
  ...["rope.scaling.alpha", "rope.scaling.attn_factor"],
];

/** Keys of which 0, false or nothing says that the model does without. */
const FEATURES: readonly string[] = [
  ...[
    "attn_logit_softcapping",
    "final_logit_softcapping",
    "use_parallel_residual",
    "swin_norm",
    "norm_before_residual",
  ],
  ...["rescale_every_n_layers", "time_mix_extra_dim", "time_decay_extra_dim", "token_shift_count", "hash_layer_count"],
  ...["nextn_predict_layers", "n_deepstack_layers", "deepstack_mapping", "decoder_block_count", "hidden_activation"],
  ...["full_attention_interval", "embedding_length_per_layer_input", "swiglu_clamp_exp", "swiglu_clamp_shexp"],
  ...["attention.max_alibi_bias", "attention.clamp_kqv", "attention.relative_buckets_count"],
  ...["attention.q_lora_rank", "attention.kv_lora_rank", "attention.decay_lora_rank", "attention.iclr_lora_rank"],
  ...["attention.value_residual_mix_lora_rank", "attention.gate_lora_rank", "attention.output_lora_rank"],
  ...["attention.temperature_length", "attention.temperature_scale", "attention.output_group_count"],
  ...["attention.key_length_mla", "attention.value_length_mla", "attention.compress_rope_freq_base"],
  ...["attention.indexer.head_count", "attention.indexer.key_length", "attention.indexer.top_k"],
  ...["attention.compress_ratios", "attention.shared_kv_layers", "attention.recurrent_layers"],
  ...["hyper_connection.count", "hyper_connection.sinkhorn_iterations", "hyper_connection.epsilon"],
  ...["rope.dimension_sections", "rope.scaling.yarn_log_multiplier"],
  ...["ssm.conv_kernel", "ssm.inner_size", "ssm.state_size", "ssm.time_step_rank", "ssm.group_count", "ssm.dt_b_c_rms"],
  ...["kda.head_dim", "wkv.head_size", "shortconv.l_cache", "target_layers", "target_hidden_size"],
  ...["posnet.embedding_length", "posnet.block_count", "convnext.embedding_length", "convnext.block_count"],
];

/** For keys that change what is computed: whether a number changes nothing. */
function neutralValues(h: Hyperparameters): ReadonlyMap<string, (value: number) => boolean> {
  const { scale } = h.attention[0]!;
  const hasWindows = h.attention.some(({ window }) => window > 0);
  return new Map<string, (value: number) => boolean>([
    ...[...FEATURES, ...EXPERT_FEATURES].map((key) => [key, (value: number) => value === 0] as const),
    ...[...FACTORS, ...EXPERT_FACTORS].map((key) => [key, (value: number) => value === 0 || value === 1] as const),
    ["attention.scale", (value) => value === 0 || Math.abs(value - scale) < 1e-6 * scale],
    // A window as large as the context hides nothing.
    ["attention.sliding_window", (value) => value === 0 || value >= h.context],
    ["attention.sliding_window_pattern", () => !hasWindows],
    ["attention.key_length_swa", (value) => value === h.headDim || !hasWindows],
    ["attention.value_length_swa", (value) => value === h.headDim || !hasWindows],
    ["embedding_length_out", (value) => value === 0 || value === h.dim],
    // 1 says nothing; the other is the magnitude that yarn has by itself.
    ["rope.scaling.yarn_attn_factor", (value) => [0, 1, yarnMagnitude(h)].some((one) => Math.abs(value - one) < 1e-6)],
    // -1 says that the kind of scaling decides.
    ["rope.scaling.yarn_ext_factor", (value) => value === -1 || value === (isYarn(h) ? 1 : 0)],
    ...["rope.scaling.yarn_beta_fast", "rope.scaling.yarn_beta_slow", "rope.scaling.original_context_length"].map(
      (key) => [key, () => !isYarn(h)] as const, // read where there is yarn
    ),
  ]);
}

function isYarn({ ropes }: Hyperparameters): boolean {
  return ropes.some(({ scaling }) => scaling.type === "yarn");
}

/** The factor of q and k that follows from yarn's factor; 1 without yarn. */
function yarnMagnitude({ ropes }: Hyperparameters): number {
  for (const { scaling } of ropes) if (scaling.type === "yarn") return 1 + 0.1 * Math.log(scaling.factor);
  return 1;
}

/**
 * Checks the keys that a reader was not asked for.
 *
 * @returns which ones nobody knows: a sentence each
 * @throws UnsupportedError UNSUPPORTED_ARCHITECTURE for one that changes what the model computes
 */
export function checkUnreadKeys({ gguf, architecture, asked }: KeyReader, h: Hyperparameters): readonly string[] {
  const neutral = neutralValues(h);
  const unknown: string[] = [];
  for (const [path, value] of gguf.metadata) {
    if (!path.startsWith(`${architecture}.`)) continue;
    const key = path.slice(architecture.length + 1);
    if (asked.has(key) || HARMLESS.has(key)) continue;
    const isNeutral = neutral.get(key);
    if (EXPERTS.test(key) && (h.experts === undefined || isNeutral === undefined)) continue;
    if (isNeutral === undefined) {
      unknown.push(`${printable(path)} is not a key that cria knows: it is ignored`);
    } else if (!numbersIn(value).every(isNeutral)) {
      throw new UnsupportedError(
        "UNSUPPORTED_ARCHITECTURE",
        `${path} is ${shown(value)}, which changes what the model computes; supported: files without it`,
      );
    }
  }
  return unknown;
}

/** A value as numbers. A text, such as the name of an activation, is one that is never neutral, unless it is empty. */
function numbersIn(value: GgufValue): readonly number[] {
  if (typeof value === "string") return value === "" ? [] : [Number.NaN];
  if (typeof value !== "object") return [Number(value)];
  return Array.from(value as ArrayLike<unknown>, (item) =>
    typeof item === "number" || typeof item === "bigint" || typeof item === "boolean" ? Number(item) : Number.NaN,
  );
}

function shown(value: GgufValue): string {
  if (typeof value === "string") return JSON.stringify(printable(value, 40));
  return typeof value === "object" ? `an array of ${value.length}` : String(value);
}
