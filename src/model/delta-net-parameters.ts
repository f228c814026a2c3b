// What a model's metadata says about its gated DeltaNet layers, and where their parts lie in a row and in the state.

import { DELTA_COLUMNS, GROUP_ROWS } from "#abi";
import { UnsupportedError } from "../errors.js";
import type { KeyReader } from "./key-reader.js";

/** The numbers that define gated DeltaNet. */
export interface DeltaNetParameters {
  /** `ssm.conv_kernel`: taps of the convolution. */
  readonly width: number;
  /** `ssm.group_count`: heads of keys and queries. */
  readonly keyHeads: number;
  /** `ssm.time_step_rank`: heads of values. */
  readonly valueHeads: number;
  /** `ssm.state_size`: elements of a head, of keys as of values. */
  readonly dims: number;
  /**
   * The heads of values that head i of keys serves: apart, they are i, i + keyHeads, i + 2 keyHeads, ...; together, they are the ith
   * so many.
   */
  readonly served: "apart" | "together";
}

/** Far beyond any real model. */
const LARGEST = { width: 16, heads: 1024, dims: 1024 };

/**
 * Reads the keys of gated DeltaNet.
 * @throws GgufError for a missing or impossible value, UnsupportedError for a variant that the engine does not run
 */
export function readDeltaNet(reader: KeyReader, served: DeltaNetParameters["served"]): DeltaNetParameters {
  const width = reader.integer("ssm.conv_kernel", undefined, 2, LARGEST.width);
  const dims = reader.integer("ssm.state_size", undefined, 1, LARGEST.dims);
  const keyHeads = reader.integer("ssm.group_count", undefined, 1, LARGEST.heads);
  const valueHeads = reader.integer("ssm.time_step_rank", undefined, 1, LARGEST.heads);
  const inner = reader.integer("ssm.inner_size", undefined, 1, LARGEST.heads * LARGEST.dims);
  if (valueHeads % keyHeads !== 0) {
    throw reader.error("ssm.group_count", `${keyHeads} heads of keys do not divide the ${valueHeads} of values`);
  }
  if (inner !== valueHeads * dims) {
    throw new UnsupportedError(
      "UNSUPPORTED_ARCHITECTURE",
      `ssm.inner_size is ${inner}, and ${valueHeads} heads of ${dims} elements have ${valueHeads * dims}; supported: the same for both`,
    );
  }
  if (dims % DELTA_COLUMNS !== 0) {
    throw new UnsupportedError(
      "UNSUPPORTED_ARCHITECTURE",
      `ssm.state_size is ${dims}; supported: multiples of ${DELTA_COLUMNS}`,
    );
  }
  return { width, keyHeads, valueHeads, dims, served };
}

/** Elements of q, k and v of one row: the channels of the convolution. */
export function channelsOf({ keyHeads, valueHeads, dims }: DeltaNetParameters): number {
  return (2 * keyHeads + valueHeads) * dims;
}

/** Where the parts of a row of `buffers.recurrent` begin, in f32. A matmul writes whole groups of rows. */
export function columnsOf(net: DeltaNetParameters) {
  const z = channelsOf(net);
  const alpha = z + net.valueHeads * net.dims;
  const beta = alpha + Math.ceil(net.valueHeads / GROUP_ROWS) * GROUP_ROWS;
  return { qkv: 0, z, alpha, beta, count: 2 * beta - alpha };
}

/** f32 that a layer keeps of a text: what the convolution looks back to, then S of each head of values. */
export function stateOf(net: DeltaNetParameters): number {
  return (net.width - 1) * channelsOf(net) + net.valueHeads * net.dims ** 2;
}
