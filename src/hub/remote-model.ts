// The header of a model on the network, without the model: one request for each part, which is dropped once the header has been read.
// Headers are read from their beginning on, so the body of an answer serves, whether or not the server knows ranges.

import { DownloadError, printableUrl } from "../errors.js";
import { type Gguf, openParts } from "../gguf/open.js";
import type { Source } from "../gguf/source.js";
import { splitPartName } from "../gguf/split.js";
import { ask, contentRange, type FileDownload } from "./answers.js";
import { partsOf } from "./choose-file.js";
import { listRepository } from "./hub-listing.js";
import { filesOf } from "./hub-model.js";
import type { DownloadOptions } from "./options.js";
import { parseReference } from "./reference.js";
import { checkHubStatus, checkUrlStatus } from "./refusals.js";
import type { Answer } from "./request.js";
import { withRetries } from "./retries.js";
import { readSettings, type Settings } from "./settings.js";
import { SilenceWatch } from "./silence.js";

/** What is asked for: a part of the model. */
type Part = Pick<FileDownload, "url" | "token" | "expected" | "checkStatus">;

/**
 * Opens a model on the network to read its header, and nothing else: its tensors' bytes cannot be read.
 *
 * @throws GgufError, DownloadError, or the signal's reason
 */
export async function openRemote(source: string | URL, { signal, onWait }: DownloadOptions = {}): Promise<Gguf> {
  const environment = await readSettings();
  const watch = onWait && new SilenceWatch(onWait, environment.idleMilliseconds);
  const settings = { ...environment, watch };
  const open = async () => {
    const parts = await partsOfModel(source, settings, signal);
    const openers = parts.map((part) => () => HeaderStream.open(part, settings, signal));
    return openParts(openers[0]!, (_, count) => {
      if (count === openers.length) return openers.slice(1);
      const message = `${printableUrl(source)} has ${count} parts, and its name stands for ${openers.length}`;
      throw new DownloadError("DOWNLOAD_SOURCE", message);
    });
  };
  return withRetries(signal, open, watch).finally(() => watch?.end());
}

async function partsOfModel(
  source: string | URL,
  settings: Settings,
  signal: AbortSignal | undefined,
): Promise<readonly Part[]> {
  const reference = parseReference(source, settings.endpoint);
  const split = splitPartName((reference.kind === "url" ? reference.url.pathname : reference.file) ?? "");
  if (split !== undefined && split.part !== 1) {
    const message = `this is part ${split.part} of ${split.parts} of a split model: name its first part`;
    throw new DownloadError("DOWNLOAD_SOURCE", message);
  }
  if (reference.kind === "url") {
    return partsOf(reference.url.pathname).map((pathname) => {
      const url = new URL(reference.url);
      url.pathname = pathname;
      return { url, token: undefined, expected: undefined, checkStatus: (answer) => checkUrlStatus(url, answer) };
    });
  }
  const listing = await listRepository(reference, settings, signal);
  return filesOf(reference, listing).map(({ path, size, digest }) => {
    const name = path.split("/").map(encodeURIComponent).join("/");
    return {
      url: new URL(`${settings.endpoint}/${reference.repo}/resolve/${listing.commit}/${name}`),
      token: settings.token,
      expected: { size, digest },
      checkStatus: (answer) => checkHubStatus({ ...reference, file: path }, settings.token, answer),
    };
  });
}

/** The beginning of a file, as far as it has been asked for. */
class HeaderStream implements Source {
  readonly name: string;
  readonly path: string;
  readonly size: number;
  readonly #answer: Answer;
  readonly #chunks: AsyncIterator<Uint8Array>;
  #bytes = new Uint8Array(2 ** 16);
  #length = 0;

  private constructor(url: URL, answer: Answer, size: number) {
    this.path = printableUrl(url);
    this.name = this.path.replace(/^.*\//, "");
    this.size = size;
    this.#answer = answer;
    this.#chunks = answer.body[Symbol.asyncIterator]();
  }

  static async open(part: Part, settings: Settings, signal: AbortSignal | undefined): Promise<HeaderStream> {
    const download: FileDownload = {
      ...part,
      path: "",
      idleMilliseconds: settings.idleMilliseconds,
      watch: settings.watch,
      signal,
      onBytes: () => undefined,
    };
    const answer = await ask(download, { range: "bytes=0-" });
    const length = answer.headers.get("content-length");
    const told = answer.status === 206 ? contentRange(download, answer).size : length === null ? NaN : Number(length);
    const size = part.expected?.size ?? told;
    if (answer.status === 416 || !Number.isSafeInteger(size)) {
      answer.cancel();
      throw new DownloadError("DOWNLOAD_SIZE", `${printableUrl(part.url)}: the server does not say how large it is`);
    }
    return new HeaderStream(part.url, answer, size);
  }

  async read(offset: number, target: Uint8Array): Promise<void> {
    const end = offset + target.length;
    while (this.#length < end) {
      const { value, done } = await this.#chunks.next();
      if (done === true) {
        const message = `${this.path}: the connection ended after ${this.#length} of ${this.size} bytes`;
        throw new DownloadError("DOWNLOAD_CONNECTION", message);
      }
      this.#add(value);
    }
    target.set(this.#bytes.subarray(offset, end));
  }

  #add(chunk: Uint8Array): void {
    const length = this.#length + chunk.length;
    if (length > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(length, 2 * this.#bytes.length));
      larger.set(this.#bytes.subarray(0, this.#length));
      this.#bytes = larger;
    }
    this.#bytes.set(chunk, this.#length);
    this.#length = length;
  }

  async verifyUnchanged(): Promise<void> {}

  async close(): Promise<void> {
    this.#answer.cancel();
  }
}
