// Many clients at once, each with one request after another: no error except 429, and how long tokens take.

import { Random } from "../synthetic/random.js";
import { pause, quantile, type Serving } from "./serving.js";

export async function clients(serving: Serving, count: number, seconds: number): Promise<boolean> {
  const end = performance.now() + seconds * 1000;
  const first: number[] = [];
  const between: number[] = [];
  const errors = new Map<string, number>();
  let answered = 0;
  let refused = 0;
  const one = async (client: number) => {
    const random = new Random(client);
    while (performance.now() < end) {
      const words = Array.from({ length: 4 + random.below(40) }, () => `word${random.below(500)}`).join(" ");
      const body = { prompt: words, max_tokens: 16 + random.below(48), seed: random.below(2 ** 20), stream: true };
      try {
        const begin = performance.now();
        const answer = await serving.ask("/v1/completions", body);
        if (answer.status === 429) {
          refused++;
          await answer.text();
          await pause(answer.retryAfter * 1000 * (0.5 + random.below(1000) / 1000));
          continue;
        }
        if (answer.status !== 200) throw new Error(`${answer.status}: ${await answer.text()}`);
        let last = 0;
        for await (const { error } of answer.events()) {
          if (error !== undefined) throw new Error(JSON.stringify(error));
          const now = performance.now();
          if (last === 0) first.push(now - begin);
          else between.push(now - last);
          last = now;
        }
        answered++;
      } catch (error) {
        const message = String(error);
        errors.set(message, (errors.get(message) ?? 0) + 1);
      }
    }
  };
  const resident: number[] = [];
  const running = Promise.all(Array.from({ length: count }, (_, client) => one(client)));
  let done = false;
  void running.then(() => {
    done = true;
  });
  for (let tick = 0; !done; tick++) {
    await pause(1000);
    if (tick % 10 === 9) resident.push(serving.residentMebibytes());
  }
  await running;
  const milliseconds = (values: readonly number[]) =>
    `p50 ${quantile(values, 0.5).toFixed(1)} ms, p99 ${quantile(values, 0.99).toFixed(1)} ms`;
  console.log(
    `${count} clients, ${seconds} s: ${answered} answers, ${between.length + first.length} events, ${refused} x 429`,
  );
  console.log(`first token, with the queue: ${milliseconds(first)}; between tokens: ${milliseconds(between)}`);
  console.log(`resident memory, every 10 s, MiB: ${resident.map((value) => value.toFixed(0)).join(" ")}`);
  for (const [message, times] of errors) console.log(`${times} x ${message}`);
  // The first half of the time warms up; what comes after may not grow.
  const half = resident.slice(Math.floor(resident.length / 2));
  const growth = (half.at(-1) ?? 0) - (half[0] ?? 0);
  console.log(`growth of resident memory in the second half: ${growth.toFixed(1)} MiB`);
  return errors.size === 0 && growth < 16 && (await serving.becomesFree(10));
}
