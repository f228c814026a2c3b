// How many requests a model takes: those that its KV cache has room for run, others wait, and beyond the queue's end they are refused
// with the time after which it is worth while to ask again. The model's own scheduler runs them; here they are only counted.

/** A request that has come in. */
export interface Ticket {
  /** It has ended. Further calls do nothing. */
  end(): void;
}

/** That a request must come later. */
export interface Refused {
  /** Seconds: how long the queue will take, by the measured rate. */
  readonly retryAfter: number;
}

/** How much the last request counts in the mean of their times. */
const LAST = 0.2;
const LONGEST_WAIT = 60;

export class Admission {
  readonly #parallelOf: () => number;
  readonly #queue: number;
  #count = 0;
  /** Seconds of a request while it ran, on average. */
  #seconds = 1;

  /** `parallel`: how many requests run side by side now; `queue`: requests that may wait beyond those */
  constructor(parallel: () => number, queue: number) {
    this.#parallelOf = parallel;
    this.#queue = queue;
  }

  get #parallel(): number {
    return this.#parallelOf();
  }

  get running(): number {
    return Math.min(this.#count, this.#parallel);
  }

  get waiting(): number {
    return Math.max(0, this.#count - this.#parallel);
  }

  enter(): Ticket | Refused {
    if (this.#count >= this.#parallel + this.#queue) {
      const seconds = (this.#seconds * (this.waiting + 1)) / this.#parallel;
      return { retryAfter: Math.max(1, Math.min(LONGEST_WAIT, Math.ceil(seconds))) };
    }
    const ahead = this.#count;
    this.#count++;
    const begin = performance.now();
    let ended = false;
    return {
      end: () => {
        if (ended) return;
        ended = true;
        this.#count--;
        // Who came behind others also waited for them: that time is divided by the turns it took.
        const turns = 1 + Math.max(0, ahead - this.#parallel + 1) / this.#parallel;
        this.#seconds += LAST * ((performance.now() - begin) / 1000 / turns - this.#seconds);
      },
    };
  }
}
