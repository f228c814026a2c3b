// The model families that people run locally most: what their files say of themselves, which sizes there are, and what is missing where
// cria does not run them. docs/models.md has the table, which a test derives from this one.

export interface Family {
  readonly name: string;
  /** Sizes by their names: billions of weights. */
  readonly sizes: Readonly<Record<string, number>>;
  /** `general.architecture` of its files. */
  readonly architectures: readonly string[];
  /** `tokenizer.ggml.model` of its files, and for byte-level BPE (`gpt2`) the values of `tokenizer.ggml.pre`. */
  readonly tokenizers: readonly string[];
  readonly preTokenizers?: readonly string[];
  /** What cria lacks: a phrase. Without it, the family runs. */
  readonly missing?: string;
}

/** Embedding models and rerankers. */
export const encoderFamilies: readonly Family[] = [
  {
    name: "MiniLM, bge, gte, e5, mxbai, arctic-embed 1",
    sizes: { "22M": 0.022, "110M": 0.11, "335M": 0.335 },
    architectures: ["bert"],
    tokenizers: ["bert"],
  },
  {
    name: "bge-m3, multilingual e5, MiniLM and granite, arctic-embed 2",
    sizes: { "107M": 0.107, "118M": 0.118, "278M": 0.278, "568M": 0.568 },
    architectures: ["bert"],
    tokenizers: ["t5"],
  },
  { name: "nomic-embed-text v1.5", sizes: { "137M": 0.137 }, architectures: ["nomic-bert"], tokenizers: ["bert"] },
  {
    name: "nomic-embed-text v2",
    sizes: { "475M": 0.475 },
    architectures: ["nomic-bert-moe"],
    tokenizers: ["t5"],
  },
  { name: "EmbeddingGemma", sizes: { "300M": 0.3 }, architectures: ["gemma-embedding"], tokenizers: ["llama"] },
  {
    name: "Qwen3-Embedding, Qwen3-Reranker",
    sizes: { "0.6B": 0.6, "4B": 4, "8B": 7.6 },
    architectures: ["qwen3"],
    tokenizers: ["gpt2"],
    preTokenizers: ["qwen2"],
  },
  {
    name: "jina-embeddings v2",
    sizes: { "33M": 0.033, "137M": 0.137, "161M": 0.161 },
    architectures: ["jina-bert-v2"],
    tokenizers: ["bert", "gpt2"],
    preTokenizers: ["jina-v2-es", "jina-v2-de", "jina-v2-code"],
  },
  { name: "jina-embeddings v3", sizes: { "572M": 0.572 }, architectures: ["jina-bert-v3"], tokenizers: ["t5"] },
  {
    name: "jina-embeddings v4 (text)",
    sizes: { "3.8B": 3.1 },
    architectures: ["qwen2vl"],
    tokenizers: ["gpt2"],
    preTokenizers: ["qwen2"],
  },
  {
    name: "jina-embeddings v5 small",
    sizes: { "0.6B": 0.6 },
    architectures: ["qwen3"],
    tokenizers: ["gpt2"],
    preTokenizers: ["qwen2"],
  },
  {
    name: "jina-embeddings v5 nano",
    sizes: { "212M": 0.212 },
    architectures: ["eurobert"],
    tokenizers: ["gpt2"],
    preTokenizers: ["jina-v5-nano"],
  },
  {
    name: "ModernBERT: gte, modernbert-embed, granite r2",
    sizes: { "47M": 0.047, "149M": 0.149, "395M": 0.395 },
    architectures: ["modern-bert"],
    tokenizers: ["gpt2"],
    preTokenizers: ["modern-bert"],
  },
  {
    name: "granite r2 multilingual",
    sizes: { "97M": 0.097, "311M": 0.311 },
    architectures: ["modern-bert"],
    tokenizers: ["gpt2"],
    preTokenizers: ["granite-embed-multi-97m", "granite-embed-multi-311m"],
  },
  {
    name: "granite-embedding English",
    sizes: { "30M": 0.03, "125M": 0.125 },
    architectures: ["bert"],
    tokenizers: ["gpt2"],
    preTokenizers: ["roberta-bpe"],
  },
  {
    name: "all-mpnet",
    sizes: { "109M": 0.109 },
    architectures: [],
    tokenizers: [],
    missing: "llama.cpp does not convert MPNet, so there are no files",
  },
];

