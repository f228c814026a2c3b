// A server among clients that mean it harm, or know no better: what they send is refused or cut, and a well-behaved stream beside them goes
// on. Longer trials are in bench/serve.

import { readdirSync } from "node:fs";
import { connect } from "node:net";
import { demoModel, loadModel } from "cria";
import { type RunningServer, startServer } from "cria/server";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { randomStream } from "../../support/seed.js";

const LARGEST = 2 ** 20;
const SLOW_SECONDS = 1.2;
const HOST = "Host: localhost\r\n";

let server: RunningServer;
let port: number;
/** A text that ends at its `max_tokens`: tokens that end a text are never chosen. */
const endless = { model: "demo", prompt: "Once upon a time", seed: 1, logit_bias: {} as Record<string, number> };
let expected: string;
const WITNESS = 120;

beforeAll(async () => {
  const model = await loadModel(demoModel, { threads: 1 });
  for (const id of model.tokenizer.endOfGenerationIds) endless.logit_bias[id] = -100;
  const { prompt, seed: own, logit_bias: logitBias } = endless;
  expected = (await model.complete(prompt, { seed: own, logitBias, maxTokens: WITNESS })).text;
  await model.dispose();
  const models = [{ name: "demo", source: demoModel, options: { threads: 1, sequences: 3 } }];
  server = await startServer({
    ...{ models, port: 0, preload: true, queue: 8, maxBodyBytes: LARGEST, slowSeconds: SLOW_SECONDS },
  });
  port = Number(new URL(server.url).port);
});
afterAll(() => server.close({ drainSeconds: 0 }));

interface Exchange {
  /** Of the answers, in their order. */
  readonly statuses: readonly number[];
  /** Whether the server has ended the connection. */
  readonly cut: boolean;
  readonly milliseconds: number;
}

/**
 * Sends pieces, with pauses (numbers, ms) between them, and listens until the server ends the connection, or has given so many answers, or
 * for `listen` ms.
 */
function exchange(
  pieces: readonly (string | number)[],
  listen: number,
  answers = Number.POSITIVE_INFINITY,
): Promise<Exchange> {
  return new Promise((resolve) => {
    const begin = performance.now();
    let text = "";
    const socket = connect(port, "127.0.0.1");
    const statuses = () => [...text.matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, status]) => Number(status));
    const done = (cut: boolean) => {
      clearTimeout(timer);
      socket.destroy();
      resolve({ statuses: statuses(), cut, milliseconds: performance.now() - begin });
    };
    const timer = setTimeout(() => done(false), listen);
    socket.on("connect", async () => {
      for (const piece of pieces) {
        if (typeof piece === "number") await new Promise((next) => setTimeout(next, piece));
        else if (!socket.destroyed) socket.write(piece);
      }
    });
    socket.on("data", (bytes) => {
      text += bytes.toString("latin1");
      if (statuses().length >= answers) done(false);
    });
    socket.on("end", () => done(true)).on("error", () => done(true));
  });
}

