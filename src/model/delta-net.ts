// Gated DeltaNet (Yang, Kautz and Hatamizadeh 2024) by a team: a recurrence that takes the place of attention. A worker takes a head of
// keys of a text, and the heads of values that it serves, through all rows: the convolution, the delta rule, and the gated norm of what
// comes out. No part of that needs what another worker does, so only the end of it has a barrier.
//
//   row of the input       q (keyHeads, dims) | k (keyHeads, dims) | v (valueHeads, dims) | z (valueHeads, dims) | gates
//   gates                  alpha (valueHeads), beta (valueHeads); where the heads of values are together, (keyHeads, beta and alpha)
//   state of a layer       (width - 1, channels): rows of q, k and v, the oldest first | S of each head of values, (dims, dims)

import type { Kernels } from "../machine/kernels.js";
import type { Member } from "../machine/member.js";
import { channelsOf, columnsOf, type DeltaNetParameters } from "./delta-net-parameters.js";
import type { PlacedWeight, Rows } from "./plan/memory-plan.js";
import type { WorkerShard } from "./plan/shard.js";
import type { RecurrentRun, RecurrentState } from "./recurrent-state.js";

/** The weights of a layer that are not matrices. */
export interface DeltaNetWeights {
  readonly convolution: PlacedWeight; // (channels, width)
  readonly dt: PlacedWeight; // (valueHeads)
  readonly a: PlacedWeight; // (valueHeads), less than 0
  readonly norm: PlacedWeight; // (dims)
}

/** Parts of `buffers.recurrent`. */
export interface DeltaNetRows {
  readonly qkv: Rows; // (rows, channels)
  readonly z: Rows; // (rows, valueHeads * dims)
  readonly alpha: Rows; // (rows, valueHeads); or beta and alpha of the heads that each head of keys serves, (rows, keyHeads, 2, served)
  readonly beta: Rows; // (rows, valueHeads)
}

export class DeltaNet {
  readonly rows: DeltaNetRows;
  readonly #member: Member;
  readonly #kernels: Kernels;
  readonly #scratch: number;
  readonly #state: RecurrentState;
  readonly #net: DeltaNetParameters;
  readonly #epsilon: number;

  /** @param shard works on those layers whose state lies there */
  constructor(member: Member, shard: WorkerShard, state: RecurrentState, net: DeltaNetParameters, epsilon: number) {
    const recurrent = shard.layout.buffers.recurrent!;
    const columns = columnsOf(net);
    const from = (column: number): Rows => ({ ...recurrent, address: recurrent.address + column * 4 });
    this.rows = {
      qkv: from(columns.qkv),
      z: from(columns.z),
      alpha: from(columns.alpha),
      beta: from(columns.beta),
    };
    this.#member = member;
    this.#kernels = shard.kernels;
    this.#scratch = shard.scratch.kernel;
    this.#state = state;
    this.#net = net;
    this.#epsilon = epsilon;
  }

  /**
   * z = norm(y) * silu(z), with y what the delta rule makes of silu(convolution(q, k, v)), alpha and beta, along each text. Ends with a
   * barrier.
   */
  mix(layer: number, weights: DeltaNetWeights): void {
    const { keyHeads } = this.#net;
    const runs = this.#state.runs(layer);
    this.#member.takeTurns(runs.length * keyHeads, (turn) => {
      this.#mixHead(runs[Math.floor(turn / keyHeads)]!, turn % keyHeads, weights);
    });
    this.#member.barrier();
  }

  /** A head of keys, and the heads of values that it serves. */
  #mixHead(run: RecurrentRun, head: number, weights: DeltaNetWeights): void {
    const { keyHeads, valueHeads, dims, served } = this.#net;
    const { alpha, beta } = this.rows;
    const count = valueHeads / keyHeads;
    this.#convolve(run, head * dims, weights.convolution);
    this.#convolve(run, (keyHeads + head) * dims, weights.convolution);
    for (let i = 0; i < count; i++) {
      const value = served === "apart" ? head + i * keyHeads : head * count + i;
      const gates =
        served === "apart"
          ? { alpha: alpha.address + value * 4, beta: beta.address + value * 4 }
          : {
              alpha: alpha.address + (head * count + value + count) * 4,
              beta: alpha.address + (head * count + value) * 4,
            };
      this.#convolve(run, (2 * keyHeads + value) * dims, weights.convolution);
      this.#followRule(run, head, value, gates, weights);
      this.#gate(run, value, weights.norm);
    }
  }

  /** The channels of one head. */
  #convolve({ firstRow, rows, before, after }: RecurrentRun, channel: number, weight: PlacedWeight): void {
    const { qkv } = this.rows;
    this.#kernels.siluConvolution(
      qkv.address + firstRow * qkv.stride,
      qkv.stride,
      rows,
      weight.rows,
      channel,
      channel + this.#net.dims,
      weight.address,
      weight.columns,
      before,
      after,
      this.#scratch,
    );
  }

  /** v of one head of values becomes what comes out. `gates`: addresses in row 0. */
  #followRule(
    { firstRow, rows, before, after }: RecurrentRun,
    key: number,
    value: number,
    gates: { readonly alpha: number; readonly beta: number },
    weights: DeltaNetWeights,
  ): void {
    const { keyHeads, width, dims } = this.#net;
    const { qkv } = this.rows;
    const headBytes = dims * 4;
    const q = qkv.address + firstRow * qkv.stride + key * headBytes;
    const v = qkv.address + firstRow * qkv.stride + (2 * keyHeads + value) * headBytes;
    const s = (width - 1) * channelsOf(this.#net) * 4 + value * dims * headBytes;
    this.#kernels.deltaRule(
      q,
      q + keyHeads * headBytes,
      v,
      qkv.stride,
      rows,
      dims,
      gates.alpha + firstRow * qkv.stride,
      gates.beta + firstRow * qkv.stride,
      qkv.stride,
      weights.dt.address + value * 4,
      weights.a.address + value * 4,
      this.#epsilon,
      before === 0 ? 0 : before + s,
      after + s,
      v,
      qkv.stride,
      this.#scratch,
    );
  }

  /** z = norm(v) * silu(z), for one head of values. */
  #gate({ firstRow, rows }: RecurrentRun, value: number, norm: PlacedWeight): void {
    const { keyHeads, dims } = this.#net;
    const { qkv, z } = this.rows;
    for (let row = firstRow; row < firstRow + rows; row++) {
      const y = qkv.address + row * qkv.stride + (2 * keyHeads + value) * dims * 4;
      this.#kernels.rmsNorm(y, norm.address, y, dims, this.#epsilon);
      this.#kernels.swiGlu(z.address + row * z.stride + value * dims * 4, y, dims, this.#scratch);
    }
  }
}
