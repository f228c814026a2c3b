// The cache's folder as what fails: full, read-only, somebody else's.

import { DownloadError, printable } from "../errors.js";

/** The error of a failed call of the file system on a path in the cache; what is such an error already stays as it is. */
export function folderFailure(path: string, cause: unknown): DownloadError {
  if (cause instanceof DownloadError) return cause;
  const code = errorCode(cause);
  if (code === "ENOSPC" || code === "EDQUOT" || code === "EFBIG") {
    return new DownloadError("DOWNLOAD_NO_SPACE", `${printable(path, 200)}: no space is left (${code})`, { cause });
  }
  const reason = code === "EACCES" || code === "EPERM" || code === "EROFS" ? "may not be written" : "cannot be written";
  const message = `${printable(path, 200)} ${reason} (${code}); HF_HOME, HF_HUB_CACHE and CRIA_CACHE name other folders`;
  return new DownloadError("DOWNLOAD_FOLDER", message, { cause });
}

export function errorCode(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : String(error);
}
