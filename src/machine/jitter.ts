// A test mode, CRIA_TEST_JITTER: workers are late at random, so that code that forgets to wait for them reads what is not there yet.
// Without it, a forgotten barrier is a race that is seldom lost.
//
// A late worker sleeps either before it begins its share of an operation, or while it holds a piece of work that it has taken. The second
// is needed for work that is shared out by tickets: the others would do the share of a worker that sleeps before it takes one.

/** A late worker sleeps for 1 .. LONGEST_SLEEP ms. */
const LONGEST_SLEEP = 4;

export class Jitter {
  readonly #clock = new Int32Array(new SharedArrayBuffer(4));
  #state: number;
  /** Milliseconds to sleep when the next piece is taken. */
  #owed = 0;

  /** @param seed any number; with the same seed, a worker is late at the same operations */
  constructor(seed: number, worker: number) {
    this.#state = Math.imul(seed ^ (worker + 1), 0x9e3779b1) | 1;
  }

  /** An operation begins. Every other time the worker is late. */
  begin(): void {
    const random = this.#next();
    const milliseconds = 1 + ((random >>> 2) % LONGEST_SLEEP);
    this.#owed = 0;
    if ((random & 1) !== 0) return;
    if ((random & 2) !== 0) this.#sleep(milliseconds);
    else this.#owed = milliseconds;
  }

  /** The worker has taken a piece of the operation's work. */
  hold(): void {
    if (this.#owed > 0) this.#sleep(this.#owed);
    this.#owed = 0;
  }

  #sleep(milliseconds: number): void {
    Atomics.wait(this.#clock, 0, 0, milliseconds);
  }

  /** Xorshift (Marsaglia 2003), its high bits. */
  #next(): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x;
    return x >>> 8;
  }
}

/** The jitter that the environment asks for, if any. */
export function jitterOf(worker: number): Jitter | undefined {
  const seed = globalThis.process?.env?.["CRIA_TEST_JITTER"];
  return seed ? new Jitter(Number(seed), worker) : undefined;
}
