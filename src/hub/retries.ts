// Tries again what may pass by itself, after waits that grow.

import { setTimeout as wait } from "node:timers/promises";
import { DownloadError } from "../errors.js";
import { Interruption } from "./request.js";
import type { SilenceWatch } from "./silence.js";

const TRIES_WITHOUT_PROGRESS = 6;
const FIRST_WAIT_MILLISECONDS = 250;
const LONGEST_ASKED_MILLISECONDS = 60_000;

/**
 * Does `work` until it comes to an end other than an Interruption. `progress` tells that bytes arrived: the count of tries and the
 * waits begin anew.
 *
 * @throws DownloadError once nothing has arrived for six tries (some eight seconds of waits), at once where the failure lasts or the
 * server asks for a wait of more than a minute; what else `work` throws; the signal's reason
 */
export async function withRetries<Result>(
  signal: AbortSignal | undefined,
  work: (progress: () => void) => Promise<Result>,
  watch: SilenceWatch | undefined,
): Promise<Result> {
  let failures = 0;
  const progress = () => {
    failures = 0;
  };
  for (;;) {
    try {
      return await work(progress);
    } catch (error) {
      if (!(error instanceof Interruption)) throw error;
      failures++;
      const { failure, waitMilliseconds: asked = 0 } = error;
      if (error.lasts) throw failure;
      if (failures === TRIES_WITHOUT_PROGRESS) {
        const message = `${failure.message}; given up after ${failures} tries`;
        throw new DownloadError(failure.code, message, { status: failure.status, cause: failure.cause });
      }
      if (asked > LONGEST_ASKED_MILLISECONDS) {
        const message = `${failure.message}, and asks to come back in ${Math.round(asked / 1000)} s`;
        throw new DownloadError(failure.code, message, { status: failure.status });
      }
      watch?.waitFor(`the next try: ${failure.message}`);
      const own = FIRST_WAIT_MILLISECONDS * 2 ** (failures - 1) * (0.75 + Math.random() / 2);
      await wait(Math.max(own, asked), undefined, { signal }).catch((cause) => {
        signal?.throwIfAborted();
        throw cause;
      });
    }
  }
}
