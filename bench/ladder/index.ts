// The ladder's module: every rung's `pack` and `matmul` under its number, and the team of the last two.

export { announceStep, awaitStep, teamJoin } from "../../assembly/team";
export { matmul as matmul1, pack as pack1 } from "./1_naive";
export { matmul as matmul2, pack as pack2 } from "./2_blocks";
export { matmul as matmul3, pack as pack3 } from "./3_simd";
export { matmul as matmul4, pack as pack4 } from "./4_panels";
export { matmul as matmul5, pack as pack5 } from "./5_tile4x4";
export { matmul as matmul6, pack as pack6 } from "./6_slabs";
export { matmul as matmul7, pack as pack7 } from "./7_team";
export { matmul as matmul8, pack as pack8 } from "./8_wide";
