// What a traced model's workers say when they are asked, and where.

/** What one worker did in its last steps. */
export interface WorkerTrace {
  readonly worker: number;
  /** Of the calls, by number. */
  readonly names: readonly string[];
  /** Oldest first. */
  readonly steps: readonly StepTrace[];
}

export interface StepTrace {
  /** Milliseconds of the machine's steady clock, the same for all workers. */
  readonly begin: number;
  readonly end: number;
  /** Three numbers for each call: name, begin, end. */
  readonly calls: Float64Array;
  /** Calls that there was no room for. */
  readonly lost: number;
}

/** The channel's name; the message that asks. */
export const TRACE_CHANNEL = "cria trace";
export const TELL = "tell";
