// The kernel module: everything that a worker calls. One source, four builds (simd, relaxed, vnni, dotprod).
//
// test/kernels holds each kernel, in each build, to a plain version of it; `cria kernels` measures each against the machine's limits.
// test/packages/kernel-lab-exports.test.ts lists the exports that are not kernels: sizes of buffers, facts of formats, and what joins a team.

export { dotIsSigned, dotIsUnsigned } from "./dot";
export { activationBytes, encodeActivations } from "./kernels/encode";
export { attention, attentionPartBytes, attentionScratchBytes, mergeAttention } from "./kernels/attention";
export { shortConvolution, siluConvolution } from "./kernels/convolution";
export { deltaRule, deltaRuleScratchBytes } from "./kernels/delta_rule";
export {
  addBias,
  addBiasRows,
  clampedSwiGlu,
  geGlu,
  gelu,
  geluRows,
  scale,
  sigmoid,
  sigmoidGate,
  softcap,
  swiGlu,
} from "./kernels/elementwise";
export { addWeightedRows, chooseExperts } from "./kernels/experts";
export { kvTileBytes, storeKv } from "./kernels/kv_page";
export { matmul, matmulScratchBytes } from "./kernels/matmul";
export { meanRows } from "./kernels/mean";
export { layerNorm, rmsNorm } from "./kernels/norm";
export { peakF32, peakInt16, peakInt8, readBandwidth } from "./kernels/probe";
export { formatLargest, quantizeRow, quantizeScratchBytes } from "./kernels/quantize";
export { rope, ropeHalves, ropeTable } from "./kernels/rope";
export { textAttention, textAttentionScratchBytes } from "./kernels/text_attention";
export {
  dequantizeRow,
  formatActivation,
  formatBlockBytes,
  formatBlockWeights,
  packRows,
  unpackRow,
} from "./kernels/weights";
export { announceStep, awaitStep, barrier, resetTickets, teamJoin, ticket } from "./team";
