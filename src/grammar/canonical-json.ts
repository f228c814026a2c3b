// JSON in one spelling, so that values can be compared as texts.

/** JSON that is the same for equal values. */
export function canonical(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value);
  return JSON.stringify(value, (_, part: unknown) => {
    if (Object.is(part, -0)) return 0;
    if (typeof part !== "object" || part === null || Array.isArray(part)) return part;
    return Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}
