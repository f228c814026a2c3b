// Where cria keeps what it can bring or find out again.

import { homedir } from "node:os";
import { join } from "node:path";

/** The folder that CRIA_CACHE names, else `cria` in the system's folder of caches. It may not exist yet. */
export function cacheFolder(): string {
  return variable("CRIA_CACHE") ?? join(systemCache(), "cria");
}

/** An environment variable; one that is empty is not set. */
function variable(name: string): string | undefined {
  return process.env[name] || undefined;
}

function systemCache(): string {
  const named = variable("XDG_CACHE_HOME");
  if (named !== undefined) return named;
  if (process.platform === "win32") return variable("LOCALAPPDATA") ?? join(homedir(), "AppData", "Local");
  return process.platform === "darwin" ? join(homedir(), "Library", "Caches") : join(homedir(), ".cache");
}
