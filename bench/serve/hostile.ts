// Clients that mean harm, many at once and for as long as the server lets them: connections that say nothing, headers and bodies that
// dribble, bodies of 100 MB, wrong hosts and keys, bad JSON, readers that do not read. A stream beside them keeps its pace.

import { connect } from "node:net";
import { pause, quantile, type Serving } from "./serving.js";

const HEAD = "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\n";
const endless = JSON.stringify({ prompt: "Once upon a time", max_tokens: 400, stream: true, logprobs: 5 });

/** What one of them does on its connection, until it is cut off or `isOver`. */
type Attack = (send: (text: string) => void, isOver: () => boolean) => Promise<void>;

const dribble =
  (text: string): Attack =>
  async (send, isOver) => {
    for (let i = 0; !isOver(); i++) {
      send(text[i % text.length]!);
      await pause(200);
    }
  };

const attacks: Readonly<Record<string, Attack>> = {
  "says nothing": async () => undefined,
  "headers that dribble": dribble(`GET /health HTTP/1.1\r\nHost: localhost\r\nX: ${"a".repeat(4000)}`),
  "a body that dribbles": async (send, isOver) => {
    send(`${HEAD}Content-Length: 100000\r\n\r\n`);
    await dribble(" ")(send, isOver);
  },
  "100 MB in pieces": async (send, isOver) => {
    send(`${HEAD}Transfer-Encoding: chunked\r\n\r\n`);
    const piece = `100000\r\n${" ".repeat(2 ** 20)}\r\n`;
    for (let i = 0; i < 100 && !isOver(); i++) {
      send(piece);
      await pause(10);
    }
  },
  "100 MB that are announced": async (send, isOver) => {
    send(`${HEAD}Content-Length: 104857600\r\n\r\n`);
    for (let i = 0; i < 100 && !isOver(); i++) {
      send(" ".repeat(2 ** 20));
      await pause(10);
    }
  },
  "a wrong host": async (send) => send("GET /v1/models HTTP/1.1\r\nHost: evil.example\r\n\r\n"),
  "bad JSON": async (send) => send(`${HEAD}Content-Length: 3\r\n\r\n{{{`),
  "JSON of 16 MB": async (send) => {
    const body = `{"prompt":"${"a ".repeat(8_000_000)}"}`;
    send(`${HEAD}Content-Length: ${body.length}\r\n\r\n${body}`);
  },
  "a request in a request": async (send) =>
    send(`${HEAD}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /slots HTTP/1.1\r\n\r\n`),
  "500 requests at once": async (send) => send("GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(500)),
};

/** The gaps of a stream, ms. */
async function gapsOf(serving: Serving): Promise<number[]> {
  const gaps: number[] = [];
  for (let i = 0; i < 3; i++) {
    const answer = await serving.ask("/v1/completions", { ...JSON.parse(endless), logprobs: undefined, seed: i });
    if (answer.status !== 200) throw new Error(`the stream beside was refused: ${answer.status}`);
    let last = 0;
    for await (const _ of answer.events()) {
      const now = performance.now();
      if (last > 0) gaps.push(now - last);
      last = now;
    }
  }
  return gaps;
}

export async function hostile(serving: Serving, count: number): Promise<boolean> {
  const told = (gaps: readonly number[]) =>
    `p50 ${quantile(gaps, 0.5).toFixed(1)} ms, p99 ${quantile(gaps, 0.99).toFixed(1)} ms, most ${Math.max(...gaps).toFixed(0)} ms`;
  await gapsOf(serving); // warm
  console.log(`a stream alone: ${told(await gapsOf(serving))}`);
  const resident = serving.residentMebibytes();
  let isRight = true;
  for (const [name, attack] of Object.entries(attacks)) {
    let cut = 0;
    const begin = performance.now();
    const lasted: number[] = [];
    let over = false;
    const attackers = Array.from({ length: name.includes("MB") ? Math.min(8, count) : count }, async () => {
      const socket = connect(serving.port, "127.0.0.1");
      let ended = false;
      const done = () => {
        if (!ended) lasted.push((performance.now() - begin) / 1000);
        ended = true;
        cut++;
      };
      socket.on("error", () => undefined).once("close", done);
      socket.resume();
      await attack(
        (text) => socket.write(text),
        () => ended || over,
      );
      while (!ended && !over) await pause(100);
      socket.off("close", done).destroy();
    });
    const beside = await gapsOf(serving);
    // Those that should be cut for their slowness: in time, but not at once.
    const slow = ["says nothing", "headers that dribble", "a body that dribbles"].includes(name);
    if (slow) await Promise.race([Promise.all(attackers), pause(name === "a body that dribbles" ? 66_000 : 14_000)]);
    over = true;
    await Promise.all(attackers);
    if (slow && cut < attackers.length) isRight = false;
    const times = lasted.length === 0 ? "" : `, after ${Math.max(...lasted).toFixed(1)} s at most`;
    console.log(`${attackers.length} x ${name}: ${cut} cut${times}; beside it: ${told(beside)}`);
    if (!serving.lives) return false;
  }
  isRight = (await serving.becomesFree(40)) && isRight;
  console.log(
    `resident memory before and after: ${resident.toFixed(0)}, ${serving.residentMebibytes().toFixed(0)} MiB`,
  );
  return isRight;
}
