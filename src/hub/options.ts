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

/** How to bring a model from the network. */
export interface DownloadOptions {
  /** Makes no request: what is not in the cache is an error. Default: what HF_HUB_OFFLINE says. */
  readonly offline?: boolean;
  /** Called at most some twenty times a second while bytes arrive. Not called for what is in the cache. */
  readonly onProgress?: (progress: DownloadProgress) => void;
  /** Ends the download within 200 ms: the promise rejects with the signal's reason. What has arrived is kept for the next try. */
  readonly signal?: AbortSignal;
}