const posted = (body: string, head = "") =>
  `POST /v1/completions HTTP/1.1\r\n${HOST}${head}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
const headed = (head: string, body = "") => `POST /v1/completions HTTP/1.1\r\n${HOST}${head}\r\n${body}`;
const short = JSON.stringify({ model: "demo", prompt: "a", max_tokens: 1 });
const chunked = "Transfer-Encoding: chunked\r\n";

/** What is refused, with which status, and whether the connection is then ended. Most of it is a request that another server, before this one,
 * may take for two, or for a shorter one. */
const refused: Readonly<Record<string, readonly [status: number, cut: boolean, ...pieces: (string | number)[]]>> = {
  "a length and chunks": [
    400,
    true,
    headed(`Content-Length: 4\r\n${chunked}`, "0\r\n\r\nGET /health HTTP/1.1\r\n\r\n"),
  ],
  "two lengths": [400, true, headed("Content-Length: 4\r\nContent-Length: 5\r\n", "abcd")],
  "a length with a sign": [400, true, headed("Content-Length: +4\r\n", "abcd")],
  "a negative length": [400, true, headed("Content-Length: -4\r\n", "abcd")],
  "an unknown coding": [400, true, headed("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n")],
  "two codings": [400, true, headed(`${chunked}Transfer-Encoding: identity\r\n`, "0\r\n\r\n")],
  "a space before a colon": [400, true, headed("Transfer-Encoding : chunked\r\n", "0\r\n\r\n")],
  "lines without CR": [400, true, "GET /health HTTP/1.1\nHost: localhost\n\n"],
  "a folded header": [400, true, `GET /health HTTP/1.1\r\n${HOST}X: a\r\n b\r\n\r\n`],
  "a chunk without a length": [400, true, headed(chunked, "ZZ\r\nabc\r\n")],
  "a chunk with a long extension": [413, true, headed(chunked, `1;${"a".repeat(20_000)}\r\n{\r\n`)],
  "no host": [400, true, "GET /health HTTP/1.1\r\n\r\n"],
  "two hosts": [421, false, "GET /health HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n"],
  "another host": [421, false, "GET /health HTTP/1.1\r\nHost: evil.example\r\n\r\n"],
  "another host in the request line": [421, false, `GET http://evil.example/health HTTP/1.1\r\n${HOST}\r\n`],
  "HTTP/2": [400, true, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
  TLS: [400, true, "\u0016\u0003\u0001\u0000\u0000"],
  "a large header": [431, true, `GET /health HTTP/1.1\r\n${HOST}X: ${"a".repeat(20_000)}\r\n\r\n`],
  "a long path": [431, true, `GET /${"a".repeat(20_000)} HTTP/1.1\r\n${HOST}\r\n`],
  "many headers": [431, true, `GET /health HTTP/1.1\r\n${HOST}${"name: value\r\n".repeat(2000)}\r\n`],
  "a body of 100 MB that is announced": [413, true, headed("Content-Length: 104857600\r\n", "a".repeat(1000))],
  "a body of 100 MB that asks before": [413, true, headed("Expect: 100-continue\r\nContent-Length: 104857600\r\n")],
  "no JSON": [400, false, posted("{")],
  "no object": [400, false, posted("null")],
  "no text": [400, false, posted("")],
  "JSON that is deep": [400, false, posted(`{"model":"demo","prompt":${"[".repeat(100_000)}${"]".repeat(100_000)}}`)],
  "a schema that is deep": [400, false, posted(`{"json_schema":${'{"items":'.repeat(600)}{}${"}".repeat(600)}}`)],
};

/** The text of a stream of many tokens. */
async function witness(): Promise<string> {
  const body = JSON.stringify({ ...endless, stream: true, max_tokens: WITNESS });
  const response = await fetch(`${server.url}/v1/completions`, { method: "POST", body });
  const events = (await response.text()).split("\n\n").filter((event) => event.startsWith("data: {"));
  return events.map((event) => JSON.parse(event.slice("data: ".length)).choices[0].text).join("");
}

it("what is wrong is refused, and a stream beside it goes on as it would alone", async () => {
  const tried = Object.entries(refused).map(async ([name, [, cut, ...pieces]]) => {
    const got = await exchange(pieces, 10_000, cut ? undefined : 1);
    return [name, [...got.statuses, got.cut]] as const;
  });
  const [beside, ...got] = await Promise.all([witness(), ...tried]);
  const wanted = Object.entries(refused).map(([name, [status, cut]]) => [name, [status, cut]]);
  expect(Object.fromEntries(got)).toEqual(Object.fromEntries(wanted));
  expect(beside).toBe(expected);
});

describe("what is slow", () => {
  it.concurrent("headers that dribble are cut", async () => {
    const dribble = [...`GET /health HTTP/1.1\r\n${HOST}X: ${"a".repeat(40)}`].flatMap((unit) => [unit, 40]);
    const { cut, milliseconds } = await exchange(dribble, 10_000);
    expect(cut).toBe(true);
    expect(milliseconds).toBeLessThan(SLOW_SECONDS * 1000);
  });

  it.concurrent("a connection that says nothing is cut", async () => {
    const { cut, milliseconds } = await exchange([], 10_000);
    expect(cut).toBe(true);
    expect(milliseconds).toBeLessThan(SLOW_SECONDS * 1000);
  });

  it.concurrent("a body that dribbles is cut, and its request has no place", async () => {
    const { statuses, cut, milliseconds } = await exchange(
      [headed("Content-Length: 400\r\n"), ..."{   ".repeat(99)].flatMap((unit) => [unit, 50]),
      10_000,
    );
    expect([statuses, cut]).toEqual([[408], true]);
    expect(milliseconds).toBeLessThan(SLOW_SECONDS * 4000);
  });

  it.concurrent("a client that closes its side has gone", async () => {
    const body = JSON.stringify({ ...endless, max_tokens: 400 });
    const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    socket.end(posted(body));
    await new Promise((closed) => socket.once("close", closed).resume());
  });
});

it("bodies that are held have a limit all together, not only each", async () => {
  const wait = [headed(`Content-Length: ${LARGEST}\r\n`, "{"), 500];
  const answers = await Promise.all(Array.from({ length: 12 }, () => exchange(wait, 400)));
  expect(answers.filter(({ statuses }) => statuses[0] === 429)).toHaveLength(4);
  expect(answers.filter(({ statuses }) => statuses.length === 0)).toHaveLength(8);
  const { statuses } = await exchange(
    [posted(JSON.stringify({ ...JSON.parse(short), user: "a".repeat(2 ** 18) }))],
    5000,
    1,
  );
  expect(statuses).toEqual([200]); // those that have gone hold nothing
});

it("requests that are sent without waiting for answers are queued, or refused, and answered in order", async () => {
  const { statuses } = await exchange([posted(short).repeat(60)], 10_000, 60);
  expect(statuses).toHaveLength(60);
  expect(statuses.filter((status) => status === 200).length).toBeGreaterThanOrEqual(11);
  expect(statuses.every((status) => status === 200 || status === 429)).toBe(true);
});

it("labels of metrics are routes: other paths make none", async () => {
  for (let i = 0; i < 5; i++) {
    await exchange(
      [`GET /slots/path-${i} HTTP/1.1\r\nHost: evil.example\r\n\r\nGET /path-${i} HTTP/1.1\r\n${HOST}\r\n`],
      50,
    );
    await exchange([`POST /slots/path-${i} HTTP/1.1\r\n${HOST}Content-Length: 0\r\n\r\n`], 50);
  }
  const text = await (await fetch(`${server.url}/metrics`)).text();
  expect(text).not.toContain("path-");
  expect(text).toContain('cria_requests_total{route="/slots/:id",status="501"} 5');
  expect(text).toMatch(/cria_requests_total\{route="unknown",status="421"\} \d/);
});

it("clients that leave at random leave nothing behind", async () => {
  const random = randomStream(1);
  const fraction = () => random.below(1000) / 1000;
  const files = () => (process.platform === "linux" ? readdirSync("/proc/self/fd").length : 0);
  const before = files();
  const KEPT_ALIVE = 20; // both ends of the connections that fetch keeps
  const paths = ["/v1/completions", "/v1/chat/completions", "/v1/embeddings", "/api/generate", "/completion"];
  const leave = async (i: number) => {
    const path = paths[i % paths.length]!;
    const more = {
      messages: [{ role: "user", content: `Tell me ${i}.` }],
      input: Array(20).fill(`text ${i} `.repeat(20)),
    };
    const body = JSON.stringify({ ...endless, ...more, max_tokens: 200, n_predict: 200, stream: i % 3 > 0 });
    const request = posted(body).replace("/v1/completions", path);
    const sent = i % 7 === 0 ? request.slice(0, Math.floor(fraction() * request.length)) : request;
    await new Promise((next) => setTimeout(next, fraction() * 500));
    await exchange([sent], fraction() * 400);
  };
  const [beside] = await Promise.all([witness(), ...Array.from({ length: 100 }, (_, i) => leave(i))]);
  expect(beside).toBe(expected);
  const state = async () => {
    const slots = (await (await fetch(`${server.url}/slots`)).json()) as unknown[];
    const text = await (await fetch(`${server.url}/metrics`)).text();
    const running = Number(/^cria_requests_running\{model="demo"\} (\d+)$/m.exec(text)![1]);
    return [slots.length, running];
  };
  // What had been sent may still arrive when its client has gone.
  let quiet = 0;
  for (let i = 0; i < 200 && quiet < 5; i++) {
    quiet = (await state()).some((count) => count > 0) ? 0 : quiet + 1;
    await new Promise((next) => setTimeout(next, 20));
  }
  expect(await state()).toEqual([0, 0]);
  const text = await (await fetch(`${server.url}/metrics`)).text();
  const errors = text
    .split("\n")
    .filter((line) => /requests_total.*status="5\d\d"/.test(line) && !line.includes("/slots"));
  expect(errors).toEqual([]); // who leaves is not an error of the server
  expect(Number(/^cria_failures_total\{model="demo"\} (\d+)$/m.exec(text)?.[1] ?? 0)).toBe(0);
  for (let i = 0; i < 100 && files() > before + KEPT_ALIVE; i++) await new Promise((next) => setTimeout(next, 20));
  expect(files()).toBeLessThanOrEqual(before + KEPT_ALIVE);
  expect(await witness()).toBe(expected);
});
