/** Serves a fetch handler on this machine. `warnings`: the headers x-cria-warning of its answers, with their addresses. */
export function serve(handle: typeof fetch): Promise<{
  readonly url: string;
  readonly warnings: string[];
  readonly close: () => Promise<unknown>;
}>;
