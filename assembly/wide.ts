// The wide module: the kernels that gain where V8 joins two 128-bit operations on neighbouring bytes to one of 256 bits. Its builds,
// wide-relaxed and wide-vnni, have the dot product and the bits of relaxed and vnni. Every worker instantiates one of them beside the kernel
// module, over the same memory, and calls its exports in place of those of the same name (src/machine/kernels.ts).
//
// V8 of Node 26 ends the process on some functions that it tries to make wide, so that what is exported here must have been tried
// (docs/kernels.md, "Wide kernels").

export { attention } from "./kernels/attention";
export { geGlu, gelu, geluRows } from "./kernels/elementwise";
export { matmul } from "./kernels/matmul";
export { textAttention } from "./kernels/text_attention";
