// What the kernels' cases of test/support expect, where vitest does not run them.

export function expect(got: unknown) {
  return {
    toBe(wanted: unknown): void {
      if (!Object.is(got, wanted)) throw new Error(`expected ${String(wanted)}, got ${String(got)}`);
    },
  };
}
