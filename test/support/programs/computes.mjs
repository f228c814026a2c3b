// Computes prompts of the demo model without end, on two threads, and prints a line of JSON for each disturbance and, every 100 ms, how
// much it has computed.

import { demoModel, loadModel } from "cria";

const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
const options = { threads: 2, onDisturbance: (disturbance) => say({ disturbance }) };
const model = await loadModel(demoModel, options);
const sequence = model.createSequence();
const ids = Int32Array.from({ length: 128 }, (_, i) => 20 + ((7 * i) % 400));
let steps = 0;
setInterval(() => say({ steps, time: performance.now() }), 100);
for (;;) {
  await sequence.evaluate(ids);
  sequence.truncate(0);
  steps++;
}
