// What the leader and its drafts compute with.

import type { WorkerShard } from "../model/plan/shard.js";
import type { TableReader } from "./table-reader.js";

/** A model on a team, as one of its workers sees it. */
export interface TeamModel {
  readonly shards: readonly WorkerShard[];
  /** This worker's share of a step. */
  readonly forward: () => void;
  /** The leader's: of embeddings that stay in the file. */
  readonly tables: TableReader | undefined;
}
