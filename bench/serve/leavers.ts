// Clients that go at random: before their request is whole, while it waits, before the first token, in the midst of the answer. Nothing of
// them stays.

import { connect } from "node:net";
import { Random } from "../synthetic/random.js";
import { pause, type Serving } from "./serving.js";

const paths = [
  "/v1/completions",
  "/v1/chat/completions",
  "/v1/embeddings",
  "/api/generate",
  "/api/chat",
  "/completion",
];

export async function leavers(serving: Serving, count: number): Promise<boolean> {
  const random = new Random(1);
  const fraction = () => random.below(10_000) / 10_000;
  const leave = async (client: number) => {
    await pause(fraction() * count * 10); // about a hundred a second
    const question = `Tell me about ${random.below(1000)}.`;
    const body = JSON.stringify({
      ...{ model: "cria-demo", prompt: question, messages: [{ role: "user", content: question }] },
      ...{ input: Array(30).fill(question.repeat(10)), max_tokens: 200, n_predict: 200, stream: client % 4 > 0 },
    });
    const head = `POST ${paths[client % paths.length]} HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${body.length}\r\n\r\n`;
    const whole = head + body;
    const sent = client % 5 === 0 ? whole.slice(0, Math.floor(fraction() * whole.length)) : whole;
    const socket = connect(serving.port, "127.0.0.1", () => socket.write(sent));
    socket.on("error", () => undefined);
    if (client % 3 > 0) socket.resume(); // the others do not even read
    await pause(fraction() * 1500);
    if (client % 2 === 0) socket.destroy();
    else socket.resetAndDestroy();
  };
  const round = () => Promise.all(Array.from({ length: count }, (_, client) => leave(client)));
  const state = async () => ({
    files: serving.files(),
    running: await serving.metric('cria_requests_running{model="cria-demo"}'),
    positions: await serving.metric('cria_kv_cache_used_positions{model="cria-demo"}'),
    failures: await serving.metric('cria_failures_total{model="cria-demo"}'),
    resident: serving.residentMebibytes(),
  });
  const states = [await state()];
  let isFree = true;
  for (let i = 0; i < 4; i++) {
    await round();
    isFree = (await serving.becomesFree(10)) && isFree;
    await pause(1000);
    states.push(await state());
  }
  for (const { files, running, positions, failures, resident } of states) {
    console.log(
      `${files} files, ${running} running, ${positions} positions in use, ${failures} failures, ${resident.toFixed(0)} MiB`,
    );
  }
  const [, , before, , after] = states;
  const growth = after!.resident - before!.resident;
  console.log(
    `4 x ${count} clients that leave; growth of resident memory over the last two rounds: ${growth.toFixed(1)} MiB`,
  );
  return isFree && after!.running === 0 && after!.positions === 0 && after!.files <= before!.files + 4 && growth < 16;
}
