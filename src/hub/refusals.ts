// Statuses that are refusals, as errors that say what to do.

import { DownloadError, printable, printableUrl } from "../errors.js";
import type { HubReference } from "./reference.js";
import { type Answer, withoutSecrets } from "./request.js";

/** @throws DownloadError DOWNLOAD_STATUS for a status of a plain URL that is not a success */
export function checkUrlStatus(url: URL, { status }: Answer): void {
  if (status < 300 && status >= 200) return;
  const hint = status === 404 || status === 410 ? ": there is no such file" : "";
  throw new DownloadError("DOWNLOAD_STATUS", `${printableUrl(url)} answered with HTTP status ${status}${hint}`, {
    status,
  });
}

/** @throws DownloadError HUB_GATED, HUB_NOT_FOUND, DOWNLOAD_STATUS for a status of the hub that is not a success */
export function checkHubStatus(reference: HubReference, token: string | undefined, { status, headers }: Answer): void {
  if (status < 300 && status >= 200) return;
  const { repo, revision, file } = reference;
  const code = headers.get("x-error-code");
  const isToken = token === undefined ? "no token is set" : "the token that is set does not have it";
  if (code === "GatedRepo" || ((status === 401 || status === 403) && code !== "RepoNotFound")) {
    throw new DownloadError(
      "HUB_GATED",
      `${repo} asks for access (HTTP status ${status}), and ${isToken}: accept its terms on its page, and set HF_TOKEN`,
      { status },
    );
  }
  if (code === "RevisionNotFound") {
    throw new DownloadError("HUB_NOT_FOUND", `${repo} has no revision "${printable(revision)}"`, { status });
  }
  if (code === "EntryNotFound") {
    throw new DownloadError("HUB_NOT_FOUND", `${repo} has no file "${printable(file ?? "")}"`, { status });
  }
  if (status === 404 || code === "RepoNotFound") {
    const message = `the hub has no repository ${repo}, or it is private and ${isToken} (HF_TOKEN)`;
    throw new DownloadError("HUB_NOT_FOUND", message, { status });
  }
  const said = headers.get("x-error-message");
  const reason = said === null ? "" : `: ${withoutSecrets(said)}`;
  throw new DownloadError("DOWNLOAD_STATUS", `the hub answered for ${repo} with HTTP status ${status}${reason}`, {
    status,
  });
}
