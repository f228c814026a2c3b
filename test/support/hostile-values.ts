// What JavaScript can put in the place of an option.

/** What the caller's own code throws in these values: it may come back as it is. */
export const own = new Error("thrown by the caller's own code");
const thrower = () => {
  throw own;
};

/** Hostile values by a name for each. They are made anew for each use. */
export const hostileValues: ReadonlyMap<string, () => unknown> = new Map<string, () => unknown>([
  ...[null, Number.NaN, Infinity, -Infinity, -0, 0, 1, 2, -1, 0.5, 2 ** 31, 2 ** 32, 2 ** 53, 1e308, 5e-324].map(
    (value): [string, () => unknown] => [Object.is(value, -0) ? "-0" : String(value), () => value],
  ),
  ...["", " ", "a", "\0", "\ud800", "\u001b[31m", "__proto__", "last", "auto", "x".repeat(100_000)].map(
    (value): [string, () => unknown] => [JSON.stringify(value.slice(0, 10)), () => value],
  ),
  ["true", () => true],
  ["false", () => false],
  ["[]", () => []],
  ["[null]", () => [null]],
  ["[[]]", () => [[]]],
  ["['a', 1]", () => ["a", 1]],
  ["a hole", () => new Array(3)],
  ["an array of 100,000", () => new Array(100_000).fill("a")],
  ["{}", () => ({})],
  ["{ a: 1 }", () => ({ a: 1 })],
  ["Object.create(null)", () => Object.create(null)],
  [
    "a circle",
    () =>
      Object.assign(
        {},
        { self: [] as unknown[] },
        {
          get me() {
            return this;
          },
        },
      ),
  ],
  ["a symbol", () => Symbol("s")],
  ["a BigInt", () => 12n],
  ["a BigInt of many digits", () => 10n ** 400n],
  ["a function", () => () => 0],
  ["a function that throws", () => thrower],
  ["a Date of NaN", () => new Date(Number.NaN)],
  ["a Map", () => new Map([["a", 1]])],
  ["a Set", () => new Set([1])],
  ["bytes", () => new Uint8Array(3)],
  ["floats", () => new Float32Array([Number.NaN, 1])],
  ["a promise", () => Promise.resolve(1)],
  ["a regular expression", () => /a/],
  ["an aborted signal", () => AbortSignal.abort(own)],
  ["like a signal", () => ({ aborted: false, throwIfAborted: () => undefined })],
  ["toString throws", () => ({ toString: thrower, valueOf: thrower, toJSON: thrower })],
  ["toString is not a function", () => ({ toString: 1, valueOf: 1 })],
  ["length throws", () => Object.defineProperty({}, "length", { get: thrower, enumerable: true })],
  ["length of 2^53", () => ({ length: 2 ** 53 })],
  ["a Proxy that throws", () => new Proxy({}, { get: thrower, has: thrower, ownKeys: thrower })],
  ["a Proxy of an array", () => new Proxy([1], {})],
  [
    "a Proxy that is revoked",
    () => {
      const { proxy, revoke } = Proxy.revocable({}, {});
      revoke();
      return proxy;
    },
  ],
  ["a URL", () => new URL("file:///nowhere/")],
  ["an http URL", () => new URL("http://127.0.0.1:1/")],
]);
