// What a caller may ask of a download, and is told of it.

/** How far a download has come. */
export interface DownloadProgress {
  /** The file's name. */
  readonly file: string;
  /** Which file of a split model this is, from 1, and of how many. */
  readonly part: number;
  readonly parts: number;
  /** Bytes of this file that are there, those of earlier tries included. */
  readonly receivedBytes: number;
  /** Bytes of this file; undefined while the server does not say. */
  readonly totalBytes: number | undefined;
}

/** What a download waits for. */
export interface DownloadWait {
  /** Such as `huggingface.co`, `another process that downloads the same file`, or `the next try: ` and why the last one failed. */
  readonly waitsFor: string;
  /** How long nothing has arrived. */
  readonly milliseconds: number;
}

/** How to bring a model from the network. */
export interface DownloadOptions {
  /** Makes no request: what is not in the cache is an error. Default: what HF_HUB_OFFLINE says. */
  readonly offline?: boolean;
  /** Called at most some twenty times a second while bytes arrive. Not called for what is in the cache. */
  readonly onProgress?: (progress: DownloadProgress) => void;
  /**
   * Called about once a second while nothing has arrived for ten seconds (or a third of HF_HUB_DOWNLOAD_TIMEOUT, where that is less), be
   * it before the connection is there, before the first byte, or in the middle.
   */
  readonly onWait?: (wait: DownloadWait) => void;
  /** Ends the download within 200 ms: the promise rejects with the signal's reason. What has arrived is kept for the next try. */
  readonly signal?: AbortSignal;
}