/** Models that write text. */
export const decoderFamilies: readonly Family[] = [
  {
    name: "Llama 3.1",
    sizes: { "8B": 8, "70B": 70.6 },
    architectures: ["llama"],
    tokenizers: ["gpt2"],
    preTokenizers: ["llama-bpe"],
  },
  {
    name: "Llama 3.2",
    sizes: { "1B": 1.24, "3B": 3.2 },
    architectures: ["llama"],
    tokenizers: ["gpt2"],
    preTokenizers: ["llama-bpe"],
  },
  {
    name: "Llama 4",
    sizes: { Scout: 109 },
    architectures: ["llama4"],
    tokenizers: ["gpt2"],
    preTokenizers: ["llama4"],
    missing: "experts beside a shared one in some layers, and attention in chunks, are not built",
  },
  {
    name: "R1 distills",
    sizes: { "1.5B": 1.8, "7B": 7.6, "8B": 8, "14B": 14.8, "32B": 32.8, "70B": 70.6 },
    architectures: ["qwen2", "llama"],
    tokenizers: ["gpt2"],
    preTokenizers: ["deepseek-r1-qwen", "llama-bpe"],
  },
  {
    name: "Qwen2.5",
    sizes: { "0.5B": 0.49, "1.5B": 1.5, "3B": 3.1, "7B": 7.6, "14B": 14.8, "32B": 32.8, "72B": 72.7 },
    architectures: ["qwen2"],
    tokenizers: ["gpt2"],
    preTokenizers: ["qwen2"],
  },
  {
    name: "Qwen3",
    sizes: { "0.6B": 0.6, "1.7B": 1.7, "4B": 4, "8B": 8.2, "14B": 14.8, "32B": 32.8 },
    architectures: ["qwen3"],
    tokenizers: ["gpt2"],
    preTokenizers: ["qwen2"],
  },
  {
    name: "Qwen3-30B-A3B",
    sizes: { "30B-A3B": 30.5 },
    architectures: ["qwen3moe"],
    tokenizers: ["gpt2"],
    preTokenizers: ["qwen2"],
  },
  {
    name: "Qwen3-VL (text)",
    sizes: { "2B": 1.7, "4B": 4, "8B": 8.2, "30B-A3B": 30.5, "32B": 32.8 },
    architectures: ["qwen3vl", "qwen3vlmoe"],
    tokenizers: ["gpt2"],
    preTokenizers: ["qwen2"],
  },
  {
    name: "Qwen3.5, Qwen3.6 dense",
    sizes: { "0.8B": 0.8, "2B": 2, "4B": 4.2, "9B": 9, "27B": 27 },
    architectures: ["qwen35"],
    tokenizers: ["gpt2"],
    preTokenizers: ["qwen35"],
  },
  {
    name: "Qwen3.6-35B-A3B",
    sizes: { "35B-A3B": 35 },
    architectures: ["qwen35moe"],
    tokenizers: ["gpt2"],
    preTokenizers: ["qwen35"],
  },
  {
    name: "Qwen3-Next",
    sizes: { "80B-A3B": 80 },
    architectures: ["qwen3next"],
    tokenizers: ["gpt2"],
    preTokenizers: ["qwen2"],
  },
  {
    name: "Gemma 3",
    sizes: { "270M": 0.27, "1B": 1, "4B": 3.9, "12B": 11.8, "27B": 27 },
    architectures: ["gemma3"],
    tokenizers: ["llama"],
  },
  { name: "Gemma 2", sizes: { "2B": 2.6, "9B": 9.2, "27B": 27.2 }, architectures: ["gemma2"], tokenizers: ["llama"] },
  {
    name: "Gemma 3n",
    sizes: { E2B: 4.5, E4B: 6.9 },
    architectures: ["gemma3n"],
    tokenizers: ["llama"],
    missing: "AltUp, Laurel and activation sparsity are not built; Gemma 4 replaces it",
  },
  {
    name: "Gemma 4",
    sizes: { E2B: 5.1, E4B: 8, "12B": 12, "31B": 31 },
    architectures: ["gemma4"],
    tokenizers: ["gemma4"],
  },
  {
    name: "Mistral 7B, Nemo",
    sizes: { "7B": 7.2, "12B": 12.2 },
    architectures: ["llama"],
    tokenizers: ["llama", "gpt2"],
    preTokenizers: ["tekken"],
  },
  {
    name: "Ministral 3",
    sizes: { "3B": 3.4, "8B": 8.5, "14B": 13.5 },
    architectures: ["mistral3"],
    tokenizers: ["gpt2"],
    preTokenizers: ["tekken"],
  },
  {
    name: "Phi-3, Phi-4",
    sizes: { mini: 3.8, "14B": 14 },
    architectures: ["phi3"],
    tokenizers: ["llama", "gpt2"],
    preTokenizers: ["gpt-4o", "dbrx"],
  },
  {
    name: "gpt-oss",
    sizes: { "20b": 20.9, "120b": 117 },
    architectures: ["gpt-oss"],
    tokenizers: ["gpt2"],
    preTokenizers: ["gpt-4o"],
  },
  {
    name: "SmolLM2",
    sizes: { "135M": 0.135, "360M": 0.36, "1.7B": 1.7 },
    architectures: ["llama"],
    tokenizers: ["gpt2"],
    preTokenizers: ["smollm"],
  },
  {
    name: "SmolLM3",
    sizes: { "3B": 3.1 },
    architectures: ["smollm3"],
    tokenizers: ["gpt2"],
    preTokenizers: ["smaug-bpe"],
  },
  {
    name: "Granite 3, Granite 4 dense",
    sizes: { "350M": 0.35, "1B": 1.6, "2B": 2.5, "3B": 3.4, "8B": 8.2 },
    architectures: ["granite"],
    tokenizers: ["gpt2"],
    preTokenizers: ["refact", "dbrx"],
  },
  {
    name: "Granite 4 H",
    sizes: { "350M": 0.34, "1B": 1.5, tiny: 7, small: 32 },
    architectures: ["granitehybrid"],
    tokenizers: ["gpt2"],
    preTokenizers: ["dbrx"],
    missing: "Mamba-2 layers are not built",
  },
  {
    name: "LFM2, LFM2.5",
    sizes: { "350M": 0.35, "700M": 0.74, "1.2B": 1.17, "2.6B": 2.6 },
    architectures: ["lfm2"],
    tokenizers: ["gpt2"],
    preTokenizers: ["lfm2"],
  },
  {
    name: "OLMo 2, OLMo 3",
    sizes: { "1B": 1.5, "7B": 7.3, "13B": 13.7, "32B": 32.2 },
    architectures: ["olmo2"],
    tokenizers: ["gpt2"],
    preTokenizers: ["dbrx"],
  },
  {
    name: "GLM-4",
    sizes: { "9B": 9.4, "32B": 32.6 },
    architectures: ["glm4"],
    tokenizers: ["gpt2"],
    preTokenizers: ["glm4", "chatglm-bpe"],
  },
  {
    name: "Hunyuan dense",
    sizes: { "0.5B": 0.54, "1.8B": 1.8, "4B": 4, "7B": 7.5 },
    architectures: ["hunyuan-dense"],
    tokenizers: ["gpt2"],
    preTokenizers: ["hunyuan-dense"],
  },
  {
    name: "EXAONE 4",
    sizes: { "1.2B": 1.28, "32B": 32 },
    architectures: ["exaone4"],
    tokenizers: ["gpt2"],
    preTokenizers: ["exaone4"],
  },
  {
    name: "Falcon-H1",
    sizes: { "0.5B": 0.5, "1.5B": 1.5, "3B": 3.1, "7B": 7.6, "34B": 33.6 },
    architectures: ["falcon-h1"],
    tokenizers: ["gpt2"],
    preTokenizers: ["falcon-h1"],
    missing: "Mamba-2 beside attention is not built",
  },
  {
    name: "Command R, R7B, A, Aya",
    sizes: { "7B": 8, "32B": 32.3, "35B": 35, "104B": 104, "111B": 111 },
    architectures: ["command-r", "cohere2"],
    tokenizers: ["gpt2"],
    preTokenizers: ["command-r"],
  },
  {
    name: "InternLM 2, 2.5",
    sizes: { "1.8B": 1.9, "7B": 7.7, "20B": 19.9 },
    architectures: ["internlm2"],
    tokenizers: ["llama"],
  },
];

export const families: readonly Family[] = [...encoderFamilies, ...decoderFamilies];
