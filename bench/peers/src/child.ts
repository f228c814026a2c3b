// The process of one peer: `node child.js <module in peers/>`. It answers messages one by one.

import { type Peer, type Prepared, type Subject, type Test, Unavailable } from "./peer.js";

export type Request = { readonly prepare: Subject } | { readonly run: Test } | { readonly embed: readonly string[] };

/** `value`: seconds of loading, the rate of a test, or the vectors of texts. */
export type Answer =
  | {
      readonly value: number | number[][];
      readonly name: string;
      readonly version: string;
      readonly details: string;
      readonly peakBytes: number;
    }
  | { readonly unavailable: string }
  | { readonly error: string };

const { peer } = (await import(`./peers/${process.argv[2]}.js`)) as { peer: Peer<Subject> };
let prepared: Prepared | undefined;

async function answer(request: Request): Promise<number | number[][]> {
  if ("run" in request) return prepared!.run(request.run);
  if ("embed" in request) return prepared!.embed!(request.embed);
  const begin = performance.now();
  prepared = await peer.prepare(request.prepare);
  return (performance.now() - begin) / 1000;
}

process.on("message", async (request: Request) => {
  try {
    const value = await answer(request);
    const peakBytes = process.resourceUsage().maxRSS * 1024;
    send({ value, name: peer.name, version: peer.version, details: prepared!.details, peakBytes });
  } catch (error) {
    if (error instanceof Unavailable) return send({ unavailable: error.message });
    send({ error: error instanceof Error ? `${error.stack}` : String(error) });
  }
});

function send(message: Answer): void {
  process.send!(message);
}

// An engine's own threads or timers must not outlive the driver.
process.on("disconnect", () => process.exit());
