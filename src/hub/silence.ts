// Tells what a download waits for while nothing arrives: the server that does not answer, the pause before the next try, another process.

import type { DownloadWait } from "./options.js";

const SILENCE_MILLISECONDS = 10_000;
const INTERVAL_MILLISECONDS = 1000;

export class SilenceWatch {
  readonly #onWait: (wait: DownloadWait) => void;
  readonly #timer: NodeJS.Timeout;
  #since = performance.now();
  #waitsFor = "the network";

  /** A connection that is dead after `idleMilliseconds` is told of at a third of that, at the latest. */
  constructor(onWait: (wait: DownloadWait) => void, idleMilliseconds: number) {
    this.#onWait = onWait;
    const silence = Math.min(SILENCE_MILLISECONDS, idleMilliseconds / 3);
    this.#timer = setInterval(
      () => {
        const milliseconds = performance.now() - this.#since;
        if (milliseconds >= silence) this.#onWait({ waitsFor: this.#waitsFor, milliseconds });
      },
      Math.min(INTERVAL_MILLISECONDS, silence),
    );
    this.#timer.unref();
  }

  /** From now on it is this that would have to come. The silence goes on. */
  waitFor(what: string): void {
    this.#waitsFor = what;
  }

  /** Something has come. */
  heard(): void {
    this.#since = performance.now();
  }

  end(): void {
    clearInterval(this.#timer);
  }
}
