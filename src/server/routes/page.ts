// The page that a person sees at `/`, and what it draws: /live.

import { createHash } from "node:crypto";
import type { Hono } from "hono";
import type { Variables } from "../bodies.js";
import { liveEvents, liveModels } from "../live.js";
import { pageFiles, readPageFile } from "../page-files.js";
import type { Service } from "../service.js";

/** Scripts and styles of the page itself, requests to this server, and nothing else; HTML only by the sanitiser. */
const POLICY = [
  ...["default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self'", "connect-src 'self'"],
  ...["base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"],
  ...["require-trusted-types-for 'script'", "trusted-types dompurify"],
].join("; ");

const HEADERS = {
  "content-security-policy": POLICY,
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "cache-control": "no-cache",
  vary: "accept", // others than browsers get another answer at /
};

const LIVE_MILLISECONDS = 500;

/** Paths that need no key: a browser has none to send when it opens a page, and they tell nothing of the models. */
export const pagePaths: readonly string[] = Object.keys(pageFiles);

export function pageRoutes(app: Hono<Variables>, service: Service): void {
  for (const [path, [name, type]] of Object.entries(pageFiles)) {
    let file: { readonly bytes: Uint8Array<ArrayBuffer>; readonly tag: string } | undefined;
    app.get(path, ({ req, body }) => {
      const bytes = file?.bytes ?? new Uint8Array(readPageFile(name));
      file ??= { bytes, tag: `"${createHash("sha256").update(bytes).digest("base64url").slice(0, 22)}"` };
      const headers = { ...HEADERS, "content-type": type, etag: file.tag };
      return req.header("if-none-match") === file.tag ? body(null, 304, headers) : body(bytes, 200, headers);
    });
  }
  /** What runs, for the page: once as JSON, or as events. */
  app.get("/live", (context) => {
    if (!(context.req.header("accept") ?? "").includes("text/event-stream")) {
      return context.json({ models: liveModels(service) });
    }
    const headers = { "content-type": "text/event-stream", "cache-control": "no-cache" };
    return context.body(liveEvents(service, LIVE_MILLISECONDS), 200, headers);
  });
}
