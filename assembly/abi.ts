// What TypeScript and the kernels must agree on. Only `export const NAME = integer`, no
// imports and no types, so that asc and tsc both compile it. It is the only file of assembly/ that src/ may import.

// Positions in one page of the KV cache, which is also one tile of attention.
export const PAGE = 64;

// Pages of a segment: attention to one begins by itself, and segments are merged in their order.
export const SEGMENT_PAGES = 4;

// Rows of a weight matrix that are packed side by side (a group), and tokens that a matmul tile takes at once.
export const GROUP_ROWS = 8;
export const TILE_TOKENS = 4;

// Query rows that one attention item takes at once.
export const QUERY_ROWS = 16;

// Columns of the gated delta rule's state that lie side by side.
export const DELTA_COLUMNS = 16;

// Scratch for the constants of the kernels' exp.
export const EXP_TABLE_BYTES = 160;

// How activations are encoded for a weight format's inner product (activations/ draws them).
export const ACTIVATION_NONE = 0;
export const ACTIVATION_F32 = 1;
export const ACTIVATION_Q8_32 = 2;
export const ACTIVATION_Q8_256 = 3;
export const ACTIVATION_Q16_32 = 4;
export const ACTIVATION_CENTRED_Q8_32 = 5;

// Element types of the KV cache.
export const KV_F32 = 0;
export const KV_F16 = 1;
export const KV_Q8_0 = 2;

// The team's control block: int32 words, each hot one on its own cache line of 64 bytes. Offsets in bytes.
//
//   OFFSET  WORD
//        0  arrived    workers that have reached the current barrier
//       64  phase      barriers that are complete
//      128  sleepers   workers asleep at the barrier
//      192  step       steps that the leader has announced
//      256  idle       followers asleep, waiting for a step
//      320  poison     0, or 1 + the index of the worker that died: final
//      324  poison op  the op at which it died
//      384  decision   two words, used in turn by even and odd barriers: what the leader decided (go on, or abort)
//      448  spin       how often a waiting worker looks before it sleeps, where each worker has a processor
//      452  workers    workers that take part in the current step
//      456  cpus       processors that the workers may use; 0: enough for all
//      512  full step  steps that the leader has announced to all workers, the reserves too
//      516  full idle  reserves asleep, waiting for such a step
//      576  workers'   for each worker TEAM_WORKER_BYTES:
//        0    tickets  TICKETS words, one cache line each
//      512    own      pieces of its own rows that it has taken since the team began
//      516    others'  pieces of the rows of others
export const TEAM_ARRIVED = 0;
export const TEAM_PHASE = 64;
export const TEAM_SLEEPERS = 128;
export const TEAM_STEP = 192;
export const TEAM_IDLE = 256;
export const TEAM_POISON = 320;
export const TEAM_POISON_OP = 324;
export const TEAM_DECISION = 384;
export const TEAM_SPIN = 448;
export const TEAM_WORKERS = 452;
export const TEAM_CPUS = 456;
export const TEAM_FULL_STEP = 512;
export const TEAM_FULL_IDLE = 516;
export const TEAM_WORKER = 576;
export const TICKETS = 8;
export const TICKET_BYTES = 64;
export const TEAM_OWN_PIECES = 512;
export const TEAM_OTHER_PIECES = 516;
export const TEAM_WORKER_BYTES = 576;

// What a barrier returns.
export const BARRIER_GO = 0;
export const BARRIER_ABORT = 1;
export const BARRIER_POISON = 2;
