// cria's matmul kernel by itself, by `cria/kernels`: every worker multiplies its share of the rows, as in a forward pass.

import type { MatmulWorkerData } from "../cria-matmul-worker.js";
import { type MatmulSubject, matmulGflop, type Peer, ratePerSecond, unsupported } from "../peer.js";
import { Workers } from "../workers.js";
import { peer as model } from "./cria.js";

export const peer: Peer<MatmulSubject> = {
  name: "cria",
  version: model.version,

  async prepare(subject) {
    const data = Array.from({ length: subject.threads }, (_, index): MatmulWorkerData => ({ subject, index }));
    const { workers, ready } = await Workers.start(new URL("../cria-matmul-worker.js", import.meta.url), data);
    return {
      details: `kernels: ${ready[0]}`,
      run(test) {
        if (test.kind !== "matmul") return unsupported(test);
        const { count } = test;
        return ratePerSecond(count * matmulGflop(subject), () => workers.run(count));
      },
    };
  },
};
